"""Canary: does the exported model work for a consumer, who does not have this project?

Reads: the candidate, its blessing, some held-out rows, the champion where there is one. Makes: InfraBlessing and `report.json`.
Raises nothing for a model that fails: it is not blessed, with reasons.

The graph's operations are read from its file first (`op_allowlist.py`): a model that could use files or the network is never loaded
here, nor one whose files are not those that the gate judged. `canary_probe.py` then queries the model in a fresh process that cannot
import the project.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model, ModelBlessing
from tfx.utils import path_utils

from components.data import tfrecords as records
from components.registry import manifest
from components.serving import canary_probe
from components.tf_support import op_allowlist

ROWS = 256  # held-out rows whose answers are counted
MARGIN = 0.1  # how far the accuracy on these few rows may lie below the floor: four standard errors at 0.8
TIMEOUT = 300  # seconds for the whole probe; loading TensorFlow takes most of it
# The probe gets only these variables: others may hold secrets.
ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
PROBE = Path(canary_probe.__file__)


def examine(model_dir: Path, labels: list[str], texts: list[str], limits: dict, champion: Path | None = None) -> dict:
    """The report on a model: the faults of its file; only where there are none, the report of `probe`."""
    faults, needs_text = op_allowlist.look(model_dir, limits["max_mb"])
    if faults:
        return {**canary_probe.EMPTY_REPORT, "faults": faults}
    # The champion passed here before. Its pushed folder holds further files, so only its graph is read.
    text_ops = needs_text or (champion is not None and op_allowlist.look(champion, limits["max_mb"])[1])
    return probe(model_dir, labels, texts, champion, text_ops)


def probe(
    model_dir: Path, labels: list[str], texts: list[str], champion: Path | None = None, text_ops: bool = False
) -> dict:
    """The report of a fresh process, see `canary_probe.py`; `{"error": …}` where it ended without one."""
    question = json.dumps(
        {
            "model": str(model_dir.absolute()),
            "labels": labels,
            "texts": texts,
            "text_ops": text_ops,
            "champion": champion and str(champion.absolute()),
        }
    )
    # -I: no PYTHON* variables, no user site; -S: no .pth files, so that an editable install of the project stays out.
    command = [sys.executable, "-I", "-S", str(PROBE), sysconfig.get_paths()["purelib"]]
    try:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                command,
                input=question,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
                cwd=folder,
                env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
            )
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {TIMEOUT} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        last_line = (done.stderr.strip().splitlines() or ["no output"])[-1][:500]
        return {"error": f"{last_line} (exit code {done.returncode})"}
    return json.loads(lines[-1])


def judge(report: dict, truth: list[int], limits: dict) -> list[str]:
    """Reasons against the model; empty where it may be pushed. limits: `GateConfig` as a dict."""
    if "error" in report:
        return [f"the model could not be queried in a fresh process: {report['error']}"]
    reasons = list(report["faults"])
    if not truth:
        return [*reasons, "there must be held-out rows to query. Received: 0"]
    answers = report["label_ids"]
    if reasons:  # a faulty model's answers are not counted
        return reasons
    right = (
        sum(a == b for a, b in zip(answers, truth, strict=True)) / max(len(truth), 1)
        if len(answers) == len(truth)
        else 0.0
    )
    if right < limits["floor"] - MARGIN:
        reasons.append(
            f"{right:.1%} of {len(truth)} held-out rows are answered right, under {limits['floor'] - MARGIN:.1%}"
        )
    if report["p99_ms"] > limits["p99_ms"]:
        reasons.append(f"p99 latency is {report['p99_ms']:.0f} ms, over the limit of {limits['p99_ms']:.0f} ms")
    beside = report["champion"]
    if beside and report["p99_ms"] > max(limits["p99_free_ms"], limits["p99_ratio"] * beside["p99_ms"]):
        reasons.append(
            f"p99 latency is {report['p99_ms']:.0f} ms (p50 {report['p50_ms']:.0f} ms), over {limits['p99_ratio']:g} times the "
            f"champion's, measured beside it: {beside['p99_ms']:.0f} ms (p50 {beside['p50_ms']:.0f} ms)"
        )
    return reasons


@component
def Canary(
    labels: Parameter[str],
    limits: Parameter[str],
    code: Parameter[str],
    examples: InputArtifact[Examples],
    model: InputArtifact[Model],
    model_blessing: InputArtifact[ModelBlessing],
    blessing: OutputArtifact[InfraBlessing],
    champion: InputArtifact[Model] = None,
):
    """labels: JSON list; limits: JSON of `GateConfig`; code: hash of code and libraries, for the cache."""
    texts, truth = next(records.batches(examples.uri, "test", ROWS), (np.array([], object), np.array([], np.int64)))
    queries = [text.decode("utf-8", "replace") for text in texts]
    serving = Path(path_utils.serving_model_dir(champion.uri)).resolve() if champion is not None else None
    folder = Path(path_utils.serving_model_dir(model.uri))
    judged = manifest.judged(Path(model_blessing.uri))
    try:
        manifest.compare(manifest.folder_hashes(folder), judged, folder, "what the model gate judged")
        report = examine(folder, json.loads(labels), queries, json.loads(limits), serving)
    except manifest.RegistryError as error:  # other files than the gate's, or links
        report = {**canary_probe.EMPTY_REPORT, "faults": [str(error)]}
    reasons = judge(report, truth.tolist(), json.loads(limits))
    Path(blessing.uri, "report.json").write_text(json.dumps({**report, "reasons": reasons}, indent=1))
    Path(blessing.uri, "INFRA_BLESSED" if not reasons else "INFRA_NOT_BLESSED").touch()
    blessing.set_int_custom_property("blessed", int(not reasons))
    blessing.set_string_custom_property("digest", manifest.content_digest(judged))
    headline = (
        "; ".join(reasons)
        or f"loads, answers {len(truth)} rows, p50 {report['p50_ms']:.1f} ms, p99 {report['p99_ms']:.1f} ms for one text"
    )
    if not reasons and report["champion"]:
        headline += f" (champion {report['champion']['p50_ms']:.1f} and {report['champion']['p99_ms']:.1f} ms)"
    blessing.set_string_custom_property("headline", headline)
