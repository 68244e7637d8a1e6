"""A history that was emptied or cut: what runs and versions still tell comes back, and nothing else is made up."""

import json

import pytest

from components.core import fileio, paths
from components.registry import lost_moves, model_registry, serving_history
from pipelines.cli import main

LINE = "news"


def event(sequence, to, before, kind="release", run=""):
    return {
        "sequence": sequence, "time": f"2026-11-{10 + sequence}T06:00:00+00:00", "who": "anna", "kind": kind, "from": before, "to": to,
        "reason": f"reason {sequence}", "evidence": {"run": run, "metrics": {"accuracy": 0.9}},
    }  # fmt: skip


# Version 2 was rolled back, 3 was released over 1.
EVENTS = [
    event(1, 1, None, run="run-1"),
    event(2, 2, 1, run="run-2"),
    event(3, 1, 2, "rollback"),
    event(4, 3, 1, run="run-3"),
]


def pointer(one):
    return {"line": LINE, "version": one["to"], "digest": "d", "event": one} if one else None


def history():
    return paths.registry_dir(LINE) / "promotions.jsonl"


def run_folder(name, before, version, state="released", line=LINE):
    """What a run leaves: the champion as it found it, its verdict, and what it released."""
    folder = paths.run_dir(name)
    config = {"line": line, "release": "auto"}
    fileio.write_json(
        folder / "run.json", {"run": name, "created": "2026-11-01T00:00:00+00:00", "config": config, "champion": before}
    )
    fileio.write_json(folder / "verdict.json", {"reasons": [f"{name} is better"], "metrics": {"accuracy": 0.9}})
    fileio.write_json(folder / "release.json", {"state": state, "version": version, "folder": "x"})
    done = {"node": "Registrar", "state": "done", "time": f"2026-11-{10 + version}T06:00:05+00:00"}
    fileio.append_json(folder / "events.jsonl", done)


@pytest.fixture
def emptied(newsdesk_home):
    """A line that made four moves, of which the history has lost all but the pointer's own."""
    fileio.write_json(paths.registry_dir(LINE) / "champion.json", pointer(EVENTS[-1]))
    for version in (1, 2, 3):
        (paths.serving_dir(LINE) / str(version)).mkdir(parents=True)
    history().write_text("")


def test_moves_that_a_later_run_found_come_back_word_for_word(emptied):
    run_folder("run-3", pointer(EVENTS[2]), 3)
    run_folder("run-2", pointer(EVENTS[0]), 2, state="held")
    assert lost_moves.missing(LINE) == [1, 2, 3]
    assert sorted(lost_moves.refill(LINE)) == [1, 3]
    assert [json.loads(line) for line in history().read_text().splitlines()] == [EVENTS[0], EVENTS[2], EVENTS[3]]
    assert lost_moves.missing(LINE) == [2]


def test_the_move_that_a_run_made_itself_is_told_by_its_release_and_says_what_is_not_known(emptied):
    run_folder("run-1", None, 1)
    run_folder("run-2", pointer(EVENTS[0]), 2)
    run_folder("run-3", pointer(EVENTS[2]), 3)
    assert sorted(lost_moves.refill(LINE)) == [1, 2, 3]
    second = model_registry.history(LINE)[1]
    assert (second["sequence"], second["from"], second["to"], second["kind"]) == (2, 1, 2, "release")
    assert (second["who"], second["time"], second["reason"]) == (
        "unknown",
        "2026-11-12T06:00:05+00:00",
        "run-2 is better",
    )
    assert "not known" in second["restored"]
    assert [model_registry.history(LINE)[i] for i in (0, 2, 3)] == [EVENTS[0], EVENTS[2], EVENTS[3]]
    assert model_registry.rollback_target(LINE) == 1
    assert lost_moves.refill(LINE) == {}


def test_versions_tell_as_much_when_the_folders_of_their_runs_are_gone(emptied):
    folder = paths.registry_dir(LINE) / "versions"
    for version, before, place in ((1, None, "serving"), (2, EVENTS[0], "serving"), (3, EVENTS[2], "held")):
        record = {"run": f"run-{version}", "config": {"line": LINE, "release": "auto"}, "champion": pointer(before)}
        place = paths.serving_dir(LINE) if place == "serving" else model_registry.held_dir(LINE)
        card = {
            "version": version,
            "created": f"2026-11-0{version}T06:00:00+00:00",
            "folder": f"{place}/{version}",
            "metrics": {},
        }
        fileio.write_json(folder / f"{version}.json", card)
        fileio.write_json(folder / f"{version}.origin.json", {"record": record})
    assert sorted(lost_moves.refill(LINE)) == [1, 2, 3]
    assert [one["to"] for one in model_registry.history(LINE)] == [1, 2, 1, 3]


def test_what_does_not_fit_the_moves_beside_it_or_is_of_another_line_is_left_out(emptied):
    run_folder("run-8", pointer(EVENTS[1]), 9)  # move 3 would have led to version 9, and move 4 began at version 1
    run_folder("run-9", pointer(event(2, 8, 7)), 3, line="sports")
    (paths.run_dir("run-7")).mkdir(parents=True)
    (paths.run_dir("run-7") / "run.json").write_text("{")
    assert lost_moves.refill(LINE) == {2: EVENTS[1]}


def test_a_rollback_returns_to_the_version_that_the_champion_followed_although_its_move_is_lost(emptied):
    assert model_registry.rollback_target(LINE) == 1


@pytest.mark.parametrize(
    ("asked", "versions"),
    [
        ("2026-11-11", [1, None]),
        ("2026-11-10", []),
        ("2026-11-12", [None]),
        ("2026-11-13T12:00", [None]),
        ("2026-11-14", [None, 3]),
        ("2026-11-20", [3]),
    ],
)
def test_between_two_moves_with_lost_ones_between_them_nobody_says_what_served(asked, versions):
    served = serving_history.during([EVENTS[0], EVENTS[3]], *serving_history.span(asked))
    assert [term["version"] for term in served] == versions


def test_the_command_says_what_is_not_known(emptied, capsys):
    assert main.main(["models", "--on", "2026-11-12"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "news: it is not known what served before 2026-11-14T06:00:00+00:00",
        "  3 moves are missing in the history; version 1 served at its end",
    ]
    history().write_text(json.dumps(EVENTS[0]) + "\n")
    assert main.main(["models", "--on", "2026-11-11"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "news: version 1 served from 2026-11-11T06:00:00+00:00, until when is not known",
        "  release by anna: reason 1",
        "news: it is not known what served between 2026-11-11T06:00:00+00:00 and 2026-11-14T06:00:00+00:00",
        "  2 moves are missing in the history; version 1 served at its beginning; version 1 served at its end",
    ]
    assert main.main(["models", "--on", "2026-11-12", "--json"]) == 0
    (term,) = json.loads(capsys.readouterr().out)
    assert (term["version"], term["kind"], term["kept"]) == (None, "unknown", False)
