"""The sections of a line in `newsdesk.toml`; `pipelines.config.run_config.section` reads them.

No TensorFlow, so that both environments can use it.
"""

import re
import zoneinfo
from datetime import date, timezone, tzinfo
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from components.core.validation import ConfigError, check
from pipelines.config import cron
from pipelines.config.approval_settings import ApprovalSettings
from pipelines.config.base import ListOf, Rule, Settings
from pipelines.config.beam_settings import BeamSettings
from pipelines.config.data_settings import DataConfig, Share
from pipelines.config.engine_settings import EngineSettings
from pipelines.config.gate_settings import GateConfig
from pipelines.config.presets import DEFAULT, PRESETS
from pipelines.notifications import transports

RELEASES = ("auto", "hold", "never")
NOTICES = ("released", "held", "refused", "unchanged", "stopped", "failed", "locked", "stale", "late", "drifted")
USUAL = tuple(kind for kind in NOTICES if kind not in ("unchanged", "locked"))
# In a JSON schema `$` also matches before a last line end, in Python but not in a browser.
END = r"$(?!\n)"
WINDOW = rf"^(all|last [1-9]\d{{0,3}}d|\d{{4}}-\d\d-\d\d){END}"
SEED_LIMIT = 2**31 - 1
_ADDRESS = re.compile(r"[^@\s<>,;:\"\\()]{1,64}@[A-Za-z0-9.-]{1,190}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def check_cron(text: str) -> str:
    """Raises ConfigError where this is no cron expression."""
    fault = cron.fault(text)
    check(not fault, f"cron must be a cron expression such as '0 3 * * *', 03:00 every day. {fault}")
    return text


def zone(name: str) -> tzinfo:
    """A time zone by its name. UTC needs no database of zones.

    Raises:
        ConfigError: no such zone on this machine.
    """
    try:
        return timezone.utc if name == "UTC" else zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"timezone must be a name such as 'Europe/Vienna'. Received: timezone={name[:80]!r}"
        ) from None


def _check_zone(name: str) -> str:
    zone(name)
    return name


def _check_day(window: str) -> str:
    """Raises ConfigError where a window is one day that no calendar has."""
    try:
        if window[:1].isdigit():
            date.fromisoformat(window)
    except ValueError:
        raise ConfigError(f"window {WINDOW_RULE.text}, of the calendar. Received: window={window!r}") from None
    return window


WINDOW_RULE = Rule("must be 'all', 'last Nd' or a date YYYY-MM-DD")
REAL_DAY = AfterValidator(_check_day)
Window = Annotated[str, Field(pattern=WINDOW), WINDOW_RULE, REAL_DAY]
Timezone = Annotated[str, AfterValidator(_check_zone)]
Seed = Annotated[int, Field(ge=0, le=SEED_LIMIT)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]


class Schedule(Settings):
    """When a line is retrained, and what a scheduled run asks for; the trigger form begins with the same values."""

    section = "schedule"

    cron: Annotated[str, AfterValidator(check_cron)] = Field("0 3 * * *", description="When the line is retrained.")
    timezone: Timezone = Field("UTC", description="The cron's; a dated folder holds a calendar day of it.")
    source: str = Field("demo", description="demo, tfds, or a folder.")
    window: Window = Field("all", description="Dated folders to read: all, last Nd, or one day.")
    preset: Literal[tuple(PRESETS)] = Field(DEFAULT, description="The preset to train.")
    seed: Seed = Field(1, description="Same seed, data and code: same model.")
    release: Literal[RELEASES] = Field("auto", description="What happens to a candidate that passes the gate.")


class RetentionSettings(Settings):
    """What is kept besides what `pipelines.operations.retention` protects."""

    section = "retention"

    keep: Count = Field(5, description="The newest versions.")
    pinned: Annotated[ListOf[Annotated[int, Field(gt=0)]], Rule("must be a list of int, versions from 1 on")] = Field(
        (), description="Versions kept whatever their age; `newsdesk pin N` does the same from the command line."
    )
    runs: Count = Field(
        20, description="The newest runs whose folders and artifacts are kept besides those of kept versions."
    )
    cache_days: Count = Field(30, description="Days after which unused entries of a cache go.")
    scored_days: Count = Field(
        90,
        description="Days after which scored articles go: the rows of `newsdesk monitor` and the answers of `news_score`. A monitored "
        "batch's figures, quarantine and label queue stay.",
    )


