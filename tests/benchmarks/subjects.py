"""What `make bench` measures, one function a subject; each runs as a user meets it and returns its figures."""

import csv
import json
import os
import shutil
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import measure
import peers
import report

REPOSITORY = Path(__file__).resolve().parents[2]
NEWSDESK = str(REPOSITORY / ".venv" / "bin" / "newsdesk")
STARTS = 3  # a command that mostly starts is run so often in each repeat
TEXT = "Stocks slide as oil hits a record"
# What the caller's `make` was told must not reach the `make retrain` below.
DROPPED = (
    "SOURCE",
    "WINDOW",
    "PRESET",
    "SET",
    "SEED",
    "RELEASE",
    "FORCE",
    "ONLY",
    "REPEATS",
    "SEEDS",
    "NEWSDESK_COLD",
    "MFLAGS",
)


@dataclass(frozen=True)
class Plan:
    """One repeat. source: "demo" or a folder; folder: the same rows as flat CSV files; work: this repeat's own folder."""

    source: str
    folder: Path
    work: Path
    log: Path
    preset: str = "transformer"
    overrides: str = ""

    def run(self, call: list[str], home: str = "none", **more: str) -> tuple[dict, str]:
        """Runs a command in this repository with the state folder `home` of this repeat."""
        kept = {k: v for k, v in os.environ.items() if k not in DROPPED and not k.startswith("MAKE")}
        environ = {**kept, "NEWSDESK_HOME": str(self.work / home), **more}
        return measure.command(call, environ, REPOSITORY, self.log)

    def peer(self, *words: str, home: str = "none") -> dict:
        """Runs one of the yardsticks."""
        took, output = self.run([sys.executable, str(REPOSITORY / "tests/benchmarks/peers.py"), *words], home)
        return {**took, **measure.last_json(output)}


def notebook(plan: Plan) -> dict:
    return plan.peer("notebook", str(plan.folder), "--model", str(plan.work / "notebook-model"))


def tfidf(plan: Plan) -> dict:
    return plan.peer("tfidf", str(plan.folder))


def fresh(plan: Plan) -> dict:
    return governed(plan, "home", plan.preset)


def again(plan: Plan) -> dict:
    return governed(plan, "home", plan.preset)


def bag(plan: Plan) -> dict:
    found = governed(plan, "home-bag", "bag")
    stop_server(plan, "home-bag")
    return found


def mended(plan: Plan) -> dict:
    found = governed(plan, "home-mended", "notebook-transformer")
    stop_server(plan, "home-mended")
    return found


def cold(plan: Plan) -> dict:
    return governed(plan, "home-cold", plan.preset, NEWSDESK_COLD="1")


def local(plan: Plan) -> dict:
    return plan.peer("local", plan.source, "--preset", plan.preset, "--set", plan.overrides, home="home-local")


def predict(plan: Plan) -> dict:
    """`newsdesk predict` on one text and on a file of all test rows, whole commands."""
    texts = plan.work / "test.csv"
    with open(texts, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["title", "description"])
        rows = [row for path in sorted(plan.folder.glob("test*.csv")) for row in peers.rows_of(path)]
        writer.writerows(row[1:3] for row in rows)
    runs = [
        (
            plan.run([NEWSDESK, "predict", TEXT], "home")[0],
            plan.run([NEWSDESK, "predict", "--file", str(texts), "--output", str(plan.work / "scored.csv")], "home")[0],
        )
        for _ in range(STARTS)
    ]
    start, whole = ({key: statistics.median(pair[at][key] for pair in runs) for key in runs[0][at]} for at in (0, 1))
    after = whole["wall"] - start["wall"]
    return {
        **whole, "start_wall": start["wall"], "start_cpu": start["cpu"], "rows": len(rows),
        "file_rows_per_second": round(len(rows) / after, 1) if after > 0 else None,
    }  # fmt: skip


def classify(plan: Plan) -> dict:
    serving = plan.work / "home" / "serving"
    ours = max((path for path in serving.glob("*/*") if path.name.isdigit()), key=lambda path: int(path.name))
    return plan.peer("classify", str(ours), str(plan.work / "notebook-model"), str(plan.folder))


SUBJECTS: Mapping[str, Callable[[Plan], dict]] = {
    call.__name__: call for call in (notebook, tfidf, fresh, again, predict, mended, bag, local, cold, classify)
}
NEEDS = {"again": ("fresh",), "predict": ("fresh",), "classify": ("notebook", "fresh")}

RATIOS = (
    report.Ratio("fresh governed run ÷ the notebook's cell, one epoch", "fresh.wall", "notebook.cell_wall", "< 1"),
    report.Ratio("fresh governed run ÷ that cell's `fit` alone", "fresh.wall", "notebook.epoch_wall", "< 1"),
    report.Ratio("second, unchanged run ÷ the first", "again.wall", "fresh.wall", "< 0.15"),
    report.Ratio("governed bag run ÷ TF-IDF + LinearSVC", "bag.wall", "tfidf.wall", "< 8"),
    report.Ratio("LocalDagRunner, one process ÷ ours under Airflow", "local.wall", "fresh.wall", "≥ 1"),
    report.Ratio("a cold process a node ÷ the warm server", "cold.wall", "fresh.wall"),
    report.Ratio("rows/s in training: ours ÷ the notebook's", "fresh.rows_per_second", "notebook.rows_per_second", "≥ 5"),
    report.Ratio("rows/s in training: ours ÷ the lesson's model mended", "fresh.rows_per_second", "mended.rows_per_second", "≥ 4"),
    report.Ratio("`classify`, one text, p50: ours ÷ the notebook's", "classify.ours_p50_ms", "classify.notebook_p50_ms", "≤ 1"),
)  # fmt: skip


