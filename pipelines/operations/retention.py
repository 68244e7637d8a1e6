"""What is kept and what goes: `[<line>.retention]` in `newsdesk.toml`, carried out by `newsdesk clean`.

Protected are the champion, the previous one, the best ever, the pinned, the held, and whatever served within the last `GRACE`
seconds, which a reader may be loading now. Artifacts go when no kept run refers to them, and MLMD is updated first, so that TFX's
cache does not offer what is gone. No TensorFlow; only the artifacts need ml_metadata.
"""

import math
import os
import stat
import sys
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from components.core import fileio, locks, paths
from components.registry import mlflow_db, model_registry, pins, serving_history, staging, store_publisher
from pipelines.config.settings import RetentionSettings
from pipelines.monitoring import batch_files
from pipelines.operations import disk_cleanup
from pipelines.operations.rejection import is_rejected
from pipelines.runner import mlmd_store

GRACE = 3600  # seconds
_DAY = 86_400  # seconds
CACHES = ("cache", "features", "checkpoints", "predictions")  # made again when they are missing


@dataclass(frozen=True)
class Item:
    """Something on disk. kind: "version", "held", "run", "mlflow", "artifact", "scored", "cache" or "staging"."""

    kind: str
    name: str
    path: Path
    bytes: int = 0  # on disk; see `measured`


@dataclass(frozen=True)
class State:
    """What there is on a line.

    names: version by "champion", "previous", "best". left: seconds since a version stopped serving. registered: versions with
    a card; rejected: those that a person refused. runs: run ids, newest first, with their folders. made_by: the run of each version. uses: what each run refers to
    (`mlmd.uses`), None where MLMD cannot be read. mirrored: what MLflow shows of candidates, each named as its run. scored: predictions of monitored batches, by days since they were written.
    """

    versions: Mapping[int, Path]
    held: Mapping[int, Path]
    names: Mapping[str, int]
    pinned: frozenset[int]
    left: Mapping[int, float]
    registered: frozenset[int]
    runs: Mapping[str, Path]
    made_by: Mapping[int, str]
    working: frozenset[str]
    artifacts: tuple[Item, ...] = ()
    uses: Mapping[str, set[str]] | None = None
    mirrored: tuple[Item, ...] = ()
    scored: tuple[tuple[Item, float], ...] = ()
    rejected: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Plan:
    """kept: reasons by version. remove: what goes. blind: why the artifacts could not be looked at; empty where they were."""

    kept: Mapping[int, tuple[str, ...]]
    remove: tuple[Item, ...]
    blind: str = ""


def plan(state: State, policy: RetentionSettings) -> Plan:
    """Decides, and touches nothing."""
    kept = kept_versions(state, policy)
    gone = [Item("version", str(n), path) for n, path in state.versions.items() if n not in kept]
    gone += [Item("held", str(n), path) for n, path in state.held.items() if n not in kept]
    runs = {state.made_by[n] for n in kept if n in state.made_by} | set(list(state.runs)[: policy.runs]) | state.working
    gone += [Item("run", run, path) for run, path in state.runs.items() if run not in runs]
    gone += [item for item in state.mirrored if item.name not in runs]
    gone += [item for item, days in state.scored if days > policy.scored_days]
    if state.uses is None:
        return Plan(kept, tuple(gone), "artifacts stay: MLMD can only be read in the TFX environment")
    used = set().union(*(state.uses.get(run, set()) for run in runs)) if runs else set()
    gone += [item for item in state.artifacts if str(item.path) not in used and f"#{item.path.name}" not in used]
    return Plan(kept, tuple(gone))


