"""What `newsdesk doctor` checks of one line, and what `--repair` mends there: pointer, history, folders, cards, lock, MLMD, MLflow."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator

from components.core import clock, errors, locks, paths
from components.registry import lost_moves, mlflow_db, model_registry, postgresql, tf_serving_config, version_card
from pipelines.airflow_stack import stack_state
from pipelines.operations import doctor_databases
from pipelines.operations.doctor_state import Finding, Mended
from pipelines.reports import model_card
from pipelines.runner import mlmd_store, runs


def checks(line: str) -> dict[str, Callable[[str], Iterator[Finding]]]:
    """The checks of a line, by what they look at; without a whole pointer only those that need none."""
    try:
        model_registry.champion(line), model_registry.recorded(line), model_registry.aliases(line)
        model_registry.versions(line)
    except Exception:  # `_pointer` says why, or the damaged file was named before
        return {"champion": _pointer, "records": _records, "lock": _lock}
    return {
        "champion": _pointer, "records": _records, "versions": _versions, "history": _history, "serving": _folders, "models.config": _serving_config,
        "model cards": _cards, "lock": _lock, "MLflow": _mlflow, "MLMD": _mlmd,
    }  # fmt: skip


def _pointer(line: str) -> Iterator[Finding]:
    try:
        model_registry.champion(line), model_registry.recorded(line), model_registry.aliases(line)
    except (model_registry.RegistryError, errors.HomeError) as error:
        yield f"champion of {line}", False, str(error)


def _records(line: str) -> Iterator[Finding]:
    for error in version_card.damaged(line).values():
        yield "damaged file", False, str(error)


def _versions(line: str) -> Iterator[Finding]:
    for number, (name,) in model_registry.aliases(line).items():
        try:
            model_registry.verify(paths.serving_dir(line) / str(number))
            yield f"{name} of {line}", True, f"version {number}, complete, checksums match"
        except (model_registry.RegistryError, OSError) as error:
            remedy = "`newsdesk rollback` makes the one before serve" if name == "champion" else "a rollback would fail"
            yield f"{name} of {line}", False, f"{error}. {remedy}"


def _history(line: str) -> Iterator[Finding]:
    pointer, events = model_registry.champion(line), model_registry.recorded(line)
    if pointer and (not events or events[-1] != pointer["event"]):
        yield f"history of {line}", False, "the last promotion is not in the history; --repair adds it"
    missing, noted = lost_moves.missing(line), lost_moves.unknown(line)
    new = [number for number in missing if number not in noted]
    path, count = paths.registry_dir(line) / "promotions.jsonl", model_registry.history(line)[-1:]
    if new:
        says = f"{len(new)} of {count[0]['sequence']} moves are missing ({_listed(new)})"
        mend = "restore the file from a backup; or --repair writes those that runs and versions tell, and notes the others as unknown"
        yield f"history of {line}", False, f"{path}: {says}; {mend}"
    elif missing:
        says = f"{len(missing)} of {count[0]['sequence']} moves are not known ({_listed(missing)})"
        yield f"history of {line}", True, f"{says}; only a backup of {path} would tell them"


def _folders(line: str) -> Iterator[Finding]:
    for number in unregistered(line):
        yield f"serving of {line}", False, f"version {number} was pushed and never registered; --repair sets it aside"
    removed, gone = model_registry.removed(line), vanished(line)
    if removed:
        yield f"serving of {line}", True, f"registered, and removed by retention: {_listed(removed)}"
    if gone:
        says = f"registered, and their folders are gone: {_listed(gone)}; --repair notes it"
        yield f"serving of {line}", False, says


def _serving_config(line: str) -> Iterator[Finding]:
    pointer = model_registry.champion(line)
    if pointer and tf_serving_config.read(line) != tf_serving_config.text(
        line, paths.serving_dir(line), pointer["version"], model_registry.before(line)
    ):
        yield f"models.config of {line}", False, "does not follow the pointer; --repair writes it anew"


def _cards(line: str) -> Iterator[Finding]:
    bare = without_card(line)
    if bare:
        yield f"model cards of {line}", False, f"missing for version {_listed(bare)}; --repair writes them"


def _lock(line: str) -> Iterator[Finding]:
    held, path = locks.holder(line), paths.registry_dir(line) / "run.lock"
    if not held:
        return
    says = f"held by run {held['run']} since {held['since']}"
    if not held["lives"]:
        yield f"lock of {line}", False, f"{path} is {says}, which is dead; --repair frees it"
    elif _waits_for_nobody(held):
        frees = "; --repair frees the line" if held["silent"] else ""
        says = f"{path} is {says}, and Airflow's scheduler does not run; `make up` lets the run go on{frees}"
        yield f"lock of {line}", False, says
    else:
        silent = f", silent for over {locks.LEASE // 60} minutes; `newsdesk doctor --free {line}` frees it if nobody wants the run"
        yield f"lock of {line}", True, says + (silent if held["silent"] else "")


def _waits_for_nobody(held: dict) -> bool:
    """Whether a run without a process of its own waits for a scheduler of this machine that is down."""
    return not held["owner"] and held["host"] == socket.gethostname() and stack_state.is_down("scheduler")


def _mlflow(line: str) -> Iterator[Finding]:
    differs = "" if doctor_databases.mlflow_fault() else behind(line)
    if differs:
        yield f"MLflow's {line}", False, f"{differs}; --repair mends it"


def _mlmd(line: str) -> Iterator[Finding]:
    for says, _ in mlmd_differs(line):
        yield f"MLMD's {line}", False, f"{says}; --repair mends it"


def vanished(line: str) -> list[int]:
    """Registered versions whose folder is gone, and nobody wrote down why."""
    known = model_registry.removed(line)
    cards = model_registry.versions(line)
    return [c["version"] for c in cards if not model_registry.folder(line, c["version"]) and c["version"] not in known]


def without_card(line: str) -> list[int]:
    found = (card["version"] for card in model_registry.versions(line))
    return [
        n
        for n in found
        if model_registry.folder(line, n) and not all(p.exists() for p in model_card.card_files(line, n).values())
    ]


def mlmd_differs(line: str) -> list[tuple[str, Callable[[], object]]]:
    """What MLMD takes for true of a line and is not, each with what mends it; empty while a run works, or without MLMD."""
    claim = locks.holder(line)
    if (claim and claim["lives"]) or doctor_databases.metadata_fault():
        return []
    store = mlmd_store.connect()
    if store is None:
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


def unregistered(line: str) -> list[int]:
    """Versions that lie where TensorFlow Serving sees them, without a card, of runs that ended."""
    claim = locks.holder(line)
    if claim and claim["lives"]:  # it may be about to register
        return []
    pointed = {event["to"] for event in model_registry.history(line)}
    cards = {card["version"] for card in model_registry.versions(line)}
    return [n for n in model_registry.numbered(paths.serving_dir(line)) if n not in cards | pointed]


def behind(line: str) -> str:
    """How MLflow differs from the registry's files; empty where it does not. Its SQLite file is read, as an import takes seconds."""
    cards = {card["version"] for card in model_registry.versions(line)}
    ours = {
        name: version for version, names in model_registry.aliases(line).items() for name in names if version in cards
    }
    theirs, known = {}, set()
    try:
        rows = mlflow_db.query(
            "select v.version, t.value from model_versions v join model_version_tags t on t.name = v.name "
            "and t.version = v.version where v.name = ? and t.key = 'newsdesk.version' "
            "and v.current_stage <> 'Deleted_Internal'",
            (line,),
        )
        numbers = {theirs_: int(ours_) for theirs_, ours_ in rows}
        known = set(numbers.values())
        aliases = mlflow_db.query("select alias, version from registered_model_aliases where name = ?", (line,))
        theirs = {name: numbers.get(version) for name, version in aliases if name in ("champion", "previous")}
    except Exception as error:  # sqlite3's and psycopg2's have no common class
        if mlflow_db.path().exists() or postgresql.configured(postgresql.MLFLOW):
            return f"{mlflow_db.shown()} cannot be read ({error})"
    missing = sorted(cards - known)
    said = [f"it lacks version {', '.join(map(str, missing))}"] if missing else []
    for name in ("champion", "previous"):
        if ours.get(name) != theirs.get(name):
            said.append(f"its alias {name} says {theirs.get(name)}, the registry says {ours.get(name)}")
    return "; ".join(said)


