"""Asks a SavedModel questions as a stranger would: TensorFlow and nothing of this project. Run by `canary.py`.

argv: the folder of installed libraries. stdin: JSON {"model", "labels", "texts"}. stdout: one line of JSON with
`faults` (list of text), `label_ids` (one a text), `p50_ms`, `p99_ms` (one text at a time, warm).
"""

import importlib.util
import json
import os
import sys
import time

PROJECT = ("components", "pipelines", "dags")
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

    faults, labels = [], question["labels"]
    model = tf.saved_model.load(question["model"])
    classify = model.signatures["classify"]

    def ask(texts):
        return {name: value.numpy() for name, value in classify(text=tf.constant(texts)).items()}

    for size in (1, 2, 32, 256):
        texts = (question["texts"] * (size // len(question["texts"]) + 1))[:size]
        answer = ask(texts)
        if sorted(answer) != ["label", "label_id", "probabilities"]:
            faults.append(f"classify must return label, label_id and probabilities. Received: {', '.join(sorted(answer))}")
            break
        if answer["probabilities"].shape != (size, len(labels)) or answer["label_id"].dtype != np.int64:
            faults.append(f"probabilities must be [{size}, {len(labels)}]. Received: {answer['probabilities'].shape}")
            break
    if not faults:
        answer = ask(question["texts"])
        if not np.allclose(answer["probabilities"].sum(axis=1), 1, atol=1e-3) or not np.isfinite(answer["probabilities"]).all():
            faults.append("probabilities must be finite and add up to 1")
        if not (answer["probabilities"].argmax(axis=1) == answer["label_id"]).all():
            faults.append("label_id must be the most probable class")
        named = [label.decode() for label in answer["label"]]
        if named != [labels[i] if 0 <= i < len(labels) else "?" for i in answer["label_id"]]:
            faults.append(f"label must name label_id in the order {', '.join(labels)}. Received: {', '.join(sorted(set(named)))}")
        for odd in ("", " ", "\0", "x" * 100_000, "日本 \u202e 🙂"):
            if not np.isfinite(ask([odd])["probabilities"]).all():
                faults.append(f"any text must be answered. Received: {odd[:10]!r}")
        example = tf.train.Example()
        example.features.feature["text"].bytes_list.value.append(question["texts"][0].encode())
        served = model.signatures["serving_default"](tf.constant([example.SerializeToString()]))
        if not np.allclose(served["probabilities"].numpy(), answer["probabilities"][:1], atol=1e-4):
            faults.append("serving_default and classify must agree")
        try:
            classify(text=tf.constant([1.0]))
            faults.append("classify must refuse numbers")
        except Exception:  # TensorFlow names the reason by several classes; any refusal will do
            pass
    times = []
    for text in (question["texts"] * ONE_BY_ONE)[:ONE_BY_ONE]:
        start = time.perf_counter()
        ask([text])
        times.append((time.perf_counter() - start) * 1000)
    ids = [] if faults else answer["label_id"].tolist()
    p50, p99 = (float(np.percentile(times, q)) for q in (50, 99))
    print(json.dumps({"faults": faults, "label_ids": ids, "p50_ms": p50, "p99_ms": p99}))


main()
