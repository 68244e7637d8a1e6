"""Runs `news_retrain` once under Airflow and prints the outcome; `make retrain` calls it.

Reads what to run from the environment, so that no value passes through a shell: SOURCE (`demo`, `tfds` or a folder), WINDOW,
PRESET, SET (`key=value` words), SEED, RELEASE, FORCE. With the stack up and the DAG switched on the run goes there, over
REST; else `airflow dags test` runs it here.
"""

import json
import os
import shlex
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

from components.core import env_file, errors, fileio, paths, processes, run_record
from components.core.states import ExitCode, NodeState, RunState, is_bad
from pipelines.airflow_stack import airflow_settings, stack, stack_health
from pipelines.airflow_stack.rest_client import Rest, RestError
from pipelines.airflow_stack.stack_summary import DAG_ID
from pipelines.airflow_stack.task_logs import last_messages
from pipelines.config import run_config
from pipelines.config.lines import check_folder
from pipelines.notifications import notices
from pipelines.runner import node_process, runs
from pipelines.runner.progress_display import ProgressDisplay

KEPT_LOGS = 20
_SHOWN = frozenset(NodeState) - {NodeState.RUNNING, NodeState.CLOSED}


def request_from(environ: Mapping[str, str], folder: Path) -> dict:
    """The run's parameters, every one explicit, from the variables above. folder: what a relative SOURCE is relative to.

    Raises:
        ConfigError: a value that no run could use.
    """
    source = environ.get("SOURCE") or "demo"
    if source not in ("demo", "tfds") and not source.startswith("tfds:"):
        try:
            source = str((folder / Path(source).expanduser()).resolve())
        except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL, no such home
            raise run_config.ConfigError(
                f"SOURCE must be a path ({str(error)[:60]}). Received: {source[:80]!r}"
            ) from None
    try:
        words = shlex.split(environ.get("SET", ""))
    except ValueError as error:
        raise run_config.ConfigError(
            f"SET must be key=value words ({error}). Received: {environ['SET'][:80]!r}"
        ) from None
    seed = environ.get("SEED", "")
    if seed and not (seed.isascii() and seed.isdigit() and len(seed) < 11):
        raise run_config.ConfigError(f"SEED must be a whole number. Received: {seed[:80]!r}")
    lines = run_config.settings()
    request = run_config.Request(
        source=source,
        window=environ.get("WINDOW", ""),
        preset=environ.get("PRESET", ""),
        set=run_config.parse_overrides(words),
        seed=int(seed) if seed else None,
        release=environ.get("RELEASE", ""),
        force=_flag(environ.get("FORCE", "")),
        line=run_config.own_line(lines, run_config.scheduled_line(lines), source),
    )
    run = run_config.resolve(request, lines)
    release = {"release": request.release} if request.release else {}
    overrides = {key: value for key, value in request.set.items() if key != "seed"}
    return {
        "source": source, "window": run.window, "preset": run.preset, "set": overrides, "seed": run.seed,
        "force": request.force, **release,
    }  # fmt: skip


def _flag(text: str) -> bool:
    values = {"": False, "0": False, "no": False, "false": False, "1": True, "yes": True, "true": True}
    if text.lower() not in values:
        raise run_config.ConfigError(f"FORCE must be 1 or 0. Received: FORCE={text[:80]!r}")
    return values[text.lower()]


class Followed:
    """New lines of an events file since the last look, printed as they come, and how far the node is that works now."""

    def __init__(self, path: Path):
        self.path, self.seen, self.run = path, 0, ""
        self.display = ProgressDisplay(sys.stdout)

    def look(self) -> None:
        events = fileio.read_json_lines(self.path)
        for event in events[self.seen :]:
            self.run = event["run"]
            if event["state"] == NodeState.RUNNING:
                self.display.running(f"  {event['node']:17}", self.run, event["node"])
            elif event["state"] in _SHOWN:
                self.display.ended(
                    f"  {event['state']:8} {event['node']:17} {event['seconds']:7.1f} s  {event['headline']}"
                )
        self.seen = len(events)
        self.display.look()


