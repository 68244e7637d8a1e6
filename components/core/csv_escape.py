"""Escapes CSV cells that a spreadsheet would run as a formula, reversibly. Standard library only.

A cell that begins like a formula gets a leading apostrophe; so does one that begins with an apostrophe, which makes it reversible.
"""

import unicodedata

_FORMULA = ("=", "+", "-", "@")
_CONTROL = ("\t", "\r", "\n")  # some spreadsheets skip them and read on


def safe(text: str) -> str:
    """`text` as a cell that no spreadsheet evaluates."""
    return "'" + text if text.startswith(("'", *_CONTROL)) or _first_shown(text) in _FORMULA else text


def restored(cell: str) -> str:
    """Undoes `safe`; a cell without an apostrophe is returned as it is."""
    return cell.removeprefix("'")


def _first_shown(text: str) -> str:
    """The first visible character, full-width and other forms normalised (NFKC); "" where there is none.

    Blanks, control characters, format characters (zero-width space, byte order mark, soft hyphen, word joiner) and combining marks
    are skipped, as spreadsheets do.
    """
    for character in text:
        unseen = character.isspace() or not character.isprintable() or unicodedata.category(character) in ("Mn", "Me")
        if not unseen:
            return unicodedata.normalize("NFKC", character)[:1]
    return ""
