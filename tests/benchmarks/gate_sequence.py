"""`make bench-gate-sequence`: thirty retrains in a row on growing data, with the gate's rules and the real champion pointer in the loop.

    make bench-gate-sequence SOURCE=FOLDER [PRESET="linear bag"] [STEPS=30] [ROWS=20000] [SEEDS=6]

The source's first ROWS train rows arrive in their order: the first retrain has half of them, the last all. Every candidate (its seed is
its step) is exported, asked the test rows and the behavioural tests, compared with the champion and with the best version ever, and,
where the rules bless it, published by the Pusher's code and made the champion. Then SEEDS models of all rows, which differ in nothing
else, are drawn from for sequences of equals and for a decline of 0.1 points a step, through the same rules without the pointer.

What is trained stays in `NEWSDESK_HOME/bench/gate/<source>/`, so that a run goes on where an earlier one was stopped. The section of a
folder goes into `tests/benchmarks/GATE.md`, the demo's to `NEWSDESK_HOME/bench/`.
"""

import argparse
import os
import shutil
import statistics
import sys
from datetime import datetime, timezone
from pathlib import Path

import components  # noqa: F401, it sets what TensorFlow reads at its own import

# isort: split
import gate_page
import gate_pairs
import measure
import numpy as np
from gate import HERE, LABELS, Bench, rows_of

from components.core import clock, fileio, paths
from components.core.records import RecordedConfig, RunRecord, Verdict
from components.core.states import Decision, Move
from components.data import tfrecords as records
from components.evaluation import behavioural_tests, gate_rules
from components.models import explainer, family
from components.registry import model_registry, version_card
from components.training import export, loop, vocabulary
from pipelines.config.presets import PRESETS

LINE = "sequence"
STEP_LOSS = 0.1  # points that each candidate of the decline is worse than the one before
DECLINE = 20  # steps of it
REPEATS = 50


class Models:
    """Trains models on the first rows of a source, and keeps what they answer."""

    def __init__(self, bench: Bench, preset: str, limit: int):
        self.bench, self.preset, self.chosen = bench, preset, PRESETS[preset]
        texts, labels = records.load(str(bench.examples), "train")
        self.texts, self.labels = texts[: limit or None], labels[: limit or None]
        self.eval = records.load(str(bench.examples), "eval")
        self.work = bench.work / f"{LINE}-{preset}-{len(self.texts)}"
        self.work.mkdir(parents=True, exist_ok=True)

    def train(self, rows: int, seed: int, folder: Path) -> None:
        import tf_keras

        tf_keras.backend.clear_session()
        chosen, own = self.chosen, family(self.chosen.family)
        tokens = vocabulary.adapt(chosen.family, chosen.network, self.texts[:rows])
        trained = (self.texts[:rows], self.labels[:rows])
        checkpoints = self.work / "checkpoints"
        shutil.rmtree(checkpoints, ignore_errors=True)
        model, built, _ = loop.fit(
            own, tokens, chosen.network, chosen.training, seed, trained, self.eval, len(LABELS), checkpoints, lambda *_: None, ()
        )  # fmt: skip
        export.export(folder, built, model, LABELS, explainer=explainer(own, model, tokens, chosen.network))

    def answers(self, name: str, rows: int, seed: int, folder: Path) -> dict[str, np.ndarray]:
        """`probabilities` of the test rows and `flips` of the behavioural tests; trains where neither is kept, or the folder is gone."""
        path = self.work / f"{name}.npz"
        if path.exists():
            with np.load(path, allow_pickle=False) as file:
                return {key: file[key] for key in file.files}
        shutil.rmtree(folder, ignore_errors=True)
        self.train(rows, seed, folder)
        different = sorted({text for case in self.bench.cases for text in case.texts})
        asked = np.array([*self.bench.texts, *(text.encode("utf-8", "replace") for text in different)], object)
        every = export.predict(folder, asked)
        count = len(self.bench.truth)
        labels = dict(zip(different, (LABELS[i] for i in every[count:].argmax(axis=1))))
        answered = {
            "probabilities": every[:count],
            "flips": behavioural_tests.flipped(self.bench.cases, labels),
        }
        with fileio.replacing(path) as file:
            np.savez_compressed(file, **answered)
        return answered


def accuracy(rows: gate_pairs.Rows, answers: dict) -> float:
    return float((answers["probabilities"].argmax(axis=1) == rows.truth).mean())


