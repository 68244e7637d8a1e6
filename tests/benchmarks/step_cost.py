"""What a training step of a preset costs in processor seconds, for presets whose whole training takes hours."""

import math
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from components.core import processor as this
from components.models import family
from components.training import loop, vocabulary
from pipelines.config import hyperparameters
from pipelines.config.presets import PRESETS

STEPS = 12
FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # what matrix products can use


def measure(name: str, rows: Mapping, precision: str = "") -> dict:
    """`seconds` of a step (processor time, user and system together), `batch`, `steps` of a whole training, `precision`.

    From STEPS steps on a sample of the train rows; the first, which compiles, does not count. precision: another than the preset's.
    """
    preset, (texts, labels) = PRESETS[name], rows["train"]
    settings = {
        **hyperparameters.for_this_processor(preset.training),
        **({"precision": precision} if precision else {}),
    }
    batch = int(settings["batch_size"])
    picked = np.random.default_rng(0).choice(len(texts), STEPS * batch, replace=False)
    marks: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        loop.fit(
            family(preset.family, preset.network), vocabulary.adapt(preset.family, preset.network, texts), preset.network,
            {**settings, "epochs": 1}, 1, (texts[picked], labels[picked]), tuple(part[:64] for part in rows["eval"]), 4, folder,
            lambda epoch, *_: marks.append((epoch, time.process_time())),
        )  # fmt: skip
    (first, began), (last, ended) = marks[0], [mark for mark in marks if mark[0] < 1][-1]
    return {
        "seconds": (ended - began) / ((last - first) * STEPS), "batch": batch, "precision": settings["precision"],
        "steps": math.ceil(len(texts) / batch) * int(settings["epochs"]),
    }  # fmt: skip


def processor(cpuinfo: Path | None = None) -> str:
    """This machine's processor in words: its name and which of FEATURES it has."""
    known = this.flags(cpuinfo)
    has, lacks = [f for f in FEATURES if f in known], [f for f in FEATURES if f not in known]
    return f"{this.name(cpuinfo)} (has {', '.join(has) or 'none'}; lacks {', '.join(lacks) or 'none'})"
