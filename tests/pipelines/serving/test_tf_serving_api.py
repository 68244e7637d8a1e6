"""Bodies as TensorFlow Serving takes and gives them."""

import base64
import json

import numpy as np
import pytest
import tensorflow as tf

from pipelines.serving import tf_serving_api as api


def b64(raw: bytes) -> dict:
    return {"b64": base64.b64encode(raw).decode()}


def example(text: str | None) -> dict:
    feature = {} if text is None else {"text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))}
    return b64(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


def predict(**body):
    return api.predict_texts(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ({"signature_name": "classify", "instances": ["goal", "treaty"]}, ["goal", "treaty"]),
        ({"signature_name": "classify", "instances": [{"text": "goal"}, b64("Fußball".encode())]}, ["goal", "Fußball"]),
        ({"signature_name": "classify", "instances": [{"text": b64(b"goal")}]}, ["goal"]),
        (
            {"signature_name": "serving_default", "instances": [example("goal"), {"examples": example("chip")}]},
            ["goal", "chip"],
        ),
        ({"instances": [example("goal"), example(None)]}, ["goal", ""]),
        ({"instances": ["goal", {"text": "chip"}, ""]}, ["goal", "chip", ""]),
    ],
)
def test_rows_are_read_in_every_form_of_the_two_signatures(body, texts):
    assert predict(**body) == (texts, "predictions")


@pytest.mark.parametrize(
    "inputs", [["goal", "chip"], {"text": ["goal", "chip"]}, {"examples": [example("goal"), example("chip")]}]
)
def test_columns_are_read_too(inputs):
    assert predict(inputs=inputs) == (["goal", "chip"], "outputs")


def test_classify_joins_examples_with_their_context():
    def texts(**body):
        return api.classify_texts(json.dumps(body).encode())

    assert texts(examples=[{"text": "goal"}, {"text": ["chip"]}, {"other": 1}]) == ["goal", "chip", ""]
    assert texts(context={"text": "goal"}, examples=[{}, {"other": 1}]) == ["goal", "goal"]
    with pytest.raises(api.BadRequest, match=r"Received: 'text' in both"):
        texts(context={"text": "goal"}, examples=[{"text": "chip"}])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "must be JSON"),
        (b"[" * 100_000, "must be JSON"),
        (b"\xff", "must be JSON"),
        (b"[]", "must be a JSON object. Received: list"),
        (b"{}", 'either "instances" or "inputs". Received: neither'),
        (b'{"instances": ["a"], "inputs": ["a"]}', 'either "instances" or "inputs"'),
        (b'{"instances": []}', "a list of at least one text"),
        (b'{"instances": "goal"}', "a list of at least one text. Received: 'goal'"),
        (b'{"instances": [1]}', "must be a string"),
        (b'{"instances": [null]}', "must be a string"),
        (b'{"instances": [["goal"]]}', "must be a string"),
        (b'{"instances": [{"title": "goal"}]}', "name must be examples or text. Received: 'title'"),
        (b'{"instances": [{"b64": "?"}]}', "must be base64"),
        (b'{"instances": [{"b64": "////"}]}', "serialised tf.Example"),
        (b'{"instances": [{"examples": "goal"}]}', "must be serialised tf.Examples"),
        (
            b'{"signature_name": "explain", "instances": ["goal"]}',
            "must be serving_default, classify. Received: 'explain'",
        ),
        (b'{"signature_name": ["classify"], "instances": ["goal"]}', "must be serving_default, classify"),
        (b'{"instances": ["goal"], "signature": "classify"}', "Received: 'signature'"),
    ],
)
def test_any_other_body_is_refused_with_what_is_wrong(body, message):
    with pytest.raises(api.BadRequest) as error:
        api.predict_texts(body)
    assert message in str(error.value)
    assert len(str(error.value)) < 400


def test_answers_have_tensorflow_serving_s_keys_and_the_model_s_name():
    chances, labels, spec = np.array([[0.25, 0.75], [1, 0]], np.float32), ["A", "B"], {"name": "news", "version": 3}
    assert json.loads(api.predict_answer("predictions", labels, chances, spec)) == {
        "predictions": [
            {"label": "B", "label_id": 1, "probabilities": [0.25, 0.75]},
            {"label": "A", "label_id": 0, "probabilities": [1.0, 0.0]},
        ],
        "model_spec": spec,
    }
    assert json.loads(api.predict_answer("outputs", labels, chances, spec))["outputs"] == {
        "label": ["B", "A"], "label_id": [1, 0], "probabilities": [[0.25, 0.75], [1.0, 0.0]],
    }  # fmt: skip
    assert json.loads(api.classify_answer(labels, chances, spec))["results"] == [
        [["A", 0.25], ["B", 0.75]],
        [["A", 1.0], ["B", 0.0]],
    ]
    with pytest.raises(FloatingPointError):
        api.predict_answer("predictions", labels, chances * np.nan, spec)


def test_an_uncertain_text_has_no_label_and_the_answer_says_so():
    chances, labels, spec = np.array([[0.45, 0.55], [0.9, 0.1]], np.float32), ["A", "B"], {"name": "news", "version": 3}
    unsure = api.Abstention(0.8, np.array([True, False]))
    said = {"min_confidence": 0.8, "uncertain": [True, False]}
    assert json.loads(api.predict_answer("predictions", labels, chances, spec, unsure)) == {
        "predictions": [
            {"label": None, "label_id": None, "probabilities": [0.45, 0.55]},
            {"label": "A", "label_id": 0, "probabilities": [0.9, 0.1]},
        ],
        "model_spec": spec,
        **said,
    }
    columns = json.loads(api.predict_answer("outputs", labels, chances, spec, unsure))
    assert (columns["outputs"]["label"], columns["outputs"]["label_id"]) == ([None, "A"], [None, 0])
    assert json.loads(api.classify_answer(labels, chances, spec, unsure)) == {
        "results": [[["A", 0.45], ["B", 0.55]], [["A", 0.9], ["B", 0.1]]],
        "model_spec": spec,
        **said,
    }


def test_a_request_may_ask_for_another_least_confidence_than_the_server_s():
    assert api.least_confidence({}, 0.7) == 0.7
    assert api.least_confidence({"min_confidence": "0"}, 0.7) == 0
    for text in ("1.1", "nan", "sure", ""):
        with pytest.raises(api.BadRequest, match="a number from 0 to 1"):
            api.least_confidence({"min_confidence": text}, 0.7)
