"""Trains presets with several seeds and writes what they reach into `components/models/README.md`.

    make bench-models SOURCE=FOLDER [ONLY="linear bag"] [REPEATS=5]

FOLDER holds `train.csv` and `test.csv` in AG News's form. Rows are split as in a run. Each preset is trained on the train
split, with seeds 1 to REPEATS where it has one; the test rows are scored as they were delivered and once more cleaned. Seconds
are processor time of vocabulary and training, user and system together, without start and import. With
NEWSDESK_PREDICTIONS=FOLDER the probabilities of the test rows are kept there as `<preset>-<seed>.npz`.
"""

import components  # noqa: F401  # before TensorFlow: it chooses Keras 2

# isort: split
import argparse
import datetime as dt
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from components import ingester
from components.core.fileio import file_hash
from components.data import tfrecords as records
from components.data.row_format import form_of
from components.data.text_cleaning import clean
from components.models import family
from components.training import calibration, export, loop, vocabulary
from pipelines.config.presets import PRESETS
from pipelines.config.run_config import LABELS, DataConfig

REPOSITORY = Path(__file__).resolve().parents[2]
USUAL = ("linear", "bag", "transformer", "wide-transformer")
SEEDLESS = {"linear"}
YARDSTICK = "TF-IDF (1,2) + LinearSVC"
ASKED = 200  # texts asked one by one


def rows_of(source: Path, folder: Path) -> dict:
    """The splits of a source as a run makes them."""
    files = [
        {"path": str(source / f"{split}.csv"), "sha256": file_hash(source / f"{split}.csv"), "kind": "csv", "split": split, "span": ""}
        for split in ("train", "test")
    ]  # fmt: skip
    with records.Writer(str(folder)) as writer:
        ingester.ingest(files, form_of("news", LABELS), DataConfig().eval_fraction, 0.0, writer, folder / "quarantine")
    return {split: records.load(str(folder), split) for split in records.SPLITS}


def scored(ask, rows: dict) -> dict:
    """Accuracy on test rows as delivered and cleaned, recall by class, calibration error; and the probabilities."""
    texts, truth = rows["test"]
    cleaned = np.array([clean(text.decode("utf-8", "replace")).encode() for text in texts], object)
    answers = ask(texts)
    right = answers.argmax(axis=1) == truth
    return {
        "test": right.mean(), "clean": (ask(cleaned).argmax(axis=1) == truth).mean(), "probabilities": answers,
        "recall": [right[truth == label].mean() for label in range(len(LABELS))],
        "ece": calibration.expected_error(answers, truth),
    }  # fmt: skip


def yardstick(rows: dict) -> dict:
    """What one would write in a quarter of an hour, with its usual settings."""
    used = time.process_time()
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    machine = LinearSVC(C=0.5, dual=True, random_state=0)
    machine.fit(vectorizer.fit_transform([text.decode() for text in rows["train"][0]]), rows["train"][1])
    used = time.process_time() - used
    found = scored(
        lambda texts: machine.decision_function(vectorizer.transform([text.decode() for text in texts])), rows
    )
    started = [
        _timed(lambda one=text: machine.predict(vectorizer.transform([one.decode()])))
        for text in rows["test"][0][:ASKED]
    ]
    size = (machine.coef_.nbytes + sum(len(word) + 8 for word in vectorizer.vocabulary_)) / 1e6
    return {**found, "ece": None, "seconds": used, "p50": statistics.median(started), "size": size}


def trained(name: str, seed: int, rows: dict) -> dict:
    """One preset with one seed: trained, exported and asked through its export."""
    preset = PRESETS[name]
    used = time.process_time()
    tokens = vocabulary.adapt(preset.family, preset.network, rows["train"][0])
    with tempfile.TemporaryDirectory() as folder:
        model, built, _ = loop.fit(
            family(preset.family), tokens, preset.network, preset.training, seed, rows["train"], rows["eval"],
            len(LABELS), folder,
        )  # fmt: skip
        used = time.process_time() - used
        exported = Path(folder, "export")
        export.export(exported, built, model, LABELS)
        classify = tf.saved_model.load(str(exported)).signatures["classify"]
        asked = [tf.constant([text]) for text in rows["test"][0][: ASKED + 20]]
        taken = [_timed(lambda one=text: classify(text=one)["probabilities"].numpy()) for text in asked][20:]
        size = sum(path.stat().st_size for path in exported.rglob("*") if path.is_file()) / 1e6
        found = scored(lambda texts: export.predict(exported, texts), rows)
    return {**found, "seconds": used, "p50": statistics.median(taken), "size": size}


