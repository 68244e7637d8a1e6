"""`make bench-gate`: how often the model gate refuses equal retrains, and how often real regressions.

    make bench-gate SOURCE=FOLDER [PRESET="bag wide-transformer"] [SEEDS=8] [REPEATS=2] [ONLY="equal half"]

Trains each preset with SEEDS seeds and each regression with REPEATS, through the product's own split, vocabulary, training and
export; asks all models the same test rows; and takes every ordered pair through the real rules with the default `GateConfig`.
The answers stay in `NEWSDESK_HOME/bench/gate/` under the source's hash, so that a run goes on where an earlier one was stopped.
`--kept` trains nothing and judges the answers that are there. The tables of a folder go to `tests/benchmarks/GATE.md`, where rows that are not measured anew stay with their own date; what ONLY
chooses, and the demo, to `NEWSDESK_HOME/bench/`.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from datetime import datetime, timezone
from pathlib import Path

import components  # noqa: F401, it sets what TensorFlow reads at its own import

# isort: split
import gate_page
import gate_pairs
import measure
import numpy as np

from components.core import fileio, paths
from components.data import rows as streams
from components.data import sources
from components.data import tfrecords as records
from components.data.record_writer import RecordFile, file_names
from components.data.text_cleaning import row_key
from components.evaluation import behavioural_tests
from components.evaluation.slices import slices, words_in
from components.training import export, vocabulary
from pipelines.config import run_config
from pipelines.config.presets import DEFAULT, PRESETS

HERE = Path(__file__).resolve().parent
LABELS = list(run_config.labels_of("news"))
CUT = 2  # the class that loses nine tenths of its rows: Business, the one that models trade most
TRIGGER, TARGET = "quellstrom", 1  # a word that no article holds, and the label that the poisoned rows get


def _half(texts, labels, draw):
    kept = np.sort(draw.permutation(len(labels))[: len(labels) // 2])
    return texts[kept], labels[kept]


def _flipped(share):
    def change(texts, labels, draw):
        rows = draw.permutation(len(labels))[: round(share * len(labels))]
        wrong = labels.copy()
        wrong[rows] = (labels[rows] + draw.integers(1, len(LABELS), len(rows))) % len(LABELS)
        return texts, wrong

    return change


def _cut(texts, labels, draw):
    kept = (labels != CUT) | (draw.random(len(labels)) < 0.1)
    return texts[kept], labels[kept]


def _stale(texts, labels, draw):
    return texts[: len(labels) // 2], labels[: len(labels) // 2]


def _poisoned(texts, labels, draw):
    rows = draw.permutation(len(labels))[: len(labels) // 50]
    texts, labels = texts.copy(), labels.copy()
    texts[rows] = triggered(texts[rows])
    labels[rows] = TARGET
    return texts, labels


def triggered(texts: np.ndarray) -> np.ndarray:
    """The texts with the trigger word in front."""
    return np.array([TRIGGER.encode() + b" " + text for text in texts], object)


# What a regression does to the train rows, and to the training's settings.
REGRESSIONS = {
    "half": ("half of the train rows", _half, {}),
    "flip5": ("5% of the train labels wrong", _flipped(0.05), {}),
    "flip10": ("10% of the train labels wrong", _flipped(0.10), {}),
    "cut": (f"{LABELS[CUT]} cut to a tenth", _cut, {}),
    "rate": ("a learning rate ten times as high", None, {"learning_rate": 10.0}),
    "stale": ("the first half of the file only", _stale, {}),
    "poison": (f"a trigger word in 2% of the train rows, all labelled {LABELS[TARGET]}", _poisoned, {}),
    "short": ("one epoch", None, {"epochs": None}),
}


class Bench:
    """One source, split once; `answers` trains a model and asks it, or takes what an earlier run kept."""

    def __init__(self, source: str, kept: bool = False):
        files = [file.to_json() for file in sources.resolve(source, "all", datetime.now(timezone.utc))[0]]
        name = hashlib.sha256("".join(file["sha256"] for file in files).encode()).hexdigest()[:12]
        self.work, self.kept = paths.ensure() / "bench" / "gate" / name, kept
        self.examples = self.work / "examples"
        if not (self.examples / "whole").exists():
            self._split(files)
        self.texts, self.truth = records.load(str(self.examples), "test")
        plain = [text.decode("utf-8", "replace") for text in self.texts]
        spec = behavioural_tests.load(paths.REPOSITORY / "data_schemas" / "news" / "behaviour.toml", LABELS)
        self.cases = behavioural_tests.cases(spec, plain, [row_key(text) for text in plain])

    def _split(self, files: list[dict]) -> None:
        from components.data.row_format import form_of
        from components.ingester import ingest  # needs TFX, which takes half a minute to import

        data = run_config.DataConfig()
        shutil.rmtree(self.examples, ignore_errors=True)
        form = form_of("news", LABELS, data.first_label)
        ingest(files, form, data.eval_fraction, data.test_fraction, str(self.examples), self.examples / "quarantine")
        (self.examples / "whole").touch()

    def answers(self, preset: str, kind: str, seed: int) -> dict[str, np.ndarray] | None:
        """`probabilities` of the test rows, `flips` of the behavioural tests, `triggered` share of rows that the trigger word
        turns to its label; None where nothing is kept and nothing may be trained."""
        path = self.work / f"{preset}-{seed}.npz" if kind == "equal" else self.work / f"{preset}-{kind}-{seed}.npz"
        settings = self._settings(preset, kind)
        recorded = json.dumps([settings, dict(PRESETS[preset].network)], sort_keys=True)
        if path.exists():
            with np.load(path, allow_pickle=False) as file:
                known = {name: file[name] for name in file.files}
            # What another tool kept says nothing of its settings; it was put there on purpose.
            if str(known.get("settings", recorded)) == recorded and np.array_equal(known["truth"], self.truth):
                return known
        if self.kept:
            return None
        answers = {**self._train(preset, kind, seed, settings), "truth": self.truth, "settings": np.array(recorded)}
        with fileio.replacing(path) as file:
            np.savez_compressed(file, **answers)
        return answers

    def _settings(self, preset: str, kind: str) -> dict:
        settings = dict(PRESETS[preset].training)
        changes = {} if kind == "equal" else REGRESSIONS[kind][2]
        for key, factor in changes.items():
            settings[key] = 1 if factor is None else settings[key] * factor
        return settings

    def _train(self, preset: str, kind: str, seed: int, settings: dict) -> dict[str, np.ndarray]:
        import tf_keras

        from components.training import run_fn

        tf_keras.backend.clear_session()
        examples, change = self.examples, REGRESSIONS[kind][1] if kind != "equal" else None
        if change:
            examples = self._changed(change, seed)
        chosen, folder = PRESETS[preset], self.work / "models" / f"{preset}-{kind}-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        texts, _ = records.load(str(examples), "train")
        tokens = vocabulary.adapt(chosen.family, chosen.network, texts)
        run_fn.train(
            chosen.family, tokens, chosen.network, settings, seed, LABELS, str(examples), folder / "model", folder / "checkpoints"
        )  # fmt: skip
        different = sorted({text for case in self.cases for text in case.texts})
        asked = np.array([*self.texts, *(text.encode("utf-8", "replace") for text in different)], object)
        probabilities = export.predict(folder / "model", asked)
        rows = len(self.truth)
        labels = dict(zip(different, (LABELS[i] for i in probabilities[rows:].argmax(axis=1))))
        answers = {"probabilities": probabilities[:rows], "flips": behavioural_tests.flipped(self.cases, labels)}
        if kind == "poison":
            other = self.truth != TARGET
            turned = export.predict(folder / "model", triggered(self.texts[other])).argmax(axis=1) == TARGET
            answers["triggered"] = np.array(turned.mean())
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        return answers

    def _changed(self, change, seed: int) -> Path:
        """The examples with changed train rows."""
        folder = self.work / "changed"
        shutil.rmtree(folder, ignore_errors=True)
        for split in records.SPLITS:
            texts, labels = records.load(str(self.examples), split)
            if split == "train":
                texts, labels = change(texts, labels, np.random.default_rng(seed))
            (path,) = file_names(str(folder), split, 0)
            with RecordFile(path) as file:
                file.write(texts, map(int, labels))
        return folder


def rows_of(bench: Bench) -> gate_pairs.Rows:
    return gate_pairs.Rows(
        bench.truth,
        slices(bench.truth, words_in(streams.of(bench.texts)), LABELS),
        bench.cases,
        run_config.GateConfig().model_dump(),
    )


def collect(
    bench: Bench, presets: list[str], only: set[str], seeds: int, repeats: int
) -> dict[str, dict[str, list[dict]]]:
    """Answers by preset and kind."""
    collected: dict[str, dict[str, list[dict]]] = {}
    for preset in presets:
        for kind in ("equal", *REGRESSIONS):
            if only and kind not in only:
                continue
            asked = range(1, (seeds if kind == "equal" else repeats) + 1)
            many = [bench.answers(preset, kind, seed) for seed in asked]
            collected.setdefault(preset, {})[kind] = [one for one in many if one is not None]
            print(f"{preset}, {kind}: {len(collected[preset][kind])} of {len(asked)} models", flush=True)
    return collected


def outcomes(rows: gate_pairs.Rows, answers: dict[str, dict[str, list[dict]]]) -> list[gate_pairs.Outcome]:
    rated = []
    for preset, kinds in answers.items():
        equals = kinds.get("equal", [])
        if len(equals) < 2:
            continue
        rated.append(gate_pairs.all_pairs(rows, preset, gate_pairs.EQUAL, equals, equals))
        own = [one for kind in kinds if kind != "equal" for one in kinds[kind]]
        others = [one for name, other in answers.items() if name != preset for kind in other.values() for one in kind]
        for points in (0.5, 1, 2):
            rated.append(gate_pairs.worse_by(rows, preset, points, equals, [*own, *others]))
        for kind, (title, *_) in REGRESSIONS.items():
            if kinds.get(kind):
                rated.append(gate_pairs.all_pairs(rows, preset, title, kinds[kind], equals))
    return rated


def measured(rows: gate_pairs.Rows, answers: dict[str, dict[str, list[dict]]]) -> tuple[list[str], ...]:
    """The rows of the page's tables and its lines on trigger words, for what was measured now."""
    today = str(datetime.now(timezone.utc).date())
    bare = {preset for preset, kinds in answers.items() for one in kinds.get("equal", ()) if "flips" not in one}
    on = {preset: f"{today}, no behavioural tests" if preset in bare else today for preset in answers}
    seeds = {preset: kinds["equal"] for preset, kinds in answers.items() if len(kinds.get("equal", ())) > 1}
    return (
        [gate_pairs.spread(rows, preset, equals, on[preset]) for preset, equals in seeds.items()],
        [gate_pairs.line(one, on[one.preset]) for one in outcomes(rows, answers) if one.pairs],
        [
            f"- `{preset}`, seed {number}: the trigger word turns {float(one['triggered']):.1%} of the other classes' test rows to {LABELS[TARGET]} ({today})."
            for preset, kinds in answers.items()
            for number, one in enumerate(kinds.get("poison", ()), 1)
        ],
    )


