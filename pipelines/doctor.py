"""`newsdesk doctor`: what is installed, reachable, writable and in step, and what is wrong; `--repair` mends what a crash left."""

import argparse
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipelines import home, node_server, registry, runs

PACKAGES = ("tensorflow", "tf-keras", "tfx", "tensorflow-text", "tensorflow-hub", "tensorflow-datasets", "great-expectations", "mlflow")


def run(args: argparse.Namespace) -> int:
    """Prints the findings; returns 0 where nothing is wrong, else 1."""
    if args.stop_server:
        print(f"node servers stopped: {node_server.stop() or 'none ran'}")
        return 0
    if args.repair:
        for line in repair():
            print(f"mended  {line}")
    found = [{"what": what, "ok": ok, "says": says} for what, ok, says in findings()]
    if args.json:
        print(json.dumps(found, indent=1))
    else:
        for finding in found:
            print(f"{'ok' if finding['ok'] else 'WRONG':<7}{finding['what']:<22}{finding['says']}")
    return 0 if all(finding["ok"] for finding in found) else 1


def findings() -> Iterator[tuple[str, bool, str]]:
    """What was looked at, whether it is well, and what there is to say."""
    try:
        root = home.ensure()
        yield "state folder", True, f"{root}, {shutil.disk_usage(root).free / 1e9:.1f} GB free"
    except home.HomeError as error:
        yield "state folder", False, str(error)
        return
    for name in PACKAGES:
        try:
            yield name, True, version(name)
        except PackageNotFoundError:
            yield name, False, "not installed here; `make retrain` sets up what is missing"
    airflow = home.REPOSITORY / ".venv-airflow" / "bin" / "airflow"
    yield "Airflow environment", airflow.exists(), str(airflow) if airflow.exists() else "absent; `make retrain` sets it up"
    servers = node_server.status()
    for told in servers:
        if "error" in told:
            yield "node server", False, f"{told['socket']}: {told['error']}; `newsdesk doctor --repair` removes it"
        else:
            yield "node server", True, (
                f"pid {told['pid']}, {told['age']} s old, {told['served']} nodes served, {told['running']} running, "
                f"{told['memory'] / 1e6:.0f} MB, {told['files']} open files"
            )
    if not servers:
        yield "node server", True, "none runs; the next node starts one"
    for line in registry.lines():
        yield from _line(line)
    leftovers = _leftovers()
    yield "staging", not leftovers, f"{len(leftovers)} leftovers of ended runs" if leftovers else "clean"


def _line(line: str) -> Iterator[tuple[str, bool, str]]:
    pointer = registry.champion(line)
    if pointer:
        try:
            registry.verify(home.serving_dir(line) / str(pointer["version"]))
            yield f"champion of {line}", True, f"version {pointer['version']}, complete, checksums match"
        except (registry.RegistryError, OSError) as error:
            yield f"champion of {line}", False, f"{error}. `newsdesk rollback` makes the one before serve"
    held = registry.holder(line)
    if held:
        says = f"held by run {held['run']} since {held['since']}"
        yield f"lock of {line}", held["lives"], says if held["lives"] else f"{says}, which is dead; --repair frees it"
    followed = _catalogue_champion(line)
    if pointer and followed is not None and followed != pointer["version"]:
        yield f"MLflow's {line}", False, f"alias champion says version {followed}, the pointer says {pointer['version']}; --repair mends it"


def _catalogue_champion(line: str) -> int | None:
    """The version that MLflow's alias names, read from its SQLite file: importing MLflow would take seconds."""
    path = home.home() / "mlflow.db"
    if not path.exists():
        return None
    query = (
        "select t.value from registered_model_aliases a join model_version_tags t on t.name = a.name and t.version = a.version "
        "where a.name = ? and a.alias = 'champion' and t.key = 'newsdesk.version'"
    )
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            row = database.execute(query, (line,)).fetchone()
    except sqlite3.Error:
        return None
    return int(row[0]) if row else None


def _leftovers() -> list[Path]:
    """Folders in staging whose run has ended."""
    found = []
    for path in (home.home() / "staging").glob("*"):
        run_id = path.name.rpartition(".")[0]
        if not run_id or (home.home() / "runs" / run_id / "outcome.json").exists():
            found.append(path)
    return found


def repair() -> Iterator[str]:
    """Frees locks of dead runs, removes leftovers, ends servers that do not answer, makes MLflow follow the pointer."""
    for path in _leftovers():
        shutil.rmtree(path, ignore_errors=True)
        yield f"removed {path}"
    for told in node_server.status():
        if "error" in told:
            node_server.remove(Path(told["socket"]))
            yield f"removed {told['socket']}"
    for line in registry.lines():
        held = registry.holder(line)
        if held and not held["lives"]:
            runs.close_run(held["run"])
            registry.free_line(line, held["run"])
            yield f"freed line {line} from {held['run']}"
        pointer = registry.champion(line)
        if pointer and _catalogue_champion(line) != pointer["version"]:
            card = next((c for c in registry.versions(line) if c["version"] == pointer["version"]), None)
            if card:
                code = "import json,sys; from components import catalogue; from pipelines import registry; "
                code += "c = json.load(sys.stdin); catalogue.follow(c['line'], c, registry.aliases(c['line']))"
                subprocess.run([sys.executable, "-c", code], input=json.dumps(card), text=True, check=True)
                yield f"MLflow follows the pointer of {line} again"
