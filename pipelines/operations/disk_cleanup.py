"""Frees disk: `python -m pipelines.operations.disk_cleanup`, what `make clean` calls. Prints how much before it removes anything.

Removes only what is recreated when needed: tool caches, leftovers of interrupted pushes, Airflow's logs, and with ENVIRONMENTS=1 the
installed packages. Models, artifacts, records and databases stay. Standard library only.
"""

import os
import shutil
import stat
import sys
from pathlib import Path

from components.core import fileio, paths

CACHES = (".pytest_cache", ".ruff_cache", ".hypothesis", ".import_linter_cache")
ENVIRONMENTS = (".venv", ".venv-airflow", ".tools")
SOURCES = ("components", "dags", "pipelines", "tests")


def targets(environments: bool) -> list[Path]:
    """The existing folders that would be removed."""
    root, state = paths.REPOSITORY, paths.home()
    folders = [root / name for name in CACHES]
    folders += [path for name in SOURCES for path in sorted((root / name).rglob("__pycache__"))]
    if not any((state / "registry").glob("*/run.lock")):  # a run that is under way needs them
        folders.append(state / "staging")
        if not (state / "airflow" / "stack.json").exists():
            folders.append(state / "airflow" / "logs")
    if environments:
        folders += [root / name for name in ENVIRONMENTS]
    return [path for path in folders if path.is_dir() and not path.is_symlink()]


def size(path: Path) -> int:
    """Bytes on disk of a file or of all files below a folder, each counted once; symlinks are not followed."""
    files = (status for status in fileio.statuses(path) if not stat.S_ISDIR(status.st_mode))
    return sum({(status.st_dev, status.st_ino): status.st_blocks * 512 for status in files}.values())


def main() -> int:
    """Exit code 0; 1 where something could not be removed."""
    folders = targets(os.environ.get("ENVIRONMENTS") == "1")
    sizes = {path: size(path) for path in folders}
    for path, amount in sizes.items():
        if amount >= 1 << 20:
            print(f"{amount / 2**20:10.1f} MB  {path}")
    print(f"{sum(sizes.values()) / 2**20:10.1f} MB  in {len(folders)} folders", flush=True)
    if (paths.home() / "registry").is_dir():
        print("Old versions, runs and artifacts stay; `newsdesk clean` shows what retention would free.", flush=True)
    failed = []
    for path in folders:
        shutil.rmtree(path, onerror=lambda function, name, error: failed.append(name))
    for name in failed:
        print(f"could not remove {name}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
