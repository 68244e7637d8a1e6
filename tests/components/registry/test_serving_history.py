"""What served on that day, from the promotions alone; and the file by which TensorFlow Serving follows the pointer."""

import json
from datetime import datetime, timezone

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from components.core import fileio, paths
from components.registry import model_registry, serving_history, tf_serving_config
from pipelines.cli import main
from pipelines.config import run_config

LINE = "news"


def event(sequence, time, to, before=None, kind="release"):
    return {
        "sequence": sequence, "time": f"2026-11-{time}:00+00:00", "who": "anna", "kind": kind, "from": before, "to": to,
        "reason": f"reason {sequence}", "evidence": {},
    }  # fmt: skip


EVENTS = [
    event(1, "10T06:00", 1),
    event(2, "17T06:00", 2, 1),
    event(3, "20T09:30", 1, 2, "rollback"),
    event(4, "20T18:00", 3, 1),
]


@pytest.fixture
def told(newsdesk_home):
    """A line with that history; only version 3 is still kept."""
    folder = paths.registry_dir(LINE)
    for one in EVENTS:
        fileio.append_json(folder / "promotions.jsonl", one)
    fileio.write_json(folder / "champion.json", {"line": LINE, "version": 3, "digest": "d", "event": EVENTS[-1]})
    (paths.serving_dir(LINE) / "3").mkdir(parents=True)


@pytest.mark.parametrize(
    ("asked", "versions"),
    [
        ("2026-11-09", []),
        ("2026-11-10", [1]),
        ("2026-11-10T05:59", []),
        ("2026-11-10T06:00", [1]),
        ("2026-11-18", [2]),
        ("2026-11-20", [2, 1, 3]),
        ("2026-11-20T09:29", [2]),
        ("2026-11-20T09:30", [1]),
        ("2026-11-20T19:00+01:00", [3]),
        ("2026-11-20T18:30+01:00", [1]),
        ("2030-01-01", [3]),
    ],
)
def test_a_day_has_all_that_served_in_it_and_a_time_the_one(asked, versions):
    assert [term["version"] for term in serving_history.during(EVENTS, *serving_history.span(asked))] == versions


def test_each_term_tells_since_when_until_when_by_whom_and_why():
    (term,) = serving_history.during(EVENTS, *serving_history.span("2026-11-20T12:00"))
    assert term == {
        "version": 1, "since": "2026-11-20T09:30:00+00:00", "until": "2026-11-20T18:00:00+00:00", "kind": "rollback",
        "who": "anna", "why": "reason 3", "sequence": 3,
    }  # fmt: skip


def test_after_a_clock_that_was_set_back_no_term_has_a_wrong_version():
    events = [event(1, "20T06:00", 1), event(2, "10T06:00", 2, 1)]
    assert [t["version"] for t in serving_history.during(events, *serving_history.span("2026-11-21"))] == [2]


def test_the_command_answers_in_words_and_in_json(told, capsys):
    assert main.main(["models", "--on", "2026-11-18"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "news: version 2 (no longer kept) served 2026-11-17T06:00:00+00:00 to 2026-11-20T09:30:00+00:00",
        "  release by anna: reason 2",
    ]
    assert main.main(["models", "--on", "2026-11-20T20:00", "--json"]) == 0
    (term,) = json.loads(capsys.readouterr().out)
    assert (term["line"], term["version"], term["until"], term["kept"]) == (LINE, 3, None, True)


def test_an_empty_answer_is_said_plainly(told, capsys):
    assert main.main(["models", "--on", "2025-01-01"]) == 0
    assert capsys.readouterr().out == (
        "news: nothing served on 2025-01-01 (UTC); its first champion came 2026-11-10T06:00:00+00:00\n"
    )
    assert main.main(["models", "--on", "2025-01-01", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main.main(["models", "--on", "2025-01-01", "--line", "news-demo"]) == 0
    assert capsys.readouterr().out == "news-demo: nothing served on 2025-01-01 (UTC); it has never had a champion\n"


@pytest.mark.parametrize("asked", ["yesterday", "2026-13-01", "20.11.2026", "$(id)"])
def test_what_is_no_day_is_bad_usage(told, asked, capsys):
    assert main.main(["models", "--on", asked]) == 2
    assert "must be an ISO 8601 time. Received: on=" in capsys.readouterr().err


# --- TensorFlow Serving's file ---


def parsed(text):
    """By TensorFlow Serving's own message, which refuses an unknown field."""
    (model,) = text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    return model


def test_every_field_of_tensorflow_serving_s_file_is_as_its_message_defines_it(newsdesk_home):
    model = parsed(tf_serving_config.text("news-demo", paths.serving_dir("news-demo"), 7, 5))
    assert model.name == "news-demo"
    assert model.base_path == str(newsdesk_home / "serving" / "news-demo")
    assert model.model_platform == "tensorflow"
    assert model.model_version_policy.WhichOneof("policy_choice") == "specific"
    assert sorted(model.model_version_policy.specific.versions) == [5, 7]
    assert dict(model.version_labels) == {"champion": 7, "previous": 5}


@pytest.mark.parametrize("previous", [None, 9])
def test_the_highest_version_that_is_loaded_is_the_champion_so_a_request_without_a_label_meets_it(previous, tmp_path):
    model = parsed(tf_serving_config.text("news", tmp_path, 7, previous))
    assert list(model.model_version_policy.specific.versions) == [7]
    assert dict(model.version_labels) == {"champion": 7}


def test_a_path_with_spaces_quotes_and_letters_beyond_ascii_arrives_as_it_is(tmp_path):
    folder = tmp_path / 'a "b" \\ ü\n'
    assert parsed(tf_serving_config.text("news", folder, 1, None)).base_path == str(folder)


def test_the_file_follows_every_move_of_the_pointer(newsdesk_home):
    def serves():
        model = parsed(tf_serving_config.read(LINE))
        return sorted(model.model_version_policy.specific.versions), dict(model.version_labels)

    for number in (1, 2, 3):
        folder = paths.serving_dir(LINE) / str(number)
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_text(f"model {number}")
        files = model_registry.folder_hashes(folder)
        fileio.write_json(
            folder / model_registry.MANIFEST, {"digest": model_registry.content_digest(files), "files": files}
        )
    for number, kind, expected in (
        (1, "release", ([1], {"champion": 1})),
        (2, "release", ([1, 2], {"champion": 2, "previous": 1})),
        (1, "rollback", ([1], {"champion": 1})),
        (3, "release", ([1, 3], {"champion": 3, "previous": 1})),
        (1, "promote", ([1], {"champion": 1})),
    ):
        model_registry.move_champion(LINE, model_registry.champion(LINE), number, kind, "because", {})
        assert serves() == expected
    assert model_registry.numbered(paths.serving_dir(LINE)) == [1, 2, 3]


def test_span_takes_a_time_without_zone_for_utc():
    start, end = serving_history.span("2026-11-20T06:00")
    assert start == end == datetime(2026, 11, 20, 6, tzinfo=timezone.utc)
    with pytest.raises(run_config.ConfigError):
        serving_history.span("2026")
