"""The vocabulary artifact: from the train split alone, in id order, with a fingerprint that follows its content."""

import json
from pathlib import Path

import numpy as np
import pytest
import record_kit
from tfx.types.standard_artifacts import Examples

from components import tokenizer
from components.artifacts import Vocabulary
from components.models import family
from components.training import vocabulary as vocabularies
from pipelines.config.presets import PRESETS

NETWORK = {**PRESETS["transformer"].network, "vocabulary": 50}


@pytest.fixture
def artifacts(tmp_path):
    examples, vocabulary = Examples(), Vocabulary()
    examples.uri, vocabulary.uri = str(tmp_path / "examples"), str(tmp_path / "vocabulary")
    Path(vocabulary.uri).mkdir()
    with record_kit.Writer(examples.uri) as writer:
        writer.write("train", "Bank raises rates", 2)
        writer.write("train", "Striker scores", 1)
        writer.write("eval", "Unheard words rates", 2)
        writer.write("test", "Leaked word", 0)
    return examples, vocabulary


def test_the_vocabulary_comes_from_the_train_split_and_reports_what_it_misses(artifacts):
    examples, vocabulary = artifacts
    tokenizer.Tokenizer.test_call(
        family="transformer", network=json.dumps(NETWORK), policy="rebuild", before="null", code="", examples=examples,
        vocabulary=vocabulary,
    )  # fmt: skip
    tokens = vocabularies.load(vocabulary.uri)
    assert set(tokens[2:]) == {"bank", "raises", "rates", "striker", "scores"}
    report = json.loads(Path(vocabulary.uri, "report.json").read_text())
    assert report["eval"] == {"tokens": 3, "unknown": 2, "unknown_share": pytest.approx(2 / 3, abs=1e-4)}
    assert report["fingerprint"] == vocabulary.fingerprint == vocabularies.fingerprint(tokens)


def test_what_is_saved_is_what_is_loaded_and_gives_the_same_ids(tmp_path):
    tokens = ["", "[UNK]", "naïve", "日本", "a b"]
    vocabularies.save(tmp_path, tokens)
    assert vocabularies.load(tmp_path) == tokens
    texts = np.array([b"naive a", "日本 naïve".encode()], dtype=object)
    before, after = (
        family("transformer").build_tokenizer(t, NETWORK)(texts)["ids"] for t in (tokens, vocabularies.load(tmp_path))
    )
    assert (before.numpy() == after.numpy()).all()


def test_no_rows_are_refused_with_the_rule():
    with pytest.raises(ValueError, match="needs train rows"):
        vocabularies.adapt("bag", PRESETS["bag"].network, np.array([], dtype=object))


@pytest.mark.parametrize(
    ("policy", "known", "expected"),
    [
        ("rebuild", ["", "[UNK]", "old"], ["", "[UNK]", "new", "old", "newer"]),
        ("freeze", ["", "[UNK]", "old"], ["", "[UNK]", "old"]),
        ("extend", ["", "[UNK]", "old"], ["", "[UNK]", "old", "new"]),
        ("extend", [], ["", "[UNK]", "new", "old", "newer"]),
        ("freeze", [], ["", "[UNK]", "new", "old", "newer"]),
    ],
)
def test_the_policy_says_what_becomes_of_the_champion_s_vocabulary(policy, known, expected):
    adapted = ["", "[UNK]", "new", "old", "newer"]
    assert vocabularies.decide(policy, lambda: adapted, known, size=2) == expected


def test_a_vocabulary_without_a_size_grows_without_a_limit():
    adapted = ["", "[UNK]", "new", "old", "newer"]
    assert vocabularies.decide("extend", lambda: adapted, adapted[:2], size=None) == adapted
