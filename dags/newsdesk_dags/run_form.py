"""The trigger form of a retraining run, and what its values become: the one request that UI, REST, command line, backfill and
asset event all end in."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow.sdk import Param

from components.core import clock, paths
from components.core.records import RunRecord
from newsdesk_dags.form_parts import limits, refuse_unknown
from pipelines.config import run_config
from pipelines.config.presets import PRESETS
from pipelines.config.settings import END, Schedule

SOURCE = rf"^(demo|tfds(:[A-Za-z0-9_/.-]{{1,100}})?|/(?!(.*/)?\.\.(/|$))[^\x00-\x1f\x7f]*){END}"
# Runs that cover an interval of the time table; every other run is about the moment it was asked for.
_BY_INTERVAL = ("scheduled", "backfill")
_BY_ASSET = "asset_triggered"


def form(schedule: Schedule) -> dict[str, Param]:
    """The trigger form. schedule: gives the defaults."""
    presets = "\n".join(f"- **{preset.name}**: {preset.summary}" for preset in PRESETS.values())
    return {
        "source": Param(
            schedule.source,
            title="Source",
            description_md="**demo**, **tfds**, or the absolute path of a folder with CSV, TSV, JSONL or Parquet files.",
            section="Data",
            **limits(run_config.Request, "source"),
            minLength=1,
            pattern=SOURCE,
        ),
        "window": Param(
            schedule.window,
            title="Window",
            description_md="Dated folders to read: **all**, **last 30d**, or one day as **YYYY-MM-DD**.",
            section="Data",
            **limits(Schedule, "window"),
        ),
        "preset": Param(
            schedule.preset,
            title="Model",
            description_md=f"The preset to train; what each has reached stands on its card in **pipelines/config/presets.py**.\n\n{presets}",
            section="Model",
            **limits(Schedule, "preset"),
        ),
        "set": Param(
            {},
            title="Overrides",
            description_md='Settings that differ from the preset, as JSON: **{"training.epochs": 2}**.',
            section="Training",
            type="object",
            maxProperties=40,
            propertyNames={"pattern": rf"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?{END}", "maxLength": 64},
            additionalProperties={"type": ["string", "number", "boolean"], "maxLength": 256},
        ),
        "seed": Param(
            schedule.seed,
            title="Seed",
            description="A whole number from 0 on. Same seed, data and code: same model.",
            section="Training",
            # Airflow's own number field turns what it cannot take into something else, unsaid. With two types the form has a text
            # field, which is red where the text is neither, and sends a wrong number as it is; then Airflow refuses the run.
            **{**limits(Schedule, "seed"), "type": ["integer", "number"]},
            multipleOf=1,
        ),
        "force": Param(
            False,
            title="Force",
            description="Train again even if nothing changed since the last run.",
            section="Training",
            **limits(run_config.Request, "force"),
        ),
        "release": Param(
            None,
            title="Release",
            description_md="**auto** publishes a candidate that passes the gate, **hold** waits for a person, **never** only trains. "
            "Where the line's settings say nothing, it is **auto**; a backfill never replaces a champion that knows later rows.",
            section="Release",
            type=["null", "string"],
            enum=[None, *limits(Schedule, "release")["enum"]],
            values_display={"null": "as the line's settings say"},
        ),
    }


FORM_FIELDS = tuple(form(Schedule()))


def request_of(run, params: Mapping[str, Any], line: str = "", own: str = "") -> dict:
    """The request of a node: the form's fields, and when and how the run came about.

    line: the DAG's. own: the source of its schedule, where the DAG takes others too and these decide on the line.

    Raises:
        AirflowFailException: a parameter that no field knows.
        ConfigError: a value that the form would have refused.
    """
    refuse_unknown(run.conf, FORM_FIELDS)
    kind = str(getattr(run.run_type, "value", run.run_type))
    by_interval = kind in _BY_INTERVAL and run.data_interval_end is not None
    moment = run.data_interval_end if by_interval else run.run_after
    if kind == _BY_ASSET:  # it waited while another run was on, and answers all events up to its start
        moment = max(moment, getattr(run, "start_date", None) or moment)
    asked = {name: params[name] for name in FORM_FIELDS if params.get(name) is not None}
    if kind == "backfill":
        asked.setdefault("release", "never")
    works_for_it = line and (not own or run_config.same_source(str(asked.get("source", own)), own))
    value = {
        **asked,
        **({"line": line} if works_for_it else {}),
        "as_of": _utc(moment),
        "trigger": kind,
        "interval": [_utc(run.data_interval_start), _utc(run.data_interval_end)] if by_interval else None,
    }
    source = run_config.Request.from_json(value).source
    if source and not re.match(SOURCE, source):
        raise run_config.ConfigError(
            "source must be 'demo', 'tfds' or the absolute path of a folder, without '..'. "
            f"Received: source={source[:80]!r}"
        )
    return value


def line_of(run_id: str, request: Mapping[str, Any]) -> str:
    """The line that a run works on: its record's, or what its request comes to; empty for a request that `run_node` will refuse."""
    if record := RunRecord.read(paths.run_dir(run_id) / "run.json"):
        return record.line
    try:
        return run_config.resolve(run_config.Request.from_json(request), run_config.settings()).line
    except run_config.ConfigError:
        return ""


def _utc(time: datetime) -> str:
    return clock.parse_time(time.isoformat(), "time").isoformat(timespec="seconds")
