"""What a run's record says to a monitoring system: attempts at nodes, attributes and metrics, as plain values.

`telemetry.py` sends them. Names of attributes begin with `newsdesk.`, as those of the metrics do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from components.core import fileio, paths
from components.core.records import RunRecord, VersionCard
from components.core.states import NodeState
from components.registry import model_registry

CLOSE = "close"
SECOND = 1_000_000_000  # OpenTelemetry counts nanoseconds
_FINE = (NodeState.DONE, NodeState.CACHED, NodeState.SKIPPED)


@dataclass(frozen=True)
class Metric:
    """kind: counter, histogram or gauge. unit: by UCUM, as OpenTelemetry writes it; empty for a share or a number."""

    name: str
    kind: str
    unit: str
    description: str


RUNS = Metric("newsdesk.runs", "counter", "{run}", "Closed runs, by line and state")
NODE_SECONDS = Metric("newsdesk.node.duration", "histogram", "s", "Wall time of an attempt at a node, by state")
NODE_CPU = Metric("newsdesk.node.cpu.time", "counter", "s", "Processor seconds of a node's processes")
NODE_MEMORY = Metric("newsdesk.node.memory.peak", "gauge", "By", "Most memory of a node's processes together")
ROWS = Metric("newsdesk.rows", "gauge", "{row}", "Rows of the last run: in, out, quarantined, duplicates")
CANDIDATE = Metric("newsdesk.candidate.accuracy", "gauge", "", "Test accuracy of the last candidate")
CHAMPION = Metric("newsdesk.champion.accuracy", "gauge", "", "Test accuracy on the champion's card")
VERSION = Metric("newsdesk.pointer.version", "gauge", "", "The version that the champion pointer names")
METRICS = (RUNS, NODE_SECONDS, NODE_CPU, NODE_MEMORY, ROWS, CANDIDATE, CHAMPION, VERSION)


@dataclass(frozen=True)
class Attempt:
    """One start of a node. start, end: nanoseconds since 1970. event: what it left, `state` running where it never ended."""

    node: str
    start: int
    end: int
    event: Mapping

    @property
    def state(self) -> str:
        return str(self.event["state"])

    @property
    def cost(self) -> dict[str, float]:
        """`cpu_seconds` and `peak_mb`; empty for a node that was killed, and for runs of earlier versions."""
        return dict(self.event.get("cost") or {})

    @property
    def trouble(self) -> str:
        """Why the attempt is an error; empty where it is none."""
        if self.state == NodeState.RUNNING:
            return "its process was killed or still ran when the run was closed"
        return "; ".join(self.event.get("reasons") or []) or self.state if self.state not in _FINE else ""


def attempts(events: list[Mapping], now: int) -> Iterator[Attempt]:
    """Every attempt at a node, in the order in which they ended; those that never ended last.

    events: of one run, oldest first. now: nanoseconds since 1970.
    """
    began: dict[str, Mapping] = {}
    for event in events:
        node = event["node"]
        if node == CLOSE:
            continue
        end = nanoseconds(event["time"])
        if event["state"] != NodeState.RUNNING:
            began.pop(node, None)
            yield Attempt(node, end - int(event["seconds"] * SECOND), end, event)
            continue
        if node in began:
            yield Attempt(node, nanoseconds(began[node]["time"]), end, began[node])
        began[node] = event
    for node, event in began.items():
        yield Attempt(node, nanoseconds(event["time"]), now, event)


def rows(events: list[Attempt]) -> dict[str, int]:
    """The Ingester's account: `in`, `out`, `quarantined`, `duplicates`; empty before it has one."""
    for attempt in reversed(events):
        place = (attempt.event.get("artifacts") or {}).get("quarantine")
        if attempt.node == "Ingester" and place:
            return dict((fileio.read_json(Path(place) / "report.json") or {}).get("rows") or {})
    return {}


def measurements(
    record: RunRecord, outcome: Mapping, done: list[Attempt]
) -> Iterator[tuple[Metric, float, dict[str, str]]]:
    """What a closed run adds: metric, value and attributes besides the line."""
    yield RUNS, 1, {"state": str(outcome["state"])}
    for attempt in done:
        yield NODE_SECONDS, (attempt.end - attempt.start) / SECOND, {"node": attempt.node, "state": attempt.state}
        if attempt.cost:
            yield NODE_CPU, attempt.cost["cpu_seconds"], {"node": attempt.node}
            yield NODE_MEMORY, int(attempt.cost["peak_mb"] * 1e6), {"node": attempt.node}
    for kind, count in rows(done).items():
        yield ROWS, count, {"kind": kind}
    accuracy = (outcome.get("metrics") or {}).get("accuracy")
    if accuracy is not None:
        yield CANDIDATE, accuracy, {}
    pointer = model_registry.champion(record.line)
    if pointer:
        yield VERSION, pointer["version"], {}
        card = VersionCard.read(paths.registry_dir(record.line) / "versions" / f"{pointer['version']}.json")
        if card and card.accuracy is not None:
            yield CHAMPION, card.accuracy, {}


def run_attributes(record: RunRecord, outcome: Mapping, done: list[Attempt]) -> dict:
    attributes = {
        "run": record.run,
        "line": record.line,
        "trigger": record.trigger,
        "preset": record.config.preset,
        "seed": record.config.seed,
        "code": record.code,
        "data_hash": record.data_hash,
        "state": str(outcome["state"]),
        "reasons": [str(reason) for reason in outcome.get("reasons") or []],
        "version": outcome.get("version"),
        "champion": (record.champion or {}).get("version"),
        "accuracy": (outcome.get("metrics") or {}).get("accuracy"),
        "test_rows": (outcome.get("metrics") or {}).get("rows"),
        **{f"rows.{kind}": count for kind, count in rows(done).items()},
    }
    return {f"newsdesk.{name}": value for name, value in attributes.items() if value not in (None, "", [])}


def node_attributes(record: RunRecord, attempt: Attempt, done: list[Attempt]) -> dict:
    cost = attempt.cost
    attributes = {
        "run": record.run,
        "line": record.line,
        "state": attempt.state,
        "cached": attempt.state == NodeState.CACHED,
        "headline": attempt.event.get("headline"),
        "attempt": attempt.event.get("attempt"),
        "cpu_seconds": cost.get("cpu_seconds"),
        "peak_memory_bytes": int(cost["peak_mb"] * 1e6) if cost else None,
        **({f"rows.{kind}": count for kind, count in rows(done).items()} if attempt.node == "Ingester" else {}),
    }
    return {f"newsdesk.{name}": value for name, value in attributes.items() if value not in (None, "")}


def nanoseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1e6) * 1_000
