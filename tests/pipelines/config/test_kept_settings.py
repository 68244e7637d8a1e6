"""`newsdesk keep` and the table that it writes: later runs of the line use it, and nothing else of the file changes."""

import published
import pytest
import tomli

from components.core import fileio, paths
from components.core.validation import ConfigError
from components.registry import model_registry
from pipelines.cli import main
from pipelines.config import kept_settings, run_config

CHOSEN = {"training.learning_rate": 0.0123, "training.epochs": 4, "network.width": 32}
FILE = """# Our newsroom.
[news.schedule]
cron = "0 4 * * *"  # after the backup
preset = "bag"

[news.tuned]
preset = "bag"
version = 1
set = { "training.epochs" = 9 }

# Whom to tell.
[news.notify]
file = "/tmp/notices"
"""


def written() -> str:
    return (paths.home() / "newsdesk.toml").read_text()


def run(**asked) -> run_config.RunConfig:
    return run_config.resolve(run_config.Request(line="news", source="/articles", **asked), run_config.settings())


@pytest.mark.parametrize("before", ["", "[news.retention]\nkeep = 3", FILE])
def test_later_runs_with_the_preset_use_what_was_kept_and_other_presets_do_not(before):
    paths.ensure()
    (paths.home() / "newsdesk.toml").write_text(before)
    kept_settings.keep("news", "bag", 7, CHOSEN)
    tuned = run(preset="bag")
    assert (tuned.training["learning_rate"], tuned.training["epochs"], tuned.network["width"]) == (0.0123, 4, 32)
    assert run(preset="bag", set={"training.epochs": 1}).training["epochs"] == 1
    assert run(preset="transformer").network["width"] == 64
    demo = run_config.resolve(run_config.Request(preset="bag", source="demo"), run_config.settings())
    assert demo.training["epochs"] != 4


def test_two_lines_choices_kept_at_once_both_stay(at_once, monkeypatch):
    paths.ensure()
    other = at_once(lambda: kept_settings.keep("news-demo", "bag", 2, CHOSEN))
    with_block = kept_settings.with_block

    def between(text, line, tuned):  # the file was read and is not yet written
        if line == "news":
            other.start()
        return with_block(text, line, tuned)

    monkeypatch.setattr(kept_settings, "with_block", between)
    kept_settings.keep("news", "bag", 7, CHOSEN)
    other.result()
    assert {line: each["tuned"]["version"] for line, each in tomli.loads(written()).items()} == {
        "news": 7,
        "news-demo": 2,
    }


def test_an_earlier_choice_is_replaced_and_the_rest_of_the_file_stays_as_it_was():
    paths.ensure()
    (paths.home() / "newsdesk.toml").write_text(FILE)
    kept_settings.keep("news", "bag", 7, CHOSEN)
    before, _, after = FILE.partition('[news.tuned]\npreset = "bag"\nversion = 1\nset = { "training.epochs" = 9 }\n')
    assert written().startswith(before) and written().endswith(after.lstrip())
    assert tomli.loads(written())["news"]["tuned"] == {"preset": "bag", "version": 7, "set": CHOSEN}
    once = written()
    kept_settings.keep("news", "bag", 7, CHOSEN)
    assert written() == once


def test_a_file_that_only_a_person_can_edit_stays_untouched():
    paths.ensure()
    text = 'news = { tuned = { preset = "bag" } }\n'
    (paths.home() / "newsdesk.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"put this in by hand:\n\[news.tuned\]"):
        kept_settings.keep("news", "bag", 7, CHOSEN)
    assert written() == text


def test_a_setting_that_the_preset_does_not_have_is_refused():
    with pytest.raises(ConfigError, match=r"Received: network\.penalty, seed$"):
        kept_settings.keep("news", "bag", 7, {"network.penalty": 1.0, "seed": 2})


def test_a_preset_that_is_gone_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"one of .*linear.*Received: gone"):
        kept_settings.keep("news", "gone", 7, CHOSEN)


def test_a_kept_setting_out_of_range_is_refused_by_the_run(tmp_path):
    lines = {"news": {"tuned": {"preset": "bag", "set": {"training.epochs": 0}}}}
    with pytest.raises(ConfigError, match=r"training\.epochs must lie in"):
        run_config.resolve(run_config.Request(line="news", source="/articles", preset="bag"), lines)


def test_the_command_keeps_what_a_version_s_search_chose(capsys):
    published.release("run-1")
    assert main.main(["keep", "1"]) == 1
    assert "newsdesk retrain --set tuning.trials=20" in capsys.readouterr().err
    origin = model_registry.origin_path("news", 1)
    preset = model_registry.card("news", 1)["preset"]
    fileio.write_json(
        origin, {**(fileio.read_json(origin) or {}), "tuning": {"trials": 2, "set": {"training.epochs": 4}}}
    )
    assert main.main(["keep", "1"]) == 0
    assert "training.epochs" in capsys.readouterr().out
    assert run(preset=preset).training["epochs"] == 4
    assert main.main(["keep", "5"]) == 1
    assert "must be registered" in capsys.readouterr().err
