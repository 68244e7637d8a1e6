"""`newsdesk data check`: the data verdict of a source, without training."""

import json
from pathlib import Path

import click

from components.core import fileio, run_record
from components.core.states import DataDecision, ExitCode, NodeState, Release
from pipelines.cli import node_runs, options, retrain
from pipelines.cli.command import Command, LazyGroup
from pipelines.config import run_config
from pipelines.flow import FLOW

DATA_NODES = tuple(node for node in FLOW if node.group == "data")
_EXAMPLES = 5  # rows shown below a finding


@click.group(
    "data",
    cls=LazyGroup,
    sections={"Commands": {"check": ("pipelines.cli.data:command", "the data verdict of a source")}},
    no_args_is_help=False,
)
def group() -> None:
    """Check data without training."""


@click.command(
    "check",
    cls=Command,
    example="newsdesk data check incoming --window 'last 30d' --set data.min_rows=100",
    when_locked={"decision": None},
)
@click.argument("source")
@options.line("the registered model (default: the one whose schedule reads the source, else news)")
@click.option("--window", default="", help="all, 'last Nd', or one day YYYY-MM-DD (default: the schedule's, else all)")
@options.overrides
@options.as_json("print the verdict as JSON on standard output")
def command(source, line, window, overrides, as_json) -> int:
    """Check the data of SOURCE (demo, tfds, or a folder) and print the verdict: each finding with file, row, column and value.

    Exit code 3: the verdict is stop.
    """
    request = {"source": retrain.absolute(source), "window": window, "line": line}
    return run({**request, "set": run_config.parse_overrides(overrides)}, as_json)


def run(request: dict, as_json: bool) -> int:
    """Runs the data nodes alone, which publish no model and move no pointer; returns the exit code; raises as `check_request`."""
    retrain.check_request(request)
    run_id = retrain.new_run_id("check")
    with node_runs.interruptible():
        try:
            ended = node_runs.run_nodes(run_id, DATA_NODES, {**request, "release": Release.NEVER, "trigger": "cli"})
            verdict = _verdict(run_id)
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED
        finally:
            node_runs.run_node("close", run_id, {})
    if as_json:
        print(json.dumps(verdict or _no_verdict(ended), indent=1, ensure_ascii=False))
    elif verdict:
        print(_text(verdict, node_runs.not_read(run_id)))
    else:
        none = _no_verdict(ended)
        judged = f"Data verdict: {none['decision']}"
        headline = judged if none["decision"] else f"No data verdict: the check ended with {none['state']}"
        print("\n  ".join([f"\n{headline}", *none["reasons"], *node_runs.not_read(run_id)]))
    if ended:
        return NodeState(ended["state"]).exit_code
    return ExitCode.DONE if verdict else ExitCode.FAILED


def _no_verdict(ended: dict | None) -> dict:
    """What is printed where the run ended before the data gate. `decision` is null where no data was judged."""
    if ended is None:
        return {"decision": None, "state": NodeState.FAILED, "reasons": ["no verdict"]}
    decision = DataDecision.STOP if ended["state"] == NodeState.STOPPED else None
    return {"decision": decision, "state": ended["state"], "reasons": ended["reasons"]}


def _text(verdict: dict, not_read: list[str]) -> str:
    """The verdict for people. not_read: lines of `node_runs.not_read`."""
    lines = [f"\nData verdict: {verdict['decision']}"]
    findings = [finding for finding in verdict["findings"] if finding["outcome"] != DataDecision.PASS]
    for finding in sorted(findings, key=lambda finding: finding["outcome"] != DataDecision.STOP):
        values = f"(value {finding['value']}, limit {finding['limit']})"
        lines.append(f"  {finding['outcome']}  {finding['check']}: {finding['message']} {values}")
        lines += [f"          {example}" for example in finding["examples"][:_EXAMPLES]]
    lines.append(f"  {len(verdict['findings']) - len(findings)} checks pass; the page shows all")
    quarantined = verdict["rows"]["quarantined"]
    if quarantined:
        lines.append(f"  {quarantined:,} rows quarantined, with line, column and reason: {verdict['quarantine']}")
    return "\n".join([*lines, *(f"  {line}" for line in not_read), f"  page {verdict['page']}"])


def _verdict(run_id: str) -> dict | None:
    """The data gate's verdict with `page` and `quarantine`, the files to look into; None where the run ended before it."""
    events = {node: run_record.last_event(run_id, node) or {} for node in ("Ingester", "DataGate")}
    artifacts = {node: event.get("artifacts", {}) for node, event in events.items()}
    if "verdict" not in artifacts["DataGate"]:
        return None
    folder = Path(artifacts["DataGate"]["verdict"])
    quarantine = Path(artifacts["Ingester"]["quarantine"], "rows.csv")
    verdict = fileio.read_json(folder / "verdict.json")
    return {**verdict, "page": str(folder / "verdict.html"), "quarantine": str(quarantine)}
