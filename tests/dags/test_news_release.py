"""Releases by hand: what the form and the task refuse, what a person is shown, and the one command that is called."""

import json
import re
import sys
from types import SimpleNamespace

import pytest
from airflow.exceptions import AirflowException
from airflow.providers.standard.exceptions import HITLTimeoutError
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError
from newsdesk_dags.release_request import ACTIONS, form, question, resolved, words_of

from components.core import fileio, paths
from components.registry import model_registry
from pipelines.config import run_config

ASKED = {"action": "promote", "line": "news", "version": 2, "reason": "looks good"}


@pytest.fixture
def versions():
    """Two versions of `news`; version 1 serves."""
    for number in (1, 2):
        (paths.serving_dir("news") / str(number)).mkdir(parents=True)
        card = {
            "version": number,
            "preset": "bag",
            "created": "2026-01-01T00:00:00+00:00",
            "run": f"run{number}",
            "metrics": {"accuracy": 0.9 + number / 100, "rows": 1000},
        }
        fileio.write_json(paths.registry_dir("news") / "versions" / f"{number}.json", card)
        verdict = {"decision": "blessed", "reasons": ["not worse than the champion", "<script>alert(1)</script> `x`"]}
        fileio.write_json(paths.run_dir(f"run{number}") / "verdict.json", verdict)
    move(1)


def move(version, before=None):
    event = {"sequence": version, "from": before, "to": version, "kind": "promote"}
    pointer = {"version": version, "digest": "abc", "event": event}
    fileio.write_json(paths.registry_dir("news") / "champion.json", pointer)
    fileio.append_json(paths.registry_dir("news") / "promotions.jsonl", event)


def told(**more):
    asked = {**ASKED, "target": 2, "serves": 1, "after": 1, **more}
    return {"asked": asked, "by": "ann", **question(asked, "ann")}


def do(pulled, outlets=None):
    import news_release

    answer = {"chosen_options": ["Approve"], "responded_by_user": {"id": "1", "name": "bob"}}
    ti = SimpleNamespace(xcom_pull=lambda task_ids: {"check": pulled, "approve": answer}[task_ids])
    return news_release.dag.get_task("do").python_callable(ti=ti, outlet_events=outlets)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("action", "delete"),
        ("line", "../news"),
        ("line", "news\n"),
        ("line", "$(id)"),
        ("version", 0),
        ("version", "2"),
        ("version", 1.5),
        ("reason", ""),
        ("reason", "    "),
        ("reason", "two\nlines"),
        ("reason", "x" * 1_000_000),
        ("reason", ["a"]),
    ],
)
def test_a_wrong_value_is_refused_by_the_form_and_again_by_the_task(versions, name, value):
    with pytest.raises(ParamValidationError):
        form("news")[name].resolve(value)
    with pytest.raises(AirflowFailException, match=f"{name} must be"):
        resolved({**ASKED, name: value}, {})


def test_an_unknown_parameter_is_refused_by_name(versions):
    with pytest.raises(AirflowFailException, match="bogus"):
        resolved(ASKED, {**ASKED, "bogus": 1})


@pytest.mark.parametrize(("action", "version"), [("promote", None), ("rollback", 2), ("pin", None), ("unpin", None)])
def test_a_version_is_named_where_it_is_needed_and_nowhere_else(versions, action, version):
    with pytest.raises(run_config.ConfigError, match="version must be"):
        resolved({**ASKED, "action": action, "version": version}, {})


def test_a_version_that_is_not_there_is_refused_before_anybody_is_asked(versions):
    with pytest.raises(model_registry.RegistryError, match="version 9"):
        resolved({**ASKED, "version": 9}, {})
    with pytest.raises(model_registry.RegistryError, match="rollback"):
        resolved({**ASKED, "action": "rollback", "version": None}, {})


def test_a_rollback_names_the_version_it_goes_back_to(versions):
    move(2, before=1)
    asked = resolved({**ASKED, "action": "rollback", "version": None}, {})
    assert (asked["target"], asked["serves"]) == (1, 2)
    assert question(asked, "ann")["subject"] == "Roll news back to version 1?"


def test_a_person_sees_what_serves_the_figures_the_reasons_and_who_asked(versions):
    body = question(resolved(ASKED, {}), "ann")["body"]
    for part in (
        "Version 1 serves now",
        "looks good",
        "asked by: ann",
        "0.9200 on 1,000 rows",
        "not worse than the champion",
    ):
        assert part in body


def test_what_others_wrote_is_shown_as_text_and_never_as_markup(versions):
    body = question({**resolved(ASKED, {}), "reason": "![](http://x)` \u202e <b>"}, "# ann\n# bob")["body"]
    quoted = [line for line in body.splitlines()[2:] if line.startswith("- ")]
    assert len(quoted) == 6 and "![](http://x)' " in quoted[0] and "# ann # bob" in quoted[1]
    assert all(re.fullmatch(r"- `[^`]+`", line) for line in quoted)
    assert "\u202e" not in body


