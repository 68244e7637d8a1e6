"""Models that must not get through: a file operation in the graph, another vocabulary, labels in another order, another signature."""

import json
import shutil

import numpy as np
import published
import pytest
import tensorflow as tf

from components import canary

pytestmark = pytest.mark.faults
LABELS = published.LABELS


def reasons(folder, limits=None):
    """What the canary says of a model's folder, in a fresh process as in a run."""
    texts, truth = published.articles(64, seed=4)
    bounds = {**published.LIMITS, **(limits or {})}
    report = canary.examine(folder, LABELS, [text.decode() for text in texts], bounds)
    return canary.judge(report, truth.tolist(), bounds)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("swapped", "held-out rows are answered right, under 65.0%"),
        ("renamed", "label must name label_id in the order World, Sports, Business, Sci/Tech"),
        ("silent", "must have the signatures classify, serving_default. Received: none"),
    ],
)
def test_a_swapped_vocabulary_another_label_order_and_another_signature_are_refused(kind, said):
    found = reasons(published.model(kind))
    assert len(found) == 1
    assert said in found[0]


def test_a_graph_that_writes_files_is_refused_before_anything_loads_it(tmp_path, monkeypatch):
    mark = tmp_path / "written"
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def classify(text):
        tf.io.write_file(str(mark), "executed")
        probabilities = tf.ones([tf.size(text), 4]) / 4
        return {
            "label": tf.fill([tf.size(text)], "World"),
            "label_id": tf.zeros([tf.size(text)], tf.int64),
            "probabilities": probabilities,
        }

    tf.saved_model.save(module, str(tmp_path / "m"), signatures={"classify": classify, "serving_default": classify})
    monkeypatch.setattr(canary, "probe", lambda *_: pytest.fail("the model was loaded"))
    (said,) = reasons(tmp_path / "m")
    assert "the graph must hold listed operations alone. Received: WriteFile" in said
    assert not mark.exists()


def test_a_model_over_the_size_limit_is_refused_before_anything_loads_it(monkeypatch):
    monkeypatch.setattr(canary, "probe", lambda *_: pytest.fail("the model was loaded"))
    (said,) = reasons(published.model("good"), {"max_mb": 0.01})
    assert said.startswith("the model must not be larger than 0 MB")


def test_a_graph_with_the_text_library_s_operations_loads_in_the_fresh_process(tmp_path):
    """As MiniLM's and BERT's tokenizers need it; a process without that library could not even load the file."""
    import tensorflow_text as text

    words = " ".join(published.WORDS).split()
    pieces = text.FastBertTokenizer(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words], token_out_type=tf.int32, lower_case_nfd_strip_accents=True
    )
    speaks = tf.constant(np.vstack([np.zeros((4, 4)), np.repeat(np.eye(4), 4, axis=0)]), tf.float32)
    module = tf.Module()
    module.pieces = pieces

    def answer(said):
        votes = tf.reduce_sum(tf.gather(speaks, pieces.tokenize(said).merge_dims(1, -1)), axis=1)
        probabilities = tf.nn.softmax(3 * votes)
        label_id = tf.argmax(probabilities, axis=1, output_type=tf.int64)
        return {"label": tf.gather(LABELS, label_id), "label_id": label_id, "probabilities": probabilities}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def classify(text):
        return answer(text)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serving_default(examples):
        feature = {"text": tf.io.FixedLenFeature([], tf.string, default_value="")}
        return answer(tf.io.parse_example(examples, feature)["text"])

    tf.saved_model.save(
        module, str(tmp_path / "m"), signatures={"classify": classify, "serving_default": serving_default}
    )
    assert reasons(tmp_path / "m") == []


def test_a_probe_is_told_of_the_text_library_only_where_a_graph_needs_it(monkeypatch):
    asked = []
    monkeypatch.setattr(canary, "probe", lambda *given: asked.append(given) or {"error": "not asked"})
    canary.examine(published.model("good"), LABELS, ["a"], published.LIMITS)
    canary.examine(published.model("good"), LABELS, ["a"], published.LIMITS, published.model("shifted"))
    assert [given[3:] for given in asked] == [(None, False), (published.model("shifted"), False)]
    assert json.dumps(asked[0][2]) == '["a"]'


def test_a_file_added_to_the_export_is_refused(tmp_path):
    folder = shutil.copytree(published.model("good"), tmp_path / "m")
    (folder / "sitecustomize.py").write_text("print('executed')")
    assert "sitecustomize.py" in reasons(folder)[0]
