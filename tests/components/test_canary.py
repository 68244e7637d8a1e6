"""Which models the canary lets pass. One is asked in a fresh process, as in a run; the rest by the same questions here."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import published
import pytest
import record_kit
import tensorflow as tf
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model, ModelBlessing
from tfx.utils import path_utils

from components import canary
from components.core import paths
from components.registry import manifest
from components.serving import canary_probe

FINE = {"faults": [], "label_ids": [0, 1, 2, 3], "p50_ms": 1.0, "p99_ms": 2.0, "champion": None}
TRUTH = [0, 1, 2, 3]


def asked(kind, count=64):
    """(reasons against a kind of model, its report), asked in this process."""
    texts, truth = published.articles(count, seed=4)
    folder = kind if "/" in kind else published.model(kind)
    question = {"model": str(folder), "labels": published.LABELS, "texts": [text.decode() for text in texts]}
    report = canary_probe.report_on(np, tf, question)
    return canary.judge(report, truth.tolist(), published.LIMITS), report


@pytest.fixture
def node(tmp_path):
    """Runs the node on a kind of model and rows; returns its artifact and report."""

    def work(rows=40, champion=False, between=lambda folder: None):
        examples, model, blessing, infra = Examples(), Model(), ModelBlessing(), InfraBlessing()
        for name, artifact in {"examples": examples, "model": model, "blessing": blessing, "infra": infra}.items():
            artifact.uri = str(tmp_path / name)
            (tmp_path / name).mkdir()
        with record_kit.Writer(examples.uri) as writer:
            for text, label in zip(*published.articles(rows, seed=4)):
                writer.write("test", text.decode(), int(label))
        folder = Path(path_utils.serving_model_dir(model.uri))
        shutil.copytree(published.model("good"), folder)
        manifest.write_judged(Path(blessing.uri), manifest.folder_hashes(folder))
        between(folder)
        canary.Canary.test_call(
            labels=json.dumps(published.LABELS), limits=json.dumps(published.LIMITS), code="c", examples=examples,
            model=model, model_blessing=blessing, blessing=infra, champion=model if champion else None,
        )  # fmt: skip
        return (
            infra,
            json.loads((tmp_path / "infra" / "report.json").read_text()),
            sorted(p.name for p in (tmp_path / "infra").iterdir()),
        )

    return work


def test_a_sound_model_passes_in_a_fresh_process(node):
    infra, report, files = node()
    assert report["reasons"] == []
    assert files == ["INFRA_BLESSED", "report.json"]
    assert infra.get_int_custom_property("blessed") == 1
    assert len(report["label_ids"]) == 40
    assert 0 < report["p50_ms"] <= report["p99_ms"]
    assert report["champion"] is None


def test_the_champion_is_timed_beside_it(node):
    infra, report, _ = node(champion=True)
    assert report["reasons"] == []
    assert 0 < report["champion"]["p50_ms"] <= report["champion"]["p99_ms"]
    assert "(champion " in infra.get_string_custom_property("headline")


def test_without_held_out_rows_it_does_not_pass(node, monkeypatch):
    monkeypatch.setattr(canary, "probe", lambda *_: {**FINE, "label_ids": [0]})
    infra, report, files = node(rows=0)
    assert report["reasons"] == ["there must be held-out rows to query. Received: 0"]
    assert files == ["INFRA_NOT_BLESSED", "report.json"]
    assert infra.get_int_custom_property("blessed") == 0


def test_a_byte_tampered_between_gate_and_canary_is_a_refusal_that_names_the_file_and_nothing_is_loaded(
    node, monkeypatch
):
    def tamper(folder):
        path = folder / "variables" / "variables.data-00000-of-00001"
        path.write_bytes(path.read_bytes()[:-1] + b"~")

    monkeypatch.setattr(canary, "examine", lambda *_: pytest.fail("the model was asked"))
    infra, report, _ = node(between=tamper)
    assert "what the model gate judged" in report["reasons"][0]
    assert "differs in variables/variables.data-00000-of-00001" in report["reasons"][0]
    assert infra.get_int_custom_property("blessed") == 0


def test_the_canary_says_which_model_it_asked(node, monkeypatch):
    monkeypatch.setattr(canary, "probe", lambda *_: {**FINE, "label_ids": [0]})
    infra, _, _ = node()
    digest = manifest.content_digest(manifest.folder_hashes(published.model("good")))
    assert infra.get_string_custom_property("digest") == digest


def test_a_probe_that_could_reach_the_project_asks_nothing():
    command = [sys.executable, "-I", "-S", str(canary.PROBE), str(paths.REPOSITORY)]
    done = subprocess.run(command, input="{}", capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "must not reach the project. Received: components, pipelines, dags can be imported" in done.stderr


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "renamed",
            "label must name label_id in the order World, Sports, Business, Sci/Tech. Received: 'Sports' for 0",
        ),
        ("silent", "must have the signatures classify, serving_default. Received: none"),
        ("swapped", "held-out rows are answered right, under 65.0%"),
        ("shifted", "held-out rows are answered right, under 65.0%"),
        ("nan", "probabilities must be finite and add up to 1"),
        ("/proc/nowhere", "the model must load. Received: OSError"),
    ],
)
def test_a_model_that_is_not_fit_to_serve_is_refused_with_the_reason(kind, said):
    reasons, _ = asked(kind)
    assert any(said in reason for reason in reasons), reasons


def test_a_sound_model_answers_the_held_out_rows_right():
    reasons, report = asked("good")
    assert reasons == []
    assert report["label_ids"] == published.articles(64, seed=4)[1].tolist()


def test_a_damaged_saved_model_is_refused(tmp_path):
    folder = shutil.copytree(published.model("good"), tmp_path / "model")
    (folder / "saved_model.pb").write_bytes(b"garbage" * 100)
    reasons, _ = asked(str(folder))
    assert reasons[0].startswith("the model must load. Received: ")


def test_a_model_with_another_signature_is_refused(tmp_path):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def classify(text):
        return {"probabilities": tf.ones([tf.size(text), 4]) / 4}

    tf.saved_model.save(module, str(tmp_path / "m"), signatures={"classify": classify, "serving_default": classify})
    reasons, _ = asked(str(tmp_path / "m"))
    assert reasons == ["classify must return label, label_id, probabilities. Received: probabilities"]


def test_a_slow_model_is_refused():
    assert canary.judge({**FINE, "p99_ms": 1500.0}, TRUTH, published.LIMITS) == [
        "p99 latency is 1500 ms, over the limit of 1000 ms"
    ]


@pytest.mark.parametrize(
    ("p99", "champion", "refused"),
    [
        (90.0, 1.0, False),  # ninety times slower, and nobody would notice
        (150.0, 60.0, False),  # under three times
        (150.0, 40.0, True),
        (999.0, None, False),
    ],
)
def test_a_model_much_slower_than_the_champion_is_refused_once_people_would_notice(p99, champion, refused):
    beside = champion and {"p50_ms": champion / 2, "p99_ms": champion}
    reasons = canary.judge({**FINE, "p99_ms": p99, "champion": beside}, TRUTH, published.LIMITS)
    assert reasons == (
        ["p99 latency is 150 ms (p50 1 ms), over 3 times the champion's, measured beside it: 40 ms (p50 20 ms)"]
        if refused
        else []
    )


def test_an_answer_that_depends_on_the_rest_of_the_batch_is_refused(tmp_path):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def classify(text):
        first = tf.cast(tf.range(tf.size(text)) > 0, tf.float32)[:, None] * [[0.2, -0.2, 0.0, 0.0]]
        probabilities = tf.constant([[0.4, 0.6, 0.0, 0.0]]) + first
        label_id = tf.argmax(probabilities, axis=1, output_type=tf.int64)
        return {"label": tf.gather(published.LABELS, label_id), "label_id": label_id, "probabilities": probabilities}

    tf.saved_model.save(module, str(tmp_path / "m"), signatures={"classify": classify, "serving_default": classify})
    assert "a text must get the same answer alone and in a batch" in asked(str(tmp_path / "m"))[0]


def test_a_champion_that_does_not_load_is_no_fault_of_the_candidate(tmp_path):
    texts, _ = published.articles(8, seed=4)
    question = {"model": str(published.model("good")), "labels": published.LABELS, "champion": str(tmp_path)}
    report = canary_probe.report_on(np, tf, {**question, "texts": [text.decode() for text in texts]})
    assert (report["faults"], report["champion"]) == ([], None)
    assert report["p99_ms"] > 0


def test_a_probe_that_dies_hangs_or_says_nothing_is_a_refusal(monkeypatch, tmp_path):
    probe = tmp_path / "probe.py"
    monkeypatch.setattr(canary, "PROBE", probe)
    for code, said in (
        ("import os; os.kill(os.getpid(), 9)", "no output (exit code -9)"),
        ("import sys; sys.exit('out of memory')", "out of memory (exit code 1)"),
        ("", "no output (exit code 0)"),
        ("import time; time.sleep(60)", "no answer within"),
    ):
        probe.write_text(code)
        monkeypatch.setattr(canary, "TIMEOUT", 0.2 if "sleep" in code else 60)
        reasons = canary.judge(canary.probe(tmp_path, published.LABELS, ["a"]), [0], published.LIMITS)
        assert len(reasons) == 1
        assert said in reasons[0]