def _timed(ask) -> float:
    started = time.perf_counter()
    ask()
    return (time.perf_counter() - started) * 1000


def line(name: str, seeds: list[int], runs: list[dict]) -> str:
    """One row of the table."""
    recalls = np.array([run["recall"] for run in runs])
    spread = " ".join(f"{low:.3f}–{high:.3f}" for low, high in zip(recalls.min(axis=0), recalls.max(axis=0)))
    about = (
        f"{len(seeds)} (seeds {seeds[0]}–{seeds[-1]})"
        if len(seeds) > 1
        else "1 (no seed)"
        if not seeds or name in SEEDLESS
        else f"1 (seed {seeds[0]})"
    )
    error = "–" if runs[0]["ece"] is None else f"{np.mean([run['ece'] for run in runs]):.3f}"
    cells = [
        f"`{name}`" if name in PRESETS else name, about, _spread([run["test"] for run in runs]),
        _spread([run["clean"] for run in runs]), spread, error, f"{np.mean([run['seconds'] for run in runs]):.0f}",
        f"{np.median([run['p50'] for run in runs]):.1f}", f"{runs[0]['size']:.0f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.4f}" + (f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else "")


def page(lines: list[str], rows: dict, command: str) -> str:
    counts = ", ".join(f"{split} {len(part[1]):,}" for split, part in rows.items())
    return f"""# Presets, measured

By `{command}` on {dt.datetime.now(dt.timezone.utc).date()}, {os.cpu_count()} cores ({platform.machine()}), float32. Rows: {counts}.
± is the standard deviation over seeds. "Clean" is the same test rows without the source's markup, as a person types them.
Recall is the range over seeds, in the order {", ".join(LABELS)}. Seconds are processor time (user and system) of
vocabulary and training. One text is asked through the exported model (p50); MB is the exported model.

| preset | runs | test as delivered | test, clean | recall by class | calibration error | s | one text, ms | MB |
|---|---|---|---|---|---|---|---|---|
{chr(10).join(lines)}
"""


def main() -> None:
    source = os.environ.get("SOURCE", "")
    only, repeats = os.environ.get("ONLY", "").split() or list(USUAL), int(os.environ.get("REPEATS") or 5)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=REPOSITORY / "components" / "models" / "README.md")
    args = parser.parse_args()
    unknown = sorted(set(only) - set(PRESETS))
    if not Path(source, "train.csv").is_file() or unknown:
        raise SystemExit(
            f"SOURCE must hold train.csv and test.csv, ONLY name presets. Received: SOURCE={source!r}, ONLY={unknown}"
        )
    kept = os.environ.get("NEWSDESK_PREDICTIONS")
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(Path(source), Path(folder))
    lines = [line(YARDSTICK, [], [yardstick(rows)])]
    for name in only:
        seeds, runs = [1] if name in SEEDLESS else list(range(1, repeats + 1)), []
        for seed in seeds:
            runs.append(trained(name, seed, rows))
            if kept:
                Path(kept).mkdir(parents=True, exist_ok=True)
                np.savez(
                    Path(kept, f"{name}-{seed}.npz"), probabilities=runs[-1]["probabilities"], truth=rows["test"][1]
                )
            print(line(f"{name}, seed {seed}", [], runs[-1:]), flush=True)
        lines.append(line(name, seeds, runs))
        # After each preset, so that what was measured stays when the rest is cut off.
        args.output.write_text(
            page(lines, rows, f"make bench-models SOURCE=ag_news REPEATS={repeats}"), encoding="utf-8"
        )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