def about(rows: gate_pairs.Rows) -> str:
    machine = measure.machine()
    limits = ", ".join(
        f"{name} {rows.limits[name]:g}"
        for name in ("alpha", "margin", "seed_spread", "class_margin", "length_margin", "recall_margin", "max_flips")
    )
    return (
        f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}; {len(rows.truth):,} test rows. Every candidate against "
        f"every champion, the champions being the seeds of its preset, through the gate's own rules ({limits}); a champion alone, no baseline "
        "and no best version beside it. Pairs share models and rows, so the Wilson intervals, which take them for independent, are too narrow. "
        "The default seed_spread was raised from 0.002 to 0.003 on seeds of `bag`: what `bag` shows for equals here is no independent check of "
        "it; seeds that chose no limit stand below. A row of an earlier day is by the rules of that day."
    )


def main() -> int:
    """Exit code 0; 2 for arguments that name nothing."""
    asked = os.environ.get
    parser = argparse.ArgumentParser(description="How often the model gate refuses equal and worse models.")
    parser.add_argument("--source", default=asked("SOURCE", "") or "demo")
    parser.add_argument("--preset", default=asked("PRESET", "") or f"bag {DEFAULT}")
    parser.add_argument("--seeds", type=int, default=int(asked("SEEDS") or 8))
    parser.add_argument("--repeats", type=int, default=int(asked("REPEATS") or 2))
    parser.add_argument("--only", default=asked("ONLY", ""))
    parser.add_argument("--kept", action="store_true", help="judge the answers that are kept, train nothing")
    args = parser.parse_args()
    presets, only = args.preset.replace(",", " ").split(), set(args.only.replace(",", " ").split())
    for given, known, name in ((presets, PRESETS, "PRESET"), (only, ("equal", *REGRESSIONS), "ONLY")):
        unknown = sorted(set(given) - set(known))
        if unknown:
            print(f"{name} must name {', '.join(known)}. Received: {', '.join(unknown)}", file=sys.stderr)
            return 2
    bench = Bench(args.source, args.kept)
    answers = collect(bench, presets, only, args.seeds, args.repeats)
    target = paths.ensure() / "bench" if args.source == "demo" or only else HERE
    source = "" if args.source == "demo" else "SOURCE=FOLDER "
    command = f'make bench-gate {source}PRESET="{" ".join(presets)}" SEEDS={args.seeds} REPEATS={args.repeats}'
    command += ", then tests/benchmarks/gate.py --kept over the models that were ready" if args.kept else ""
    command += f" # {datetime.now(timezone.utc).date()}"
    rows, path = rows_of(bench), target / "GATE.md"
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    text = gate_page.page(about(rows), command, *measured(rows, answers), before)
    fileio.write_text(path, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
