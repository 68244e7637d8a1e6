"""Tells people how a run ended: by mail, to a webhook, into a file, as `[<line>.notify]` of newsdesk.toml says.

    [news.notify]
    on = ["refused", "failed", "stopped", "released", "held", "stale", "late", "drifted"]
    smtp = "smtp://desk@mail.example.org:587"   # smtps:// is encrypted from the start; smtp:// where the server offers it
    to = ["desk@example.org"]
    password_env = "NEWSDESK_SMTP_PASSWORD"     # the name of an environment variable, never a password
    webhook = "https://chat.example.org/hook"   # or webhook_env, the name of a variable: an address may be a secret itself
    file = "notices.jsonl"                      # in NEWSDESK_HOME, or an absolute path
    max_age_days = 14                           # a champion older than this is "stale"
    deadline_hours = 6                          # a run that takes longer is "late"

A notice that cannot be delivered is a line in the log, never a failed run. Standard library only.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipelines import config, deliver, home, registry

KINDS = ("released", "held", "refused", "unchanged", "stopped", "failed", "locked", "stale", "late", "drifted")
USUAL = tuple(kind for kind in KINDS if kind not in ("unchanged", "locked"))
_TEXT, _LINE = 8000, 200  # characters of a notice, and of its first line
_ADDRESS = re.compile(r"[^@\s<>,;:\"\\()]{1,64}@[A-Za-z0-9.-]{1,190}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_NUMBERS = ("max_age_days", "deadline_hours")


@dataclass(frozen=True)
class Settings:
    """A line's `[notify]` table; see above. Without a way to go (`smtp`, `webhook`, `file`) nothing is sent."""

    on: tuple[str, ...] = USUAL
    smtp: str = ""
    to: tuple[str, ...] = ()
    sender: str = ""
    password_env: str = ""
    webhook: str = ""
    webhook_env: str = ""
    file: str = ""
    max_age_days: float = 0
    deadline_hours: float = 0

    def __post_init__(self):
        _rule(set(self.on) <= set(KINDS), f"on must be among {', '.join(KINDS)}", on=list(self.on))
        _rule(bool(self.smtp) == bool(self.to), "smtp and to belong together", smtp=self.smtp, to=list(self.to))
        for address in (*self.to, *([self.sender] if self.sender else ())):
            _rule(bool(_ADDRESS.fullmatch(address)), "a mail address must have the form name@host", address=address)
        for name, schemes in (("smtp", ("smtp", "smtps")), ("webhook", ("http", "https"))):
            try:
                _ = getattr(self, name) and deliver.parse(getattr(self, name), schemes)
            except deliver.DeliveryError as error:
                raise config.ConfigError(f"notify.{name}: {error}") from None
        for name in ("password_env", "webhook_env"):
            right = not getattr(self, name) or bool(_VARIABLE.fullmatch(getattr(self, name)))
            _rule(right, f"{name} must name an environment variable")  # unsaid: it may be the secret itself
        for name in _NUMBERS:
            _rule(0 <= getattr(self, name) <= 36_500, f"{name} must lie in 0..36500", **{name: getattr(self, name)})


@dataclass(frozen=True)
class Notice:
    """One thing to tell. kind: one of KINDS. text: lines for a person, the first of them the headline."""

    kind: str
    line: str
    run: str
    text: str


def settings(lines: Mapping[str, Any], line: str) -> Settings:
    """The notify settings of a line. lines: as `config.settings()` gives it.

    Raises:
        config.ConfigError: a value of the wrong type or out of range.
    """
    table = dict(lines.get(line, {}).get("notify", {}))
    for name, value in table.items():
        if name in ("on", "to"):
            right = isinstance(value, list) and all(isinstance(item, str) for item in value)
        else:
            right = type(value) in ((int, float) if name in _NUMBERS else (str,))
        _rule(right, f"{name} has the wrong type", type=type(value).__name__)
    return Settings(**{name: tuple(value) if isinstance(value, list) else value for name, value in table.items()})


def of_run(line: str, outcome: Mapping[str, Any], record: Mapping[str, Any] | None, address: str) -> Notice:
    """What to tell about a run that has ended.

    outcome: as `runs.outcome_of` gives it. record: its `run.json`, None where it never opened. address: where to look.
    """
    state, version, reasons = outcome["state"], outcome.get("version"), outcome.get("reasons") or ()
    accuracy = (outcome.get("metrics") or {}).get("accuracy")
    head = f"{line}: {state}" + (f" as version {version}" if version is not None else "")
    head += f" at {outcome['node']}" if outcome.get("node") else ""
    head += f", accuracy {accuracy:.4f}" if accuracy is not None else ""
    told = [head, *(f"- {reason}" for reason in reasons), ""]
    if state == "held":
        told.append(f"It waits for a person: {how_to_approve(line, version)}.")
    if record:
        asked = record["config"]
        told.append(
            f"source {asked['source']}, window {asked['window']}, preset {asked['preset']}, seed {asked['seed']}, "
            f"{len(record['files'])} files, started by {record['trigger']}"
        )
    told += [f"run {address}", f"files {home.run_dir(outcome['run'])}"]
    return Notice(state, line, outcome["run"], "\n".join(told))


def how_to_approve(line: str, version: int) -> str:
    return f"trigger the DAG news_release with action promote, line {line}, version {version}"


def of_age(line: str, days: float, now: datetime, run: str = "") -> Notice | None:
    """A notice where the line's champion is more than so many days old; None where it is not, or 0 days are set.

    What counts is when its version was made: a rollback makes an old model no younger.
    """
    pointer = registry.champion(line) if days else None
    card = registry.card(line, pointer["version"]) if pointer else None
    if not card:
        return None
    age = now - config.parse_time(card["created"], "created")
    if age <= timedelta(days=days):
        return None
    told = f"{line}: version {card['version']}, which serves, is {age.days} days old"
    return Notice("stale", line, run, f"{told}\nIt was made on {card['created']}; the limit is {days:g} days.")


def send(notice: Notice, told: Settings) -> list[str]:
    """Delivers a notice every way that the settings name; returns one line for each that failed."""
    if notice.kind not in told.on:
        return []
    text = deliver.plain(notice.text, "\n")[:_TEXT]
    head = f"[newsdesk] {text.partition(chr(10))[0][:_LINE]}"
    value = {"time": home.now(), "kind": notice.kind, "line": notice.line, "run": notice.run, "text": text}
    password, hook = (os.environ.get(name, "") for name in (told.password_env, told.webhook_env))
    ways = {
        "mail": (told.smtp, lambda: deliver.mail(told.smtp, told.sender or told.to[0], told.to, head, text, password)),
        "webhook": (told.webhook or told.webhook_env, lambda: deliver.post(told.webhook or hook, value)),
        "file": (told.file, lambda: home.append_json(home.home() / told.file, value)),
    }
    failed = []
    for name, (wanted, go) in ways.items():
        try:
            if wanted:
                go()
        except Exception as error:  # a notice is never worth a run
            failed.append(f"{name}: {error if isinstance(error, deliver.DeliveryError) else type(error).__name__}")
    return failed


def _rule(condition: bool, rule: str, **received: Any) -> None:
    if not condition:
        shown = ", ".join(f"{name}={str(value)[:80]!r}" for name, value in received.items())
        raise config.ConfigError(f"notify: {rule}." + (f" Received: {shown}" if shown else ""))