@pytest.mark.parametrize("hostile", ["--apply", "-x", '"; touch pwned #', "$(touch pwned)", "{{ ti }}"])
def test_a_reason_is_one_argument_and_can_be_no_option(fake_door, versions, hostile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = fake_door("print('news: version 2 serves now (before: 1)'); sys.exit(0)")
    assert do(told(reason=hostile)) == "news: version 2 serves now (before: 1)"
    (call,) = [json.loads(line)["arguments"] for line in record.read_text().splitlines()]
    assert call == ["promote", "2", "--after=1", "--line=news", f"--reason={hostile} (asked by ann, approved by bob)"]
    assert not (tmp_path / "pwned").exists()


def test_every_action_is_a_command_of_its_own():
    asked = {**ASKED, "target": 3, "after": 7}
    words = {action: words_of({**asked, "action": action}, "a", "b")[:-1] for action in ACTIONS}
    assert words["rollback"] == ["rollback", "--to=3", "--after=7", "--line=news"]
    assert words["promote"] == ["promote", "2", "--after=7", "--line=news"]
    assert all(words[action] == [action, "2", "--line=news"] for action in ("pin", "unpin"))


@pytest.fixture
def served(monkeypatch):
    """Three whole versions of `news` that were released one after the other, and the real command."""
    monkeypatch.setenv("NEWSDESK_TFX_PYTHON", sys.executable)
    for number in (1, 2, 3):
        folder = paths.serving_dir("news") / str(number)
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_text(f"model {number}")
        files = model_registry.folder_hashes(folder)
        manifest = {"version": number, "digest": model_registry.content_digest(files), "files": files}
        fileio.write_json(folder / model_registry.MANIFEST, manifest)
        model_registry.move_champion("news", model_registry.champion("news"), number, "release", "it passed", {})


@pytest.mark.parametrize(
    ("action", "version", "between"),
    [("promote", 2, [1]), ("promote", 2, [1, 3]), ("rollback", None, [2]), ("rollback", None, [1, 3])],
)
def test_what_was_approved_is_not_carried_out_once_the_pointer_has_moved_even_there_and_back(
    served, action, version, between
):
    asked = resolved({**ASKED, "action": action, "version": version}, {})
    assert (asked["target"], asked["serves"], asked["after"]) == (2, 3, 3)
    for number in between:
        model_registry.move_champion("news", model_registry.champion("news"), number, "promote", "somebody else", {})
    moves = model_registry.history("news")
    with pytest.raises(AirflowException, match=f"last move must be number 3.*is at move {len(moves)}"):
        do({"asked": asked, "by": "ann"})
    assert model_registry.history("news") == moves


def test_what_was_approved_is_carried_out_where_nothing_moved(served):
    from newsdesk_dags import notifications

    asked = resolved({**ASKED, "action": "rollback", "version": None}, {})
    outlets = SimpleNamespace(add=lambda asset, extra: None)
    assert do({"asked": asked, "by": "ann"}, {notifications.CHAMPIONS: outlets}).startswith(
        "news: version 2 serves now"
    )
    assert model_registry.champion("news")["event"]["kind"] == "rollback"


def test_a_command_that_is_refused_fails_the_task_with_its_words_and_is_not_tried_again(fake_door, versions):
    fake_door("print('newsdesk: locked by run x', file=sys.stderr); sys.exit(4)")
    with pytest.raises(AirflowFailException, match="locked by run x"):
        do(told())


def test_a_moved_pointer_is_emitted_as_the_champion_asset(fake_door, versions):
    pointer = paths.registry_dir("news") / "champion.json"
    fake_door(
        f"path = {str(pointer)!r}; value = json.load(open(path)); value['version'] = value['event']['to'] = 2\n"
        "value['event']['sequence'] = 2; json.dump(value, open(path, 'w')); sys.exit(0)"
    )
    found = []
    outlets = SimpleNamespace(add=lambda asset, extra: found.append((asset.name, extra["version"], extra["accuracy"])))
    from newsdesk_dags import notifications

    do(told(), {notifications.CHAMPIONS: outlets})
    assert found == [("news.champion", 2, 0.92)]


def test_the_dag_asks_before_it_does_and_never_does_it_twice():
    import news_release

    dag = news_release.dag
    assert dag.get_task("do").upstream_task_ids == {"approve"}
    assert dag.get_task("approve").upstream_task_ids == {"check"}
    assert {task.task_id: task.retries for task in dag.tasks} == {"check": 0, "approve": 2, "do": 0}
    decided = dag.get_task("approve").retry_policy.evaluate(HITLTimeoutError("a week"), 1, 2)
    assert decided.action == RetryAction.FAIL
    assert not dag.is_paused_upon_creation
