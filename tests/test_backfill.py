"""A backfill of a source that grows: every node real, in this one process."""

import csv

import data_kit
import pytest
from run_kit import BAG, node, whole

from components.core import fileio, paths, run_record
from components.registry import model_registry

pytestmark = pytest.mark.slow
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")


@pytest.fixture(scope="module")
def newsdesk_home(tmp_path_factory):
    """One state folder for the module: later tests build on the champion of the first."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("backfill") / "home"
    patch.setenv("NEWSDESK_HOME", str(folder))
    yield folder
    patch.undo()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Two days of 300 articles and a test file; the third day comes later."""
    folder = tmp_path_factory.mktemp("growing")
    rows = data_kit.articles(920)
    (folder / "test.csv").write_bytes(data_kit.as_csv(rows[:120]))
    for number, day in enumerate(DAYS[:2]):
        data_kit.span(folder, day, rows[120 + 300 * number : 420 + 300 * number])
    return folder


def request(source, day: int, **more) -> dict:
    """A run about the day `day` of January 2026."""
    ends = [f"2026-01-0{each}T00:00:00+00:00" for each in (day, day + 1)]
    return {**BAG, "source": str(source), "as_of": ends[1], "interval": ends, "trigger": "scheduled", **more}


def days_read(run: str) -> list[str]:
    return sorted({file["span"] for file in run_record.load(run)["files"] if file["span"]})


def test_a_day_that_is_over_is_not_judged_by_a_champion_that_knows_what_came_after(source, newsdesk_home, capsys):
    _, outcome = whole("now", request(source, 2), capsys)
    assert (outcome["state"], days_read("now")) == ("released", [*DAYS[:2]])
    # Half of the champion's rows: the run of a schedule that reads so few is stopped.
    few = request(source, 1, set={**BAG["set"], "seed": 5})
    states, outcome = whole("shrunk", few, capsys)
    assert (states["DataGate"], outcome["state"]) == ("stopped", "stopped")
    states, outcome = whole("then", {**few, "trigger": "backfill", "release": "auto"}, capsys)
    assert days_read("then") == [DAYS[0]]
    assert (outcome["state"], outcome["pushed"]) == ("blessed", False), outcome["reasons"]
    assert (states["Champion"], states["Pusher"]) == ("skipped", "skipped")
    skipped = run_record.last_event("then", "Pusher")["headline"]
    assert (
        skipped == "blessed, and not released: version 1, which serves, knows the rows up to 2026-01-03T00:00:00+00:00"
    )
    assert model_registry.champion("news")["version"] == 1


def test_a_backfill_of_a_day_that_nothing_knows_yet_is_judged_by_the_champion_and_may_replace_it(
    source, newsdesk_home, capsys
):
    data_kit.span(source, DAYS[2], data_kit.articles(920)[720:])
    states, outcome = whole("forward", request(source, 3, trigger="backfill", release="auto"), capsys)
    assert (outcome["state"], outcome["version"], states["Champion"]) == ("released", 2, "done"), outcome["reasons"]
    node("Ingester", "second-day", request(source, 2, trigger="backfill"), capsys=capsys)
    record = run_record.load("second-day")
    assert (record["champion"], record["past"]["serves"]) == (None, 2)  # version 1 was trained on that very day
    node("close", "second-day", {}, capsys=capsys)
    node("Ingester", "third-day", request(source, 3, trigger="backfill"), capsys=capsys)
    assert run_record.load("third-day")["champion"]["version"] == 1
    node("close", "third-day", {}, capsys=capsys)


def test_rows_that_reach_a_day_after_it_was_trained_on_are_a_warning(source, newsdesk_home, capsys):
    with open(source / DAYS[0] / "train-late.csv", "w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(data_kit.articles(1000)[940:])
    for name in ("Ingester", "StatisticsGen", "ImportSchemaGen", "ExampleValidator", "DataGate"):
        code, result = node(name, "late", request(source, 4), capsys=capsys)
        assert code == 0, result["reasons"]
    node("close", "late", {}, capsys=capsys)
    verdict = fileio.read_json(paths.home() / result["artifacts"]["verdict"] / "verdict.json")
    (told,) = [finding for finding in verdict["findings"] if finding["check"] == "late rows"]
    assert (told["outcome"], told["value"]) == ("warn", 1)
    assert told["examples"] == [f"{DAYS[0]}: {source / DAYS[0] / 'train-late.csv'}"]
