"""Cells that a spreadsheet shows and does not obey, and the way back to the text. Standard library only.

A cell that begins like a formula gets an apostrophe; so does one that begins with an apostrophe, and that makes it reversible.
"""

import unicodedata

_FORMULA = ("=", "+", "-", "@")
_CONTROL = ("\t", "\r", "\n")  # some spreadsheets drop them and look at what follows


def safe(text: str) -> str:
    """`text` as a cell that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(("'", *_CONTROL)) or _first_shown(text) in _FORMULA else text


def restored(cell: str) -> str:
    """The text that `safe` made this cell of; a cell without an apostrophe is a text already."""
    return cell.removeprefix("'")


def _first_shown(text: str) -> str:
    """The first character that is seen, full-width and other forms of it as the plain one; "" where there is none.

    Blanks, control characters, format characters (zero-width space, byte order mark, soft hyphen, word joiner) and marks without
    a letter are passed over, as programs do that read a cell.
    """
    for character in text:
        unseen = character.isspace() or not character.isprintable() or unicodedata.category(character) in ("Mn", "Me")
        if not unseen:
            return unicodedata.normalize("NFKC", character)[:1]
    return ""
