"""What interrupted work left in `staging/`. Standard library only."""

import math
import shutil
import time
from pathlib import Path

from components.core import fileio, locks, paths


def leftovers(age: float = 0) -> list[Path]:
    """Files and folders in `staging/` that belong to no running run; their names are `<run>.<anything>`.

    age: least number of seconds since the last change of anything in them: what is younger may be another process's work.
    """
    held = [locks.holder(path.parent.name) for path in (paths.home() / "registry").glob("[!.]*/run.lock")]
    working = {claim["run"] for claim in held if claim and claim["lives"]}
    left = (path for path in (paths.home() / "staging").glob("*") if path.name.rpartition(".")[0] not in working)
    return sorted(path for path in left if not age or time.time() - _last_change(path) > age)


def _last_change(path: Path) -> float:
    """Seconds since 1970; for what has gone meanwhile no age counts."""
    return max((status.st_mtime for status in fileio.statuses(path)), default=math.inf)


def clear(paths: list[Path]) -> list[Path]:
    """Removes files and folders; returns those that are gone."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return [path for path in paths if not path.exists()]
