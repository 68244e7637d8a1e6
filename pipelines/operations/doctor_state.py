"""What `newsdesk doctor` checks of the machine and of the whole state folder, and what `--repair` repairs there."""

import json
import os
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from components.core import clock, errors, fileio, locks, paths
from components.registry import model_registry
from pipelines.airflow_stack import airflow_settings, stack_state
from pipelines.config import run_config
from pipelines.runner import line_folder, node_client

Finding = tuple[str, bool, str]  # what was checked, whether it is well, a message
Mended = tuple[bool, str]  # whether it was repaired, a message

PACKAGES = (
    "tensorflow",
    "tf-keras",
    "tfx",
    "tensorflow-text",
    "tensorflow-hub",
    "tensorflow-datasets",
    "great-expectations",
    "mlflow",
)
LITTLE = 200e6  # bytes: a run of the smallest preset on the demo writes about this much
_OTHERS_WRITE = 0o002


def configuration() -> Iterator[Finding]:
    path = paths.home() / "newsdesk.toml"
    faults = list(_configuration_faults())
    for fault in faults:
        where = "the file" if str(path) in fault else path
        yield "configuration", False, f"{fault}. Correct {where}, then run `newsdesk doctor` again"
    if not faults:
        yield "configuration", True, str(path) if path.exists() else f"no {path}; the defaults are used"


def line_folders() -> Iterator[Finding]:
    """The reviewed folders of the lines that have a registry or a section in newsdesk.toml."""
    try:
        lines = set(run_config.settings())
    except (ValueError, OSError):
        lines = set()  # `configuration` reports it
    for line in sorted(lines | set(model_registry.lines())):
        try:
            faults = list(line_folder.faults(line, run_config.labels_of(line)))
        except run_config.ConfigError as error:
            faults = [str(error)]
        for fault in faults:
            yield str(paths.line_dir(line)), False, f"{fault}. Correct the file; until then no run of the line starts"


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
        message = f"{root} has {free / 1e6:.0f} MB free; a run needs at least {LITTLE / 1e6:.0f} MB. Free some with `newsdesk clean` or `make clean`"
        yield "disk", False, message


def packages() -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield name, True, version(name)
        except PackageNotFoundError:
            yield name, False, "not installed; run `make setup`"


def airflow_environment() -> Iterator[Finding]:
    path = airflow_settings.airflow_bin() / "airflow"
    yield "Airflow environment", path.exists(), str(path) if path.exists() else f"{path} is missing; run `make setup`"


def airflow_parts() -> Iterator[Finding]:
    """The parts of the stack, if `make up` started it."""
    yield from stack_state.findings()


def permissions() -> Iterator[Finding]:
    open_paths = _open_to_others()
    if open_paths:
        message = (
            f"every user of this machine can write to {len(open_paths)} files and folders, such as {open_paths[0]}"
        )
        yield "permissions", False, f"{message}; --repair removes that permission"


def _open_to_others() -> list[Path]:
    """Files and folders that every user may write to; none if only this user can enter the state folder."""
    root = paths.home()
    if not root.stat().st_mode & 0o007:
        return []
    inside = (
        path
        for name in ("registry", "serving", "artifacts", "runs", "staging", "airflow")
        for path in (root / name).rglob("*")
    )
    all_paths = [path for path in (root, *root.iterdir(), *inside) if not path.is_symlink()]
    return sorted({path for path in all_paths if path.stat().st_mode & _OTHERS_WRITE})


def close_to_others() -> Iterator[Mended]:
    open_paths = _open_to_others()
    for path in open_paths:
        path.chmod(path.stat().st_mode & 0o7777 & ~_OTHERS_WRITE)
    if open_paths:
        yield (
            True,
            f"every user could write to {len(open_paths)} files and folders, such as {open_paths[0]}; now only you can",
        )


def node_servers() -> Iterator[Finding]:
    servers = node_client.status()
    for server in servers:
        if "error" in server:
            yield "node server", False, f"{server['socket']}: {server['error']}; --repair removes it"
        else:
            work = f"pid {server['pid']}, {server['age']} s old, {server['served']} nodes served, {server['running']} running, "
            yield "node server", True, f"{work}{server['memory'] / 1e6:.0f} MB, {server['files']} open files"
    if not servers:
        yield "node server", True, "not running; the next node starts it"


def remove_dead_servers() -> Iterator[Mended]:
    for server in node_client.status():
        if "error" in server:
            node_client.remove(Path(server["socket"]))
            yield True, f"removed {server['socket']}"


# --- JSON files ------------------------------------------------------------------------------------------------------


def damaged_files() -> Iterator[Finding]:
    for _, message in _damaged():
        yield "damaged file", False, message


def _damaged() -> Iterator[tuple[Path, str]]:
    """JSON files that cannot be read, except those that a line's own checks read."""
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
    """Whether a damaged file may be set aside; files that the registry's repairs write again may not."""
    in_registry = path.is_relative_to(paths.home() / "registry")
    return path.suffix == ".jsonl" or not in_registry


def repair_files() -> Iterator[Mended]:
    """Sets damaged files aside; a file of JSON lines keeps the readable ones."""
    for path, _ in list(_damaged()):
        if not _replaceable(path):
            continue
        aside = path.with_name(f"{path.name}.damaged-{clock.now()}")
        if path.suffix == ".jsonl":
            whole = [line for line in path.read_bytes().split(b"\n")[:-1] if _is_object(line)]
            shutil.copy2(path, aside)
            fileio.write_text(path, "".join(f"{line.decode()}\n" for line in whole))
            yield True, f"kept {len(whole)} readable lines of {path}; the damaged file is {aside}"
        else:
            os.rename(path, aside)
            yield True, f"moved {path} to {aside}"


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line.decode()), dict)
    except (ValueError, RecursionError):
        return False


def staging() -> Iterator[Finding]:
    left = _leftovers()
    yield (
        "staging",
        not left,
        f"{len(left)} leftovers of ended runs in {paths.home() / 'staging'}; --repair removes them"
        if left
        else "clean",
    )


def clear_staging() -> Iterator[Mended]:
    for path in model_registry.clear(_leftovers()):
        yield True, f"removed {path}"


def _leftovers() -> list[Path]:
    """Without what another process may be working on, such as a restored version or a database in the making."""
    return model_registry.leftovers(age=locks.LEASE)


INSTALLED = {"packages": packages, "Airflow environment": airflow_environment}
CHECKS = {
    "data_schemas": line_folders,
    "Airflow": airflow_parts,
    "permissions": permissions,
    "node server": node_servers,
    "damaged files": damaged_files,
}
REPAIRS = (close_to_others, repair_files, remove_dead_servers)
