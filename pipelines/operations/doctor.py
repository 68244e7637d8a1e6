"""`newsdesk doctor`: what is installed, reachable, writable and in step, and what is wrong; `--repair` mends what a crash left."""

import argparse
import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from components.core import errors, locks, paths
from components.registry import mlflow_db, model_registry, tf_serving_config
from pipelines.airflow_stack import stack_state
from pipelines.reports import model_card
from pipelines.runner import mlmd_store, node_client, runs

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


def run(args: argparse.Namespace) -> int:
    """Prints the findings; returns 0 where nothing is wrong, else 1."""
    if args.stop_server:
        print(f"node servers stopped: {node_client.stop() or 'none ran'}")
        return 0
    if args.repair:
        for done, says in repair():
            print(f"{'mended' if done else 'LEFT':<7}{says}", file=sys.stderr if args.json else sys.stdout)
    found = [{"what": what, "ok": ok, "says": says} for what, ok, says in findings()]
    if args.json:
        print(json.dumps(found, indent=1))
    else:
        for finding in found:
            print(f"{'ok' if finding['ok'] else 'WRONG':<7}{finding['what']:<28}{finding['says']}")
    return 0 if all(finding["ok"] for finding in found) else 1


def findings() -> Iterator[tuple[str, bool, str]]:
    """What was looked at, whether it is well, and what there is to say."""
    try:
        root = paths.ensure()
        yield "state folder", True, f"{root}, {shutil.disk_usage(root).free / 1e9:.1f} GB free"
    except errors.HomeError as error:
        yield "state folder", False, str(error)
        return
    for name in PACKAGES:
        try:
            yield name, True, version(name)
        except PackageNotFoundError:
            yield name, False, "not installed here; `make retrain` sets up what is missing"
    airflow = paths.REPOSITORY / ".venv-airflow" / "bin" / "airflow"
    yield (
        "Airflow environment",
        airflow.exists(),
        str(airflow) if airflow.exists() else "absent; `make retrain` sets it up",
    )
    yield from stack_state.findings()
    servers = node_client.status()
    for told in servers:
        if "error" in told:
            yield "node server", False, f"{told['socket']}: {told['error']}; `newsdesk doctor --repair` removes it"
        else:
            yield (
                "node server",
                True,
                (
                    f"pid {told['pid']}, {told['age']} s old, {told['served']} nodes served, {told['running']} running, "
                    f"{told['memory'] / 1e6:.0f} MB, {told['files']} open files"
                ),
            )
    if not servers:
        yield "node server", True, "none runs; the next node starts one"
    for line in model_registry.lines():
        yield from _line(line)
    leftovers = model_registry.leftovers()
    yield "staging", not leftovers, f"{len(leftovers)} leftovers of ended runs" if leftovers else "clean"


def _line(line: str) -> Iterator[tuple[str, bool, str]]:
    try:
        pointer, events = model_registry.champion(line), model_registry.recorded(line)
        named = model_registry.aliases(line)
    except model_registry.RegistryError as error:
        yield f"champion of {line}", False, str(error)
        return
    for number, (name,) in named.items():
        try:
            model_registry.verify(paths.serving_dir(line) / str(number))
            yield f"{name} of {line}", True, f"version {number}, complete, checksums match"
        except (model_registry.RegistryError, OSError) as error:
            remedy = "`newsdesk rollback` makes the one before serve" if name == "champion" else "a rollback would fail"
            yield f"{name} of {line}", False, f"{error}. {remedy}"
    if pointer and (not events or events[-1] != pointer["event"]):
        yield f"history of {line}", False, "the last promotion is not in the history; --repair adds it"
    for number in _unregistered(line):
        yield f"serving of {line}", False, f"version {number} was pushed and never registered; --repair sets it aside"
    if pointer and tf_serving_config.read(line) != tf_serving_config.text(
        line, paths.serving_dir(line), pointer["version"], model_registry.before(line)
    ):
        yield f"models.config of {line}", False, "does not follow the pointer; --repair writes it anew"
    removed, vanished = model_registry.removed(line), _vanished(line)
    if removed:
        yield f"serving of {line}", True, f"registered, and removed by retention: {_listed(removed)}"
    if vanished:
        yield (
            f"serving of {line}",
            False,
            f"registered, and their folders are gone: {_listed(vanished)}; --repair notes it",
        )
    bare = _without_card(line)
    if bare:
        yield f"model cards of {line}", False, f"missing for version {_listed(bare)}; --repair writes them"
    held = locks.holder(line)
    if held:
        says = f"held by run {held['run']} since {held['since']}"
        yield f"lock of {line}", held["lives"], says if held["lives"] else f"{says}, which is dead; --repair frees it"
    differs = _behind(line)
    if differs:
        yield f"MLflow's {line}", False, f"{differs}; --repair mends it"
    for says, _ in _mlmd_differs(line):
        yield f"MLMD's {line}", False, f"{says}; --repair mends it"


def _vanished(line: str) -> list[int]:
    """Registered versions whose folder is gone, and nobody wrote down why."""
    known = model_registry.removed(line)
    return [
        c["version"]
        for c in model_registry.versions(line)
        if not model_registry.folder(line, c["version"]) and c["version"] not in known
    ]


def _without_card(line: str) -> list[int]:
    found = (card["version"] for card in model_registry.versions(line))
    return [
        n
        for n in found
        if model_registry.folder(line, n) and not all(p.exists() for p in model_card.card_files(line, n).values())
    ]