class MonitorSettings(Settings):
    """When recent articles are scored, and how far they may be from the champion's train rows. Distances and shares lie in 0..1."""

    section = "monitor"

    folder: str = Field("", description="Recent articles.")
    cron: str = Field("", description="When Airflow looks at them; empty: only when asked.")
    timezone: Timezone = Field("UTC", description="The cron's and the window's.")
    window: Window = Field("all", description="As of a run, up to today.")
    max_words: Share = Field(0.1, description="Distance of the words (`components.data_quality.drift`).")
    max_lengths: Share = Field(0.1, description="Distance of the lengths.")
    max_classes: Share = Field(0.1, description="Distance of the predicted classes.")
    max_confidence_drop: Share = Field(
        0.05, description="By how much the mean confidence may lie below the champion's on its own test rows."
    )
    max_accuracy_drop: Share = Field(
        0.02,
        description="By how much the accuracy on articles that came with a label may lie below the one on the champion's card, where so "
        "low an accuracy is not chance (exact binomial test).",
    )
    min_labelled: Count = Field(30, description="Articles with a label below which accuracy is not judged.")
    max_quarantined: Share = Field(0.01, description="Share of rows that may be unreadable.")
    min_rows: Count = Field(100, description="Readable rows below which drift is not judged.")
    queue_rows: Count = Field(100, description="Texts that a batch asks labels for.")
    queue_unlike: Share = Field(
        0.25, description="Share of them chosen for being unlike the train rows, the rest for being unsure."
    )
    queue_random: Share = Field(
        0.3,
        description="Share of them drawn from the whole batch: `newsdesk label` judges a batch of labels by these rows above all.",
    )

    @field_validator("cron")
    @classmethod
    def _cron(cls, text: str) -> str:
        return check_cron(text) if text else text

    @model_validator(mode="after")
    def _folder(self) -> "MonitorSettings":
        right = not self.folder or PurePath(self.folder).is_absolute()
        check(right, "monitor.folder must be an absolute path", folder=self.folder)
        check(bool(self.folder) or not self.cron, "monitor.cron needs monitor.folder", cron=self.cron)
        return self


class NotifySettings(Settings):
    """Whom to notify, and of what; see `pipelines.notifications.notices`. Without `smtp`, `webhook` or `file` nothing is sent."""

    section = "notify"

    on: Annotated[ListOf[Literal[NOTICES]], Rule(f"must be a list of some of {', '.join(NOTICES)}")] = Field(
        USUAL, description="Which events."
    )
    smtp: str = Field("", description="Mail server: smtp://user@host:port, or smtps:// for TLS from the start.")
    to: ListOf[str] = Field((), description="Addresses of mails.")
    sender: str = Field("", description="Sender of mails.")
    password_env: str = Field("", description="Environment variable that holds the mail server's password.")
    webhook: str = Field("", description="Address that gets a POST with JSON.")
    webhook_env: str = Field("", description="Environment variable that holds the webhook's address.")
    file: str = Field("", description="File to append to.")
    max_age_days: float = Field(0, ge=0, le=36_500, description="Age of the champion that is worth a notice; 0: none.")
    deadline_hours: float = Field(0, ge=0, le=36_500, description="Hours after which a run is late; 0: never.")

    @field_validator("smtp", "webhook")
    @classmethod
    def _address(cls, address: str, info: ValidationInfo) -> str:
        schemes = ("smtp", "smtps") if info.field_name == "smtp" else ("http", "https")
        try:
            _ = address and transports.parse(address, schemes)
        except transports.DeliveryError as error:
            raise ConfigError(f"notify.{info.field_name}: {error}") from None
        return address

    @field_validator("password_env", "webhook_env")
    @classmethod
    def _variable(cls, name: str, info: ValidationInfo) -> str:
        right = not name or bool(_VARIABLE.fullmatch(name))
        check(
            right, f"notify.{info.field_name} must name an environment variable"
        )  # unsaid: it may be the secret itself
        return name

    @model_validator(mode="after")
    def _recipients(self) -> "NotifySettings":
        both = bool(self.smtp) == bool(self.to)
        check(both, "notify.smtp and notify.to belong together", missing="to" if self.smtp else "smtp")
        for address in (*self.to, *([self.sender] if self.sender else ())):
            right = bool(_ADDRESS.fullmatch(address))
            check(right, "an address in notify must have the form name@host", address=address)
        return self


class Tuned(Settings):
    """Settings that a Tuner chose, for every later run of this line with the same preset; `newsdesk keep N` writes them."""

    section = "tuned"

    preset: Literal[("", *PRESETS)] = Field("", description="Whose settings they are.")
    version: Count = Field(0, description="The version that was trained with them.")
    set: dict[str, Any] = Field({}, description="Settings by name, such as training.epochs.")


SECTIONS: dict[str, type[Settings]] = {
    kind.section: kind
    for kind in (
        Schedule,
        DataConfig,
        GateConfig,
        ApprovalSettings,
        BeamSettings,
        EngineSettings,
        RetentionSettings,
        MonitorSettings,
        NotifySettings,
        Tuned,
    )
}