# --- mending ---------------------------------------------------------------------------------------------------------


def free_lock(line: str, asked: bool = False) -> Iterator[Mended]:
    """Closes the run of a lock that is dead, or silent while its scheduler is down, and frees the line.

    asked: whether somebody wants the line freed from a silent run whatever its scheduler does. A run that shows life keeps it.
    """
    held = locks.holder(line)
    if not held:
        if asked:
            yield True, f"line {line} is free already"
        return
    quiet = f", silent for over {locks.LEASE // 60} minutes"
    if not held["lives"]:
        why = ""
    elif held["silent"] and asked:
        why = f"{quiet}, as you asked"
    elif held["silent"] and _waits_for_nobody(held):
        why = f"{quiet}: Airflow's scheduler does not run"
    else:
        if asked:
            yield False, f"line {line} stays with run {held['run']}, which shows life; stop the run first"
        return
    if held["run"] != locks.UNREADABLE:
        runs.close_run(held["run"])
    locks.free_line(line, held["run"])
    yield True, f"freed line {line} from {held['run']}{why}"


def repair_pointer(line: str) -> Iterator[Mended]:
    try:
        model_registry.champion(line)
    except model_registry.RegistryError:
        restored = model_registry.restore_champion(line)
        if restored is None:
            raise
        yield True, f"the pointer of {line} names version {restored} again, from the history"


