"""Going on from the champion: a small real model is exported, and another one starts from what it carries."""

import components  # noqa: F401, it sets what TensorFlow reads at its own import

# isort: split
import numpy as np
import pytest
import record_kit

from components.core import fileio
from components.models import family
from components.training import calibration, export, loop, run_fn, vocabulary, warm_start
from pipelines.config.presets import TRAINING

NETWORK = {
    "vocabulary": 9,
    "length": 8,
    "width": 4,
    "buckets": 16,
    "pair_width": 4,
    "dropout": 0.0,
    "word_dropout": 0.0,
}
TOKENS = ["", "[UNK]", "goal", "coach", "bank"]
ROWS = np.array([b"goal coach", b"bank goal"], dtype=object), np.array([1, 2])


@pytest.fixture
def champion(tmp_path):
    """(folder, its network's weights)."""
    module = family("bag")
    with loop.building("float32"):
        model = module.build_network(TOKENS, NETWORK, 4)
    export.export(tmp_path / "model", module.build_tokenizer(TOKENS, NETWORK), model, ["a", "b", "c", "d"])
    vocabulary.save(warm_start.note(tmp_path / "model", "bag", NETWORK), TOKENS)
    return tmp_path / "model", model.get_weights()


def fit(tokens, workdir, start=()):
    settings = {**TRAINING, "calibrate": "none", "epochs": 1, "batch_size": 2, "learning_rate": 1e-8, "warmup": 0.0}
    return loop.fit(family("bag"), tokens, NETWORK, settings, 3, ROWS, ROWS, 4, workdir, start=start)[0]


def test_a_candidate_goes_on_from_the_champion_s_weights(champion, tmp_path):
    folder, before = champion
    again = fit(TOKENS, tmp_path / "work", warm_start.weights(folder)).get_weights()
    for ours, theirs in zip(again, before, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_what_is_fitted_anew_each_time_is_no_part_of_a_start(champion, tmp_path):
    _, before = champion
    module = family("bag")
    model = calibration.calibrated(module.build_network(TOKENS, NETWORK, 4), 2.0, np.ones(4))
    export.export(tmp_path / "calibrated", module.build_tokenizer(TOKENS, NETWORK), model, ["a", "b", "c", "d"])
    assert [weight.shape for weight in warm_start.weights(tmp_path / "calibrated")] == [
        weight.shape for weight in before
    ]


def test_known_words_keep_their_rows_where_the_vocabulary_grew(champion, tmp_path):
    folder, before = champion
    known = vocabulary.load(folder / warm_start.FOLDER)
    assert known == TOKENS
    model = fit([*known, "newcomer"], tmp_path / "work", warm_start.weights(folder))
    rows = model.get_layer("words").get_weights()[0]
    assert rows.shape == (6, 4)
    np.testing.assert_allclose(rows[:5], before[0], atol=1e-6)


def test_a_checkpoint_of_another_start_is_not_gone_on_from(champion, tmp_path):
    folder, before = champion
    fit(TOKENS, tmp_path / "work")
    warmed = fit(TOKENS, tmp_path / "work", warm_start.weights(folder)).get_weights()
    np.testing.assert_allclose(warmed[0], before[0], atol=1e-6)


def test_another_network_is_no_start_and_says_so(champion):
    folder, _ = champion
    assert warm_start.incompatibility_reason(folder, "bag", NETWORK) is None
    assert warm_start.incompatibility_reason(folder, "bag", {**NETWORK, "vocabulary": 99, "dropout": 0.3}) is None
    assert (
        warm_start.incompatibility_reason(folder, "bag", {**NETWORK, "width": 8})
        == "the champion's network has another width"
    )
    fileio.write_json(folder / "manifest.json", {"labels": ["a", "b", "c", "d"]})
    assert warm_start.incompatibility_reason(folder, "bag", NETWORK, ["a", "b", "c", "d"]) is None
    for labels in (["b", "a", "c", "d"], ["a", "b", "c", "d", "e"], ["a", "b", "c"]):
        reason = warm_start.incompatibility_reason(folder, "bag", NETWORK, labels)
        assert reason == "the champion has other labels, a, b, c, d"
    assert "family bag" in warm_start.incompatibility_reason(folder, "transformer", NETWORK)
    (folder / warm_start.FOLDER / warm_start.BUILT).unlink()
    assert "does not hold its settings" in warm_start.incompatibility_reason(folder, "bag", NETWORK)


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="that fit"):
        warm_start.merged([np.zeros((3, 2))], [np.zeros((3, 4))])
    with pytest.raises(ValueError, match="that fit"):
        warm_start.merged([np.zeros((3, 2))], [np.zeros((4, 2))])
    with pytest.raises(ValueError, match="as many weights"):
        warm_start.merged([np.zeros(3)], [])


def test_a_run_of_other_labels_starts_fresh_and_says_so(champion, tmp_path):
    folder, _ = champion
    fileio.write_json(folder / "manifest.json", {"labels": ["a", "b", "c", "d"]})
    with record_kit.Writer(tmp_path / "examples") as writer:
        for split in ("train", "eval"):
            for at in range(10):
                writer.write(split, f"goal coach {at}", at % 5)
    settings = {**TRAINING, "calibrate": "none", "epochs": 1, "batch_size": 4}
    places = tmp_path / "examples", tmp_path / "candidate", tmp_path / "work"
    given = ("bag", TOKENS, NETWORK, settings, 3, ["a", "b", "c", "d", "e"])
    history = run_fn.train(*given, str(places[0]), *places[1:], before=folder)
    assert history["start"] == "started fresh: the champion has other labels, a, b, c, d"