def kept_versions(state: State, policy: RetentionSettings) -> dict[int, tuple[str, ...]]:
    """Why each version is kept, by version; the others go."""
    reasons: dict[int, list[str]] = {}

    def because(numbers: Iterable[int], why: str) -> None:
        for number in numbers:
            if number in state.versions or number in state.held:
                reasons.setdefault(number, []).append(why)

    for name, number in state.names.items():
        because([number], name)
    because(sorted(state.pinned | set(policy.pinned)), "pinned")
    because(sorted(set(state.held) & state.registered - state.rejected), "held")
    because(sorted(n for n, seconds in state.left.items() if seconds < GRACE), "served within the last hour")
    because(sorted(set(state.versions) - state.registered), "not registered; newsdesk doctor --repair")
    others = sorted((set(state.versions) | set(state.held)) - set(reasons), reverse=True)
    because(others[: policy.keep], f"one of the {policy.keep} newest")
    return {number: tuple(why) for number, why in sorted(reasons.items())}


def look(line: str, now: datetime | None = None, store=None) -> State:
    """What there is on a line. store: as `mlmd.connect` gives it."""
    now = now or datetime.now(timezone.utc)
    named = {name: number for number, names in model_registry.aliases(line).items() for name in names}
    best = model_registry.best_released(line)
    if best:
        named["best"] = best["version"]
    left = {}
    for term in serving_history.terms(model_registry.history(line)):
        until = datetime.fromisoformat(term["until"]) if term["until"] else now
        if term["version"] is not None:
            left[term["version"]] = (now - until).total_seconds()
    serving, held = paths.serving_dir(line), model_registry.held_dir(line)
    versions = {n: serving / str(n) for n in model_registry.numbered(serving) if (serving / str(n)).is_dir()}
    kept_back = {n: held / str(n) for n in model_registry.numbered(held) if not (held / str(n)).is_symlink()}
    known = model_registry.versions(line)
    cards = {card["version"]: card["run"] for card in known}
    claim = locks.holder(line)
    runs = _runs(line)
    uses = mlmd_store.uses(store, line, {*runs, *cards.values()}) if store else None
    return State(
        versions=versions, held=kept_back, names=named, pinned=frozenset(pins.pinned(line)), left=left,
        registered=frozenset(cards), runs=runs, made_by=cards,
        working=frozenset([claim["run"]] if claim and claim["lives"] else []),
        artifacts=tuple(_artifacts(line)), uses=uses, mirrored=tuple(_mirrored(line)), scored=tuple(_scored(line, now)),
        rejected=frozenset(card["version"] for card in known if is_rejected(card)),
    )  # fmt: skip


def _runs(line: str) -> dict[str, Path]:
    """The folders of a line's runs by run id, newest first."""
    runs = []
    for path in (paths.home() / "runs").glob("[!.]*"):
        try:
            record = fileio.read_json(path / "run.json")
        except ValueError:
            continue
        if record and record["config"]["line"] == line:
            runs.append((record.get("created", ""), path.name, path))
    return {name: path for _, name, path in sorted(runs, reverse=True)}


def _artifacts(line: str) -> list[Item]:
    """Every artifact's folder, and TFX's own beside them: `<node>/<key>/<execution>` and `<node>/.system/<what>/<execution>`."""
    root = paths.artifacts_dir(line)
    folders = [*root.glob("*/[!.]*/*"), *root.glob("*/.system/*/*")]
    return [Item("artifact", str(path.relative_to(root)), path) for path in sorted(folders) if path.name.isdigit()]


def _mirrored(line: str) -> list[Item]:
    try:
        return [Item("mlflow", run, path) for run, path in mlflow_db.artifact_folders(line)]
    except Exception as error:  # the database's own classes, one of which is not installed everywhere
        print(
            f"{line}: what MLflow shows of its runs stays: {mlflow_db.shown()} cannot be read: {error}", file=sys.stderr
        )
        return []


def _scored(line: str, now: datetime) -> Iterable[tuple[Item, float]]:
    """The predictions of a line's monitored batches and their age in days."""
    for path in sorted(paths.monitor_dir(line).glob(f"[!.]*/{batch_files.PREDICTIONS}")):
        yield Item("scored", path.parent.name, path), (now.timestamp() - path.stat().st_mtime) / _DAY


