"""Bodies of TensorFlow Serving's REST API, for the signatures of `components/training/export.py`.

Source: https://github.com/tensorflow/serving/blob/master/tensorflow_serving/g3doc/api_rest.md

`classify` takes `text`; `serving_default`, which counts where no signature is named, takes `examples`, serialised tf.Examples in
base64. Beyond TensorFlow Serving, plain texts are taken without a signature's name too.
Each answer has `model_spec` besides, as the answers over gRPC have, with the version's digest. Where a least confidence is asked for
(`?min_confidence=0.9`, or the server's own), each answer has it too, and `uncertain`, true for each text that gets no label.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.client import checked_confidence

FEATURE = "text"
SIGNATURES = ("", "serving_default", "classify")
MIN_CONFIDENCE = {
    "name": "min_confidence",
    "in": "query",
    "description": "an answer whose highest probability is below it gets no label",
    "schema": {"type": "number", "minimum": 0, "maximum": 1},
}
SCHEMAS = {
    "predict": {
        "type": "object",
        "properties": {
            "signature_name": {"enum": list(SIGNATURES)},
            "instances": {"type": "array", "minItems": 1, "description": "texts, or objects with the input's name"},
            "inputs": {"description": "the texts as one list, or an object of the input's name and that list"},
        },
        "additionalProperties": False,
    },
    "classify": {
        "type": "object",
        "required": ["examples"],
        "properties": {
            "signature_name": {"enum": list(SIGNATURES)},
            "context": {"type": "object"},
            "examples": {"type": "array", "minItems": 1, "items": {"type": "object", "description": '{"text": "…"}'}},
        },
        "additionalProperties": False,
    },
}


class BadRequest(Exception):
    """A body that is not what the API takes. The message says what is wrong and what was received."""


def predict_texts(body: bytes) -> tuple[list[str], str]:
    """The texts of a `:predict` body, and the key that its answer has: `predictions` for rows, `outputs` for columns.

    Raises:
        BadRequest: the body is anything else.
    """
    request = _object(body, ("signature_name", "instances", "inputs"))
    signature = _signature(request)
    if ("instances" in request) == ("inputs" in request):
        raise BadRequest(
            f'a body must have either "instances" or "inputs". Received: {", ".join(map(repr, request)) or "neither"}'
        )
    if "instances" in request:
        return [
            _text(_named(row, signature), signature) for row in _list(request["instances"], "instances")
        ], "predictions"
    column = request["inputs"]
    if isinstance(column, dict) and "b64" not in column:
        column = _named(column, signature)
    return [_text(value, signature) for value in _list(column, "inputs")], "outputs"


def classify_texts(body: bytes) -> list[str]:
    """The texts of a `:classify` body: `examples`, each an object of features, and a `context` that all of them share.

    Raises:
        BadRequest: the body is anything else.
    """
    request = _object(body, ("signature_name", "context", "examples"))
    _signature(request)
    context = request.get("context", {})
    if not isinstance(context, dict):
        raise BadRequest(f'"context" must be an object of features. Received: {context!r:.80}')
    texts = []
    for example in _list(request.get("examples"), "examples"):
        if not isinstance(example, dict):
            raise BadRequest(f'each of "examples" must be an object such as {{"text": "…"}}. Received: {example!r:.80}')
        twice = sorted(set(example) & set(context))
        if twice:
            raise BadRequest(f"a feature must stand in the context or in the example. Received: {twice[0]!r} in both")
        value = {**context, **example}.get(FEATURE, "")
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        texts.append(_text(value, "classify"))
    return texts


@dataclass(frozen=True)
class Abstention:
    """Which texts of a request get no label. min_confidence: above 0. uncertain: bool[texts]."""

    min_confidence: float
    uncertain: np.ndarray

    def json(self) -> dict:
        return {"min_confidence": self.min_confidence, "uncertain": self.uncertain.tolist()}


def least_confidence(query: Mapping[str, str], default: float) -> float:
    """The `min_confidence` of a request's query, else the server's.

    Raises:
        BadRequest: it is no number of 0..1.
    """
    text = query.get("min_confidence")
    if text is None:
        return default
    try:
        return checked_confidence(float(text))
    except ValueError:
        raise BadRequest(f"min_confidence must be a number from 0 to 1. Received: {text!r:.80}") from None


def predict_answer(
    key: str, labels: Sequence[str], probabilities: np.ndarray, spec: dict, abstention: Abstention | None = None
) -> bytes:
    """The answer to `:predict`: `label`, `label_id` and `probabilities` of each text, by rows or by columns.

    With an abstention an uncertain text's `label` and `label_id` are null, and the answer has `min_confidence` and `uncertain`.
    """
    ids = probabilities.argmax(axis=1).tolist()
    if abstention:
        ids = [None if unsure else i for i, unsure in zip(ids, abstention.uncertain)]
    names = [None if i is None else labels[i] for i in ids]
    chances = _rounded(probabilities)
    if key == "outputs":
        answer = {"label": names, "label_id": ids, "probabilities": chances}
    else:
        answer = [{"label": name, "label_id": i, "probabilities": row} for name, i, row in zip(names, ids, chances)]
    return _json({key: answer, "model_spec": spec, **(abstention.json() if abstention else {})})


def classify_answer(
    labels: Sequence[str], probabilities: np.ndarray, spec: dict, abstention: Abstention | None = None
) -> bytes:
    """The answer to `:classify`: for each text a list of label and score; with an abstention `min_confidence` and `uncertain` too."""
    results = [[[label, score] for label, score in zip(labels, row)] for row in _rounded(probabilities)]
    return _json({"results": results, "model_spec": spec, **(abstention.json() if abstention else {})})


def status_answer(versions: Sequence[int]) -> dict:
    """GetModelStatusResponse as JSON, of versions that can answer."""
    fine = {"error_code": "OK", "error_message": ""}
    return {"model_version_status": [{"version": str(v), "state": "AVAILABLE", "status": fine} for v in versions]}


def _rounded(probabilities: np.ndarray) -> list[list[float]]:
    if not np.isfinite(probabilities).all():
        raise FloatingPointError("the model answered with values that are no numbers")
    return [[round(value, 6) for value in row] for row in probabilities.tolist()]


def _json(value: dict) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


def _object(body: bytes, keys: Sequence[str]) -> dict:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"a body must be JSON. Received: {str(error)[:100]}") from None
    if not isinstance(request, dict):
        raise BadRequest(f"a body must be a JSON object. Received: {type(request).__name__}")
    if strange := [key for key in request if key not in keys]:
        raise BadRequest(f"a body may have {', '.join(keys)}. Received: {strange[0]!r:.80}")
    return request


def _signature(request: dict) -> str:
    name = request.get("signature_name", "")
    if name not in SIGNATURES:
        raise BadRequest(f'"signature_name" must be {", ".join(SIGNATURES[1:])}. Received: {name!r:.80}')
    return name


def _list(value, name: str) -> list:
    if not isinstance(value, list) or not value:
        raise BadRequest(f'"{name}" must be a list of at least one text. Received: {value!r:.80}')
    return value


def _named(value, signature: str):
    """The value of a named input; a value without a name stays as it is."""
    if not isinstance(value, dict) or "b64" in value:
        return value
    names = ("text",) if signature == "classify" else ("examples", "text")
    if len(value) != 1 or next(iter(value)) not in names:
        raise BadRequest(
            f"an input's name must be {' or '.join(names)}. Received: {', '.join(map(repr, value)) or 'none':.80}"
        )
    name, inner = next(iter(value.items()))
    if name == "examples" and not isinstance(inner, list) and not (isinstance(inner, dict) and "b64" in inner):
        raise BadRequest(f'"examples" must be serialised tf.Examples as {{"b64": "…"}}. Received: {inner!r:.80}')
    return inner


def _text(value, signature: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str):
        try:
            raw = base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadRequest(f'"b64" must be base64. Received: {value["b64"]!r:.60} ({error})') from None
        return (raw if signature == "classify" else _example_text(raw)).decode("utf-8", "replace")
    raise BadRequest(f'a text must be a string or {{"b64": "…"}}. Received: {value!r:.80}')


def _example_text(raw: bytes) -> bytes:
    """The feature `text` of a serialised tf.Example; a missing one is the empty text, as in the graph."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        values = tf.train.Example.FromString(raw).features.feature[FEATURE].bytes_list.value
    except DecodeError:
        raise BadRequest(
            f'without "signature_name": "classify", "b64" must hold a serialised tf.Example. Received: {len(raw)} other bytes'
        ) from None
    return values[0] if values else b""
