"""Asks a SavedModel questions as a stranger would: TensorFlow and nothing of this project. Run by `canary.py`.

argv: the folder of installed libraries. stdin: JSON {"model", "labels", "texts"}. stdout: one line of JSON with
`faults` (list of text), `label_ids` (one a text), `p50_ms`, `p99_ms` (one text at a time, warm).
"""

import contextlib
import importlib.util
import json
import os
import sys
import time

PROJECT = ("components", "pipelines", "dags")
SIGNATURES = ("classify", "serving_default")
SIZES = (1, 2, 32, 256)  # texts a batch
ONE_BY_ONE = 50  # timed single requests


def main() -> None:
    sys.path.append(sys.argv[1])
    reachable = [name for name in PROJECT if importlib.util.find_spec(name)]
    if reachable:
        sys.exit(f"the canary must not reach the project. Received: {', '.join(reachable)} can be imported")
    question = json.load(sys.stdin)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import numpy as np
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  # registers its ops, as TensorFlow Serving does

    print(json.dumps(report_on(np, tf, question)))


def report_on(np, tf, question: dict) -> dict:
    """What `main` prints. np, tf: the modules, which `main` imports after its checks."""
    refused = {"faults": [], "label_ids": [], "p50_ms": 0.0, "p99_ms": 0.0}
    try:
        model = tf.saved_model.load(question["model"])
    except Exception as error:  # a damaged model fails in many ways
        return {**refused, "faults": [f"the model must load. Received: {_short(error)}"]}
    found = sorted(getattr(model, "signatures", {}))
    if not set(SIGNATURES) <= set(found):
        told = ", ".join(found) or "none"
        return {**refused, "faults": [f"the model must have the signatures {', '.join(SIGNATURES)}. Received: {told}"]}
    try:
        return ask_everything(np, tf, model, question["labels"], question["texts"] or ["a text"])
    except Exception as error:  # whatever it is, the model is not fit to serve
        return {**refused, "faults": [f"the model must answer. Received: {_short(error)}"]}


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def ask_everything(np, tf, model, labels: list[str], texts: list[str]) -> dict:
    """The report on a model that loads and has its signatures."""
    classify, faults = model.signatures["classify"], []

    def ask(asked):
        return {name: value.numpy() for name, value in classify(text=tf.constant(asked)).items()}

    for size in SIZES:
        answer = ask((texts * (size // len(texts) + 1))[:size])
        if sorted(answer) != ["label", "label_id", "probabilities"]:
            faults.append(f"classify must return label, label_id, probabilities. Received: {', '.join(sorted(answer))}")
            break
        if answer["probabilities"].shape != (size, len(labels)) or answer["label_id"].dtype != np.int64:
            shape, kind = answer["probabilities"].shape, answer["label_id"].dtype
            faults.append(f"probabilities must be [{size}, {len(labels)}], label_id int64. Received: {shape}, {kind}")
            break
    if faults:
        return {"faults": faults, "label_ids": [], "p50_ms": 0.0, "p99_ms": 0.0}
    answer = ask(texts)
    if not np.isfinite(answer["probabilities"]).all() or not np.allclose(
        answer["probabilities"].sum(axis=1), 1, atol=1e-3
    ):
        faults.append("probabilities must be finite and add up to 1")
    if not (answer["probabilities"].argmax(axis=1) == answer["label_id"]).all():
        faults.append("label_id must be the most probable class")
    named = {(int(i), label.decode("utf-8", "replace")) for i, label in zip(answer["label_id"], answer["label"])}
    wrong = sorted(pair for pair in named if not 0 <= pair[0] < len(labels) or labels[pair[0]] != pair[1])
    if wrong:
        told = ", ".join(f"{label!r} for {i}" for i, label in wrong)
        faults.append(f"label must name label_id in the order {', '.join(labels)}. Received: {told}")
    for odd in ("", " ", "\0", "x" * 100_000, "日本 \u202e 🙂", b"\xff\xfe\x80"):
        if not np.isfinite(ask([odd])["probabilities"]).all():
            faults.append(f"any text must be answered. Received: {odd[:10]!r}")
    example = tf.train.Example()
    example.features.feature["text"].bytes_list.value.append(texts[0].encode())
    served = model.signatures["serving_default"](tf.constant([example.SerializeToString()]))
    if not np.allclose(served["probabilities"].numpy(), answer["probabilities"][:1], atol=1e-4):
        faults.append("serving_default and classify must agree")
    with contextlib.suppress(Exception):  # TensorFlow names the reason by several classes; any refusal will do
        classify(text=tf.constant([1.0]))
        faults.append("classify must refuse numbers")
    times = []
    for text in (texts * ONE_BY_ONE)[:ONE_BY_ONE]:
        start = time.perf_counter()
        ask([text])
        times.append((time.perf_counter() - start) * 1000)
    p50, p99 = (float(np.percentile(times, q)) for q in (50, 99))
    return {"faults": faults, "label_ids": answer["label_id"].tolist(), "p50_ms": p50, "p99_ms": p99}


if __name__ == "__main__":
    main()
