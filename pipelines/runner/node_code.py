"""Which project files each node can import, and hashes over them and over the installed libraries.

Found by following imports from the module in `components` that defines the node, so that no list has to be kept: import
statements wherever they stand, a dotted name or the name of a neighbouring file as a string (how TFX finds `run_fn` and the
canary its probe), and the whole package of a module that imports by a computed name. Standard library only.
"""

import dis
import hashlib
import platform
import re
import sysconfig
from collections.abc import Iterator, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

from components.core import paths
from pipelines.flow import FLOW

ROOTS = "components"  # the package whose modules define the nodes
LIBRARIES = "installed libraries"
# Among the libraries: this project's own entry, whose code is hashed by file; and Spark (`spark.lock`), which changes where rows
# are compared and not what comes of it.
_UNCOUNTED = ("newsdesk-", "py4j-", "pyspark-")
_NAME = re.compile(r"[\w./-]+\.\w+")


def snapshot() -> dict:
    """`code`: one hash over everything; `node_code`: one for each node, over its files and the libraries; `code_files`: each
    file's own hash by its path in the repository, and that of the libraries."""
    known: dict[Path, list[Path]] = {}
    files = {node.name: files_of(node.name, known) for node in FLOW}
    hashes = _hashes({path for paths in files.values() for path in paths})
    nodes = {
        name: _digest({LIBRARIES: hashes[LIBRARIES], **{key: hashes[key] for key in map(_key, paths)}})
        for name, paths in files.items()
    }
    return {"code": _digest(hashes), "node_code": nodes, "code_files": hashes}


def changed(code_files: Mapping[str, str]) -> list[str]:
    """Names in a snapshot's `code_files` whose content is another one now, or gone."""
    now = _hashes(paths.REPOSITORY / name for name in code_files if name != LIBRARIES)
    return sorted(name for name, digest in code_files.items() if now.get(name) != digest)


def library_hash() -> str:
    """sha256 over Python's version and the names and versions of the packages installed in this environment.

    Without `_UNCOUNTED`. Its own folders only: setuptools adds one with packages of its own to the path whenever something imports it.
    """
    folders = {Path(sysconfig.get_paths()[name]) for name in ("purelib", "platlib")}
    names = {path.name for folder in folders for kind in ("dist", "egg") for path in folder.glob(f"*.{kind}-info")}
    third_party = sorted(name for name in names if not name.startswith(_UNCOUNTED))
    return hashlib.sha256("\n".join([platform.python_version(), *third_party]).encode()).hexdigest()


def files_of(node: str, known: dict[Path, list[Path]] | None = None) -> list[Path]:
    """The project files that a node can import, sorted; none for a node that a library defines.

    known: what each file reaches, filled by the search, so that a file is read once for all nodes.
    """
    known = {} if known is None else known
    defines = re.compile(rf"^(?:class|def) {node}\b".encode(), re.MULTILINE)
    waiting = [path for path in (paths.REPOSITORY / ROOTS).rglob("*.py") if defines.search(path.read_bytes())]
    reached: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            if path not in known:
                known[path] = list(_reached(path)) if path.suffix == ".py" else []
            waiting += known[path]
    return sorted(reached)


def _reached(path: Path) -> Iterator[Path]:
    """The files that a module can import or names, and those of the packages around it."""
    module = path.relative_to(paths.REPOSITORY).with_suffix("")
    package = module.parent.parts
    for end in range(1, len(package) + 1):
        yield from _files(package[:end])
    for code in _codes(SourceFileLoader(".".join(module.parts), str(path)).get_code(".".join(module.parts))):
        for level, names, target in _imports(code):
            base = (
                (*package[: len(package) + 1 - level], *filter(None, target.split("."))) if level else target.split(".")
            )
            for end in range(1, len(base) + 1):
                yield from _files(base[:end])
            for name in names or ():
                yield from _files([*base, name])
        if {"import_module", "__import__"} & set(code.co_names):
            yield from path.parent.rglob("*.py")
        for text in filter(_NAME.fullmatch, _texts(code.co_consts)):
            if (path.parent / text).is_file():
                yield path.parent / text
            parts = text.split(".")
            for end in range(1, len(parts) + 1):
                yield from _files(parts[:end])


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and all within it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner)


def _texts(constants) -> Iterator[str]:
    """The strings among a code object's constants, also those in tuples and sets."""
    for constant in constants:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, (tuple, frozenset)):
            yield from _texts(constant)


def _imports(code: CodeType) -> Iterator[tuple[int, tuple[str, ...] | None, str]]:
    """(level, names, module) of each import statement: the two values before the instruction, and its own."""
    if dis.opmap["IMPORT_NAME"] not in code.co_code[::2]:
        return
    before = []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            yield before[-2], before[-1], instruction.argval
        before = [*before[-1:], instruction.argval]


def _files(parts) -> Iterator[Path]:
    """The project's file of a module or package of this name, where there is one."""
    where = paths.REPOSITORY.joinpath(*parts)
    for path in (where.with_suffix(".py"), where / "__init__.py"):
        if parts and path.is_file():
            yield path


def _key(path: Path) -> str:
    return path.relative_to(paths.REPOSITORY).as_posix()


def _hashes(paths) -> dict[str, str]:
    hashes = {_key(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()}
    return {LIBRARIES: library_hash(), **dict(sorted(hashes.items()))}


def _digest(hashes: Mapping[str, str]) -> str:
    return hashlib.sha256("\n".join(f"{name} {hashes[name]}" for name in sorted(hashes)).encode()).hexdigest()