def repair_files(line: str) -> Iterator[Mended]:
    """History, served folders and TensorFlow Serving's file."""
    model_registry.champion(line)  # without a whole pointer nobody knows what is unregistered
    with locks.line_lock(line):
        if model_registry.mend_history(line):
            yield True, f"the history of {line} holds its last promotion again"
        for number in unregistered(line):
            aside = model_registry.held_dir(line) / str(number)
            if aside.exists():
                aside = aside.with_name(f"{number}.{clock.now()}")
            aside.parent.mkdir(parents=True, exist_ok=True)
            os.rename(paths.serving_dir(line) / str(number), aside)
            yield True, f"version {number} of {line} is set aside in {aside}: it was never registered"
        for number in vanished(line):
            model_registry.note_removed(line, number, "its folder was found gone")
            yield True, f"version {number} of {line} is noted as gone"
        if model_registry.tell_server(line):
            yield True, f"TensorFlow Serving's models.config of {line} follows the pointer again"


def repair_history(line: str) -> Iterator[Mended]:
    """Writes lost moves that runs and versions tell, and notes the others."""
    found = lost_moves.refill(line)
    if found:
        yield True, f"the history of {line} holds move {_listed(found)} again, from the records of runs and versions"
    noted = lost_moves.unknown(line)
    left = [number for number in lost_moves.missing(line) if number not in noted]
    if left:
        lost_moves.note(line, left)
        yield True, f"move {_listed(left)} of {line} is noted as unknown: no run and no version tells it"


def repair_records(line: str) -> Iterator[Mended]:
    for number in version_card.damaged(line):
        version_card.repair(line, number)
        yield True, f"the record of {line} version {number} is written again, from its origin"


def repair_cards(line: str) -> Iterator[Mended]:
    for number in without_card(line):
        model_card.write(line, number)
        yield True, f"the model card of {line} version {number} is written"


def repair_metadata(line: str) -> Iterator[Mended]:
    for says, mend in mlmd_differs(line):
        mend()
        yield True, f"MLMD's {line}: {says}"


def repair_mlflow(line: str) -> Iterator[Mended]:
    if not behind(line):
        return
    code = "import sys; from components.registry import mlflow_sync as catalogue; from components.registry import model_registry as registry\n"
    code += (
        "for card in registry.versions(sys.argv[1]): catalogue.follow(sys.argv[1], card, registry.aliases(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, line]
    done = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        yield False, f"MLflow: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    else:
        yield True, f"MLflow follows {line} again"


REPAIRS = (
    repair_pointer, repair_records, repair_history, repair_files, repair_cards, repair_metadata, repair_mlflow,
)  # fmt: skip
