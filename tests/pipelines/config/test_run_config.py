"""Configuration: what is accepted, what is refused, and which value wins."""

import dataclasses
import json
import re

import pytest

from components.core import clock
from pipelines.config import run_config
from pipelines.config.presets import PRESETS
from pipelines.config.run_config import ConfigError, Request, resolve


def test_a_run_without_any_setting_trains_the_default_preset_on_the_demo():
    run = resolve(Request())
    assert (run.source, run.line, run.preset, run.release) == ("demo", "news-demo", "wide-transformer", "auto")


def test_a_real_source_goes_to_the_real_line_so_that_a_demonstration_never_replaces_its_champion():
    assert resolve(Request(source="/data/ag")).line == "news"


def test_overrides_win_over_the_file_and_the_file_wins_over_the_defaults():
    lines = {"news": {"schedule": {"source": "/data/ag", "preset": "bag"}, "gates": {"floor": 0.9, "alpha": 0.01}}}
    run = resolve(Request(set={"gates.floor": 0.8}), lines)
    assert (run.preset, run.source, run.gates.floor, run.gates.alpha) == ("bag", "/data/ag", 0.8, 0.01)


def test_a_lines_own_training_settings_go_before_the_presets_and_after_overrides():
    assert resolve(Request()).training["epochs"] == resolve(Request()).baseline["training"]["epochs"] == 8
    assert resolve(Request(source="/data/ag")).training["epochs"] == PRESETS["wide-transformer"].training["epochs"]
    assert resolve(Request(set={"training.epochs": 2})).training["epochs"] == 2


def test_the_seed_may_be_given_as_an_override():
    assert resolve(Request(set={"seed": 2})).seed == 2


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("training.epoch", 2, "must name a setting"),
        ("epochs", 2, "must name a setting"),
        ("training.epochs", "2; touch pwned #", "type int"),
        ("training.epochs", 2.5, "type int"),
        ("training.epochs", True, "type int"),
        ("training.epochs", 0, "1..1000"),
        ("training.learning_rate", float("nan"), "type float"),
        ("training.learning_rate", -1.0, r"1e-08\.\.1"),
        ("training.precision", "float16", "one of float32, bfloat16"),
        ("training.warm_start", 1, "type bool"),
        ("training.warm_start", True, "vocabulary_policy=extend or freeze"),
        ("network.dropout", 1.0, "0..0.95"),
        ("network.pooling", "max", "one of mean"),
        ("gates.floor", 2.0, "0..1"),
        ("data.eval_fraction", 0.7, "between 0 and 0.5"),
        ("data.fresh_fraction", 0.5, "between 0 and 0.5"),
        ("data.fresh_from", "all", "one of labelled, dated"),
        ("gates.fresh_margin", 0.0, "between 0 and 0.5"),
        ("gates.fresh_rows", 0, "1..1000000"),
    ],
)
def test_a_wrong_override_is_refused_with_rule_and_value(key, value, told):
    with pytest.raises(ConfigError, match=told) as refused:
        resolve(Request(set={key: value}))
    assert "Received:" in str(refused.value)


@pytest.mark.parametrize(
    "field",
    [
        {"source": "a\nb"},
        {"source": "x" * 5000},
        {"source": 3},
        {"preset": "$(id)"},
        {"release": "now"},
        {"seed": "1"},
        {"seed": -1},
        {"force": "yes"},
        {"window": "last week"},
        {"window": "last 0d"},
        {"window": "2026-13-01"},
        {"window": "2026-02-30"},
        {"as_of": "{{ var.value.x }}"},
        {"set": ["training.epochs=1"]},
        {"interval": "2026"},
        {"unknown": 1},
    ],
)
def test_a_wrong_parameter_is_refused_at_the_door(field):
    with pytest.raises(ConfigError, match="Received"):
        Request.from_json(field)


