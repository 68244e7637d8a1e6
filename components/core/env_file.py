"""`newsdesk.env` in the state folder: the databases and the broker that every command on this folder uses.

One NAME=value a line, without quotes; `#` starts a comment line. A variable of the environment wins over the file.
Standard library only.
"""

import os
import re
from collections.abc import MutableMapping
from pathlib import Path

from components.core import errors, paths

NAME = re.compile(r"(NEWSDESK|AIRFLOW|OPENLINEAGE|OTEL)_[A-Z0-9_]+")


def file() -> Path:
    return paths.home() / "newsdesk.env"


def load(environ: MutableMapping[str, str] = os.environ) -> None:
    """Adds the variables of the file to `environ`; does nothing where there is no file.

    Raises:
        HomeError: a line is no NAME=value, or other users can read the file, which may hold passwords.
    """
    try:
        text = file().read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    if file().stat().st_mode & 0o077:
        raise errors.HomeError(
            f"{file()} must be readable by its owner alone: it may hold passwords. Run: chmod 600 {file()}"
        )
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not NAME.fullmatch(name.strip()) or name.strip() == "NEWSDESK_HOME":
            raise errors.HomeError(
                f"{file()}, line {number}, must be NAME=value with a name that begins with NEWSDESK_, AIRFLOW_, OPENLINEAGE_ or OTEL_, "
                f"other than NEWSDESK_HOME. Received: {name.strip()[:40]!r}"
            )
        environ.setdefault(name.strip(), value.strip())