def titles(preset: str) -> dict[str, tuple[str, str]]:
    """What each subject is, for people, and its command with FOLDER, MODEL and HOME for what differs."""
    peer, make = ".venv/bin/python tests/benchmarks/peers.py", "make retrain SOURCE=FOLDER"
    return {
        "notebook": ("the notebook's cell, one epoch", f"{peer} notebook FOLDER --model MODEL"),
        "tfidf": ("TF-IDF + LinearSVC", f"{peer} tfidf FOLDER"),
        "fresh": (f"governed run, `{preset}`, everything new", f"{make} PRESET={preset}"),
        "again": ("the same again", f"{make} PRESET={preset}"),
        "mended": ("governed run, the lesson's model mended", f"{make} PRESET=notebook-transformer"),
        "bag": ("governed run, `bag`, everything new", f"{make} PRESET=bag"),
        "local": ("LocalDagRunner, the same nodes in one process", f"{peer} local FOLDER --preset {preset}"),
        "cold": ("governed run, a cold process a node", f"NEWSDESK_COLD=1 {make} PRESET={preset}"),
        "predict": ("`newsdesk predict`, all test rows", "newsdesk predict --file test.csv --output scored.csv"),
        "classify": ("`classify`, one text at a time", f"{peer} classify HOME/serving/news/1 MODEL FOLDER"),
    }


def governed(plan: Plan, name: str, preset: str, **environ: str) -> dict:
    """`make retrain` in a state folder of this repeat: how it ended, how fast it trained, what each node took."""
    call = ["make", "retrain", f"SOURCE={plan.source}", f"PRESET={preset}"]
    took, _ = plan.run([*call, f"SET={plan.overrides}"] if plan.overrides else call, name, **environ)
    home = plan.work / name
    folder = max((home / "runs").iterdir(), key=lambda path: path.stat().st_mtime)
    outcome = json.loads((folder / "outcome.json").read_text())
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    work = {event["node"]: event["seconds"] for event in events if event["state"] != "running"}
    log = max((home / "airflow" / "logs").glob("retrain-*.log"), key=lambda path: path.stat().st_mtime)
    return {
        **took, "state": outcome["state"], "accuracy": (outcome.get("metrics") or {}).get("accuracy"),
        **training_rates(home, work), "work": work,
        "tasks": [[node, round(start, 3), round(end, 3)] for node, start, end in report.timeline(log.read_text())],
    }  # fmt: skip


def training_rates(home: Path, work: Mapping[str, float]) -> dict:
    """Rows a second that the Trainer of the latest run reached: in its epochs alone, and over all it did; {} if it was cached."""
    told = sorted(home.glob("artifacts/*/Trainer/model_run/*/history.json"), key=lambda path: path.stat().st_mtime)
    if not told or work.get("Trainer", 0) < 1:
        return {}
    history = json.loads(told[-1].read_text())
    rows = history["rows"] * len(history["epochs"])
    seconds = sum(epoch["seconds"] for epoch in history["epochs"])
    return {
        "rows_per_second": round(rows / seconds, 1), "node_rows_per_second": round(rows / work["Trainer"], 1),
        "parameters": history["parameters"],
    }  # fmt: skip


def stop_server(plan: Plan, name: str) -> None:
    """Ends the warm node server of a state folder; a later run starts cold."""
    plan.run([sys.executable, "-m", "pipelines.runner.node_server", "stop"], name)
    measure.reap()


def run_all(plan: Plan, names: list[str], say: Callable[[str], None], keep: Callable[[dict], None]) -> dict:
    """One repeat: the subjects in order, a failed one as `{"failed": reason}`. keep: told the repeat after each subject."""
    found = {}
    plan.work.mkdir()
    try:
        for name in names:
            say(name)
            try:
                lacking = [other for other in NEEDS.get(name, ()) if "failed" in found[other]]
                if lacking:
                    raise measure.Failed(f"needs {lacking[0]}, which failed")
                found[name] = SUBJECTS[name](plan)
            except (measure.Failed, OSError, ValueError, LookupError) as error:
                text = str(error).replace(str(plan.work), "WORK").replace(str(plan.folder), "FOLDER")
                found[name] = {"failed": text.replace(str(REPOSITORY), ".")}
            say(
                "  "
                + ", ".join(
                    f"{key} {value}" for key, value in found[name].items() if not isinstance(value, dict | list)
                )
            )
            keep(found)
    finally:
        for name in ("home", "home-bag", "home-mended"):
            if (plan.work / name).exists():
                stop_server(plan, name)
        shutil.rmtree(plan.work, ignore_errors=True)
    return found
