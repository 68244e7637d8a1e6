"""What `newsdesk doctor` checks of one line: pointer, history, folders, cards, lock, MLMD, MLflow."""

import socket
from collections.abc import Callable, Iterable, Iterator

from components.core import errors, locks, paths
from components.registry import (
    lost_champion,
    lost_moves,
    mlflow_db,
    model_registry,
    postgresql,
    tf_serving_config,
    version_card,
)
from pipelines.airflow_stack import stack_state
from pipelines.operations import doctor_databases, doctor_store
from pipelines.operations.doctor_state import Finding
from pipelines.reports import model_card
from pipelines.runner import mlmd_store


def checks(line: str) -> dict[str, Callable[[str], Iterator[Finding]]]:
    """The checks of a line, by name; if its pointer or a card is damaged, only those that work without."""
    try:
        model_registry.champion(line), model_registry.recorded(line), model_registry.aliases(line)
        model_registry.versions(line)
    except Exception:  # `_pointer` or `_records` reports it
        return {"champion": _pointer, "records": _records, "lock": _lock}
    return {
        "champion": _pointer,
        "records": _records,
        "versions": _versions,
        "history": _history,
        "serving": _folders,
        "models.config": _serving_config,
        "model cards": _cards,
        "lock": _lock,
        "object store": doctor_store.check,
        "MLflow": _mlflow,
        "MLMD": _mlmd,
    }


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
            model_registry.verify(model_registry.served_folder(line, number))
            yield f"{name} of {line}", True, f"version {number}, complete, checksums match"
        except (model_registry.RegistryError, OSError) as error:
            remedy = _way_out(line) if name == "champion" else "A rollback would fail"
            restore = "--repair makes it again where the artifact store or the object store still has its model"
            yield f"{name} of {line}", False, f"{error}; {restore}. {remedy}"


def _way_out(line: str) -> str:
    """What a person can do about a champion that is damaged and cannot be restored."""
    if lost_champion.is_lost(model_registry.champion(line)):
        return "It is recorded as lost: the next run can release without a comparison with it"
    if (previous := lost_champion.way_back(line)) is not None:
        return f"Else `newsdesk rollback --line {line}` returns to version {previous}"
    return (
        f"Else restore its folder from a backup, or `newsdesk rollback --lost --line {line}` lets the next run release without a "
        "comparison with it"
    )


def _history(line: str) -> Iterator[Finding]:
    pointer, events = model_registry.champion(line), model_registry.recorded(line)
    path = paths.registry_dir(line) / "promotions.jsonl"
    if pointer and (not events or events[-1] != pointer["event"]):
        yield f"history of {line}", False, f"{path} lacks the last move of the champion pointer; --repair adds it"
    missing, noted = lost_moves.missing(line), lost_moves.unknown(line)
    new = [number for number in missing if number not in noted]
    count = model_registry.history(line)[-1:]
    if new:
        message = f"{len(new)} of {count[0]['sequence']} moves are missing ({listed(new)})"
        remedy = "restore the file from a backup, or run --repair: it restores what the records of runs and versions prove, and marks the rest as unknown"
        yield f"history of {line}", False, f"{path}: {message}; {remedy}"
    elif missing:
        message = f"{len(missing)} of {count[0]['sequence']} moves are unknown ({listed(missing)})"
        yield f"history of {line}", True, f"{message}; only a backup of {path} has them"


def _folders(line: str) -> Iterator[Finding]:
    for number in unregistered(line):
        yield (
            f"serving of {line}",
            False,
            f"version {number} was pushed but never registered; --repair moves it out of the served folder",
        )
    removed = [n for n in model_registry.removed(line) if n not in needed(line) and not model_registry.folder(line, n)]
    gone = vanished(line)
    if removed:
        yield f"serving of {line}", True, f"removed by retention: version {listed(removed)}"
    if gone:
        yield (
            f"serving of {line}",
            False,
            f"the folder of registered version {listed(gone)} is gone; restore it from a backup, or --repair records the loss",
        )


def _serving_config(line: str) -> Iterator[Finding]:
    pointer = model_registry.champion(line)
    if pointer and tf_serving_config.read(line) != tf_serving_config.text(
        line, paths.serving_dir(line), pointer["version"], model_registry.rollback_target(line)
    ):
        yield f"models.config of {line}", False, "does not follow the pointer; --repair rewrites it"


