"""The entries of a source's folder: which are data files, and how the others are reported."""

import os
from pathlib import Path

FORMATS = ("csv", "tsv", "jsonl", "parquet")
COMPRESSIONS = ("", ".gz", ".zst")
DATA_SUFFIXES = tuple(f".{name}{packed}" for name in FORMATS for packed in COMPRESSIONS)


def no_data(path: Path) -> str:
    """Why an entry of a source is not read; empty for a data file."""
    if path.name[0] in "._":
        return f"not a data file (its name begins with {path.name[0]})"
    if path.is_dir():
        return "a folder in a dated folder"
    if not path.name.lower().endswith(DATA_SUFFIXES):
        return f"not a data file ({', '.join(FORMATS)})"
    if path.is_symlink() and not path.exists():
        return f"a link to a file that is not there ({shown(os.readlink(path))})"
    return "" if path.is_file() else "not a file"


def shown(name: str) -> str:
    """A name as UTF-8, which a file system does not ask for; the same where it is that already."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