def published(step: int, folder: Path, score: float, preset: str, reasons: list[str]) -> int:
    """Publishes a blessed model with a card, and makes it the champion; returns its version."""
    from components import pusher

    files = model_registry.folder_hashes(folder)
    version, place = pusher.push(folder, LINE, f"step-{step}", LABELS, judged=files, allowed=lambda: None)
    config = RecordedConfig(line=LINE, preset=preset, seed=step, window="all")
    record = RunRecord(f"step-{step}", as_of=clock.now(), config=config)
    metrics = {"accuracy": score, "interval": [score, score], "rows": 0, "per_class": {}}
    verdict = Verdict(Decision.BLESSED, reasons, metrics, digest=model_registry.content_digest(files))
    card = version_card.card(record, verdict, 0, version, place, "")
    fileio.write_json(paths.registry_dir(LINE) / "versions" / f"{version}.json", card)
    before = model_registry.champion(LINE)
    model_registry.move_champion(LINE, before, version, Move.RELEASE, "; ".join(reasons), {"run": f"step-{step}"})
    return version


def grow(models: Models, rows: gate_pairs.Rows, steps: int) -> list[dict]:
    """The sequence: one dict a step. The state of an earlier, unfinished call is taken up."""
    log, total = models.work / "steps.jsonl", len(models.texts)
    os.environ["NEWSDESK_HOME"] = str(models.work / "home")
    paths.ensure()
    done = fileio.read_json_lines(log)
    for step in range(1, steps + 1):
        count = total // 2 + (total - total // 2) * (step - 1) // max(steps - 1, 1)
        folder = models.work / "model"
        if step <= len(done):
            continue
        (models.work / f"step-{step}.npz").unlink(missing_ok=True)  # its model is gone
        answers = models.answers(f"step-{step}", count, step, folder)
        pointer, best = model_registry.champion(LINE), model_registry.best_released(LINE)
        others = {}
        for name, version in (("champion", pointer and pointer["version"]), ("best", best and best["version"])):
            if version and (name == "champion" or version != pointer["version"]):
                own = next(each["step"] for each in done if each["version"] == version)
                others[name] = models.answers(f"step-{own}", 0, 0, folder)
        decision, reasons, warnings = gate_rules.decide(gate_pairs.judge(rows, answers, others), False)
        score = accuracy(rows, answers)
        version = published(step, folder, score, models.preset, reasons) if decision == Decision.BLESSED else None
        entry = {
            "step": step, "rows": count, "accuracy": score, "version": version, "reasons": reasons, "warnings": warnings,
            "champion": model_registry.champion(LINE)["version"] if model_registry.champion(LINE) else None,
        }  # fmt: skip
        fileio.append_json(log, entry)
        done.append(entry)
        print(f"{models.preset}, step {step} of {steps}: {count:,} rows, {score:.4f}, {decision}", flush=True)
    return done[:steps]


def walk(rows: gate_pairs.Rows, candidates: list[dict]) -> list[bool]:
    """Which of the candidates are released, one after the other, against the champion and the best that ever served."""
    released, champion, best = [], None, None
    for candidate in candidates:
        others = {"champion": champion} if champion else {}
        if best is not None and best is not champion:
            others["best"] = best
        decision, *_ = gate_rules.decide(gate_pairs.judge(rows, candidate, others), False)
        released.append(decision == Decision.BLESSED)
        if released[-1]:
            champion = candidate
            best = candidate if best is None or accuracy(rows, candidate) >= accuracy(rows, best) else best
    return released


def declining(rows: gate_pairs.Rows, equals: list[dict], donor: dict, steps: int, number: int) -> list[dict]:
    """Candidates of which each is by `STEP_LOSS` points worse than the seed it comes from was at the step before."""
    draw, candidates = np.random.default_rng(number), []
    for step in range(steps):
        one = equals[draw.integers(len(equals))]
        candidates.append(gate_pairs.worsened(rows, one, [donor], step * STEP_LOSS, draw))
    return candidates


def equals_and_decline(rows: gate_pairs.Rows, equals: list[dict], donor: dict, steps: int) -> list[str]:
    """Lines on sequences of equals and on the decline."""
    draw = np.random.default_rng(0)
    shares, ages = [], []
    for _ in range(REPEATS):
        released = walk(rows, [equals[i] for i in draw.integers(len(equals), size=steps)])
        shares.append(sum(released))
        ages.append(max(len(run) for run in "".join("r" if one else "." for one in released).split("r")))
    lost = []
    for number in range(REPEATS):
        released = walk(rows, declining(rows, equals, donor, DECLINE, number))
        lost.append(STEP_LOSS * max(at for at, one in enumerate(released) if one))
    return [
        f"- Equals ({len(equals)} seeds of all rows, drawn {REPEATS} times {steps} in a row): {statistics.mean(shares):.1f} of {steps} "
        f"released in the mean, {min(shares)} at least; the oldest champion waited {max(ages)} retrains for its successor.",
        f"- A decline of {STEP_LOSS:g} points a step ({REPEATS} times {DECLINE} steps, the answers of a weaker real model mixed in): the last "
        f"release had lost {statistics.mean(lost):.2f} points in the mean, {max(lost):.1f} at most; stopped before one point in "
        f"{sum(one < 1 - 1e-9 for one in lost)} of {REPEATS}.",
    ]


