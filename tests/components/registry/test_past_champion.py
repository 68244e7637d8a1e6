"""Which version a backfilled interval is judged by."""

from datetime import datetime, timezone

import pytest

from components.core import fileio, paths
from components.registry import model_registry, past_champion

LINE = "news"


def day(number: int, hour: int = 0) -> datetime:
    return datetime(2026, 11, number, hour, tzinfo=timezone.utc)


def release(version: int, knows: int, served: int, kind: str = "release", accuracy: float = 0.9) -> None:
    """Version `version`, trained on the rows up to the day `knows`, begins to serve on the day `served`."""
    folder, known = paths.registry_dir(LINE), model_registry.history(LINE)
    event = {
        "sequence": len(known) + 1, "time": day(served, 12).isoformat(), "who": "anna", "kind": kind,
        "from": known[-1]["to"] if known else None, "to": version, "reason": "", "evidence": {},
    }  # fmt: skip
    if kind == "release":
        card = {"version": version, "digest": f"d{version}", "data": {"as_of": day(knows).isoformat()}}
        fileio.write_json(folder / "versions" / f"{version}.json", {**card, "metrics": {"accuracy": accuracy}})
        (paths.serving_dir(LINE) / str(version)).mkdir(parents=True)
    fileio.write_json(
        folder / "champion.json", {"line": LINE, "version": version, "digest": f"d{version}", "event": event}
    )
    fileio.append_json(folder / "promotions.jsonl", event)


@pytest.fixture
def four_days():
    for number in (1, 2, 3, 4):
        release(number, knows=number, served=number)


@pytest.mark.parametrize(("end", "version"), [(day(1), None), (day(2), 1), (day(3), 2), (day(4), 3)])
def test_a_past_day_is_judged_by_the_last_version_that_knows_no_later_rows(four_days, end, version):
    pointer, past = past_champion.judge(LINE, end)
    assert (pointer and pointer["version"]) == version
    assert (past["serves"], past["sequence"]) == (4, version or 0)
    assert pointer is None or pointer["digest"] == f"d{version}"


def test_a_day_that_nothing_knows_yet_is_judged_by_what_serves_now(four_days):
    assert past_champion.judge(LINE, day(5)) == (model_registry.champion(LINE), None)


def test_a_line_without_a_champion_judges_by_none():
    assert past_champion.judge(LINE, day(5)) == (None, None)


def test_days_that_are_filled_in_afterwards_are_judged_by_one_another():
    """A backfill with release=auto releases each day's version today."""
    release(1, knows=1, served=20)
    assert past_champion.judge(LINE, day(2)) == (model_registry.champion(LINE), None)
    release(2, knows=2, served=20)
    pointer, past = past_champion.judge(LINE, day(2))
    assert (pointer["version"], past["serves"]) == (1, 2)


def test_a_rollback_counts_from_the_day_on_which_it_was_made(four_days):
    release(2, knows=2, served=6, kind="rollback")
    release(5, knows=9, served=9)
    assert [past_champion.judge(LINE, day(number))[0]["version"] for number in (5, 7)] == [4, 2]


def test_a_version_that_is_no_longer_kept_gives_way_to_the_one_before(four_days):
    (paths.serving_dir(LINE) / "2").rmdir()
    assert past_champion.judge(LINE, day(3))[0]["version"] == 1


def test_the_best_of_that_day_knows_nothing_of_later_ones():
    for number, accuracy in ((1, 0.9), (2, 0.8), (3, 0.95)):
        release(number, knows=number, served=number, accuracy=accuracy)
    assert [model_registry.best_released(LINE, until)["version"] for until in (1, 2, 3, None)] == [1, 1, 3, 3]
    assert model_registry.best_released(LINE, 0) is None


def test_a_run_that_is_no_backfill_is_judged_by_what_serves_now(four_days):
    assert past_champion.judge(LINE, None) == (model_registry.champion(LINE), None)
