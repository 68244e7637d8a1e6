"""Housekeeping: shows a plan, removes only when told to, and tells of old champions."""

import json
from types import SimpleNamespace

import news_housekeeping
import pytest
from airflow.exceptions import AirflowException
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from components.core import fileio, paths

SAID = {"applied": False, "bytes": 5000, "lines": [{"line": "news", "remove": [{"path": "a"}, {"path": "b"}]}]}


def call(task, **more):
    return news_housekeeping.dag.get_task(task).python_callable(**more)


def words(record):
    return [json.loads(line)["arguments"] for line in record.read_text().splitlines()]


def test_the_plan_removes_nothing_and_sums_up_what_it_would(fake_door):
    record = fake_door(f"print(json.dumps({SAID!r}, indent=1)); sys.exit(0)")
    assert call("plan") == {"applied": False, "bytes": 5000, "lines": {"news": 2}}
    assert words(record) == [["clean", "--dry-run", "--json"]]


def test_a_plan_of_two_megabytes_arrives_whole_and_its_summary_stays_small(fake_door):
    paths = "[{'path': 'x' * 100 + str(number)} for number in range(20_000)]"
    fake_door(
        f"print(json.dumps({ {**SAID, 'lines': []}!r} | {{'lines': [{{'line': 'news', 'remove': {paths}}}]}})); sys.exit(0)"
    )
    assert call("plan") == {"applied": False, "bytes": 5000, "lines": {"news": 20_000}}


def test_nothing_is_removed_unless_the_parameter_says_so(fake_door):
    record = fake_door(f"print(json.dumps({SAID!r})); sys.exit(0)")
    with pytest.raises(AirflowSkipException):
        call("apply", params={"apply": False}, dag_run=SimpleNamespace(conf={}))
    assert not record.exists()
    call("apply", params={"apply": True}, dag_run=SimpleNamespace(conf={"apply": True}))
    assert words(record) == [["clean", "--apply", "--json"]]


@pytest.mark.parametrize(
    ("params", "conf"), [({"apply": "yes"}, {}), ({"apply": True}, {"force": 1}), ({"apply": 1}, {})]
)
def test_anything_but_true_or_false_is_refused_in_the_task_too(fake_door, params, conf):
    record = fake_door("sys.exit(0)")
    with pytest.raises(AirflowFailException):
        call("apply", params=params, dag_run=SimpleNamespace(conf=conf))
    assert not record.exists()


def test_a_line_that_is_locked_is_an_end_and_a_crash_is_tried_again(fake_door):
    for code, error in ((4, AirflowFailException), (1, AirflowException)):
        fake_door(f"print('the words', file=sys.stderr); sys.exit({code})")
        with pytest.raises(error, match="the words") as caught:
            call("plan")
        assert isinstance(caught.value, AirflowFailException) == (code == 4)


def test_old_champions_are_told_of():
    fileio.write_text(paths.home() / "newsdesk.toml", '[news.notify]\nfile = "notices.jsonl"\nmax_age_days = 7\n')
    folder = paths.registry_dir("news")
    card = {"version": 1, "created": "2020-01-01T00:00:00+00:00", "metrics": {"accuracy": 0.9}}
    fileio.write_json(folder / "versions" / "1.json", card)
    event = {"sequence": 1, "from": None, "to": 1, "kind": "release"}
    fileio.write_json(folder / "champion.json", {"version": 1, "digest": "abc", "event": event})
    (text,) = call("ages")
    assert "news: version 1, which serves, is" in text
    assert [value["kind"] for value in fileio.read_json_lines(paths.home() / "notices.jsonl")] == ["stale"]


def test_it_is_paused_until_somebody_wants_it():
    assert news_housekeeping.dag.is_paused_upon_creation
    assert news_housekeeping.dag.get_task("apply").upstream_task_ids == {"plan"}
