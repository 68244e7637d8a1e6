"""What a run's record holds when it opens: the champion it is judged by, and whether it may release."""

from datetime import datetime, timezone

import pytest

from components.core import fileio, paths
from components.registry import model_registry
from pipelines.config import run_config
from pipelines.runner import run_inputs

LINE = "news"
INTERVAL = ("2026-11-01T00:00:00+00:00", "2026-11-02T00:00:00+00:00")


def day(number: int) -> str:
    return datetime(2026, 11, number, tzinfo=timezone.utc).isoformat()


@pytest.fixture
def opened(tmp_path):
    """The inputs of a run about 1 November, on a line whose champion knows the rows up to the day `knows`."""

    def make(knows: int, trigger: str) -> dict:
        event = {
            "sequence": 1,
            "time": day(knows),
            "who": "anna",
            "kind": "release",
            "from": None,
            "to": 1,
            "reason": "",
            "evidence": {},
        }
        folder = paths.registry_dir(LINE)
        card = {"version": 1, "digest": "d1", "data": {"as_of": day(knows)}, "metrics": {"accuracy": 0.9}}
        fileio.write_json(folder / "versions" / "1.json", card)
        model_registry.served_folder(LINE, 1).mkdir(parents=True)
        fileio.write_json(folder / "champion.json", {"line": LINE, "version": 1, "digest": "d1", "event": event})
        fileio.append_json(folder / "promotions.jsonl", event)
        (tmp_path / "source" / "2026-11-01").mkdir(parents=True)
        (tmp_path / "source" / "2026-11-01" / "train.csv").write_text('"1","A title","A text."\n')
        (tmp_path / "source" / "2026-11-01" / "_SUCCESS").touch()
        request = run_config.Request(
            source=str(tmp_path / "source"), line=LINE, trigger=trigger, interval=INTERVAL, as_of=INTERVAL[1]
        )
        return run_inputs.gather(run_config.resolve(request), request, {})

    return make


def test_a_backfill_is_not_judged_by_a_champion_that_knows_later_rows_and_releases_nothing(opened):
    inputs = opened(9, "backfill")
    assert inputs["champion"] is None and inputs["past"]["serves"] == 1
    assert inputs["config"]["release"] == "never"


@pytest.mark.parametrize(("knows", "trigger"), [(9, "scheduled"), (1, "backfill")])
def test_every_other_run_is_judged_by_the_champion_and_may_release(opened, knows, trigger):
    inputs = opened(knows, trigger)
    assert inputs["champion"]["version"] == 1 and inputs["past"] is None
    assert inputs["config"]["release"] == "auto"


def test_an_interval_reads_up_to_its_last_day(opened):
    inputs = opened(1, "scheduled")
    assert (inputs["as_of"], inputs["last_day"]) == (INTERVAL[1], "2026-11-01")
    assert [file["span"] for file in inputs["files"]] == ["2026-11-01"]
