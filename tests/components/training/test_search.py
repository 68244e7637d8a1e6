"""The search for settings: where it looks, how it judges, what it hands to the Trainer."""

import keras_tuner
import numpy as np
import pytest

from components.data import rows
from components.models import families, family, linear
from components.models import search_space as space_of
from components.training import loop, search, search_space, vocabulary
from pipelines.config import hyperparameters
from pipelines.config.presets import PRESETS

NETWORK = {"width": 64, "dropout": 0.3}
TRAINING = {"learning_rate": 0.004, "epochs": 2, "calibrate": "none"}


@pytest.fixture
def toy(monkeypatch):
    """A family whose accuracy depends on its settings alone: the wider and the slower, the better. Returns the settings trained."""
    trained = []

    def fit(module, tokens, network, training, seed, train, eval, classes, workdir):
        trained.append((network, training))
        if training["learning_rate"] > 0.008:
            raise FloatingPointError("the loss is no number")
        accuracy = network["width"] / 256 + training["learning_rate"]
        return None, None, [{"epoch": 1, "val_accuracy": accuracy, "val_loss": 1.0, "final_accuracy": accuracy}]

    monkeypatch.setattr(loop, "fit", fit)
    return trained


def tried(trials: int, seed: int = 1, training=TRAINING) -> list[dict]:
    space = search.declared("transformer", NETWORK, training)
    return search.run(space, None, [], NETWORK, training, seed, None, None, 4, trials)


def plain(trials: list[dict]) -> list[dict]:
    return [{name: value for name, value in trial.items() if name != "seconds"} for trial in trials]


def test_the_first_trial_has_the_settings_as_asked_and_the_best_one_is_marked(toy):
    trials = tried(8)
    assert [trial["trial"] for trial in trials] == list(range(1, 9))
    assert trials[0]["set"] == {
        "training.learning_rate": 0.004, "training.epochs": 2, "network.width": 64, "network.dropout": 0.3,
    }  # fmt: skip
    (best,) = (trial for trial in trials if trial["best"])
    assert best["accuracy"] == max(trial["accuracy"] or 0 for trial in trials) > trials[0]["accuracy"]
    assert len({tuple(trial["set"].items()) for trial in trials}) == 8


def test_each_trial_trains_with_its_own_settings_and_keeps_all_others(toy):
    for (network, training), trial in zip(toy, tried(5), strict=True):
        for name, value in trial["set"].items():
            section, _, key = name.partition(".")
            assert {"network": network, "training": training}[section][key] == value
        assert training["calibrate"] == "none"


def test_the_same_seed_tries_the_same_settings_and_another_one_others(toy):
    assert plain(tried(5)) == plain(tried(5))
    assert plain(tried(5))[1:] != plain(tried(5, seed=2))[1:]


def test_settings_that_cannot_be_trained_are_noted_and_never_chosen(toy):
    trials = tried(12, seed=2)
    failed = [trial for trial in trials if trial["accuracy"] is None]
    assert failed and all("no number" in trial["why"] and not trial["best"] for trial in failed)
    assert len(trials) == 12


def test_settings_as_asked_that_cannot_be_trained_end_the_search(toy):
    with pytest.raises(keras_tuner.errors.FatalRuntimeError, match="the loss is no number"):
        tried(3, training={**TRAINING, "learning_rate": 0.1})


def test_an_error_of_the_code_is_no_failed_trial(monkeypatch):
    monkeypatch.setattr(loop, "fit", lambda *args: {}["missing"])
    with pytest.raises(keras_tuner.errors.FatalRuntimeError, match="missing"):
        tried(3)


def test_the_best_settings_are_what_tfx_s_trainer_reads(toy):
    space, trials = search.declared("transformer", NETWORK, TRAINING), tried(4)
    config = search.best(space, trials)
    best = next(trial for trial in trials if trial["best"])
    assert keras_tuner.HyperParameters.from_config(config).values == best["set"] == config["values"]


def test_a_setting_that_is_off_is_not_searched_and_a_family_without_a_space_is_refused(monkeypatch):
    names = {each.name for each in search.declared("transformer", {"width": 8, "dropout": 0.0}, TRAINING).space}
    assert names == {"training.learning_rate", "training.epochs", "network.width"}
    monkeypatch.delattr(linear, "SPACE")
    with pytest.raises(ValueError, match="family='linear'"):
        search.declared("linear", {"penalty": 0.4}, {})


def test_a_sample_is_the_same_for_the_same_seed_and_no_row_comes_twice():
    every = rows.of((np.array([b"%d" % number for number in range(100)], object), np.arange(100)))
    (texts,), labels = search.sample(every, 30, seed=1).texts(), search.sample(every, 30, seed=1).labels.tolist()
    assert len(set(labels)) == 30 and [int(text) for text in texts] == labels
    assert (
        search.sample(every, 30, seed=1).labels.tolist() == labels != search.sample(every, 30, seed=2).labels.tolist()
    )
    assert search.sample(every, 100, seed=1) is every


def test_a_real_family_is_searched_on_its_own_rows():
    words = ("war treaty", "goal match", "bank profit", "chip orbit")
    texts = np.array([f"{words[row % 4]} {row % 7}".encode() for row in range(80)], object)
    network, training = {"min_rows": 2, "penalty": 0.4, "mended": 0.0}, {"calibrate": "none"}
    tokens = vocabulary.adapt("linear", network, texts)
    trials = search.run(
        search.declared("linear", network, training), family("linear"), tokens, network, training, 1,
        (texts, np.arange(80) % 4), (texts[:8], np.arange(8) % 4), 4, 2,
    )  # fmt: skip
    assert [trial["accuracy"] for trial in trials] == [1.0, 1.0] and trials[0]["best"]
    assert trials[0]["set"] == {"network.penalty": 0.4} != trials[1]["set"]


@pytest.mark.parametrize("name", families())
def test_every_family_declares_a_space(name):
    assert space_of(name)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_whatever_a_search_draws_around_a_preset_is_a_setting_that_a_run_may_have(preset):
    space = search.declared(preset.family, preset.network, preset.training)
    for seed in range(20):
        drawn = search_space.rounded({each.name: each.random_sample(seed) for each in space.space})
        network, training = search_space.merged(preset.network, preset.training, drawn)
        assert dict(hyperparameters.network(network)) == network
        assert dict(hyperparameters.training(training)) == training


@pytest.mark.parametrize("preset", [p for p in PRESETS.values() if p.family != "linear"], ids=lambda p: p.name)
def test_the_vocabulary_is_the_same_for_all_that_a_search_draws(preset):
    read = {"vocabulary", "min_rows", "text", "encoder", "preprocessor", "wide", "mended", "length"}
    assert not {name.partition(".")[2] for name in space_of(preset.family)} & read
