"""Cells that a spreadsheet shows and does not obey, and the way back to the text. Standard library only.

A cell that begins like a formula gets an apostrophe; so does one that begins with an apostrophe, and that makes it reversible.
"""

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_CONTROL = ("\t", "\r", "\n")  # some spreadsheets drop them and look at what follows


def safe(text: str) -> str:
    """`text` as a cell that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(("'", *_CONTROL)) or text.lstrip().startswith(FORMULA) else text


def restored(cell: str) -> str:
    """The text that `safe` made this cell of; a cell without an apostrophe is a text already."""
    return cell.removeprefix("'")
