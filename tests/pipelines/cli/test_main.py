"""The command `newsdesk`: what it prints about the registry, and its exit codes. Nothing is trained here."""

import json

import published
import pytest

from components.core import fileio, locks, paths
from components.registry import model_registry
from pipelines.cli import main


@pytest.fixture
def two():
    """Two versions, the second of which serves."""
    published.release("run-1")
    published.release("run-2", "shifted")


def test_models_lists_versions_with_aliases_metrics_and_data(two, capsys):
    assert main.main(["models", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["version"], first["aliases"]) == (1, ["previous"])
    assert (second["version"], second["aliases"]) == (2, ["champion"])
    assert {"version", "line", "aliases", "preset", "created", "metrics", "data"} <= set(first)
    assert first["metrics"]["accuracy"] == 0.9
    assert {"source", "rows", "hash"} <= set(first["data"])


def test_models_without_versions_says_how_to_make_one(capsys):
    assert main.main(["models"]) == 0
    assert "no versions yet" in capsys.readouterr().out
    assert main.main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_show_prints_a_version_s_metrics_data_and_history(two, capsys):
    assert main.main(["show", "1", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["aliases"] == ["previous"]
    assert [(event["from"], event["to"]) for event in shown["history"]] == [(None, 1), (1, 2)]
    assert main.main(["show", "1"]) == 0
    assert "release None -> 1" in capsys.readouterr().out


def test_the_demo_answers_only_while_the_real_line_has_no_champion(capsys):
    published.release("run-1", line="news-demo")
    assert main.main(["predict", "goal coach"]) == 0
    assert "the demo's answers (line news-demo)" in capsys.readouterr().err
    published.release("run-2", "shifted")
    assert main.main(["predict", "goal coach"]) == 0
    shown = capsys.readouterr()
    assert "demo" not in shown.err
    assert shown.out.startswith("Business")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["show", "abc"],
        ["promote", "1"],
        ["promote", "x", "--reason", "r"],
        ["rollback", "--reason", ""],
        ["retrain", "--preset", "gpt"],
        ["retrain", "--seed", "x"],
        ["models", "--line", "../../etc"],
        ["show", "1", "--line", "$(id)"],
        ["rollback", "--reason", "r", "--line", "a/b"],
        ["predict", "x", "--line", "new\nline"],
    ],
)
def test_bad_usage_ends_with_two_and_a_message(arguments, capsys):
    try:
        code = main.main(arguments)
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "7"], "Received: 7"),
        (["promote", "7", "--reason", "r"], "version 7"),
        (["rollback", "--reason", "r"], "needs a version that served before"),
        (["predict", "goal"], "must have a champion"),
    ],
)
def test_what_cannot_be_done_ends_with_one_and_a_reason_without_a_traceback(arguments, message, capsys):
    assert main.main(arguments) == 1
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


def test_a_damaged_pointer_ends_with_one_and_the_remedy(two, capsys):
    (paths.registry_dir("news") / "champion.json").write_text("{")
    for arguments in (["models"], ["show", "1"], ["predict", "goal"], ["rollback", "--reason", "r"]):
        assert main.main(arguments) == 1
        assert "newsdesk doctor --repair" in capsys.readouterr().err


def test_a_state_folder_of_another_version_is_refused_before_it_is_read(newsdesk_home, capsys):
    newsdesk_home.mkdir()
    (newsdesk_home / "VERSION").write_text("99\n")
    for arguments in (["models"], ["show", "1"], ["predict", "goal"], ["rollback", "--reason", "r"], ["clean"]):
        assert main.main(arguments) == 1
        shown = capsys.readouterr()
        assert "must carry version stamp 1. Received" in shown.err and "'99'" in shown.err
        assert shown.out == ""
    assert main.main(["doctor"]) == 1
    assert "'99'" in capsys.readouterr().out


def test_a_locked_line_ends_with_four_and_names_the_run(monkeypatch, capsys):
    def locked(*_):
        raise locks.Locked("news", {"run": "nightly", "since": "today"})

    monkeypatch.setattr(model_registry, "lines", locked)
    assert main.main(["models"]) == 4
    shown = capsys.readouterr()
    assert "locked by run nightly since today" in shown.err and shown.out == ""
    assert main.main(["models", "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["state"] == "locked"


def test_ctrl_c_ends_with_130_and_is_no_stop_of_the_data(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(model_registry, "lines", interrupted)
    assert main.main(["models"]) == 130
    assert capsys.readouterr().err.strip() == "newsdesk: interrupted"


@pytest.mark.parametrize(
    "command", [["promote", "1"], ["rollback"], ["rollback", "--lost"], ["reject", "1"], ["pin", "1"], ["unpin", "1"]]
)
def test_a_blank_reason_is_bad_usage_of_every_command_that_asks_for_one(two, command, capsys):
    assert main.main([*command, "--reason", " \t"]) == 2
    assert "--reason must say why. Received: ' \\t'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["models"],
        ["clean"],
        ["show", "1"],
        ["pin", "1", "--reason", "r"],
        ["rollback", "--reason", "r"],
        ["predict", "goal"],
        ["retrain"],
        ["data", "check", "demo"],
    ],
)
def test_an_unknown_line_is_bad_usage_and_leaves_no_folder(two, arguments, capsys):
    (paths.registry_dir("left") / "x").mkdir(parents=True)
    for line in ("typo", "left"):
        assert main.main([*arguments, "--line", line]) == 2
        assert capsys.readouterr().err == f"newsdesk: Unknown line {line!r}. Known lines: news, news-demo\n"
    assert not paths.registry_dir("typo").exists()


def test_a_line_with_a_version_or_settings_is_known(capsys):
    published.release("run-1", line="sports")
    fileio.write_text(paths.home() / "newsdesk.toml", "[tech.gates]\nfloor = 0.5\n")
    for line in ("news", "news-demo", "sports", "tech"):
        assert main.main(["models", "--line", line]) == 0


@pytest.mark.parametrize("command", [["retrain", "--source"], ["data", "check"], ["monitor"]])
def test_a_folder_that_is_not_there_is_bad_usage_before_a_run_opens(two, command, tmp_path, capsys):
    assert main.main([*command, str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err == f"newsdesk: Folder not found: {tmp_path / 'nowhere'}\n"
    assert not (paths.home() / "runs").exists()


@pytest.mark.parametrize("command", [["retrain", "--source"], ["data", "check"]])
def test_a_locked_line_is_reported_before_anything_starts(command, tmp_path, capsys, monkeypatch):
    locks.take_line("news", "nightly")
    monkeypatch.setattr("pipelines.runner.node_process.start", lambda *a, **k: pytest.fail("a node was started"))
    assert main.main([*command, str(tmp_path)]) == 4
    shown = capsys.readouterr()
    assert "line 'news' is locked by run nightly" in shown.err and shown.out == ""
    assert main.main([*command, str(tmp_path), "--json"]) == 4
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["state"] == "locked" and "locked by run nightly" in outcome["reasons"][0]
    assert outcome.get("pushed", True) is False or outcome["decision"] is None
