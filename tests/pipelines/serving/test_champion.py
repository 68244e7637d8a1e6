"""The server follows the pointer; what answered goes on answering until the next version is loaded and checked."""

import json

import published
import pytest

from components.core import paths
from components.registry import model_registry
from pipelines.serving import champion as serving_champion
from pipelines.serving.champion import Champion

TEXT = ["goal coach striker"]


def promote(version: int, kind: str = "promote") -> None:
    model_registry.move_champion(published.LINE, model_registry.champion(published.LINE), version, kind, "try", {})


def answers(champion: Champion) -> str:
    client = champion.champion.client
    return client.labels[int(client.probabilities(TEXT)[0].argmax())]


@pytest.fixture
def followed():
    """What follows a line with two versions, of which the first serves."""
    published.two_versions()
    champion = Champion(published.LINE)
    assert champion.check()
    return champion


def test_it_follows_the_pointer_and_comes_back_without_loading(followed, monkeypatch):
    assert (followed.champion.version, answers(followed), followed.trouble) == (1, "Sports", "")
    assert followed.check() is False
    promote(2)
    assert followed.check() is True
    assert (followed.champion.version, answers(followed)) == (2, "Business")
    monkeypatch.setattr(serving_champion, "load", lambda *what: pytest.fail("loaded what is in memory"))
    promote(1, "rollback")
    assert followed.check() is True
    assert (followed.champion.version, followed.previous.version, answers(followed)) == (1, 2, "Sports")
    assert (followed.swaps, followed.refusals) == (3, 0)


@pytest.mark.parametrize("damage", ["model", "pointer", "gone", "another"])
def test_a_damaged_new_version_is_refused_and_the_old_one_answers(followed, damage):
    promote(2)
    folder = paths.serving_dir(published.LINE) / "2"
    pointer = paths.registry_dir(published.LINE) / "champion.json"
    if damage == "model":
        (folder / "variables" / "variables.index").write_bytes(b"flipped")
    elif damage == "pointer":
        pointer.write_text("{")
    elif damage == "gone":
        folder.rename(paths.home() / "elsewhere")
    else:  # a whole model, but not the one that was promoted
        pointer.write_text(json.dumps({**json.loads(pointer.read_text()), "digest": "0" * 64}))
    assert followed.check() is False
    assert (followed.champion.version, answers(followed)) == (1, "Sports")
    assert followed.trouble
    assert followed.refusals == 1


@pytest.mark.parametrize("kind", ["nan", "silent"])
def test_a_whole_version_that_cannot_answer_is_refused(followed, kind):
    published.release("run-3", kind)
    assert followed.check() is False
    assert (followed.champion.version, answers(followed)) == (1, "Sports")
    if kind == "nan":
        assert "one probability for each of 4 labels" in followed.trouble


def test_a_refused_version_is_not_read_at_every_look_but_again_when_the_pointer_moves_or_time_passes(
    followed, monkeypatch
):
    promote(2)
    index = paths.serving_dir(published.LINE) / "2" / "variables" / "variables.index"
    whole = index.read_bytes()
    index.write_bytes(b"flipped")
    assert followed.check() is False
    assert followed.check() is False
    assert followed.refusals == 1
    index.write_bytes(whole)
    monkeypatch.setattr(serving_champion, "RETRY", 0.0)
    assert followed.check() is True
    assert (followed.champion.version, followed.trouble) == (2, "")


def test_back_to_what_answers_ends_the_trouble(followed):
    promote(2)
    (paths.serving_dir(published.LINE) / "2" / "variables" / "variables.index").write_bytes(b"flipped")
    followed.check()
    assert followed.trouble
    promote(1, "rollback")
    assert followed.check() is False
    assert followed.trouble == ""
