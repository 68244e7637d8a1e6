"""`newsdesk retrain`: the flow's nodes one after the other, started as Airflow starts them, with a progress display."""

import json
import os
import uuid
from datetime import datetime, timezone
from pathlib import Path

import click

from components.core import locks, paths
from components.core.states import ExitCode, RunState
from pipelines.cli import options
from pipelines.cli.command import Command
from pipelines.cli.node_runs import interruptible, not_read, run_node, run_nodes
from pipelines.config import run_config
from pipelines.config.lines import check_folder, is_folder
from pipelines.config.presets import PRESETS
from pipelines.flow import FLOW


@click.command(
    "retrain",
    cls=Command,
    example="newsdesk retrain --source ~/ag_news --preset bag --set training.epochs=2 seed=2",
    when_locked={"pushed": False},
)
@click.option("--source", default="", help="demo, tfds, or a folder (default: as in newsdesk.toml, else demo)")
@options.line("the registered model (default: the one whose schedule reads the source, else news; demo: news-demo)")
@click.option("--window", default="", help="all, 'last Nd', or one day YYYY-MM-DD (default: the schedule's, else all)")
@click.option(
    "--as-of", default="", metavar="TIME", help="end of the window, ISO 8601, UTC without an offset (default: now)"
)
@click.option("--preset", default="", type=options.Choice([*PRESETS]), metavar="PRESET", help=", ".join(PRESETS))
@options.overrides
@click.option("--seed", type=int, help="default: the schedule's, else 1")
@click.option(
    "--release",
    default="",
    type=options.Choice([*run_config.RELEASES]),
    metavar="auto|hold|never",
    help="what happens to a model that passes the gate (default: the line's setting, else auto)",
)
@click.option("--force", is_flag=True, help="train again although nothing changed")
@options.as_json("print the outcome as JSON on standard output")
def command(source, line, window, as_of, preset, overrides, seed, release, force, as_json) -> int:
    """Train a model, compare it with the champion and release it, without Airflow."""
    request = {
        "source": absolute(source),
        "line": line,
        "window": window,
        "as_of": as_of,
        "preset": preset,
        "set": run_config.parse_overrides(overrides),
        "seed": seed,
        "release": release,
        "force": force,
        "trigger": "cli",
    }
    return run(request, as_json)


def absolute(source: str) -> str:
    """A folder relative to the working folder as an absolute path; a built-in source's name as it is."""
    if not is_folder(source):
        return source
    return os.path.normpath(Path(source).expanduser().absolute())


def new_run_id(kind: str) -> str:
    return f"{kind}.{datetime.now(timezone.utc):%Y%m%dT%H%M%S}.{uuid.uuid4().hex[:6]}"


def check_request(request: dict) -> None:
    """Checks what can be checked without TensorFlow, within a second and before a run opens.

    Raises:
        ConfigError: a request that no run could meet, or a folder that is not there. Locked: another run holds the line.
    """
    run = run_config.resolve(run_config.Request.from_json(request), run_config.settings())
    check_folder(run.source)
    holder = locks.holder(run.line)
    if holder and holder["lives"]:
        raise locks.Locked(run.line, holder)


def run(request: dict, as_json: bool) -> int:
    """One run; prints a line a node and the verdict. Returns the command's exit code; raises as `check_request`."""
    check_request(request)
    run_id, ended, interrupted = new_run_id("cli"), None, False
    with interruptible():
        try:
            ended = run_nodes(run_id, FLOW, request)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            outcome = run_node("close", run_id, {})[1].get("outcome", {})
    if ended:
        outcome = {**outcome, "state": ended["state"], "reasons": ended["reasons"]}
    if as_json:
        print(json.dumps(outcome, indent=1, ensure_ascii=False))
    else:
        print(summary(run_id, outcome))
    if interrupted:
        return ExitCode.INTERRUPTED
    return RunState(outcome.get("state", RunState.FAILED)).exit_code


def summary(run_id: str, outcome: dict) -> str:
    """The end of a run, for people."""
    lines = ["", f"{outcome.get('state', RunState.FAILED).upper()}: " + "; ".join(outcome.get("reasons", [])[:6])]
    if outcome.get("pushed"):
        lines.append(f"  version {outcome['version']} in {outcome['folder']}")
    if outcome.get("state") == RunState.HELD:
        lines.append(f"  it waits for a person: newsdesk promote {outcome['version']} --reason '…'")
    lines += [f"  {line}" for line in not_read(run_id)]
    return "\n".join([*lines, f"  run     {paths.run_dir(run_id)}", "  see     newsdesk models; newsdesk doctor"])
