"""The watcher of a source: what it fires for, what it knows already, and what it survives."""

import asyncio
import logging

import pytest
from airflow.triggers.base import BaseEventTrigger
from newsdesk_dags.asset_watcher import SpanTrigger, spans

from components.data import generated_days, sources


class State:
    """What Airflow keeps for an asset, as far as the trigger uses it."""

    def __init__(self, **values):
        self.values = values

    async def aget(self, key):
        return self.values.get(key)

    async def aset(self, key, value):
        self.values[key] = value


def drop(source, name, rows="a row\n", done=True):
    folder = source / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.csv").write_text(rows)
    if done:
        (folder / "_SUCCESS").touch()
    return folder


def fired(source, state, looks):
    """The spans of each event while `looks` are made, each after one function of the list was called."""
    trigger = SpanTrigger("news", str(source), seconds=0)
    trigger.asset_state_store = state
    events = []

    async def watch():
        pending = iter(looks)

        async def between(seconds):
            for change in pending:
                return change()
            raise StopAsyncIteration

        original, asyncio.sleep = asyncio.sleep, between
        try:
            async for event in trigger.run():
                events.append(event.payload["spans"])
        except RuntimeError as ended:  # what a StopAsyncIteration inside a generator becomes
            assert isinstance(ended.__cause__, StopAsyncIteration)
        finally:
            asyncio.sleep = original

    asyncio.run(watch())
    return events


@pytest.fixture
def source(tmp_path):
    drop(tmp_path / "source", "2026-01-01")
    return tmp_path / "source"


def nothing():
    pass


def test_what_is_there_at_the_first_look_is_known_and_what_arrives_later_fires_once(source):
    assert fired(source, State(), [nothing, lambda: drop(source, "span=2026-01-02"), nothing]) == [["span=2026-01-02"]]


def test_a_folder_that_is_still_being_written_fires_when_its_marker_comes(source):
    looks = [lambda: drop(source, "2026-01-02", done=False), nothing, lambda: drop(source, "2026-01-02")]
    assert fired(source, State(), looks[:2]) == []
    assert fired(source, State(), looks) == [["2026-01-02"]]


def test_a_folder_that_changes_fires_again_and_one_that_is_touched_not_at_all_does_not(source):
    assert fired(source, State(), [nothing, lambda: drop(source, "2026-01-01", "more\n" * 2), nothing]) == [
        ["2026-01-01"]
    ]


def test_what_arrived_while_nobody_watched_is_found_from_the_state_that_was_kept(source):
    state = State()
    assert fired(source, state, [nothing]) == []
    drop(source, "2026-01-02")
    assert fired(source, state, [nothing]) == [["2026-01-02"]]
    assert fired(source, state, [nothing]) == []


def test_a_day_that_lies_ahead_waits_for_its_day_and_other_folders_are_nothing(source):
    looks = [lambda: drop(source, "2999-01-01"), lambda: drop(source, "notes"), lambda: drop(source, "2026-13-45")]
    assert fired(source, State(), looks) == []


def test_a_source_that_goes_away_and_comes_back_is_no_news(source):
    away = source.with_name("away")
    assert fired(source, State(), [lambda: source.rename(away), lambda: away.rename(source), nothing]) == []


def test_a_source_that_cannot_be_listed_is_a_line_in_the_log_and_not_one_for_each_look(tmp_path, caplog, capsys):
    caplog.set_level(logging.WARNING)
    assert fired(tmp_path / "nowhere", State(), [nothing] * 3) == []
    logged = caplog.text + capsys.readouterr().out  # where it goes depends on what set Airflow's logging up
    assert logged.count("cannot be listed") == 1


def test_a_day_that_the_demo_wrote_for_a_run_is_no_news_and_labels_beside_it_are(source, monkeypatch):
    def generated():
        (drop(source, "span=2026-01-02") / "_SUCCESS").write_bytes(generated_days.GENERATED)

    monkeypatch.setattr(sources, "folder_of", lambda name: source)
    assert fired(source, State(), [generated, nothing]) == []
    assert fired(source, State(), [generated, lambda: drop(source, "span=2026-01-03")]) == [["span=2026-01-03"]]


def test_a_day_of_the_demo_s_that_somebody_copied_into_another_source_is_news(source):
    def copied():
        (drop(source, "span=2026-01-02") / "_SUCCESS").write_bytes(generated_days.GENERATED)

    assert fired(source, State(), [copied]) == [["span=2026-01-02"]]


def test_it_can_be_made_again_from_what_airflow_keeps_of_it(tmp_path):
    trigger = SpanTrigger("news", str(tmp_path), seconds=5.0)
    path, values = trigger.serialize()
    assert path == "newsdesk_dags.asset_watcher.SpanTrigger" and isinstance(trigger, BaseEventTrigger)
    assert SpanTrigger(**values).serialize() == trigger.serialize()


def test_two_lines_that_read_one_folder_have_triggers_of_their_own(tmp_path):
    one, other = (SpanTrigger(line, str(tmp_path)).serialize() for line in ("news", "sports"))
    assert one != other


def test_the_watcher_and_a_run_agree_on_what_is_finished(source):
    drop(source, "2026-01-02", done=False)
    assert set(spans(source)) == {"2026-01-01"}
    _, ignored = sources.resolve(str(source), "all", sources.datetime(2026, 2, 1))
    assert ignored == ["2026-01-02/: still being written (no _SUCCESS)"]
