"""Notifications about how a run ended: by mail, to a webhook, into a file, as configured in `[<line>.notify]` of newsdesk.toml.

    [news.notify]
    on = ["refused", "failed", "stopped", "released", "held", "stale", "late", "drifted"]
    smtp = "smtp://desk@mail.example.org:587"   # smtps:// is encrypted from the start; smtp:// where the server offers it
    to = ["desk@example.org"]
    password_env = "NEWSDESK_SMTP_PASSWORD"     # the name of an environment variable, never a password
    webhook = "https://chat.example.org/hook"   # or webhook_env, the name of a variable: an address may be a secret itself
    file = "notices.jsonl"                      # in NEWSDESK_HOME, or an absolute path
    max_age_days = 14                           # a champion older than this is "stale"
    deadline_hours = 6                          # a run that takes longer is "late"

A notice that cannot be delivered is a warning in the log and fails no run.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from components.core import clock, fileio, paths
from components.core.states import Release, RunState
from components.registry import model_registry
from pipelines.config.settings import NotifySettings
from pipelines.notifications import transports

APPROVAL_TASK = "approve"  # of a retraining run in Airflow
_TEXT, _LINE = 8000, 200  # characters of a notice, and of its first line


@dataclass(frozen=True)
class Notice:
    """One notification. kind: one of `NOTICES`. text: lines for a person; the first is the headline."""

    kind: str
    line: str
    run: str
    text: str


def of_run(
    line: str, outcome: Mapping[str, Any], record: Mapping[str, Any] | None, address: str, status: str = ""
) -> Notice:
    """The notice about a run that has ended.

    outcome: as `runs.outcome_of` gives it. record: its `run.json`, None where it never opened. address: the run's page.
    status: what serves now, as one line (`pipelines.reports.status.text`).
    """
    state, version, reasons = outcome["state"], outcome.get("version"), outcome.get("reasons") or ()
    accuracy = (outcome.get("metrics") or {}).get("accuracy")
    head = f"{line}: {state}" + (f" as version {version}" if version is not None else "")
    head += f" at {outcome['node']}" if outcome.get("node") else ""
    head += f", accuracy {accuracy:.4f}" if accuracy is not None else ""
    lines = [head, *(f"- {reason}" for reason in reasons), ""]
    if state == RunState.HELD:
        asks = record and record["config"].get("release") == Release.HOLD
        lines.append(f"It waits for approval: {how_to_approve(line, version, address if asks else '')}.")
    if record:
        config = record["config"]
        lines.append(
            f"source {config['source']}, window {config['window']}, preset {config['preset']}, seed {config['seed']}, "
            f"{len(record['files'])} files, started by {record['trigger']}"
        )
    lines += [status] if status else []
    lines += [f"run {address}", f"files {paths.run_dir(outcome['run'])}"]
    return Notice(state, line, outcome["run"], "\n".join(lines))


def how_to_approve(line: str, version: int, address: str = "") -> str:
    """address: the page of a run in Airflow that asks a person; empty where none asks."""
    there = f"answer at {approval_address(address)}, or " if address else ""
    return f"{there}newsdesk promote {version} --line {line} --reason …"


def approval_address(run_address: str) -> str:
    """Where a person answers a run's question, in Airflow's UI. run_address: the run's page."""
    return f"{run_address}/tasks/{APPROVAL_TASK}/required_actions"


def of_age(line: str, days: float, now: datetime, run: str = "") -> Notice | None:
    """A notice where the line's champion is more than so many days old; None where it is not, or 0 days are set.

    The age counts from when the version was made: a rollback does not make an old model younger.
    """
    pointer = model_registry.champion(line) if days else None
    card = model_registry.card(line, pointer["version"]) if pointer else None
    if not card:
        return None
    age = now - clock.parse_time(card["created"], "created")
    if age <= timedelta(days=days):
        return None
    headline = f"{line}: version {card['version']}, which serves, is {age.days} days old"
    return Notice("stale", line, run, f"{headline}\nIt was made on {card['created']}; the limit is {days:g} days.")


def send(notice: Notice, settings: NotifySettings) -> list[str]:
    """Delivers a notice by every transport that the settings name; returns one message for each that failed."""
    if notice.kind not in settings.on:
        return []
    text = transports.plain(notice.text, "\n")[:_TEXT]
    head = f"[newsdesk] {text.partition(chr(10))[0][:_LINE]}"
    value = {"time": clock.now(), "kind": notice.kind, "line": notice.line, "run": notice.run, "text": text}
    password, hook = (os.environ.get(name, "") for name in (settings.password_env, settings.webhook_env))
    transports_by_name = {
        "mail": (
            settings.smtp,
            lambda: transports.mail(
                settings.smtp, settings.sender or settings.to[0], settings.to, head, text, password
            ),
        ),
        "webhook": (settings.webhook or settings.webhook_env, lambda: transports.post(settings.webhook or hook, value)),
        "file": (settings.file, lambda: fileio.append_json(paths.home() / settings.file, value)),
    }
    failed = []
    for name, (wanted, deliver) in transports_by_name.items():
        try:
            if wanted:
                deliver()
        except Exception as error:  # a notice is never worth a run
            failed.append(f"{name}: {error if isinstance(error, transports.DeliveryError) else type(error).__name__}")
    return failed
