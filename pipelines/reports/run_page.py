"""The page *Run report*: one run's data verdict, training, evaluation, gate and lineage, from its own files."""

from collections.abc import Callable
from typing import Any

from components.core import paths, progress, run_record
from components.core.states import DataDecision, NodeState, RunState
from components.registry import model_registry
from pipelines.flow import FLOW
from pipelines.reports import charts, learning_curves, page_files

STATES = {
    RunState.RELEASED: ("good", "Released"),
    RunState.HELD: ("wait", "Held: waits for a person"),
    RunState.BLESSED: ("good", "Blessed, not released: this run's `release` is `never`"),
    RunState.UNCHANGED: ("calm", "Unchanged: the same model serves already"),
    RunState.REFUSED: ("warn", "Refused: nothing is broken, the candidate did not pass the gate"),
    RunState.STOPPED: ("bad", "Stopped: the data failed their checks"),
    RunState.LOCKED: ("warn", "Locked: another run works on this line"),
    RunState.FAILED: ("bad", "Failed: something is broken"),
    RunState.RUNNING: ("calm", "Running"),
}
# States after which an earlier version still serves.
NOT_RELEASED = (RunState.REFUSED, RunState.STOPPED, RunState.FAILED, RunState.UNCHANGED, RunState.LOCKED)
FILES = 40  # files of the source shown


def view(run_id: str) -> dict | None:
    """What the template shows of a run; None where it has no record (yet).

    Raises:
        ValueError: a run id that no run can have.
    """
    folder = paths.run_dir(run_id)
    record = page_files.read(folder / "run.json")
    events = page_files.events(run_id)
    if not isinstance(record, dict) or not isinstance(record.get("config"), dict):
        return None
    outcome, verdict = page_files.read(folder / "outcome.json"), page_files.read(folder / "verdict.json")
    state = (outcome or {}).get("state", RunState.RUNNING)
    tone, title = STATES.get(state, ("calm", str(state)))
    if state == RunState.HELD and (promoter := _promoted(record["config"].get("line"), outcome.get("version"))):
        tone, title = "good", f"Held, and promoted since by {promoter}"
    local = _local(str(record["config"].get("source") or ""))
    reasons = [local(reason) for reason in (outcome or {}).get("reasons") or []]
    nodes = _nodes(events, reasons, local, closed=outcome is not None)
    data_folder = page_files.artifact(events, "DataGate", "verdict")
    live = _live(run_id, events, open=outcome is None)
    curves_folder = page_files.artifact(events, "Trainer", "model_run")
    data = _data(page_files.read(data_folder / "verdict.json") if data_folder else None, local)
    return {
        "run": run_id, "state": state, "tone": tone, "title": title, "open": outcome is None,
        "record": record, "config": record["config"], "outcome": outcome or {}, "nodes": nodes,
        "seconds": sum(node["seconds"] for node in nodes),
        "data": data, "serves": _serves(record) if state in NOT_RELEASED else "",
        # The data gate's table of findings shows the reasons of a stop with value, limit and examples; others stand in the banner.
        "reasons": [] if state == RunState.STOPPED and data and data["wrong"] else reasons,
        "curves": _curves(page_files.read(curves_folder / "history.json") if curves_folder else None) or live["curves"],
        "live": live, "tuning": _tuning(page_files.read(folder / run_record.TRIALS)),
        "verdict": _verdict(verdict, record["config"].get("labels") or [], reasons, local),
        "lineage": _lineage(record, events, outcome or {}, local),
        "has": {
            "rows": page_files.inside(folder / "verdict_page.json") is not None,
            **{kind: page_files.has(run_id, kind) for kind in (*page_files.ARTIFACTS, *page_files.RUN_FILES)},
        },
    }  # fmt: skip


def line_of(run_id: str) -> str | None:
    """The line of a run; None where its record does not say."""
    record = page_files.read(paths.run_dir(run_id) / "run.json")
    config = record.get("config") if isinstance(record, dict) else None
    line = config.get("line") if isinstance(config, dict) else None
    return line if isinstance(line, str) else None


def _promoted(line, version) -> str:
    """Who made a held version serve; empty while nobody has."""
    try:
        events = [event for event in model_registry.history(str(line)) if event["to"] == version]
    except (model_registry.RegistryError, KeyError, ValueError):
        return ""
    return str(events[0].get("who")) if events else ""


def _serves(record: dict) -> str:
    """What serves although this run released nothing."""
    try:
        pointer = model_registry.champion(str(record["config"].get("line")))
    except (model_registry.RegistryError, KeyError, ValueError):
        return ""  # the page Models shows the damage
    if not pointer:
        return "No version serves yet."
    then = (record.get("champion") or {}).get("version")
    return f"Version {pointer['version']} {'still serves' if pointer['version'] == then else 'serves now'}."


def _local(source: str) -> Callable[[Any], str]:
    """Returns a function that shortens paths of this machine: below the state folder, and below the run's source."""
    prefixes = [f"{folder.rstrip('/')}/" for folder in (str(paths.home()), source) if folder.startswith("/")]

    def shorten(text) -> str:
        for prefix in prefixes:
            text = str(text).replace(prefix, "")
        return str(text)

    return shorten


def _once(headline: str, reasons: list[str]) -> str:
    """A headline without the run's reasons, which the page shows once, at its top."""
    starts = [at for at in (headline.find(reason) for reason in reasons if reason) if at >= 0]
    return (headline[: min(starts)].rstrip(" :;") or "see the reasons above") if starts else headline


