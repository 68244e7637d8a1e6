"""The command line itself: help, examples, nearest names, several overrides, completion, and what is imported for all that."""

import os
import shlex
import subprocess
import sys

import click
import pytest

from components.core import paths
from pipelines.cli import main

TOP = main.newsdesk


def commands(group=TOP, words=("newsdesk",)):
    """Every command that does something, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


@pytest.mark.parametrize(
    ("words", "command"), commands(), ids=lambda value: " ".join(value) if type(value) is tuple else ""
)
def test_every_command_has_a_help_and_an_example_that_it_accepts(words, command, capsys):
    assert main.main([*words[1:], "--help"]) == 0
    shown = capsys.readouterr().out
    assert command.help and command.help.split()[0] in shown
    assert shown.endswith(f"Example:\n  {command.example}\n")
    example = shlex.split(command.example)
    assert example[: len(words)] == list(words)
    command.make_context(words[-1], example[len(words) :])


def test_the_summary_of_all_commands_lists_each_once_and_imports_none():
    code = "import sys; from pipelines.cli import main; main.main(['--help']); print(*sorted(sys.modules), sep='\\n')"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in TOP.places:
        assert output.count(f"\n  {name} ") == 1
    imported = set(output.splitlines())
    assert "pipelines.cli.command" in imported
    assert not {"pipelines.cli.retrain", "pipelines.config.run_config", "pydantic", "numpy", "tensorflow"} & imported


@pytest.mark.parametrize("command", ["models", "show"])
def test_the_registry_is_read_without_tensorflow_numpy_or_pydantic(command):
    words = [command, "1"] if command == "show" else [command]
    code = f"import sys; from pipelines.cli import main; main.main({words}); print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"tensorflow", "numpy", "pydantic"} & set(output.split())


def test_help_shows_what_the_option_shows(capsys):
    assert main.main(["help", "data", "check"]) == 0
    by_name = capsys.readouterr().out
    assert main.main(["data", "check", "--help"]) == 0
    assert capsys.readouterr().out == by_name
    assert main.main(["help"]) == 0
    assert "retrain" in capsys.readouterr().out
    assert main.main(["help", "models", "all"]) == 2


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["retrian"], "retrain"),
        (["data", "chek"], "check"),
        (["help", "modles"], "models"),
        (["retrain", "--presett", "bag"], "--preset"),
        (["promote", "1", "--reson", "r"], "--reason"),
        (["retrain", "--preset", "bagg"], "bag"),
        (["retrain", "--release", "autoo"], "auto"),
    ],
)
def test_a_mistyped_word_is_refused_with_the_nearest(words, nearest, capsys):
    assert main.main(words) == 2
    message = capsys.readouterr().err
    assert "Did you mean" in message and nearest in message.partition("Did you mean")[2]


@pytest.mark.parametrize(
    "words",
    [
        ["--set", "seed=2", "training.epochs=3"],
        ["--set", "seed=2", "--set", "training.epochs=3"],
        ["--set=seed=2", "--set=training.epochs=3"],
        ["--set", "seed=2", "--force", "--set", "training.epochs=3"],
    ],
)
def test_one_option_takes_several_overrides(words, monkeypatch):
    from pipelines.cli import retrain

    requests = []
    monkeypatch.setattr(retrain, "run", lambda request, as_json: requests.append(request) or 0)
    assert main.main(["retrain", *words]) == 0
    assert requests[0]["set"] == {"seed": 2, "training.epochs": 3}


def test_overrides_take_no_other_argument(monkeypatch, tmp_path, capsys):
    from pipelines.cli import data

    requests = []
    monkeypatch.setattr(data, "run", lambda request, as_json: requests.append(request) or 0)
    assert main.main(["data", "check", "--set", "data.min_rows=5", "data.max_upper=1", str(tmp_path)]) == 0
    assert (requests[0]["source"], requests[0]["set"]) == (str(tmp_path), {"data.min_rows": 5, "data.max_upper": 1})
    assert main.main(["data", "check", "demo", "--set", "data.min_rows=5", "x"]) == 2
    assert "unexpected extra argument" in capsys.readouterr().err


def test_options_that_exclude_each_other_are_refused_together(capsys):
    assert main.main(["clean", "--apply", "--dry-run"]) == 2
    assert "--apply and --dry-run cannot be used together" in capsys.readouterr().err
    assert main.main(["demo", "x", "--drifted", "2026-01-01", "--damaged", "2026-01-01"]) == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [("newsdesk pro", "promote"), ("newsdesk data ch", "check"), ("newsdesk show 1 --line news-", "news-demo")],
)
def test_the_shell_completes_commands_and_lines(words, expected):
    environ = {
        **os.environ,
        "_NEWSDESK_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    call = [sys.executable, "-m", "pipelines.cli.main"]
    ended = subprocess.run(call, env=environ, capture_output=True, text=True, cwd=paths.REPOSITORY)
    assert ended.stdout.splitlines() == [f"plain,{expected}"]
