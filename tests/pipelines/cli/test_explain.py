"""`newsdesk explain`: what is written and printed, for both shapes of attention, and what is said where there is none."""

import functools
import json
import tempfile
from pathlib import Path

import published
import pytest
import tensorflow as tf

from components import pusher
from components.core import paths
from components.models import contributions, explainer, family
from components.registry import model_registry
from components.training import export, loop
from pipelines.cli import main
from pipelines.config.presets import PRESETS

NETWORKS = {
    "transformer": {
        "length": 8, "padding": "longest", "width": 4, "heads": 2, "key_width": 4, "feed_forward": 4, "blocks": 2, "pooling": "mean", "buckets": 0,
        "pair_width": 0, "hidden": 0, "dropout": 0.0, "word_dropout": 0.0, "vectors": "none",
    },
    "attention-rnn": {
        "length": 8, "width": 4, "units": 4, "attention_units": 4, "dropout": 0.0, "word_dropout": 0.0,
    },
}  # fmt: skip


@functools.cache
def exported(name: str) -> Path:
    """The SavedModel of a family's tiny network with weights as they were drawn."""
    module, tokens = family(name), ["", "[UNK]", *" ".join(published.WORDS).split()]
    network = module.build_network(tokens, NETWORKS[name], len(published.LABELS))
    folder = Path(tempfile.mkdtemp(prefix="newsdesk-tiny-")) / name
    explain = explainer(module, network, tokens, NETWORKS[name])
    export.export(folder, module.build_tokenizer(tokens, NETWORKS[name]), network, published.LABELS, explainer=explain)
    return folder


def serve(name: str) -> int:
    """Makes a family's tiny model the champion."""
    judged = model_registry.folder_hashes(exported(name))
    version, folder = pusher.push(
        exported(name), published.LINE, f"run-{name}", published.LABELS, judged=judged, allowed=lambda: None
    )
    published.register(version, folder, f"run-{name}")
    model_registry.move_champion(
        published.LINE, model_registry.champion(published.LINE), version, "release", "it passed", {}
    )
    return version


@pytest.mark.parametrize("name", NETWORKS)
def test_label_top_words_picture_and_page_are_printed_and_written(name, capsys):
    version = serve(name)
    assert main.main(["predict", "--json", "Goal! The coach, unheard-of"]) == 0
    (asked,) = json.loads(capsys.readouterr().out)
    assert main.main(["explain", "--json", "Goal! The coach, unheard-of"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert {key: told[key] for key in asked} == {
        **asked,
        "probabilities": pytest.approx(asked["probabilities"], abs=1e-5),
    }
    words = [(each["word"], each["known"]) for each in told["words"]]
    assert words == [("goal", True), ("the", False), ("coach", True), ("unheard", False), ("of", False)]
    assert sum(each["attention"] for each in told["words"]) == pytest.approx(1, abs=1e-4)
    assert Path(told["picture"]).read_bytes().startswith(b"\x89PNG")
    page = Path(told["page"])
    assert page.is_relative_to(paths.home() / "explain")
    assert f"version {version} of news" in page.read_text()
    assert ("<svg" in page.read_text()) == (name == "transformer")


def test_several_texts_share_a_page_in_the_folder_asked_for_and_each_has_a_picture(tmp_path, capsys):
    serve("attention-rnn")
    assert main.main(["explain", "goal <b>coach", "", "shares \udcff \x1b[2J", "--output", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["explain-1.png", "explain-2.png", "explain-3.png", "explain.html"]
    assert "no words" in shown
    assert "\x1b" not in shown
    assert all(str(tmp_path / "out" / name) in shown for name in names)
    assert (tmp_path / "out" / "explain.html").read_text().count("<h2>") == 3


def test_asking_again_replaces_and_does_not_pile_up(capsys):
    serve("attention-rnn")
    for _ in range(2):
        assert main.main(["explain", "goal"]) == 0
    assert len(list((paths.home() / "explain" / "news").iterdir())) == 1
    assert main.main(["explain", "coach"]) == 0
    assert len(list((paths.home() / "explain" / "news").iterdir())) == 2


def test_a_model_without_attention_says_so_with_what_to_do_and_writes_nothing(capsys):
    published.release("run-1")
    assert main.main(["explain", "goal"]) == 1
    message = capsys.readouterr().err
    assert "version 1 of line news (preset bag) has no attention to show" in message
    assert "newsdesk retrain --preset wide-transformer" in message
    assert message.count("\n") == 1
    assert not (paths.home() / "explain").exists()


@functools.cache
def linear_model() -> Path:
    """The SavedModel of a linear model that was fitted on the line's articles."""
    module, network = family("linear"), PRESETS["linear"].network
    rows = published.articles(400, seed=3)
    tokens = module.build_vocabulary(tf.data.Dataset.from_tensors(rows[0]), network)
    model, tokenizer, _ = loop.fit(module, tokens, network, PRESETS["linear"].training, 1, rows, rows, 4, "")
    folder = Path(tempfile.mkdtemp(prefix="newsdesk-linear-")) / "model"
    add = contributions(module, model, tokenizer)
    export.export(folder, tokenizer, model, published.LABELS, contributions=add)
    return folder


def test_a_linear_model_says_what_each_word_adds_without_a_picture(capsys, monkeypatch):
    monkeypatch.setattr(f"{__name__}.exported", lambda name: linear_model())
    serve("linear")
    assert main.main(["explain", "goal coach \x1b[2J", ""]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("Sports") and shown[1].startswith("  adds to Sports: ")
    assert "goal +" in shown[1] and "coach +" in shown[1] and "\x1b" not in "".join(shown)
    assert shown[3].endswith("no known word")
    assert main.main(["explain", "--json", "goal coach"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    adds = [one["adds"]["Sports"] for one in row["added"]]
    assert adds == sorted(adds, reverse=True) and adds[0] > 0
    assert "picture" not in row and [path.name for path in Path(row["page"]).parent.iterdir()] == ["explain.html"]
    page = Path(row["page"]).read_text()
    assert "What each word adds" in page and "attention it received" not in page
    assert f"{row['added'][0]['adds']['Business']:+.3f}" in page


def test_another_version_can_be_asked(capsys):
    first = serve("attention-rnn")
    published.release("run-2")
    assert main.main(["explain", "goal", "--version", str(first)]) == 0
    assert f"/news/{first}-" in capsys.readouterr().out


def test_a_damaged_version_is_not_loaded(capsys):
    version = serve("attention-rnn")
    (paths.serving_dir(published.LINE) / str(version) / "saved_model.pb").write_bytes(b"flipped")
    assert main.main(["explain", "goal"]) == 1
    assert "must match its manifest. Received: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "TEXT"),
        (["goal", "--version", "../1"], 2, "newsdesk explain: --version must be @champion or a version number"),
        (["goal", "--line", "../../etc"], 2, "Received: line='../../etc'"),
        (["goal"], 1, "must have a champion"),
    ],
)
def test_bad_usage_is_two_and_what_fails_is_one_each_with_a_reason(arguments, code, message, capsys):
    try:
        got = main.main(["explain", *arguments])
    except SystemExit as error:
        got = error.code
    assert got == code
    assert message in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(capsys):
    serve("attention-rnn")
    assert main.main(["explain", "goal", "--output", "/proc/nowhere"]) == 1
    assert "/proc/nowhere" in capsys.readouterr().err
