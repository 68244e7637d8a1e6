"""Where Newsdesk keeps its state: one folder, `NEWSDESK_HOME`, with a version stamp.

Standard library only. Every path that another module writes to is named here, and nowhere else.
"""

import os
import re
import tempfile
from pathlib import Path

from components.core import errors, fileio

REPOSITORY = Path(__file__).resolve().parents[2]
STAMP = "1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def home() -> Path:
    """The state folder: `NEWSDESK_HOME`, or `.newsdesk/` in the repository."""
    return Path(os.environ.get("NEWSDESK_HOME") or REPOSITORY / ".newsdesk").absolute()


def ensure() -> Path:
    """Creates the state folder and its stamp; checks that it can be written to.

    Raises:
        HomeError: it cannot be created or written, or carries another version's stamp.
    """
    root = home()
    if "?" in str(root):
        raise errors.HomeError(
            "NEWSDESK_HOME must be a path without `?`, behind which a database's address has its options. "
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
    found = stamp.read_text().strip()
    if found != STAMP:
        raise errors.HomeError(
            f"NEWSDESK_HOME must carry version stamp {STAMP}. Received: {stamp} says {found!r}. "
            "Use the Newsdesk version that wrote it, or set NEWSDESK_HOME to a new folder."
        )
    return root


def restrict_umask() -> None:
    """Keeps what this process makes from being writable for everybody, whatever the umask that it was started with."""
    os.umask(os.umask(0o077) | 0o002)


def safe_name(name: str, what: str) -> str:
    """Returns `name` if it is fit for a folder name, so that no name from outside can leave its folder.

    Raises:
        ValueError: it holds anything but letters, digits, `.`, `_`, `-`, or starts with a dot.
    """
    if not _NAME.fullmatch(name):
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


def staging_dir() -> Path:
    path = home() / "staging"
    path.mkdir(parents=True, exist_ok=True)
    return path
