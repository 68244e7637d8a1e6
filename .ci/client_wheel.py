"""Builds the wheel `newsdesk-client`: `pipelines/client.py` and what it imports, as one package `newsdesk_client`. `make client`.

Nothing is listed by hand: the imports of the client are followed, and renamed in the copies. Needs setuptools, and no network.
"""

import ast
import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, ENTRY = "newsdesk_client", "pipelines.client"
# TensorFlow's version has to read what this set of packages wrote; tensorflow-text is needed by models with WordPieces alone,
# obstore to read from an object store, boto3 where its credentials are a profile's.
PROJECT = """[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "newsdesk-client"
version = "{version}"
description = "Asks the models that Newsdesk released: the champion of a line, or one exported to a file."
requires-python = ">=3.10"
license = "Apache-2.0"
dependencies = ["numpy", "tensorflow>=2.16"]

[project.optional-dependencies]
wordpiece = ["tensorflow-text"]
store = ["obstore>=0.11,<0.12"]
store-profile = ["obstore>=0.11,<0.12", "boto3"]

[tool.setuptools]
packages = {packages}
"""
INIT = '''"""Asks the models that Newsdesk released.

from newsdesk_client import Client
Client("news").classify(["Striker signs for United"])          # the champion below NEWSDESK_HOME
Client("news", store="s3://bucket/newsdesk").classify(["Striker signs for United"])   # needs newsdesk-client[store]
Client.from_file("news-3.zip").classify(["Striker signs for United"])
"""

from newsdesk_client.client import Client, InvalidConfidence, NoModel
from newsdesk_client.components.registry.manifest import RegistryError

__all__ = ["Client", "InvalidConfidence", "NoModel", "RegistryError"]
'''


def module_file(name: str) -> Path | None:
    """The source of a module of this project; None for any other."""
    path = ROOT.joinpath(*name.split("."))
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


def imported(source: str) -> set[str]:
    """The project's modules that a source imports, those within functions too."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.partition(".")[0] in ("components", "pipelines") and module_file(name)}


def closure(entry: str) -> dict[str, Path]:
    """A module and all of the project that it needs, with the packages around them."""
    found, open_ = {}, [entry]
    while open_:
        name = open_.pop()
        if name and name not in found and name != "pipelines":
            found[name] = module_file(name)
            open_ += [*imported(found[name].read_text(encoding="utf-8")), name.rpartition(".")[0]]
    return found


def renamed(source: str) -> str:
    """A source with the project's packages below the wheel's."""
    source = re.sub(r"^(\s*(?:from|import) )components\b", rf"\1{PACKAGE}.components", source, flags=re.MULTILINE)
    return source.replace("from pipelines.client import", f"from {PACKAGE}.client import")  # in docstrings


def write_sources(folder: Path) -> list[str]:
    """Writes the package's sources; returns the names of its packages."""
    for name, path in closure(ENTRY).items():
        own = "client.py" if name == ENTRY else path.relative_to(ROOT).as_posix()
        target = folder / PACKAGE / own
        target.parent.mkdir(parents=True, exist_ok=True)
        # Of the room for TFX components only the name is needed here.
        target.write_text("" if name == "components" else renamed(path.read_text(encoding="utf-8")), encoding="utf-8")
    (folder / PACKAGE / "__init__.py").write_text(INIT, encoding="utf-8")
    return sorted({path.parent.relative_to(folder).as_posix().replace("/", ".") for path in folder.rglob("*.py")})


def version() -> str:
    """The project's own."""
    return re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]


def build(out: Path) -> Path:
    """The wheel, built into a folder."""
    from setuptools import build_meta

    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="newsdesk-client-") as place:
        folder = Path(place)
        packages = write_sources(folder)
        (folder / "pyproject.toml").write_text(PROJECT.format(version=version(), packages=packages), encoding="utf-8")
        before = Path.cwd()
        os.chdir(folder)
        try:
            return out / build_meta.build_wheel(str(out))
        finally:
            os.chdir(before)


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist").resolve()))