def _mlmd_differs(line: str) -> list[tuple[str, Callable[[], object]]]:
    """What MLMD takes for true of a line and is not, each with what mends it; empty while a run works, or without MLMD."""
    claim, store = locks.holder(line), mlmd_store.connect()
    if store is None or (claim and claim["lives"]):
        return []
    found = []
    running = mlmd_store.unfinished(store, line)
    if running:
        said = ", ".join(f"{node} of {run}" for _, run, node in running[:3])
        found.append(
            (f"{said} still runs there, and no run works", lambda: mlmd_store.close(store, [r[0] for r in running]))
        )
    gone = mlmd_store.vanished(store, line)
    if gone:
        says = f"{len(gone)} artifacts are live there and gone from disk, such as {gone[0]}"
        found.append((says, lambda: mlmd_store.forget(store, gone)))
    return found


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))


def _unregistered(line: str) -> list[int]:
    """Versions that lie where TensorFlow Serving sees them, without a card, of runs that ended."""
    claim = locks.holder(line)
    if claim and claim["lives"]:  # it may be about to register
        return []
    pointed = {event["to"] for event in model_registry.history(line)}
    cards = {card["version"] for card in model_registry.versions(line)}
    return [n for n in model_registry.numbered(paths.serving_dir(line)) if n not in cards | pointed]


def _behind(line: str) -> str:
    """How MLflow differs from the registry's files; empty where it does not. Its SQLite file is read, as an import takes seconds."""
    cards = {card["version"] for card in model_registry.versions(line)}
    ours = {
        name: version for version, names in model_registry.aliases(line).items() for name in names if version in cards
    }
    theirs, known = {}, set()
    path = mlflow_db.path()
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute(
                "select v.version, t.value from model_versions v join model_version_tags t on t.name = v.name "
                "and t.version = v.version where v.name = ? and t.key = 'newsdesk.version' "
                "and v.current_stage <> 'Deleted_Internal'",
                (line,),
            ).fetchall()
            numbers = {theirs_: int(ours_) for theirs_, ours_ in rows}
            known = set(numbers.values())
            aliases = database.execute("select alias, version from registered_model_aliases where name = ?", (line,))
            theirs = {name: numbers.get(version) for name, version in aliases if name in ("champion", "previous")}
    except sqlite3.Error as error:
        if path.exists():
            return f"{path} cannot be read ({error})"
    missing = sorted(cards - known)
    said = [f"it lacks version {', '.join(map(str, missing))}"] if missing else []
    for name in ("champion", "previous"):
        if ours.get(name) != theirs.get(name):
            said.append(f"its alias {name} says {theirs.get(name)}, the registry says {ours.get(name)}")
    return "; ".join(said)


def repair() -> Iterator[tuple[bool, str]]:
    """Frees locks of dead runs, removes leftovers, ends servers that do not answer, and brings pointer, history, folders and
    MLflow back in step. What it cannot mend it says (False), and goes on.
    """
    paths.ensure()
    for line in model_registry.lines():
        held = locks.holder(line)
        if held and not held["lives"]:
            runs.close_run(held["run"])
            locks.free_line(line, held["run"])
            yield True, f"freed line {line} from {held['run']}"
    for path in model_registry.clear(model_registry.leftovers()):
        yield True, f"removed {path}"
    for told in node_client.status():
        if "error" in told:
            node_client.remove(Path(told["socket"]))
            yield True, f"removed {told['socket']}"
    for line in model_registry.lines():
        try:
            yield from _repair_line(line)
        except (model_registry.RegistryError, OSError, subprocess.SubprocessError) as error:
            yield False, f"{line}: {error}"


def _repair_line(line: str) -> Iterator[tuple[bool, str]]:
    try:
        model_registry.champion(line)
    except model_registry.RegistryError:
        restored = model_registry.restore_champion(line)
        if restored is None:
            raise
        yield True, f"the pointer of {line} names version {restored} again, from the history"
    with locks.line_lock(line):
        if model_registry.mend_history(line):
            yield True, f"the history of {line} holds its last promotion again"
        for number in _unregistered(line):
            aside = model_registry.held_dir(line) / str(number)
            aside.parent.mkdir(parents=True, exist_ok=True)
            os.rename(paths.serving_dir(line) / str(number), aside)
            yield True, f"version {number} of {line} is set aside in {aside}: it was never registered"
        for number in _vanished(line):
            model_registry.note_removed(line, number, "its folder was found gone")
            yield True, f"version {number} of {line} is noted as gone"
        if model_registry.tell_server(line):
            yield True, f"TensorFlow Serving's models.config of {line} follows the pointer again"
    for number in _without_card(line):
        model_card.write(line, number)
        yield True, f"the model card of {line} version {number} is written"
    for says, mend in _mlmd_differs(line):
        mend()
        yield True, f"MLMD's {line}: {says}"
    if _behind(line):
        code = "import sys; from components.registry import mlflow_sync as catalogue; from components.registry import model_registry as registry\n"
        code += "for card in registry.versions(sys.argv[1]): catalogue.follow(sys.argv[1], card, registry.aliases(sys.argv[1]))"
        command = [sys.executable, "-c", code, line]
        done = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            yield False, f"MLflow: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
        else:
            yield True, f"MLflow follows {line} again"
