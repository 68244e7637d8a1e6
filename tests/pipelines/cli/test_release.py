"""A person promotes and rolls back: what moves, what is written down, what is refused. MLflow stands aside here."""

import shutil

import published
import pytest

from components.core import paths
from components.registry import mlflow_sync, model_registry, pins
from pipelines.cli import main, release
from pipelines.reports import model_card


@pytest.fixture
def mirrored(monkeypatch):
    """What MLflow was told: (line, version of the card, aliases)."""
    calls = []
    monkeypatch.setattr(
        mlflow_sync, "follow", lambda line, card, aliases: calls.append((line, card["version"], aliases))
    )
    return calls


def ask(command, version=None, reason="because", line=published.LINE, to=None, after=None):
    return release.run(command, line, reason, version if command == "promote" else to, after)


def test_a_rollback_makes_the_version_before_serve_again_and_keeps_the_reason(mirrored, capsys):
    published.release("run-1")
    published.release("run-2", "shifted")
    assert ask("rollback", reason="complaints about sports") == 0
    assert capsys.readouterr().out == "news: version 1 serves now (before: 2)\n"
    event = model_registry.history(published.LINE)[-1]
    assert (event["kind"], event["from"], event["to"], event["reason"]) == ("rollback", 2, 1, "complaints about sports")
    assert mirrored == [("news", 1, {1: ["champion"]})]


def test_after_a_move_the_model_cards_of_both_versions_say_what_they_are_now(mirrored):
    published.release("run-1")
    published.release("run-2", "shifted")
    ask("rollback", reason="complaints about sports")
    cards = [model_card.card_files(published.LINE, number)["md"].read_text() for number in (1, 2)]
    assert "It is the line's champion" in cards[0] and "It does not serve" in cards[1]
    assert all("complaints about sports" in card for card in cards)


def test_rolling_back_twice_never_returns_to_the_version_that_was_left(mirrored):
    for run, kind in (("run-1", "good"), ("run-2", "shifted"), ("run-3", "swapped")):
        published.release(run, kind)
    ask("rollback")
    ask("rollback")
    assert model_registry.champion(published.LINE)["version"] == 1
    with pytest.raises(model_registry.RegistryError, match=r"needs a version that served before"):
        ask("rollback")


def test_a_champion_that_nothing_restores_is_recorded_as_lost_by_a_person(mirrored, capsys):
    published.release("run-1")
    (model_registry.served_folder(published.LINE, 1) / "saved_model.pb").write_bytes(b"cut")
    ask_lost = ["rollback", "--lost", "--line", published.LINE, "--reason"]
    assert main.main([*ask_lost, " "]) == 2
    assert main.main([*ask_lost, "the disk failed", "--to", "1"]) == 2
    assert main.main([*ask_lost, "the disk failed"]) == 0
    assert capsys.readouterr().out == "news: version 1 is recorded as lost; the next run is judged without it\n"
    event = model_registry.history(published.LINE)[-1]
    assert (event["kind"], event["to"], event["reason"]) == ("lost", 1, "the disk failed")
    with pytest.raises(model_registry.RegistryError, match="must match its manifest"):
        ask("promote", 1)


def test_a_held_version_is_promoted_to_where_it_is_served(mirrored):
    published.release("run-1")
    version, folder = published.push("run-2", "shifted", hold=True)
    published.register(version, folder, "run-2")
    assert ask("promote", version) == 0
    assert model_registry.champion(published.LINE)["version"] == 2
    assert model_registry.verify(paths.serving_dir(published.LINE) / "2")["run"] == "run-2"
    # Where the run and MLflow say it lies.
    assert model_registry.verify(folder)["run"] == "run-2"


def test_promoting_what_serves_already_changes_nothing(mirrored, capsys):
    published.release("run-1")
    before = model_registry.champion(published.LINE)
    assert ask("promote", 1) == 0
    assert capsys.readouterr().out == "news: version 1 serves already\n"
    assert model_registry.champion(published.LINE) == before


def test_a_version_that_is_not_there_or_damaged_is_not_promoted(mirrored):
    published.release("run-1")
    version, folder = published.push("run-2", "shifted", hold=True)
    (folder / "saved_model.pb").write_bytes(b"half")
    for number in (version, 77):
        with pytest.raises(model_registry.RegistryError, match=r"Received: "):
            ask("promote", number)
    assert model_registry.champion(published.LINE)["version"] == 1
    assert model_registry.numbered(paths.serving_dir(published.LINE)) == [1]


def test_when_mlflow_cannot_follow_the_pointer_has_moved_and_the_remedy_is_named(monkeypatch, capsys):
    published.release("run-1")
    version, folder = published.push("run-2", "shifted")
    published.register(version, folder, "run-2")

    def down(*_):
        raise ConnectionError("no answer")

    monkeypatch.setattr(mlflow_sync, "follow", down)
    assert ask("promote", version) == 0
    assert model_registry.champion(published.LINE)["version"] == version
    assert "(no answer); run `newsdesk doctor --repair`" in capsys.readouterr().err


def test_a_decision_is_carried_out_on_the_move_it_was_made_against_though_the_same_version_serves_again(mirrored):
    for run, kind in (("run-1", "good"), ("run-2", "shifted"), ("run-3", "swapped")):
        published.release(run, kind)
    decided = model_registry.champion(published.LINE)["event"]["sequence"]
    ask("promote", 1)
    ask("promote", 3)
    moves = model_registry.history(published.LINE)
    for command, version in (("rollback", None), ("promote", 2)):
        with pytest.raises(model_registry.PointerMoved, match=r"must be number 3.*at move 5, and version 3 serves"):
            ask(command, version, after=decided)
    with pytest.raises(model_registry.RegistryError, match=r"must return to version 2.*would return to version 1"):
        ask("rollback", to=2, after=moves[-1]["sequence"])
    assert model_registry.history(published.LINE) == moves
    assert ask("rollback", to=1, after=5) == 0
    assert model_registry.champion(published.LINE)["version"] == 1


def test_a_version_whose_files_and_manifest_are_not_those_of_its_card_is_not_promoted(mirrored):
    """Somebody put another complete version in its place."""
    published.release("run-1")
    version, folder = published.push("run-2", "shifted")
    published.register(version, folder, "run-2")
    other, _ = published.push("run-3", "swapped", hold=True)
    shutil.rmtree(folder)
    shutil.copytree(model_registry.held_dir(published.LINE) / str(other), folder)
    with pytest.raises(model_registry.Differs, match=r"must hold the model of its card"):
        ask("promote", version)
    assert model_registry.champion(published.LINE)["version"] == 1


def test_a_line_that_is_not_there_is_refused_and_leaves_no_folder(mirrored):
    published.release("run-1")
    with pytest.raises(model_registry.RegistryError, match=r"must exist to be promoted. Received: line 'typo'"):
        ask("promote", 1, line="typo")
    for kind in ("pin", "unpin"):
        with pytest.raises(
            model_registry.RegistryError, match=r"a line must exist. Received: line 'typo', known are: news"
        ):
            pins.change("typo", kind, 1, "because")
    assert model_registry.lines() == [published.LINE]