def test_here(conf: dict, log: Path) -> tuple[bool, str]:
    """Runs the DAG with `airflow dags test`; returns whether Airflow calls it a success, and the run's id ("" if none began)."""
    airflow_settings.prepare()
    call = airflow_settings.airflow_command("dags", "test", DAG_ID, "--conf", json.dumps(conf))
    with tempfile.TemporaryDirectory(prefix="newsdesk-") as folder:
        events = Followed(Path(folder) / "events.jsonl")
        env = {**airflow_settings.airflow_env(), "NEWSDESK_EVENTS": str(events.path), "NEWSDESK_ONE_PROCESS": "1"}
        process = processes.spawn(call, env, paths.REPOSITORY, log)
        entry = processes.entry(process)
        fileio.write_json(airflow_settings.test_marker(), entry)
        interrupted = True
        try:
            _follow(events, lambda: process.poll() is None)
            interrupted = process.returncode < 0
        except KeyboardInterrupt:
            _interrupt(process, entry)
            events.look()
            raise
        finally:
            processes.end([entry], 5)
            process.wait()
            _close(events.run)
            if not interrupted:  # else Airflow's database may still call the run "running"
                airflow_settings.test_marker().unlink(missing_ok=True)
            airflow_settings.end_stale_test()
        return process.returncode == 0, events.run


def _interrupt(process, entry: dict) -> None:
    """Lets the node save what it can, Airflow record the failure and `close` free the line; a second Ctrl-C does not wait."""
    print(
        "\nStopping the run; the node in hand may take a minute to save its work. Ctrl-C again to end at once.",
        flush=True,
    )
    process.send_signal(signal.SIGINT)
    try:
        limit = time.monotonic() + node_process.GRACE + 30
        while process.poll() is None and time.monotonic() < limit:
            time.sleep(0.1)
    except KeyboardInterrupt:
        processes.end([entry], 1)


def _close(run: str) -> None:
    """Closes a run whose `close` task never ran, because Airflow itself was killed."""
    if run and not (paths.run_dir(run) / "outcome.json").exists():
        with tempfile.TemporaryFile() as output:
            process = node_process.start(node_process.command("close", run, {}), output)
            node_process.follow(process, lambda line: None)


def trigger_there(rest: Rest, conf: dict) -> tuple[bool, str]:
    """Runs the DAG in the stack and follows it; same result as `test_here`."""
    run = f"retrain-{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    rest.trigger(DAG_ID, run, conf)
    print(f"  {stack_health.address()}/dags/{DAG_ID}/runs/{run}", flush=True)
    events = Followed(paths.run_dir(run) / "events.jsonl")
    try:
        _follow(events, lambda: _is_open(rest, run) and not _waits_for_person(run), pause=2)
    except KeyboardInterrupt:
        print("\nNo longer following. The run continues in Airflow; mark it as failed there to stop it.", flush=True)
        raise
    if _waits_for_person(run) and _is_open(rest, run):
        there = notices.approval_address(f"{stack_health.address()}/dags/{DAG_ID}/runs/{run}")
        print(f"  the run waits for a person: {there}", flush=True)
        return True, run
    return rest.state(DAG_ID, run) == "success", run


def _is_open(rest: Rest, run: str) -> bool:
    return rest.state(DAG_ID, run) in ("queued", "running")


def _waits_for_person(run: str) -> bool:
    """Whether a run has done its work and only its last task, which asks a person, is left: that may take days."""
    outcome = fileio.read_json(paths.run_dir(run) / "outcome.json") or {}
    return outcome.get("state") == RunState.HELD


def _follow(events: Followed, running: Callable[[], bool], pause: float = 0.3) -> None:
    with events.display:
        while running():
            events.look()
            time.sleep(pause)
        events.look()


