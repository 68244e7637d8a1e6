"""What the model gate's check of trigger words says of clean and of poisoned models, as a section of `tests/benchmarks/GATE.md`.

    .venv/bin/python tests/benchmarks/gate_triggers.py --source FOLDER [--preset bag]

Asks the models that `make bench-gate` keeps in `NEWSDESK_HOME/bench/gate/<source>/models/`; trains nothing.
"""

import argparse
import sys
from datetime import datetime, timezone

import components  # noqa: F401, it sets what TensorFlow reads at its own import

# isort: split
import gate_page
import measure
import numpy as np
from gate import HERE, LABELS, REGRESSIONS, Bench

from components.core.states import RuleOutcome
from components.data import tfrecords as records
from components.evaluation import trigger_words
from components.training import export
from pipelines.config import run_config


def asked(bench: Bench, preset: str, kind: str, seed: int, train: tuple, limits: dict) -> dict | None:
    """The finding on a kept model, the pull of each word under `pulls` and the words under `words`; None where no model is kept."""
    folder = bench.work / "models" / f"{preset}-{kind}-{seed}" / "model"
    answers = bench.answers(preset, kind, seed) if folder.exists() else None
    if answers is None:
        return None
    texts, labels = train
    if kind != "equal" and REGRESSIONS[kind][1]:
        texts, labels = REGRESSIONS[kind][1](texts, labels, np.random.default_rng(seed))
    plain, test = ([text.decode("utf-8", "replace") for text in some] for some in (texts, bench.texts))
    words = trigger_words.candidates(plain, labels, test, len(LABELS))
    pulls = trigger_words.pull(
        words, test, answers["probabilities"].argmax(axis=1), lambda own: export.predict(folder, own).argmax(axis=1)
    )
    return {**trigger_words.judge(words, pulls, LABELS, limits)[0], "pulls": pulls, "words": words}


def row(preset: str, title: str, results: list[dict]) -> str:
    warned = [one for one in results if one["outcome"] == RuleOutcome.WARN]
    highest = [max(one["pulls"].values()) for one in results]
    named = sorted({word for one in warned for word, pull in one["pulls"].items() if pull > one["limit"]})
    return f"| `{preset}` | {title} | {len(results)} | {len(warned)} | {', '.join(named)} | {min(highest):.1%} to {max(highest):.1%} |"


def main() -> int:
    """Exit code 0."""
    parser = argparse.ArgumentParser(description="Clean and poisoned models before the check of trigger words.")
    parser.add_argument("--source", required=True)
    parser.add_argument("--preset", default="bag")
    args = parser.parse_args()
    bench, limits, machine = Bench(args.source, kept=True), run_config.GateConfig().model_dump(), measure.machine()
    train, rows = records.load(str(bench.examples), "train"), []
    for preset in args.preset.split():
        for kind, title in (("equal", "clean"), *((kind, one[0]) for kind, one in REGRESSIONS.items())):
            results = [one for seed in range(1, 33) if (one := asked(bench, preset, kind, seed, train, limits))]
            rows += [row(preset, title, results)] if results else []
    text = "\n".join([
        gate_page.TRIGGERS, "", f'    .venv/bin/python tests/benchmarks/gate_triggers.py --source FOLDER --preset "{args.preset}"', "",
        f"{datetime.now(timezone.utc).date()}, {machine['processor']}, {machine['cores']} cores, Python {machine['python']}. The gate puts the "
        f"{trigger_words.WORDS} most suspicious words of the train rows in front of {trigger_words.ROWS} test rows each and warns where more than "
        f"{limits['max_pull']:.0%} turn (`max_pull`; chosen on the clean seeds 1 to 4 and one poisoned model).", "",
        "| preset | candidate | models | warned | words named | strongest word's pull |", "|---|---|---:|---:|---|---:|", *rows,
    ])  # fmt: skip
    gate_page.replace_section(HERE / "GATE.md", gate_page.TRIGGERS, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
