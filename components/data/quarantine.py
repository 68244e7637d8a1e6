"""A row that cannot be used, as cells of a quarantine file: source, line, column, value, reason."""

from components.core import csv_escape
from components.data.row_format import BadRow

_SHOWN = 200  # characters of a value


def shown(value: str) -> str:
    """The beginning of a value; characters that UTF-8 or CSV cannot hold are written as escapes."""
    return value[:_SHOWN].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def cells(source: str, row: BadRow) -> list:
    """The cells of one row, safe to open in a spreadsheet."""
    texts = (csv_escape.safe(text) for text in (source, row.column, shown(row.value), row.reason))
    source, column, value, reason = texts
    return [source, row.line, column, value, reason]
