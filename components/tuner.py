"""Tuner: looks for better settings before the Trainer trains, where the run asked for trials (`tuning.trials`); else skipped.

Reads: Examples (train, eval), Vocabulary. Makes: HyperParameters (the best settings, which the Trainer takes), TunerResults
(`trials.json`: every trial's settings, accuracy on eval and seconds). The test rows are not read. Raises where the settings as
asked cannot be trained.
"""

import json
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, HyperParameters, TunerResults

from components.artifacts import Vocabulary
from components.core import progress
from components.data import rows as stream
from components.models import family as family_named
from components.training import vocabulary as vocabularies

BEST = "best_hyperparameters.txt"  # TFX's Trainer wants it to be the only file of its folder
TRIALS = "trials.json"


@component
def Tuner(
    family: Parameter[str],
    network: Parameter[str],
    training: Parameter[str],
    seed: Parameter[int],
    labels: Parameter[str],
    trials: Parameter[int],
    rows: Parameter[int],
    code: Parameter[str],
    examples: InputArtifact[Examples],
    vocabulary: InputArtifact[Vocabulary],
    best_hyperparameters: OutputArtifact[HyperParameters],
    tuner_results: OutputArtifact[TunerResults],
    encoders: Parameter[str] = "{}",
):
    """network, training: JSON of the run's settings; labels: JSON list; trials: at most; rows: train rows of a trial, at most.
    encoders: JSON of the run's encoders with their content; code: hash of code and libraries; both for the cache."""
    from components.training import search  # KerasTuner takes seconds to import: only where it is asked for

    settings = json.loads(network), json.loads(training)
    space = search.declared(family, *settings)
    train = search.sample(stream.from_split(examples.uri, "train"), rows, seed)
    module, tokens = family_named(family, settings[0]), vocabularies.load(vocabulary.uri)
    eval, classes = stream.from_split(examples.uri, "eval"), len(json.loads(labels))
    done = search.run(space, module, tokens, *settings, seed, train, eval, classes, trials, _reporter(trials))
    for folder, name, value in (
        (best_hyperparameters.uri, BEST, search.best(space, done)),
        (tuner_results.uri, TRIALS, {"rows": len(train), "trials": done}),
    ):
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, name).write_text(json.dumps(value, indent=1))
    winner = next(trial for trial in done if trial["best"])
    tuner_results.set_string_custom_property(
        "headline",
        f"{len(done)} trials on {len(train):,} rows, eval accuracy {done[0]['accuracy']:.4f} as asked, "
        f"{winner['accuracy']:.4f} with {', '.join(f'{name}={value}' for name, value in winner['set'].items())}",
    )


def _reporter(trials: int):
    clock = progress.Clock()

    def report(count: int, last: dict) -> None:
        left = clock.seconds_left(count, trials)
        progress.write(stage="tuning", unit="trials", done=count, total=trials, seconds_left=left)
        print(f"trial {count} of {trials}: {last}", flush=True)

    return report
