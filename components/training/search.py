"""Random search over a family's `SPACE`, by KerasTuner: each trial trains on a sample of the train rows and is judged on eval.

The first trial has the settings as they were asked for, so that the search never chooses worse ones (on eval, on the sample).
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import TrialStatus

from components.data.rows import Rows
from components.models import search_space as space_of
from components.training import loop, search_space

OBJECTIVE = "accuracy"


class _Oracle(keras_tuner.oracles.RandomSearchOracle):
    """Random search whose first trial has the defaults."""

    def populate_space(self, trial_id):
        if not self.trials:
            return {"status": TrialStatus.RUNNING, "values": dict(self.hyperparameters.values)}
        return super().populate_space(trial_id)


class _Search(keras_tuner.engine.base_tuner.BaseTuner):
    """Calls `judge(values)`, which returns an accuracy, for each trial."""

    def __init__(self, judge: Callable[[Mapping], float], **more):
        super().__init__(**more)
        self.judge = judge

    def run_trial(self, trial, **_):
        try:
            return {OBJECTIVE: self.judge(trial.hyperparameters.values)}
        except Exception as error:  # else the tuner would note it and go on
            raise keras_tuner.errors.FatalRuntimeError(f"{type(error).__name__}: {error}") from error


def declared(family: str, network: Mapping, training: Mapping) -> keras_tuner.HyperParameters:
    """The family's space around these settings; a setting that is 0 or missing there is not searched.

    Raises ValueError for a family that declares none.
    """
    space, values = keras_tuner.HyperParameters(), {"network": network, "training": training}
    for name, where in space_of(family).items():
        section, _, key = name.partition(".")
        if values[section].get(key):
            where.declare(space, name, values[section][key])
    if not space.space:
        raise ValueError(f"tuning.trials needs a family that declares a SPACE. Received: family={family!r}")
    return space


def sample(rows: Rows, most: int, seed: int) -> Rows:
    """At most `most` of the rows, the same for the same seed."""
    if len(rows) <= most:
        return rows
    picked = np.zeros(len(rows), bool)
    picked[np.random.default_rng(seed).choice(len(rows), most, replace=False)] = True
    return rows.taken(picked)


def run(
    space: keras_tuner.HyperParameters,
    module: ModuleType,
    tokens: Sequence[str],
    network: Mapping,
    training: Mapping,
    seed: int,
    train: Rows,
    eval: Rows,
    classes: int,
    trials: int,
    report: Callable[[int, dict], None] = lambda count, last: None,
) -> list[dict]:
    """At most `trials` trials, in their order: `trial` (from 1), `set` (settings by name), `accuracy` (on eval; None where they
    could not be trained, then `why`), `seconds`, `best`. Fewer where the space holds no more.

    report(trials done, the last one). Equal arguments give equal settings and accuracies.

    Raises whatever a training with the settings as asked raises.
    """
    done: list[dict] = []

    def judge(values: Mapping) -> float:
        settings, started = search_space.rounded(values), time.monotonic()
        trial = {"trial": len(done) + 1, "set": settings, "accuracy": None}
        try:
            with tempfile.TemporaryDirectory() as folder:
                tried = search_space.merged(network, training, settings)
                _, _, history = loop.fit(module, tokens, *tried, seed, train, eval, classes, folder)
            trial["accuracy"] = loop.final_accuracy(history)
        except (FloatingPointError, ValueError) as error:  # a rate too high, or settings that do not go together
            if not done:
                raise
            trial["why"] = str(error)
        done.append({**trial, "seconds": round(time.monotonic() - started, 1)})
        report(len(done), done[-1])
        return trial["accuracy"] or 0.0

    fixed = {"hyperparameters": space, "allow_new_entries": False, "tune_new_entries": False}
    oracle = _Oracle(keras_tuner.Objective(OBJECTIVE, "max"), trials, seed, **fixed)
    with tempfile.TemporaryDirectory() as folder:
        _Search(judge, oracle=oracle, directory=folder, project_name="search").search(verbose=0)
    winner = max(done, key=lambda trial: (trial["accuracy"] or 0.0, -trial["trial"]))
    return [{**trial, "best": trial is winner} for trial in done]


def best(space: keras_tuner.HyperParameters, trials: Sequence[Mapping]) -> dict:
    """The best trial's settings as KerasTuner and TFX's Trainer write them."""
    chosen = space.copy()
    chosen.values = next(trial["set"] for trial in trials if trial["best"])
    return chosen.get_config()
