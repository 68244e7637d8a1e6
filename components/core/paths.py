"""Where Newsdesk keeps its state: one folder, `NEWSDESK_HOME`, with a version stamp.

Standard library only.
"""

import os
import re
import tempfile
from pathlib import Path

from components.core import errors, fileio

REPOSITORY = Path(__file__).resolve().parents[2]
STAMP = "1"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def home() -> Path:
    """The state folder: `NEWSDESK_HOME`, or `.newsdesk/` in the repository."""
    return Path(os.environ.get("NEWSDESK_HOME") or REPOSITORY / ".newsdesk").absolute()


def ensure() -> Path:
    """Creates the state folder and its version stamp; checks that it is writable.

    Raises:
        HomeError: it cannot be created or written, or carries another version's stamp.
    """
    root = home()
    if "?" in str(root):
        raise errors.HomeError(
            "NEWSDESK_HOME must be a path without `?`, which starts the options in a database's address. "
            f"Received: {root}. Set NEWSDESK_HOME to another folder."
        )
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = root / "VERSION"
        if not stamp.exists():
            fileio.write_text(stamp, STAMP + "\n")
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise errors.HomeError(
            f"NEWSDESK_HOME must be a folder this user can write to. Received: {root} ({error.strerror}). "
            "Free space or permissions there, or set NEWSDESK_HOME to another folder."
        ) from error
    check_stamp()
    return root


def check_stamp() -> None:
    """Checks that the state folder, where it has a version stamp, has this version's. A folder without one is a new one.

    Raises:
        HomeError: it carries another version's stamp.
    """
    stamp = home() / "VERSION"
    version = stamp.read_text(errors="replace").strip() if stamp.exists() else STAMP
    if version != STAMP:
        raise errors.HomeError(
            f"NEWSDESK_HOME must carry version stamp {STAMP}. Received: {stamp} says {version!r}. "
            "Use the Newsdesk version that wrote it, or set NEWSDESK_HOME to a new folder."
        )


def restrict_umask() -> None:
    """Makes new files of this process unwritable for other users, whatever umask it was started with."""
    os.umask(os.umask(0o077) | 0o002)


def safe_name(name: str, what: str) -> str:
    """Returns `name` if it is a safe folder name, so that no outside name leads out of its folder.

    Raises:
        ValueError: it holds anything but letters, digits, `.`, `_`, `-`, or starts with a dot.
    """
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{what} must be 1 to 200 letters, digits, dots, dashes or underscores. Received: {what}={name[:80]!r}"
        )
    return name


def line_dir(line: str) -> Path:
    """The folder of a line's reviewed files: in `data_schemas/`, else in the state folder's `lines/` where it is there."""
    shared, own = REPOSITORY / "data_schemas" / line, home() / "lines" / safe_name(line, "line")
    return own if own.is_dir() and not shared.is_dir() else shared


def line_names() -> list[str]:
    """The lines that have such a folder."""
    roots = (REPOSITORY / "data_schemas", home() / "lines")
    return sorted({path.name for root in roots if root.is_dir() for path in root.iterdir() if path.is_dir()})


def run_dir(run_id: str) -> Path:
    return home() / "runs" / safe_name(run_id, "run id")


def registry_dir(line: str) -> Path:
    return home() / "registry" / safe_name(line, "line")


def serving_dir(line: str) -> Path:
    return home() / "serving" / safe_name(line, "line")


def artifacts_dir(line: str) -> Path:
    return home() / "artifacts" / safe_name(line, "line")


def monitor_dir(line: str) -> Path:
    return home() / "monitor" / safe_name(line, "line")


def scored_dir() -> Path:
    """Where a scheduler's batch scoring puts its files, one folder a run."""
    return home() / "scored"


def requests_dir(line: str) -> Path:
    """Where a prediction server logs what it is asked, one folder a day."""
    return home() / "requests" / safe_name(line, "line")


def staging_dir() -> Path:
    path = home() / "staging"
    path.mkdir(parents=True, exist_ok=True)
    return path
