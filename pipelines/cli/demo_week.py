"""`newsdesk demo-week`: a week of the demo's newsroom played in minutes, each day by the commands that a person would use."""

import csv
import shutil
import sys
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import click

from components.core import csv_escape, locks, paths
from components.core.states import ExitCode, RunState
from pipelines.cli.command import Command
from pipelines.cli.node_runs import interruptible, run_node, run_nodes
from pipelines.cli.retrain import check_request, new_run_id
from pipelines.config.lines import DEMO_LINE
from pipelines.flow import FLOW

MONDAY = date(2026, 2, 2)  # after the last day of the demo's corpus, so that the week reads it too
SMALLER = "bag"  # the preset that a colleague tries on Tuesday
LOOK = 1.0  # seconds between two looks at a line that another run holds
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class Event:
    """What happened on a day: `what` in a word, `why` in a sentence; version and accuracy (0..1) where a model was judged."""

    day: date
    what: str
    why: str
    version: int | None = None
    accuracy: float | None = None


@click.command("demo-week", cls=Command, example="newsdesk demo-week")
@click.option("--days", type=click.IntRange(1, 7), default=7, show_default=True, help="how many, from Monday on")
@click.option("--preset", default="", help="the model (default: the demo line's)")
def command(days, preset) -> int:
    """Play a week of the demo's newsroom on the line news-demo: released, refused, stopped, drifted, labelled, rolled back."""
    events: list[Event] = []
    with interruptible():
        wait_for_line()
        forget_week()
        for number in range(days):
            events += play_day(MONDAY + timedelta(number), preset)
            print(f"\n{table(events)}\n", file=sys.stderr)
    print(table(events))
    print(
        f"\n`newsdesk models --line {DEMO_LINE}` lists the versions; after `make up`, the page Models shows the week."
    )
    return ExitCode.FAILED if any(event.what == RunState.FAILED for event in events) else ExitCode.DONE


def wait_for_line() -> None:
    """Lets a run that works on the line end first: with the stack up, the week's own labels start one."""
    said = False
    while (holder := locks.holder(DEMO_LINE)) and holder["lives"]:
        if not said:
            print(f"waiting: {locks.Locked(DEMO_LINE, holder)}", file=sys.stderr)
        said = True
        time.sleep(LOOK)


def forget_week() -> None:
    """Takes the week's days out of the demo's source, so that each is delivered anew."""
    from components.data import generated_days, sources

    for number in range(7):
        folder = sources.folder_of("demo") / f"span={MONDAY + timedelta(number)}"
        if generated_days.is_generated(folder):
            shutil.rmtree(folder)


def play_day(day: date, preset: str) -> list[Event]:
    """Plays one day and returns what happened.

    Raises:
        ConfigError: the preset is none. Locked: another run holds the line.
    """
    from components.data import demo_days

    kind, smaller = demo_days.kind_of(day), day.weekday() == 1
    request = {
        "source": "demo",
        "line": DEMO_LINE,
        "trigger": "cli",
        "preset": SMALLER if smaller else preset,
        "as_of": f"{day + timedelta(1)}T00:00:00+00:00",
        "interval": [f"{day}T00:00:00+00:00", f"{day + timedelta(1)}T00:00:00+00:00"],
    }
    wait_for_line()
    check_request(request)
    events = drift_and_labels(day) if kind == demo_days.DRIFTED else []
    events.append(retrain(day, request, "a smaller model was tried: " if smaller else ""))
    if day.weekday() == 6:
        events += roll_back(day)
    return events


def retrain(day: date, request: dict, before: str) -> Event:
    """One run of the flow. before: what to say before its first reason."""
    ended: dict | None = {"state": RunState.LOCKED}
    while ended and ended["state"] == RunState.LOCKED:  # a run may start between the look and the first node
        wait_for_line()
        run_id, ended = new_run_id("week"), None
        try:
            ended = run_nodes(run_id, FLOW, request)
        finally:
            outcome = run_node("close", run_id, {})[1].get("outcome", {})
    outcome = {**outcome, **({"state": ended["state"], "reasons": ended["reasons"]} if ended else {})}
    reasons, metrics = outcome.get("reasons") or [""], outcome.get("metrics") or {}
    return Event(day, outcome["state"], before + reasons[0], outcome.get("version"), metrics.get("accuracy"))


