"""What people and other DAGs are told of a run: notices, and the asset "the model that serves"."""

import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from airflow.sdk import Asset, AssetAlias

from components.core import fileio, paths, run_record
from components.core.states import RunState
from components.registry import model_registry
from newsdesk_dags import run_note
from pipelines.airflow_stack import assets
from pipelines.config import run_config
from pipelines.config.settings import NotifySettings
from pipelines.notifications import notices
from pipelines.reports import status as status_line
from pipelines.runner import runs

log = logging.getLogger("airflow.task")
# An alias: a run may end without a new champion, and a plain outlet would tell of one whenever its task is green.
CHAMPIONS = AssetAlias("newsdesk.champions", group=assets.GROUP)


def asset(name: str, **more: Any) -> Asset:
    """An asset by its name in `pipelines.airflow_stack.assets`."""
    return Asset(name=name, uri=assets.uri(name), group=assets.GROUP, **more)


def champion_changed(outlet_events: Mapping[Any, Any], line: str, run: str) -> None:
    """Emits the champion asset of a line: `version`, `digest`, `accuracy`, `run`, `kind` (release, promote, rollback)."""
    pointer = model_registry.champion(line)
    card = model_registry.card(line, pointer["version"]) or {}
    facts = {
        "version": pointer["version"],
        "digest": pointer["digest"],
        "accuracy": (card.get("metrics") or {}).get("accuracy"),
        "run": run,
        "kind": pointer["event"]["kind"],
    }
    outlet_events[CHAMPIONS].add(asset(assets.champion_name(line)), extra=facts)


def registered(context: Mapping[str, Any], request: dict, result: dict) -> None:
    """After the Registrar: tells of a new champion, unless the version is held for a person."""
    run = run_record.run_of(context["dag_run"].dag_id, context["dag_run"].run_id)
    release = fileio.read_json(paths.run_dir(run) / "release.json") or {}
    if release.get("state") == RunState.RELEASED:
        champion_changed(context["outlet_events"], run_record.load(run)["config"]["line"], run)
    elif release.get("state") == RunState.HELD:
        line = run_record.load(run)["config"]["line"]
        log.info("Held for a person: %s.", notices.how_to_approve(line, release["version"]))


def decided(context: Mapping[str, Any], record: run_record.RunRecord) -> None:
    """After a person has decided on a held version, or nobody has in time: sends the notice. Never raises."""
    try:
        outcome = runs.outcome_of(record.run)
        if outcome["state"] == RunState.HELD:  # how the run ended; its version serves since
            outcome["state"] = RunState.RELEASED
        settings = run_config.section(run_config.settings(), record.line, "notify")
        say(notices.of_run(record.line, outcome, record, address(context["dag_run"])), settings)
    except Exception:
        log.exception("No notice could be made of this decision")


def ended(context: Mapping[str, Any], request: dict, result: dict) -> None:
    """After `close`: sends the notices that newsdesk.toml asks for. Never raises: a notice is not worth a run."""
    try:
        run = run_record.run_of(context["dag_run"].dag_id, context["dag_run"].run_id)
        lines, record = run_config.settings(), fileio.read_json(paths.run_dir(run) / "run.json")
        line = (
            record["config"]["line"]
            if record
            else run_config.resolve(run_config.Request.from_json(request), lines).line
        )
        # A run that never opened has its reasons in its events, not in what `close` says.
        outcome = (result.get("outcome") if record else None) or runs.outcome_of(run)
        settings = run_config.section(lines, line, "notify")
        due = [notices.of_run(line, outcome, record, address(context["dag_run"]), status_line.text(line))]
        run_note.write(context["dag_run"], run_note.text(line, outcome))
        if outcome["state"] != RunState.RELEASED:
            due.append(notices.of_age(line, settings.max_age_days, datetime.now(timezone.utc), run))
        for notice in filter(None, due):
            say(notice, settings)
    except Exception:
        log.exception("No notice could be made of this run")


def late(line: str, hours: float, context: Mapping[str, Any] | None = None) -> None:
    """Airflow's callback for a run that passed its deadline. A backfill waits its turn, so it is never late."""
    run = (context or {}).get("dag_run") or {}
    if "backfill" in str(run.get("run_type")):
        return
    name = str(run.get("dag_run_id") or run.get("run_id") or "")
    settings = run_config.section(run_config.settings(), line, "notify")
    say(
        notices.Notice("late", line, name, f"{line}: a run is late\nIt has not ended after {hours:g} hours: {name}"),
        settings,
    )


def say(notice: notices.Notice, settings: NotifySettings) -> None:
    """Sends a notice; a way that fails is a line in the log."""
    for failure in notices.send(notice, settings):
        log.warning("A notice could not be delivered by %s", failure)


def address(run) -> str:
    """The page of a run in Airflow's UI."""
    return run_note.page(run.dag_id, run.run_id)
