"""Queries a SavedModel as a consumer does: with TensorFlow and without this project. `canary.py` runs it as a process.

argv: the folder of installed libraries. stdin: JSON {"model", "labels", "texts", "champion" (a folder or null), "text_ops"
(whether either graph holds tensorflow_text's operations)}. stdout: one line of JSON with `faults` (list of text), `label_ids`
(one a text), `p50_ms`, `p99_ms` (one text at a time, warm) and `champion` (its p50_ms and p99_ms, measured in turns with the
candidate's; null where there is none).
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
ALIKE = 8  # texts that are queried alone and in a batch, and must get the same answer
ONE_BY_ONE = 50  # timed single requests a round
ROUNDS = 3  # the fastest round counts: other work on the machine only adds time
LONGEST = 60  # seconds of timing after which no further round begins
EMPTY_REPORT = {"faults": [], "label_ids": [], "p50_ms": 0.0, "p99_ms": 0.0, "champion": None}


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
        return {**EMPTY_REPORT, "faults": [f"the model must load. Received: {_short(error)}"]}
    signatures = sorted(getattr(model, "signatures", {}))
    if not set(SIGNATURES) <= set(signatures):
        received = ", ".join(signatures) or "none"
        rule = f"the model must have the signatures {', '.join(SIGNATURES)}"
        return {**EMPTY_REPORT, "faults": [f"{rule}. Received: {received}"]}
    try:
        texts = question["texts"] or ["a text"]
        report = ask_everything(np, tf, model, question["labels"], texts)
        if not report["faults"]:
            report |= timed(np, tf, model, _champion(tf, question.get("champion")), texts)
        return report
    except Exception as error:  # a model that raises must not serve
        return {**EMPTY_REPORT, "faults": [f"the model must answer. Received: {_short(error)}"]}


def _champion(tf, folder: str | None):
    """The model that serves now; None where there is none or where it does not load, which is no fault of the candidate."""
    with contextlib.suppress(Exception):
        return tf.saved_model.load(folder) if folder else None


def timed(np, tf, model, champion, texts: list[str]) -> dict:
    """`p50_ms` and `p99_ms` of single requests, and the champion's; requests alternate, so that both meet the same load."""
    models = {"model": model.signatures["classify"]}
    if champion is not None and "classify" in champion.signatures:
        models["champion"] = champion.signatures["classify"]
    best, begun = {name: [float("inf")] * 2 for name in models}, time.perf_counter()
    for number in range(ROUNDS + 1):
        times = {name: [] for name in models}
        for text in (texts * ONE_BY_ONE)[:ONE_BY_ONE]:
            for name, classify in models.items():
                start = time.perf_counter()
                classify(text=tf.constant([text]))["probabilities"].numpy()
                times[name].append((time.perf_counter() - start) * 1000)
        for name in models if number else ():  # the first round only warms up
            best[name] = [min(a, float(np.percentile(times[name], q))) for a, q in zip(best[name], (50, 99))]
        if number and time.perf_counter() - begun > LONGEST:
            break
    report = {name: dict(zip(("p50_ms", "p99_ms"), quantiles)) for name, quantiles in best.items()}
    return {**report["model"], "champion": report.get("champion")}


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def ask_everything(np, tf, model, labels: list[str], texts: list[str]) -> dict:
    """The report on a model that loads and has its signatures."""
    classify, faults = model.signatures["classify"], []

    def ask(batch):
        return {name: value.numpy() for name, value in classify(text=tf.constant(batch)).items()}

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
        return {**EMPTY_REPORT, "faults": faults}
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
        received = ", ".join(f"{label!r} for {i}" for i, label in wrong)
        faults.append(f"label must name label_id in the order {', '.join(labels)}. Received: {received}")
    for odd in ("", " ", "\0", "x" * 100_000, "日本 \u202e 🙂", b"\xff\xfe\x80"):
        if not np.isfinite(ask([odd])["probabilities"]).all():
            faults.append(f"any text must be answered. Received: {odd[:10]!r}")
    example = tf.train.Example()
    example.features.feature["text"].bytes_list.value.append(texts[0].encode())
    served = model.signatures["serving_default"](tf.constant([example.SerializeToString()]))
    if not np.allclose(served["probabilities"].numpy(), answer["probabilities"][:1], atol=1e-4):
        faults.append("serving_default and classify must agree")
    if not _raises(lambda: classify(text=tf.constant([1.0]))):
        faults.append("classify must refuse numbers")
    if not _raises(lambda: model.signatures["serving_default"](tf.constant(["not an example"]))):
        faults.append("serving_default must refuse what is no tf.Example")
    return {**EMPTY_REPORT, "faults": faults, "label_ids": answer["label_id"].tolist()}


def _raises(call) -> bool:
    try:
        call()
    except Exception:  # TensorFlow raises several classes; any of them is a refusal
        return True
    return False


if __name__ == "__main__":
    main()