def stack_for_run() -> Rest | None:
    """A session with the stack, if it runs and has the DAG switched on.

    A run of a DAG that is switched off would wait in the queue; switching it on would start the schedule, which the caller did not request.
    """
    if not stack.is_up():
        return None
    rest = Rest(stack_health.address())
    dag = rest.dag(DAG_ID)
    return rest if dag and not dag["is_paused"] and not dag["has_import_errors"] else None


def verdict(outcome: Mapping | None, run: str, good: bool) -> Iterator[str]:
    """The closing lines. outcome: as `runs.outcome_of` gives it, None where no run began; good: whether Airflow calls the run a success."""
    if outcome is None:
        yield "FAILED: Airflow did not start the run."
    else:
        state, accuracy = outcome["state"], (outcome.get("metrics") or {}).get("accuracy")
        version = f" as version {outcome['version']}" if outcome.get("version") is not None else ""
        at = f" at {outcome['node']}" if outcome.get("node") else ""
        yield f"{state.upper()}{version}{at}" + (f", accuracy {accuracy:.4f}" if accuracy is not None else "")
        yield from (f"  - {reason}" for reason in outcome.get("reasons") or ())
        if not is_bad(state) and not good:
            yield "FAILED: Airflow marked the run as failed; the log shows which task."
    if run:
        yield f"  run folder     {paths.run_dir(run)}"
        record = fileio.read_json(paths.run_dir(run) / "run.json")
        if record and outcome and outcome.get("pushed"):
            yield f"  served folder  {paths.serving_dir(record['config']['line'])}"
        if record and outcome and outcome["state"] == RunState.HELD:
            words = f"newsdesk promote {outcome['version']} --line {record['config']['line']} --reason …"
            yield f"  to release it  .venv/bin/{words}"
    yield "  all versions   .venv/bin/newsdesk models"


def _new_log() -> Path:
    folder = airflow_settings.airflow_home() / "logs"
    for old in sorted(folder.glob("retrain-*.log"))[: -KEPT_LOGS + 1]:
        old.unlink(missing_ok=True)
    return folder / f"retrain-{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{os.getpid()}.log"


def retrain(conf: dict) -> bool:
    """Runs once, prints lines and verdict; true for a run that ended well, a refused model included."""
    rest = stack_for_run()
    shown = " ".join(f"{name}={value}" for name, value in conf.items() if value not in ({}, False))
    print(f"{DAG_ID} under Airflow: {shown}", flush=True)
    if rest:
        good, run = trigger_there(rest, conf)
        log = airflow_settings.airflow_home() / "logs" / f"dag_id={DAG_ID}" / f"run_id={run}"
    else:
        log = _new_log()
        print(f"  log {log}", flush=True)
        with node_process.warm_up():
            good, run = test_here(conf, log)
    # No file: the run never opened, so nothing closed it (another run holds the line, no such source).
    outcome = (fileio.read_json(paths.run_dir(run) / "outcome.json") or runs.outcome_of(run)) if run else None
    ended_well = good and outcome is not None and not is_bad(outcome["state"])
    if not ended_well:
        node = (outcome or {}).get("node") or ""
        if rest:
            log = max((log / f"task_id={node}").glob("*.log"), default=log)
        print("\n".join([f"\nThe end of {log}:", *last_messages(log, node), ""]))
    print("\n".join(verdict(outcome, run, good)), flush=True)
    return ended_well


def main() -> int:
    """Exit code 0: the run ended well; 1: it did not; 2: its parameters cannot be used; 130: interrupted."""
    # All, and explicitly: a shell starts background commands with SIGINT ignored, and Airflow would inherit that.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        paths.ensure()
        env_file.load()
        conf = request_from(os.environ, Path.cwd())
        check_folder(conf["source"])
        return ExitCode.DONE if retrain(conf) else ExitCode.FAILED
    except run_config.ConfigError as error:
        print(error, file=sys.stderr)
        return ExitCode.USAGE
    except (airflow_settings.SetupError, errors.HomeError, RestError, run_record.RunError) as error:
        print(error, file=sys.stderr)
        return ExitCode.FAILED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
