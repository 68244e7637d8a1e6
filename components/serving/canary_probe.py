"""Asks a SavedModel questions as a stranger would: TensorFlow and nothing of this project. Run by `canary.py`.

argv: the folder of installed libraries. stdin: JSON {"model", "labels", "texts", "champion" (a folder or null), "text_ops"
(whether either graph holds tensorflow_text's operations)}. stdout: one line of JSON with `faults` (list of text), `label_ids`
(one a text), `p50_ms`, `p99_ms` (one text at a time, warm) and `champion` (its p50_ms and p99_ms, by turns with the candidate's;
null where there is none).
"""

import contextlib
import importlib.util
import json
import os
import sys
import time

PROJECT = ("components", "pipelines", "dags")
SIGNATURES = ("classify", "serving_default")
SIZES = (1, 2, 3, 8, 31, 32, 64, 128, 256)  # texts a batch
ALIKE = 8  # texts whose answer alone must be that in a batch
ONE_BY_ONE = 50  # timed single requests a round
ROUNDS = 3  # other work on the machine only ever adds time, so the quickest round is the model's own
LONGEST = 60  # seconds of timing after which no further round begins
REFUSED = {"faults": [], "label_ids": [], "p50_ms": 0.0, "p99_ms": 0.0, "champion": None}


def main() -> None:
    sys.path.append(sys.argv[1])
    reachable = [name for name in PROJECT if importlib.util.find_spec(name)]
    if reachable:
        sys.exit(f"the canary must not reach the project. Received: {', '.join(reachable)} can be imported")
    question = json.load(sys.stdin)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import numpy as np
    import tensorflow as tf

    if question.get("text_ops"):
        import tensorflow_text  # noqa: F401  # registers its ops, as TensorFlow Serving does

    print(json.dumps(report_on(np, tf, question)))


def report_on(np, tf, question: dict) -> dict:
    """What `main` prints. np, tf: the modules, which `main` imports after its checks."""
    try:
        model = tf.saved_model.load(question["model"])
    except Exception as error:  # a damaged model fails in many ways
        return {**REFUSED, "faults": [f"the model must load. Received: {_short(error)}"]}
    found = sorted(getattr(model, "signatures", {}))
    if not set(SIGNATURES) <= set(found):
        told = ", ".join(found) or "none"
        return {**REFUSED, "faults": [f"the model must have the signatures {', '.join(SIGNATURES)}. Received: {told}"]}
    try:
        texts = question["texts"] or ["a text"]
        report = ask_everything(np, tf, model, question["labels"], texts)
        if not report["faults"]:
            report |= timed(np, tf, model, _champion(tf, question.get("champion")), texts)
        return report
    except Exception as error:  # whatever it is, the model is not fit to serve
        return {**REFUSED, "faults": [f"the model must answer. Received: {_short(error)}"]}


def _champion(tf, folder: str | None):
    """The model that serves now; None where there is none, or none that loads: that is no fault of the candidate."""
    with contextlib.suppress(Exception):
        return tf.saved_model.load(folder) if folder else None


def timed(np, tf, model, champion, texts: list[str]) -> dict:
    """`p50_ms` and `p99_ms` of single requests, and the champion's, each asked in turn so that both meet the same machine."""
    asked = {"model": model.signatures["classify"]}
    if champion is not None and "classify" in champion.signatures:
        asked["champion"] = champion.signatures["classify"]
    best, begun = {name: [float("inf")] * 2 for name in asked}, time.perf_counter()
    for number in range(ROUNDS + 1):
        times = {name: [] for name in asked}
        for text in (texts * ONE_BY_ONE)[:ONE_BY_ONE]:
            for name, classify in asked.items():
                start = time.perf_counter()
                classify(text=tf.constant([text]))["probabilities"].numpy()
                times[name].append((time.perf_counter() - start) * 1000)
        for name in asked if number else ():  # the first round only warms up
            best[name] = [min(a, float(np.percentile(times[name], q))) for a, q in zip(best[name], (50, 99))]
        if number and time.perf_counter() - begun > LONGEST:
            break
    told = {name: dict(zip(("p50_ms", "p99_ms"), found)) for name, found in best.items()}
    return {**told["model"], "champion": told.get("champion")}


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
        return {**REFUSED, "faults": faults}
    answer = ask(texts)
    alone = [ask([text])["probabilities"][0] for text in texts[:ALIKE]]
    if not np.allclose(alone, answer["probabilities"][:ALIKE], atol=1e-4, equal_nan=True):
        faults.append("a text must get the same answer alone and in a batch")
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
    with contextlib.suppress(Exception):
        model.signatures["serving_default"](tf.constant(["not an example"]))
        faults.append("serving_default must refuse what is no tf.Example")
    return {**REFUSED, "faults": faults, "label_ids": answer["label_id"].tolist()}


if __name__ == "__main__":
    main()
