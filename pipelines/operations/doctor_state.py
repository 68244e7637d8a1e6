"""What `newsdesk doctor` checks of the machine and of the whole state folder, and what `--repair` mends there."""

import json
import os
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from components.core import clock, errors, fileio, paths
from components.registry import model_registry
from pipelines.airflow_stack import airflow_settings, stack_state
from pipelines.config import run_config
from pipelines.runner import line_folder, node_client

Finding = tuple[str, bool, str]  # what was looked at, whether it is well, and what there is to say
Mended = tuple[bool, str]  # whether it was mended, and what there is to say

PACKAGES = (
    "tensorflow", "tf-keras", "tfx", "tensorflow-text", "tensorflow-hub", "tensorflow-datasets", "great-expectations", "mlflow",
)  # fmt: skip
LITTLE = 200e6  # bytes: a run of the smallest preset on the demo writes about this much
_OTHERS_WRITE = 0o002


def configuration() -> Iterator[Finding]:
    path = paths.home() / "newsdesk.toml"
    faults = list(_configuration_faults())
    for fault in faults:
        yield "configuration", False, f"{path}: {fault}. Correct the file, then `newsdesk doctor` looks again"
    if not faults:
        yield "configuration", True, str(path) if path.exists() else f"no {path}: the defaults, for the demo"


def line_folders() -> Iterator[Finding]:
    """The reviewed folders of the lines that have a registry or a section in newsdesk.toml."""
    try:
        lines = set(run_config.settings())
    except (ValueError, OSError):
        lines = set()  # `configuration` says why
    for line in sorted(lines | set(model_registry.lines())):
        try:
            found = list(line_folder.faults(line, run_config.labels_of(line)))
        except run_config.ConfigError as error:
            found = [str(error)]
        for fault in found:
            yield f"data_schemas/{line}", False, f"{fault}. Correct the file; no run of the line starts before"


def _configuration_faults() -> Iterator[str]:
    try:
        lines = run_config.settings()
    except (ValueError, OSError) as error:
        yield str(error)
        return
    for line, sections in lines.items():
        for name in sections:
            try:
                run_config.section(lines, line, name)
            except run_config.ConfigError as error:
                yield str(error)


def state_folder() -> Iterator[Finding]:
    try:
        root = paths.ensure()
    except errors.HomeError as error:
        yield "state folder", False, str(error)
        return
    free = shutil.disk_usage(root).free
    yield "state folder", True, f"{root}, {free / 1e9:.1f} GB free"
    if free < LITTLE:
        says = f"{root} has {free / 1e6:.0f} MB free, a run needs {LITTLE / 1e6:.0f} MB or more; `newsdesk clean` and `make clean` free some"
        yield "disk", False, says


def packages() -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield name, True, version(name)
        except PackageNotFoundError:
            yield name, False, "not installed here; `make retrain` sets up what is missing"


def airflow_environment() -> Iterator[Finding]:
    path = airflow_settings.airflow_bin() / "airflow"
    yield "Airflow environment", path.exists(), str(path) if path.exists() else f"no {path}; `make retrain` sets it up"


def airflow_parts() -> Iterator[Finding]:
    """Parts that `make up` started and that ended without `make down`."""
    yield from stack_state.findings()


def permissions() -> Iterator[Finding]:
    found = _open_to_others()
    if found:
        says = f"{len(found)} files and folders can be written by every user of this machine, such as {found[0]}"
        yield "permissions", False, f"{says}; --repair takes that away"


def _open_to_others() -> list[Path]:
    """What everybody may write to; nobody else gets into a root that is this user's alone."""
    root = paths.home()
    if not root.stat().st_mode & 0o007:
        return []
    there = (
        path
        for name in ("registry", "serving", "artifacts", "runs", "staging", "airflow")
        for path in (root / name).rglob("*")
    )
    found = [path for path in (root, *root.iterdir(), *there) if not path.is_symlink()]
    return sorted({path for path in found if path.stat().st_mode & _OTHERS_WRITE})


def close_to_others() -> Iterator[Mended]:
    found = _open_to_others()
    for path in found:
        path.chmod(path.stat().st_mode & 0o7777 & ~_OTHERS_WRITE)
    if found:
        yield True, f"{len(found)} files and folders can no longer be written by every user, such as {found[0]}"


def node_servers() -> Iterator[Finding]:
    servers = node_client.status()
    for told in servers:
        if "error" in told:
            yield "node server", False, f"{told['socket']}: {told['error']}; --repair removes it"
        else:
            says = f"pid {told['pid']}, {told['age']} s old, {told['served']} nodes served, {told['running']} running, "
            yield "node server", True, f"{says}{told['memory'] / 1e6:.0f} MB, {told['files']} open files"
    if not servers:
        yield "node server", True, "none runs; the next node starts one"


def remove_dead_servers() -> Iterator[Mended]:
    for told in node_client.status():
        if "error" in told:
            node_client.remove(Path(told["socket"]))
            yield True, f"removed {told['socket']}"


# --- JSON files ------------------------------------------------------------------------------------------------------


def damaged_files() -> Iterator[Finding]:
    for _, says in _damaged():
        yield "damaged file", False, says


def _damaged() -> Iterator[tuple[Path, str]]:
    """Files of JSON that hold none, outside what a line's own checks read."""
    root = paths.home()
    for pattern in (
        "registry/*/*.json*",
        "registry/*/run.lock",
        "registry/*/versions/*.*.json",
        "runs/*/*.json*",
        "airflow/*.json",
        "monitor/*/*/*.json",
    ):
        for path in sorted(p for p in root.glob(pattern) if p.suffix in (".json", ".jsonl", ".lock")):
            try:
                (fileio.read_json_lines if path.suffix == ".jsonl" else fileio.read_json)(path)
            except (errors.DamagedFile, OSError) as error:
                yield path, str(error)


def _replaceable(path: Path) -> bool:
    """Whether a file can be set aside; what the registry's own repairs write again cannot."""
    in_registry = path.is_relative_to(paths.home() / "registry")
    return path.suffix == ".jsonl" or not in_registry


def repair_files() -> Iterator[Mended]:
    """Sets damaged files aside; of a file of lines, those that can be read stay."""
    for path, _ in list(_damaged()):
        if not _replaceable(path):
            continue
        aside = path.with_name(f"{path.name}.damaged-{clock.now()}")
        if path.suffix == ".jsonl":
            whole = [line for line in path.read_bytes().split(b"\n")[:-1] if _is_json(line)]
            shutil.copy2(path, aside)
            fileio.write_text(path, "".join(f"{line.decode()}\n" for line in whole))
            yield True, f"{path} keeps {len(whole)} readable lines; as it was: {aside}"
        else:
            os.rename(path, aside)
            yield True, f"{path} is set aside as {aside}"


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line.decode())
        return True
    except (ValueError, RecursionError):
        return False


def staging() -> Iterator[Finding]:
    left = model_registry.leftovers()
    yield (
        "staging",
        not left,
        f"{len(left)} leftovers of ended runs in {paths.home() / 'staging'}; --repair removes them"
        if left
        else "clean",
    )


def clear_staging() -> Iterator[Mended]:
    for path in model_registry.clear(model_registry.leftovers()):
        yield True, f"removed {path}"


INSTALLED = {"packages": packages, "Airflow environment": airflow_environment}
CHECKS = {
    "data_schemas": line_folders,
    "Airflow": airflow_parts, "permissions": permissions, "node server": node_servers, "damaged files": damaged_files,
}  # fmt: skip
REPAIRS = (close_to_others, repair_files, remove_dead_servers)