def _cards(line: str) -> Iterator[Finding]:
    bare = without_card(line)
    if bare:
        yield f"model cards of {line}", False, f"missing for version {listed(bare)}; --repair writes them"


def _lock(line: str) -> Iterator[Finding]:
    held, path = locks.holder(line), paths.registry_dir(line) / "run.lock"
    if not held:
        return
    holder = f"held by run {held['run']} since {held['since']}"
    if held["run"] == locks.UNREADABLE:
        yield f"lock of {line}", False, f"{path} cannot be read, so it locks nothing; --repair removes it"
    elif not held["lives"]:
        yield f"lock of {line}", False, f"{path} is {holder}, but that run is dead; --repair frees the line"
    elif scheduler_is_gone(held):
        frees = ", or --repair frees the line" if held["silent"] else ""
        message = f"{path} is {holder}, but Airflow's scheduler is not running; `make up` continues the run{frees}"
        yield f"lock of {line}", False, message
    else:
        silent = f", silent for over {locks.LEASE // 60} minutes; `newsdesk doctor --free {line}` frees the line if the run is no longer wanted"
        yield f"lock of {line}", True, holder + (silent if held["silent"] else "")


def scheduler_is_gone(held: dict) -> bool:
    """Whether a run without a process of its own waits for a scheduler on this machine that is down."""
    return not held["owner"] and held["host"] == socket.gethostname() and stack_state.is_down("scheduler")


def _mlflow(line: str) -> Iterator[Finding]:
    differs = "" if doctor_databases.mlflow_fault() else behind(line)
    if differs:
        yield f"MLflow's {line}", False, f"{differs}; --repair brings it up to date"


def _mlmd(line: str) -> Iterator[Finding]:
    for message, _ in mlmd_differs(line):
        yield f"MLMD's {line}", False, f"{message}; --repair corrects it"


def needed(line: str) -> list[int]:
    """The versions that must be whole: the champion, and the one a rollback returns to."""
    return list(model_registry.aliases(line))


def vanished(line: str) -> list[int]:
    """Registered versions, none of them needed, whose folder is gone without a recorded reason."""
    known = {*model_registry.removed(line), *needed(line)}
    cards = model_registry.versions(line)
    return [c["version"] for c in cards if not model_registry.folder(line, c["version"]) and c["version"] not in known]


def without_card(line: str) -> list[int]:
    """Versions whose model card, the files for people, is missing."""
    numbers = (card["version"] for card in model_registry.versions(line))
    return [
        n
        for n in numbers
        if model_registry.folder(line, n) and not all(p.exists() for p in model_card.card_files(line, n).values())
    ]


def mlmd_differs(line: str) -> list[tuple[str, Callable[[], object]]]:
    """What ML Metadata has wrong about a line, each with a function that corrects it; empty while a run works, or without MLMD."""
    claim = locks.holder(line)
    if (claim and claim["lives"]) or doctor_databases.metadata_fault():
        return []
    store = mlmd_store.connect()
    if store is None:
        return []
    differences = []
    running = mlmd_store.unfinished(store, line)
    if running:
        nodes = ", ".join(f"{node} of {run}" for _, run, node in running[:3])
        message = f"{nodes} is recorded as running, but no run is working"
        differences.append((message, lambda: mlmd_store.close(store, [r[0] for r in running])))
    gone = mlmd_store.vanished(store, line)
    if gone:
        message = f"{len(gone)} artifacts are recorded as live but are gone from disk, such as {gone[0]}"
        differences.append((message, lambda: mlmd_store.forget(store, gone)))
    return differences


def listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))


def unregistered(line: str) -> list[int]:
    """Versions of ended runs that TensorFlow Serving can see although they have no card."""
    claim = locks.holder(line)
    if claim and claim["lives"]:  # it may be about to register
        return []
    pointed = {event["to"] for event in model_registry.history(line)}
    cards = {card["version"] for card in model_registry.versions(line)}
    return [n for n in model_registry.numbered(paths.serving_dir(line)) if n not in cards | pointed]


def behind(line: str) -> str:
    """How MLflow differs from the registry's files; empty if it does not. Reads its SQLite file, as importing MLflow takes seconds."""
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
    differences = [f"it lacks version {', '.join(map(str, missing))}"] if missing else []
    for name in ("champion", "previous"):
        if ours.get(name) != theirs.get(name):
            differences.append(f"its alias {name} is {theirs.get(name)}, but the registry's is {ours.get(name)}")
    return "; ".join(differences)
