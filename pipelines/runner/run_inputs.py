"""What a run computes from, resolved once from its request: moment, files, champion, encoders and code."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from components.core import clock
from components.core.states import Release
from components.data import sources
from components.networks import encoder_content
from components.registry import model_registry, past_champion
from pipelines.config import run_config
from pipelines.config.settings import zone
from pipelines.runner import code_version, node_code


def gather(run: run_config.RunConfig, request: run_config.Request, lines: Mapping[str, Any]) -> dict:
    """The fields of a run's record, `run` (its id) excepted. lines: as `run_config.settings()` gives it.

    Raises:
        ConfigError: an encoder cannot be read. SourceError: the source has no such files.
    """
    created = datetime.now(timezone.utc)
    as_of = clock.parse_time(request.as_of, "as_of") if request.as_of else created
    by_interval = request.interval is not None
    schedule = run_config.section(lines, run.line, "schedule")
    last = sources.last_moment(as_of, by_interval, zone(schedule.timezone))
    files, ignored = sources.resolve(run.source, run.window, last, new_day=by_interval)
    model_registry.catch_up(run.line)
    champion, past = past_champion.judge(run.line, as_of if request.trigger == "backfill" else None)
    config = run.to_json()
    if past:  # a champion that knows later rows is not replaced
        config["release"] = Release.NEVER.value
    return {
        "created": created.isoformat(timespec="seconds"),
        "trigger": request.trigger,
        "interval": list(request.interval) if by_interval else None,
        "as_of": as_of.isoformat(timespec="seconds"),
        "last_day": last.date().isoformat(),
        "config": config,
        "files": [file.to_json() for file in files],
        "ignored": ignored,
        "data_hash": hashlib.sha256("\n".join(f"{f.split} {f.sha256}" for f in files).encode()).hexdigest(),
        "champion": champion,
        "past": past,
        "encoders": _encoders(config),
        **node_code.snapshot(),
        "source_code": code_version.snapshot(),
    }


def _encoders(config: Mapping[str, Any]) -> dict[str, str]:
    """Content hash by address of the encoders that the candidate and the baseline use."""
    try:
        return encoder_content.resolve(config["network"], config["baseline"]["network"])
    except encoder_content.EncoderError as error:
        raise run_config.ConfigError(str(error)) from None