def most_patient(policies: Iterable[RetentionSettings]) -> RetentionSettings:
    """What holds for things that belong to no line: the longest times of all lines, the defaults where there is none."""
    policies = list(policies) or [RetentionSettings()]
    days = {name: max(getattr(policy, name) for policy in policies) for name in ("cache_days", "scored_days")}
    return RetentionSettings(**days)


def shared(policy: RetentionSettings, now: float | None = None) -> list[Item]:
    """What belongs to no line and may go: leftovers in `staging/`, unused entries of the caches, answers of `news_score`,
    folders of runs that never opened."""
    now = now or time.time()
    gone = [Item("staging", path.name, path) for path in staging.leftovers(age=locks.LEASE)]
    for name in CACHES:
        for path in sorted((paths.home() / name).glob("[!.]*")):
            if now - _last_use(path) > policy.cache_days * _DAY:
                gone.append(Item("cache", f"{name}/{path.name}", path))
    for path in sorted(paths.scored_dir().glob("[!.]*")):
        if now - _last_use(path) > policy.scored_days * _DAY:
            gone.append(Item("scored", path.name, path))
    for path in sorted((paths.home() / "runs").glob("[!.]*")):
        if not (path / "run.json").exists() and now - _last_use(path) > policy.cache_days * _DAY:
            gone.append(Item("run", path.name, path))
    return gone


def _last_use(path: Path) -> float:
    """When anything in it was last read or written, seconds since 1970; for what has gone meanwhile the end of time.

    A folder's time of reading does not count: looking for what may go is a reading.
    """
    times = (s.st_mtime if stat.S_ISDIR(s.st_mode) else max(s.st_mtime, s.st_atime) for s in fileio.statuses(path))
    return max(times, default=math.inf)


def apply(line: str, policy: RetentionSettings, now: datetime | None = None) -> Plan:
    """Carries out the `plan` of a line, and returns it. It holds the line's lease, so that no run starts meanwhile.

    A version leaves `serving/` by one rename under the lock that promote and rollback take, and is deleted afterwards: a reader
    sees all of it or nothing.

    Raises:
        locks.Locked: a run works on the line.
        model_registry.RegistryError: the pointer or the history is damaged; nothing was removed.
    """
    name = f"clean-{uuid.uuid4().hex[:12]}"
    locks.take_line(line, name, os.getpid())
    try:
        store = mlmd_store.connect()
        with locks.line_lock(line):
            decided = plan(look(line, now, store), policy)
            decided = replace(decided, remove=measured(decided.remove))
            model_registry.write_serving_config(line)  # a file that a crash left behind must not name what goes now
            for item in decided.remove:
                if item.kind in ("version", "held"):
                    _set_aside(line, name, item)
        if store:
            mlmd_store.forget(store, [str(item.path) for item in decided.remove if item.kind == "artifact"])
        model_registry.clear(
            [item.path for item in decided.remove if item.kind in ("artifact", "run", "mlflow", "scored")]
        )
        model_registry.clear(sorted(paths.staging_dir().glob(f"{name}.*")))
        store_publisher.withdraw(line)
    finally:
        locks.free_line(line, name)
    return decided


def _set_aside(line: str, name: str, item: Item) -> None:
    """One rename out of the serving tree, and a log line. Under `line_lock`."""
    os.rename(item.path, paths.staging_dir() / f"{name}.{item.name}")
    fileio.sync(item.path.parent)
    link = model_registry.held_dir(line) / item.name
    if link.is_symlink():
        link.unlink()
    model_registry.note_removed(line, int(item.name), "retention")


def measured(items: Iterable[Item]) -> tuple[Item, ...]:
    """The same with what each takes on disk."""
    return tuple(replace(item, bytes=disk_cleanup.size(item.path)) for item in items)
