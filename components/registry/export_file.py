"""A version as one file for other machines: model, card and checksums in a zip, complete or not at all. Standard library only.

<line>-<N>/model/…                    the SavedModel, with its manifest
<line>-<N>/card.json, .md, .html      the version's card
<line>-<N>/SHA256SUMS                 of all of these: `sha256sum --check SHA256SUMS` in the unpacked folder
"""

import errno
import re
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from components.core import fileio, paths
from components.registry import manifest
from components.registry.manifest import RegistryError
from components.registry.version_folders import card_path, folder

SUMS, MODEL = "SHA256SUMS", "model"
_TOP = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,199})-([1-9]\d{0,8})")
# What Python raises where bytes of a zip file differ. Of OSError's numbers: none from a decompressor, EINVAL for a place before the file.
_DAMAGED = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error)
_NO_ZIP = (None, errno.EINVAL)
_WHEN = (1980, 1, 1, 0, 0, 0)  # the same version gives the same bytes


def write(line: str, version: int, target: Path) -> dict[str, str]:
    """Exports a version to `target`; returns sha256 by name of what is in it.

    Raises:
        RegistryError: there is no such version, or its files do not match its manifest.
        OSError: the file cannot be written.
    """
    place = folder(line, version)
    if place is None:
        raise RegistryError(
            f"a version must exist in line {line!r}. Received: version {version}; `newsdesk models` lists what there is"
        )
    names = [*manifest.verify(place)["files"], manifest.MANIFEST]
    card = card_path(line, version)
    files = {f"{MODEL}/{name}": place / name for name in names}
    cards = {f"card{end}": _card(card, end) for end in (".json", ".md", ".html")}
    files |= {name: path for name, path in cards.items() if path.is_file()}
    sums = {name: fileio.file_hash(path) for name, path in files.items()}
    top = f"{paths.safe_name(line, 'line')}-{int(version)}"
    with fileio.replacing(target) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        listed = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
        archive.writestr(_info(f"{top}/{SUMS}"), listed)
        for name in sorted(files):
            with (
                open(files[name], "rb") as source,
                archive.open(_info(f"{top}/{name}"), "w", force_zip64=True) as entry,
            ):
                shutil.copyfileobj(source, entry, 1 << 20)
    return sums


def unpack(file: Path, into: Path) -> tuple[str, int, Path]:
    """Unpacks an export below a folder; returns its line, its version and the folder of its model, every file compared.

    Raises:
        RegistryError: it is no export, or not as it was written.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            top, sums = _listed(archive, file)
            for name, digest in sums.items():
                path = into / top[0] / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(f"{top[0]}/{name}") as entry, open(path, "wb") as target:
                    shutil.copyfileobj(entry, target, 1 << 20)
                if fileio.file_hash(path) != digest:
                    raise RegistryError(f"an export's files must match its checksums. Received: {file}, {name} differs")
    except (*_DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_ZIP:
            raise
        raise RegistryError(
            f"an export must be a whole zip file, as `newsdesk export` writes it. Received: {file} ({error})"
        ) from error
    model = into / top[0] / MODEL
    manifest.verify(model)
    return top[1], top[2], model


def _listed(archive: zipfile.ZipFile, file: Path) -> tuple[tuple[str, str, int], dict[str, str]]:
    """((folder, line, version), sha256 by name) of an export; nothing in it may be unlisted, or lie elsewhere once unpacked."""
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    match = _TOP.fullmatch(names[0].partition("/")[0]) if names else None
    if not match or f"{match[0]}/{SUMS}" not in names:
        raise RegistryError(f"an export must hold one version with its {SUMS}. Received: {file}")
    lines = archive.read(f"{match[0]}/{SUMS}").decode().splitlines()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    wrong = sorted(set(names) ^ {f"{match[0]}/{name}" for name in (*sums, SUMS)})
    wrong += [name for name in sums if ".." in PurePosixPath(name).parts or name.startswith("/") or "\\" in name]
    if wrong:
        raise RegistryError(
            f"an export must hold what its {SUMS} lists. Received: {file}, {str(wrong[0])[:80]!r} differs"
        )
    return (match[0], match[1], int(match[2])), sums


def _card(card: Path, end: str) -> Path:
    return card if end == ".json" else card.with_suffix(f".card{end}")


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _WHEN)
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return info
