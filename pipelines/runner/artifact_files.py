"""Which files a node's artifacts held when they were published, so that the cache gives out only what is still the same.

    artifacts/<line>/<node>/.system/files/<execution>   sha256 by path of a file, for each artifact of the execution

What is added to an artifact later, such as a page of its report, does not count. Retention removes the list with its execution.
"""

from collections.abc import Iterable
from pathlib import Path

from components.core import errors, fileio


def record(node: Path, execution: int, artifacts: Iterable[str]) -> None:
    """Lists the files of an execution's artifacts. node: the folder of all artifacts of its node."""
    fileio.write_json(_list(node, execution), {uri: _hashes(Path(uri)) for uri in artifacts})


def damage(node: Path, execution: int) -> str:
    """What differs from the list first; empty where nothing does, and where an earlier version of Newsdesk made no list."""
    try:
        artifacts = fileio.read_json(_list(node, execution)) or {}
    except errors.DamagedFile as error:
        return str(error)
    for uri, listed in artifacts.items():
        for name, wanted in listed.items():
            path = Path(uri, name)
            if not path.is_file():
                return f"{path} is gone"
            if fileio.file_hash(path) != wanted:
                return f"{path} has changed since it was written"
    return ""


def _list(node: Path, execution: int) -> Path:
    return node / ".system" / "files" / str(execution)


def _hashes(folder: Path) -> dict[str, str]:
    """sha256 by relative path. Links are left out: what they lead to has checks of its own."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {path.relative_to(folder).as_posix(): fileio.file_hash(path) for path in sorted(files)}