def drift_and_labels(day: date) -> list[Event]:
    """The champion looks at the day's articles; where they have drifted, the desk labels the texts that the queue asks about."""
    from components.data import demo_corpus, demo_days, sources
    from components.registry import model_registry
    from pipelines.config.settings import MonitorSettings
    from pipelines.monitoring import label_import, monitor

    if not model_registry.champion(DEMO_LINE):
        return [Event(day, "unwatched", "no version serves yet, so nothing looks for drift")]
    demo_days.deliver(demo_corpus.write(sources.folder_of("demo")), day)
    recent = paths.home() / "tmp" / f"demo-week-{day}"
    shutil.rmtree(recent, ignore_errors=True)
    # Without the day's held-out articles: a label for one of them would bring a test row into the train rows.
    held_out = shutil.ignore_patterns("test.csv")
    shutil.copytree(sources.folder_of("demo") / f"span={day}", recent / f"span={day}", ignore=held_out)
    try:
        seen = monitor.monitor(DEMO_LINE, str(recent), "all", MonitorSettings())
        batch = seen["batches"][-1]
        warnings = [warning["message"] for warning in batch["warnings"]]
        if not warnings:
            return [Event(day, "watched", "no drift")]
        queue = Path(seen["report"]).parent / batch["batch"] / "queue.csv"
        answered = answer(queue, demo_days.lines_of(day), recent / "queue.csv")
        asked = SimpleNamespace(
            queue=recent / "queue.csv",
            into="demo",
            span=str(MONDAY - timedelta(1)),
            requests=None,
            confirm="",
            json=False,
        )
        code = label_import.run(asked, DEMO_LINE)
    finally:
        shutil.rmtree(recent, ignore_errors=True)
    labelled = f"{answered} texts of the label queue were answered, for the next run"
    label = Event(day, "labelled", labelled) if code == 0 else Event(day, "unlabelled", f"exit code {code}")
    return [Event(day, "drifted", "; ".join(warnings)), label]


def answer(queue: Path, lines: list[bytes], answered: Path) -> int:
    """Fills in a label queue as the newsroom's editors would, who know their own articles; returns how many rows."""
    rows = csv.reader(line.decode("utf-8") for line in lines)
    truth = {(title, text): label for label, title, text in rows}
    with open(queue, newline="", encoding="utf-8-sig") as file:
        asked = list(csv.DictReader(file))
    for row in asked:
        row["label"] = truth[csv_escape.restored(row["title"]), csv_escape.restored(row["description"])]
    with open(answered, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(asked[0]))
        writer.writeheader()
        writer.writerows(asked)
    return len(asked)


def roll_back(day: date) -> list[Event]:
    """On Sunday a reader complains, and the desk goes back to the previous version."""
    from components.registry import model_registry
    from pipelines.cli import release

    if model_registry.rollback_target(DEMO_LINE) is None:
        return [Event(day, "kept", "nothing to roll back to: only one version has served")]
    reason = "a reader complains about Sunday's sports page"
    release.run("rollback", DEMO_LINE, reason, None, None)
    pointer = model_registry.champion(DEMO_LINE)
    return [Event(day, "rolled back", f"{reason}; version {pointer['version']} serves again", pointer["version"])]


def table(events: list[Event]) -> str:
    """The week so far, one line an event."""
    lines = [f"{'day':<15}{'what':<13}{'version':>7}  {'accuracy':>8}  why"]
    for at, event in enumerate(events):
        first = at == 0 or events[at - 1].day != event.day
        day = f"{WEEKDAYS[event.day.weekday()]} {event.day}" if first else ""
        version = "" if event.version is None else event.version
        accuracy = "" if event.accuracy is None else f"{event.accuracy:.4f}"
        lines.append(f"{day:<15}{event.what:<13}{version:>7}  {accuracy:>8}  {event.why[:140]}")
    return "\n".join(lines)