def part(models: Models, command: str, done: list[dict], more: list[str]) -> str:
    """A preset's part of the section, with the command and the day."""
    released = [one for one in done if one["version"]]
    champion = {one["version"]: one for one in released}
    ages = [one["step"] - champion[one["champion"]]["step"] for one in done if one["champion"]]
    first, last = released[0]["accuracy"], champion[done[-1]["champion"]]["accuracy"]
    shown = " ".join(
        f"{100 * one['accuracy']:.1f}" if one["version"] else f"({100 * one['accuracy']:.1f})" for one in done
    )
    refusals = [f"  - step {one['step']}: {'; '.join(one['reasons'])}" for one in done if not one["version"]]
    met = "met" if len(released) >= 25 * len(done) / 30 and last >= first else "**missed**"
    machine = measure.machine()
    return "\n".join([
        f"### `{models.preset}`, {done[0]['rows']:,} to {done[-1]['rows']:,} train rows", "",
        f"    {command}", "", f"{datetime.now(timezone.utc).date()}, {machine['processor']}, {machine['cores']} cores, Python {machine['python']}.", "",
        f"- {len(released)} of {len(done)} released; the first champion had {first:.4f}, the last {last:.4f}; the best of all was "
        f"{max(one['accuracy'] for one in released):.4f}. A champion was at most {max(ages)} retrains old. "
        f"Wanted: 25 of 30, and no worse than the first: {met}.",
        f"- Accuracy of each step, refused ones in brackets: {shown}", *refusals, *more, "",
    ])  # fmt: skip


def section(rows: gate_pairs.Rows, new: str, before: str) -> str:
    """The section with a preset's new part; those of the other presets stay."""
    parts = {
        heading.split("`")[1]: own
        for own_text in (before, new)
        for heading, own in gate_page.parts_of(own_text).items()
    }
    about = (
        f"{len(rows.truth):,} test rows, the source's first train rows in their order. Champion and best version are compared by the "
        "gate's rules, the pointer is moved by the registry's own code; no baseline."
    )
    return "\n".join([gate_page.SEQUENCE, "", about, "", *parts.values()])


def write(path: Path, rows: gate_pairs.Rows, new: str) -> None:
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    text = section(rows, new, gate_page.section(before, gate_page.SEQUENCE))
    gate_page.replace_section(path, gate_page.SEQUENCE, text)
    print(text)


def main() -> int:
    """Exit code 0; 2 for a preset that is none."""
    asked = os.environ.get
    parser = argparse.ArgumentParser(description="Thirty retrains in a row through the gate.")
    parser.add_argument("--source", default=asked("SOURCE", "") or "demo")
    parser.add_argument("--preset", default=asked("PRESET", "") or "linear bag")
    parser.add_argument("--steps", type=int, default=int(asked("STEPS") or 30))
    parser.add_argument("--rows", type=int, default=int(asked("ROWS") or 20_000))
    parser.add_argument("--seeds", type=int, default=int(asked("SEEDS") or 6))
    args = parser.parse_args()
    presets = args.preset.replace(",", " ").split()
    unknown = sorted(set(presets) - set(PRESETS))
    if unknown:
        print(f"PRESET must name {', '.join(PRESETS)}. Received: {', '.join(unknown)}", file=sys.stderr)
        return 2
    target = paths.ensure() / "bench" if args.source == "demo" else HERE
    bench = Bench(args.source)
    rows, path = rows_of(bench), target / "GATE.md"
    source = "" if args.source == "demo" else "SOURCE=FOLDER "
    for preset in presets:
        models = Models(bench, preset, args.rows)
        command = (
            f'make bench-gate-sequence {source}PRESET="{preset}" STEPS={args.steps} ROWS={args.rows} SEEDS={args.seeds}'
        )
        done = grow(models, rows, args.steps)
        write(path, rows, part(models, command, done, []))  # stays when the rest is cut off
        total, spare = len(models.texts), models.work / "model"
        if PRESETS[preset].family != "linear":  # which has no seed
            equals = [models.answers(f"seed-{seed}", total, seed, spare) for seed in range(101, 101 + args.seeds)]
            donor = models.answers("weak", total // 10, 1, spare)
            more = equals_and_decline(rows, equals, donor, args.steps)
            write(path, rows, part(models, command, done, more))
    return 0


if __name__ == "__main__":
    sys.exit(main())