def _nodes(events: list[dict], reasons: list[str], local: Callable[[Any], str], closed: bool) -> list[dict]:
    last, seconds = {}, {}
    for event in events:
        name = event.get("node")
        last[name] = event
        seconds[name] = event.get("seconds") or 0
    longest = max([1.0, *(s for s in seconds.values() if charts.finite(s))])
    rows = []
    for node in FLOW:
        event = last.get(node.name) or {}
        cost = event.get("cost") if isinstance(event.get("cost"), dict) else {}
        spent = event.get("seconds") if charts.finite(event.get("seconds")) else 0
        rows.append(
            {
                "name": node.name, "group": node.group, "does": node.does, "state": event.get("state") or ("not run" if closed else "waiting"),
                "cpu": cost.get("cpu_seconds"), "memory": cost.get("peak_mb"),
                "seconds": spent, "share": charts.share_bar(spent / longest), "headline": _once(local(event.get("headline") or ""), reasons),
            }
        )  # fmt: skip
    return rows


def _data(verdict: dict | None, local: Callable[[Any], str]) -> dict | None:
    if not isinstance(verdict, dict) or not isinstance(verdict.get("findings"), list):
        return None
    findings = [
        {**f, "message": local(f.get("message") or ""), "examples": [local(e) for e in f.get("examples") or []]}
        for f in verdict["findings"]
        if isinstance(f, dict)
    ]
    wrong = [f for f in findings if f.get("outcome") != DataDecision.PASS]
    return {
        "decision": verdict.get("decision"), "tone": {DataDecision.PASS: "good", DataDecision.WARN: "warn"}.get(verdict.get("decision"), "bad"),
        "rows": verdict.get("rows") or {}, "splits": {s: sum(per.values()) for s, per in (verdict.get("splits") or {}).items()},
        "wrong": sorted(wrong, key=lambda f: f.get("outcome") != DataDecision.STOP), "passed": len(findings) - len(wrong),
        "checks": len(findings), "milder": verdict.get("milder") or [], "reason": verdict.get("reason"),
    }  # fmt: skip


def _live(run_id: str, events: list[dict], open: bool) -> dict:
    """How far the training of a run is: `text` and `share` of the node that reports now, and `curves` as they grow."""
    rows = page_files.read_progress(run_id, "Trainer")
    epochs = [row for row in rows if charts.finite(row.get("val_loss"))]
    last = events[-1] if events else {}
    working = open and last.get("state") == NodeState.RUNNING
    now = (page_files.read_progress(run_id, str(last.get("node"))) or [None])[-1] if working else None
    return {
        "text": f"{last['node']}: {progress.text(now)}" if now else "",
        "bar": charts.share_bar(progress.share(now)) if now else "",
        "curves": learning_curves.curves(epochs, [row for row in rows if charts.finite(row.get("loss"))]),
    }


def _tuning(found: dict | None) -> dict | None:
    """The trials of a run's search: the `names` of the settings, and of each trial its `values` in that order and how it did."""
    trials = found.get("trials") if isinstance(found, dict) else None
    if not trials:
        return None
    names = list(trials[0]["set"])
    return {
        "rows": found.get("rows"), "names": names,
        "trials": [{**trial, "values": [trial["set"].get(name) for name in names]} for trial in trials],
    }  # fmt: skip


def _curves(history: dict | None) -> dict | None:
    history = history or {}
    return learning_curves.curves(history.get("epochs") or [], rows=history.get("rows"), seconds=history.get("seconds"))


def _verdict(verdict: dict | None, labels: list[str], shown: list[str], local: Callable[[Any], str]) -> dict | None:
    """labels: in the line's order, which is the order of the confusion matrix. shown: reasons that the page's top has."""
    if not isinstance(verdict, dict) or not isinstance(verdict.get("metrics"), dict):
        return None
    metrics = verdict["metrics"]
    found = metrics.get("per_class") or {}
    classes = {label: found[label] for label in labels if label in found} or found
    low = min([v for v in classes.values() if charts.finite(v)], default=0)
    floor = 0.0 if low < 0.6 else 0.5
    return {
        "decision": verdict.get("decision"), "reasons": [r for r in map(local, verdict.get("reasons") or []) if r not in shown],
        "warnings": verdict.get("warnings") or [], "accuracy": metrics.get("accuracy"),
        "interval": metrics.get("interval") or [None, None], "rows": metrics.get("rows"), "digest": verdict.get("digest"),
        "classes": [(label, recall, charts.share_bar(recall, floor)) for label, recall in classes.items()],
        "bars_from": floor, "confusion": metrics.get("confusion") or [], "labels": labels,
        "comparisons": verdict.get("comparisons") or {}, "limits": verdict.get("limits") or {},
    }  # fmt: skip


def _lineage(record: dict, events: list[dict], outcome: dict, local: Callable[[Any], str]) -> dict:
    latest = {}
    for event in events:
        for name, place in (event.get("artifacts") or {}).items():
            latest[(event.get("node"), name)] = str(place)
    artifacts = [{"node": node, "name": name, "place": local(place)} for (node, name), place in latest.items()]
    listed = [{**f, "path": local(f.get("path") or "")} for f in record.get("files") or [] if isinstance(f, dict)]
    version, line = outcome.get("version"), record["config"].get("line")
    made = isinstance(version, int) and isinstance(line, str)
    card = model_registry.card(line, version) if made else None
    return {
        "files": listed[:FILES], "more": max(0, len(listed) - FILES), "count": len(listed), "artifacts": artifacts,
        "champion": record.get("champion"), "version": version, "digest": (card or {}).get("digest"),
        **{kind: bool(made and page_files.of_version(line, version, name)) for kind, name in (("page", "lineage"), ("card", "card"))},
    }  # fmt: skip