@pytest.mark.parametrize(
    ("section", "wrong", "told"),
    [
        ("gates", {"floor": "0.8"}, "gates.floor must be of type float. Received: value='0.8'"),
        ("gates", 3, "gates must be a table. Received: value=3"),
        ("gates", {"floor": True}, "gates.floor must be of type float"),
        ("gates", {"p99_ms": float("inf")}, "gates.p99_ms must be of type float"),
        ("data", {"checks": ["leakage"]}, "data.checks must be a table of str"),
        ("data", {"checks": {"leakage": 1}}, "data.checks must be a table of str"),
        ("schedule", {"cron": 5}, "schedule.cron must be of type str"),
        ("schedule", {"seed": "a"}, "schedule.seed must be of type int"),
        ("schedule", {"preset": "gpt"}, "preset must be one of"),
        ("schedule", {"release": "soon"}, "release must be one of"),
        ("retention", {"pinned": [1.5]}, "retention.pinned must be a list of int"),
    ],
)
def test_a_wrong_value_in_the_settings_file_is_refused_when_its_line_is_asked_for(section, wrong, told):
    lines = {"news": {section: wrong}}
    with pytest.raises(ConfigError, match=re.escape(told)):
        resolve(Request(source="/data/ag"), lines) if section != "retention" else run_config.section(
            lines, "news", section
        )


def test_a_whole_number_may_stand_for_a_fraction_in_the_settings_file():
    floor = resolve(Request(source="/data/ag"), {"news": {"gates": {"floor": 1}}}).gates.floor
    assert (floor, type(floor)) == (1.0, float)


def test_a_wrong_line_in_the_settings_file_is_refused_by_name(newsdesk_home):
    newsdesk_home.mkdir()
    (newsdesk_home / "newsdesk.toml").write_text('[news.schedule]\ncorn = "0 6 * * *"\n')
    with pytest.raises(ConfigError, match="corn"):
        run_config.settings()


def test_a_file_that_is_no_toml_is_named(newsdesk_home):
    newsdesk_home.mkdir()
    (newsdesk_home / "newsdesk.toml").write_text("[news\n")
    with pytest.raises(ConfigError, match=r"newsdesk\.toml"):
        run_config.settings()


def test_a_configuration_is_plain_json_with_every_value():
    run = resolve(Request(set={"training.epochs": 7, "gates.floor": 1}))
    value = json.loads(json.dumps(run.to_json()))
    assert value == run.to_json()
    assert list(value) == [field.name for field in dataclasses.fields(run)]
    assert (value["training"]["epochs"], value["gates"]["floor"], value["labels"]) == (7, 1.0, list(run.labels))


def test_times_without_a_zone_are_utc():
    assert clock.parse_time("2026-01-02T03:04:05", "as_of").isoformat() == "2026-01-02T03:04:05+00:00"


def test_override_texts_are_json_where_they_can_be():
    assert run_config.parse_overrides(["a.b=2", "c=0.5", "d=mean", "e=true"]) == {
        "a.b": 2,
        "c": 0.5,
        "d": "mean",
        "e": True,
    }


def test_a_line_s_name_that_can_be_no_folder_is_a_configuration_error(tmp_path):
    path = tmp_path / "newsdesk.toml"
    path.write_text('["my line".schedule]\ncron = "0 3 * * *"\n')
    with pytest.raises(run_config.ConfigError, match=r"newsdesk.toml: line must be .*my line"):
        run_config.settings(path)


@pytest.mark.parametrize(
    "labels", [[], ["one"], ["a", "a"], ["a", ""], ["a", " b"], ["a", "b\n"], ["a", 1], ["a", "x" * 101], "ab"]
)
def test_labels_that_cannot_be_shown_are_refused_before_any_work(monkeypatch, labels):
    monkeypatch.setattr("pipelines.config.lines.line_file", lambda line: {"labels": labels})
    with pytest.raises(run_config.ConfigError, match=r"labels in .*data_schemas/news-demo/line\.toml must be"):
        run_config.resolve(run_config.Request(source="demo", line="news"), {})


def test_labels_with_marks_of_any_kind_are_fine(monkeypatch):
    labels = ["Arts & Life", "Health (US)", "Children's", "A+B", "日本"]
    monkeypatch.setattr("pipelines.config.lines.line_file", lambda line: {"labels": labels})
    assert run_config.labels_of("news") == tuple(labels)
