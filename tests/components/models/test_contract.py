"""One contract for every model family, at toy sizes. A new family adds an entry to TOYS and nothing else."""

import components  # noqa: F401, it sets what TensorFlow reads at its own import

# isort: split
import encoder_kit
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from components.models import contributions, explainer, families, family, linear
from components.tf_support import op_allowlist
from components.training import batching, calibration, export, loop, wide
from pipelines.config.presets import PRESETS, TRAINING

LABELS = ["World", "Sports", "Business", "Sci/Tech"]
TOPICS = [
    "troops minister treaty border election",
    "striker goal coach season league",
    "shares profit bank merger oil",
    "software chip browser orbit robot",
]
TOYS = {
    "transformer": {
        "text": "words",
        "vocabulary": 60,
        "length": 12,
        "padding": "longest",
        "width": 8,
        "heads": 2,
        "key_width": 4,
        "feed_forward": 8,
        "blocks": 1,
        "pooling": "mean+max",
        "buckets": 64,
        "pair_width": 4,
        "hidden": 8,
        "dropout": 0.1,
        "word_dropout": 0.1,
        "vectors": "none",
        "wide": False,
    },
    "linear": {"min_rows": 2, "penalty": 0.4, "mended": 0.333},
    "attention-rnn": {
        "vocabulary": 60,
        "length": 12,
        "width": 8,
        "units": 8,
        "attention_units": 8,
        "dropout": 0.1,
        "word_dropout": 0.1,
        "wide": False,
    },
    "bert": {
        "encoder": "written by the fixture `encoder`",
        "preprocessor": "",
        "length": 12,
        "pooling": "mean",
        "trained": "all",
        "hidden": 0,
        "dropout": 0.1,
        "encoder_dropout": 0.1,
        "word_dropout": 0.1,
        "wide": False,
    },
    "hf-classifier": {
        "encoder": "written by the fixture `encoder`",
        "length": 12,
        "trained": "all",
        "dropout": 0.0,
        "word_dropout": 0.0,
        "wide": False,
    },
    "bag": {
        "vocabulary": 60,
        "length": 12,
        "width": 8,
        "buckets": 64,
        "pair_width": 4,
        "dropout": 0.1,
        "word_dropout": 0.1,
        "wide": False,
    },
}
# Each family that can have the linear model beside it, with it; the transformer as the default preset has it, over marks.
WIDE = [f"{name}+wide" for name in TOYS if "wide" in TOYS[name]]
QUICK = {**TRAINING, "epochs": 3, "batch_size": 16, "learning_rate": 0.03, "patience": 9}
ODD = [
    "",
    " ",
    "#39;",
    "\U0001f600 \u202e",
    "x" * 1_000_000,
    "goal " * 200_000,
    b"\xff\xfe goal \x00",
    "unheard-of words only",
]


def rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two to nine words, one topic each."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, count)
    texts = [" ".join(random.choice(TOPICS[label].split(), random.integers(2, 10))).encode() for label in labels]
    return np.array(texts, dtype=object), labels.astype(np.int64)


TRAIN, EVAL = rows(240, 1), rows(40, 2)


def toy(name: str) -> tuple:
    """(the family, its network's settings) of a toy's name."""
    name, _, beside = name.partition("+")
    network = {**TOYS[name], "wide": True} if beside else TOYS[name]
    network = {**network, "text": "marks"} if beside and "text" in network else network
    return family(name, network), network


def fit(name: str, workdir, settings=QUICK, report=lambda *_: None):
    module, network = toy(name)
    return loop.fit(module, vocabulary(name), network, settings, 7, TRAIN, EVAL, 4, workdir, report)


def vocabulary(name: str) -> list[str]:
    module, network = toy(name)
    return module.build_vocabulary(tf.data.Dataset.from_tensor_slices(TRAIN[0]).batch(1024), network)


@pytest.fixture(scope="module", autouse=True)
def encoder(tmp_path_factory):
    """A small real encoder for the families that need one."""
    address = encoder_kit.huggingface(tmp_path_factory.mktemp("encoder"))
    for toy in TOYS.values():
        if "encoder" in toy:
            toy["encoder"] = address


@pytest.fixture(scope="module", params=sorted([*TOYS, *WIDE]))
def fitted(request, tmp_path_factory):
    """(family's name, model, tokenizer, history, exported folder), trained once a family."""
    folder = tmp_path_factory.mktemp(request.param)
    model, tokenizer, history = fit(request.param, folder / "work")
    module, network = toy(request.param)
    explain = explainer(module, model, vocabulary(request.param), network)
    add = contributions(module, model, tokenizer)
    export.export(folder / "model", tokenizer, model, LABELS, explainer=explain, contributions=add)
    return request.param, model, tokenizer, history, folder / "model"


@pytest.fixture(scope="module")
def served(fitted):
    """The exported model, loaded once a family: that takes seconds with an encoder in it."""
    return tf.saved_model.load(str(fitted[-1]))


def probabilities(model, inputs) -> np.ndarray:
    return tf.nn.softmax(model(inputs, training=False)).numpy()


def test_every_family_has_its_toy_and_every_preset_its_family():
    assert sorted(TOYS) == sorted(families())
    assert {preset.family for preset in PRESETS.values()} <= set(families())


def test_a_toy_has_its_presets_settings():
    for preset in PRESETS.values():
        assert [*TOYS[preset.family]] == [
            key for key in preset.network if preset.family == "linear" or key not in linear.DEFAULTS
        ]


def test_an_unknown_family_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"bag, .*transformer.*Received: family='os\.path'"):
        family("os.path")


def test_the_tokenizer_gives_equally_long_integers_with_padding_at_the_end(fitted):
    _, _, tokenizer, _, _ = fitted
    tensors = tokenizer(tf.constant(["goal coach", "goal", ""]))
    lengths = {tuple(ids.shape) for ids in tensors.values()}
    assert len(lengths) == 1 and lengths.pop()[0] == 3
    for ids in tensors.values():
        assert ids.dtype.is_integer
        filled = ids.numpy() != 0
        assert (np.sort(filled, axis=1)[:, ::-1] == filled).all()


def test_the_tokenizer_answers_the_same_in_a_data_pipeline_and_eagerly(fitted):
    _, _, tokenizer, _, _ = fitted
    eager = tokenizer(tf.constant(TRAIN[0][:9]))
    (piped,) = tf.data.Dataset.from_tensor_slices(TRAIN[0][:9]).batch(9).map(tokenizer)
    for name, ids in eager.items():
        np.testing.assert_array_equal(ids, piped[name])


def test_cleaning_happens_inside_the_tokenizer(fitted):
    name, _, tokenizer, _, _ = fitted
    if name == "linear" or "+" in name:
        return  # learns from text as it came, and from some of it cleaned
    for name, ids in tokenizer(tf.constant(["&lt;b&gt;goal&lt;/b&gt;\\coach"])).items():
        np.testing.assert_array_equal(ids, tokenizer(tf.constant(["goal coach"]))[name])


def test_the_network_gives_finite_float32_logits_for_each_class(fitted):
    _, model, tokenizer, _, _ = fitted
    logits = model(tokenizer(tf.constant(["goal coach", ""])), training=False)
    assert logits.shape == (2, 4) and logits.dtype == tf.float32
    assert np.isfinite(logits).all()


def test_padding_changes_no_probability(fitted):
    _, model, tokenizer, _, _ = fitted
    inputs = tokenizer(tf.constant(["goal coach treaty", "merger oil"]))
    padded = {name: tf.pad(ids, [[0, 0], [0, 6]]) for name, ids in inputs.items()}
    np.testing.assert_allclose(probabilities(model, padded), probabilities(model, inputs), atol=1e-5)


def test_a_row_s_answer_does_not_depend_on_its_neighbours(fitted):
    _, model, tokenizer, _, _ = fitted
    alone = probabilities(model, tokenizer(tf.constant(["goal coach"])))
    among = probabilities(model, tokenizer(tf.constant(["goal coach", "shares profit bank merger oil " * 3])))
    np.testing.assert_allclose(among[:1], alone, atol=1e-5)


def test_it_learns_a_toy_corpus(fitted):
    history = fitted[3]
    assert history[-1]["loss"] < history[0]["loss"] or len(history) == 1
    assert max(row["val_accuracy"] for row in history) > 0.9


def test_the_returned_model_has_the_best_epoch_s_weights(fitted):
    _, model, tokenizer, history, _ = fitted
    again = loop.scores(loop.logits(model, batching.encode(tokenizer, EVAL[0])), EVAL[1])
    kept = loop.best_epoch(history)
    assert again["val_accuracy"] == pytest.approx(kept["final_accuracy"])
    assert again["val_loss"] == pytest.approx(kept["final_loss"], abs=1e-4)
    assert kept["val_accuracy"] == max(row["val_accuracy"] for row in history)


@pytest.mark.parametrize("name", ["bag+wide", "bert+wide"])
def test_the_linear_part_takes_part_in_the_answer(name, tmp_path):
    """With the family's own logits at nothing, the answer is the linear part's, which the toy corpus is easy for."""
    model, tokenizer, _ = fit(name, tmp_path, {**QUICK, "epochs": 1})
    weights = model.get_layer("mix").get_weights()[0]
    assert weights[0] > 0
    model.get_layer("mix").set_weights([np.array([weights[0], 0], np.float32)])
    alone = loop.scores(loop.logits(model, batching.encode(tokenizer, EVAL[0])), EVAL[1])
    assert alone["val_accuracy"] > 0.9


def test_without_calibration_the_model_answers_as_its_best_epoch_did(tmp_path):
    _, _, history = fit("bag", tmp_path, {**QUICK, "calibrate": "none"})
    kept = loop.best_epoch(history)
    assert (kept["final_accuracy"], kept["final_loss"]) == pytest.approx((kept["val_accuracy"], kept["val_loss"]))


def test_weights_saved_and_loaded_answer_alike(fitted, tmp_path):
    name, model, tokenizer, _, _ = fitted
    module, network = toy(name)
    model.save_weights(tmp_path / "weights.h5")
    other = calibration.calibrated(module.build_network(vocabulary(name), network, 4), 1.0, np.zeros(4))
    other.load_weights(tmp_path / "weights.h5")
    inputs = tokenizer(tf.constant(TRAIN[0][:5]))
    np.testing.assert_allclose(probabilities(other, inputs), probabilities(model, inputs), atol=1e-6)


def test_what_serves_is_what_trained(fitted):
    _, model, tokenizer, _, folder = fitted
    texts = rows(1000 - len(ODD), 3)[0].tolist() + ODD
    trained = loop.logits(model, batching.encode(tokenizer, np.array([_raw(text) for text in texts], dtype=object)))
    served = export.predict(folder, texts, batch=256)
    np.testing.assert_allclose(served, tf.nn.softmax(trained), atol=1e-4)


def test_both_signatures_answer_alike_and_name_the_likeliest_label(served):
    signatures = served.signatures
    examples = [_example(text) for text in ODD] + [tf.train.Example().SerializeToString()]
    answers = signatures["serving_default"](examples=tf.constant(examples))
    asked = signatures["classify"](text=tf.constant([_raw(text) for text in [*ODD, ""]]))
    assert sorted(answers) == sorted(asked) == ["label", "label_id", "probabilities"]
    np.testing.assert_allclose(answers["probabilities"], asked["probabilities"], atol=1e-6)
    np.testing.assert_allclose(np.sum(answers["probabilities"], axis=1), 1, atol=1e-5)
    assert asked["label_id"].dtype == tf.int64 and asked["probabilities"].dtype == tf.float32
    assert [LABELS[i] for i in asked["label_id"]] == [label.decode() for label in asked["label"].numpy()]
    np.testing.assert_array_equal(asked["label_id"], np.argmax(asked["probabilities"], axis=1))


def test_only_a_family_with_attention_exports_a_signature_for_it(fitted, served):
    offered = hasattr(toy(fitted[0])[0], "build_explainer")
    assert ("explain" in served.signatures) == offered


def test_what_each_word_adds_is_exported_where_a_linear_part_is(fitted, served):
    name, signatures = fitted[0], served.signatures
    assert ("contributions" in signatures) == (name == "linear" or "+" in name)
    if "contributions" in signatures:
        answer = signatures["contributions"](text=tf.constant("goal coach striker coach"))
        names, added = answer["features"].numpy().tolist(), answer["contributions"].numpy()
        assert {b"goal", b"coach", b"striker"} <= set(names) and len(names) == len(set(names)) == len(added)
        assert added[names.index(b"coach")].argmax() == LABELS.index("Sports")


def test_attention_adds_up_to_one_over_real_tokens_and_is_nothing_at_padding(fitted, served):
    if not hasattr(toy(fitted[0])[0], "build_explainer"):
        return
    texts = tf.constant([_raw(text) for text in ["goal coach treaty", "merger", *ODD]])
    signatures = served.signatures
    explained, asked = signatures["explain"](text=texts), signatures["classify"](text=texts)
    np.testing.assert_array_equal(explained["label"], asked["label"])
    np.testing.assert_allclose(explained["probabilities"], asked["probabilities"], atol=1e-6)
    attention, real = explained["attention"].numpy(), explained["tokens"].numpy() != b""
    batch, heads, rows, length = attention.shape
    assert attention.dtype == np.float32 and heads >= 1
    assert (batch, length) == real.shape and rows in (1, length)
    assert (np.sort(real, axis=1)[:, ::-1] == real).all()
    sums = real if rows == length else real.any(axis=1, keepdims=True)
    np.testing.assert_allclose(attention.sum(axis=-1), np.repeat(sums[:, np.newaxis], heads, axis=1), atol=1e-5)
    assert (np.moveaxis(attention, -1, 1)[~real] == 0).all()


def test_a_row_s_attention_does_not_depend_on_its_neighbours(fitted, served):
    if not hasattr(toy(fitted[0])[0], "build_explainer"):
        return
    explain = served.signatures["explain"]
    alone = explain(text=tf.constant(["goal coach"]))
    among = explain(text=tf.constant(["goal coach", "shares profit bank merger oil " * 3]))
    length = alone["tokens"].shape[1]
    assert among["tokens"][0, :length].numpy().tolist() == alone["tokens"][0].numpy().tolist()
    rows = alone["attention"].shape[2]
    np.testing.assert_allclose(among["attention"][:1, :, :rows, :length], alone["attention"], atol=1e-5)


def test_an_export_consists_of_listed_operations_alone(fitted):
    *_, folder = fitted
    assert op_allowlist.look(folder, 100)[0] == []


def test_an_export_holds_no_keras_objects(fitted, served):
    assert not (fitted[-1] / "keras_metadata.pb").exists()
    assert not isinstance(served, tf_keras.Model)


class Interrupted(Exception):
    """Stands for a killed process."""


@pytest.mark.parametrize("name", ["attention-rnn+wide", "hf-classifier+wide"])
def test_an_extended_vocabulary_keeps_each_part_s_tokens_in_order(name):
    """New tokens and new keys come behind the old ones, so that the two mix."""
    module, network = toy(name)
    tokens = vocabulary(name)
    keys = [token for token in tokens if wide.parts([token])[0] == []]
    mixed = [*(token for token in tokens if token not in keys), *keys[:3], "newcomer", *keys[3:]]
    own, theirs = wide.parts(mixed)
    assert own[-1] == "newcomer" and [f"#{key}" for key in theirs[2:]] == keys
    assert module.build_tokenizer(mixed, network)(tf.constant(["goal coach"]))[wide.FEATURES].shape[0] == 1


def test_an_interrupted_training_goes_on_and_ends_as_if_it_had_not_been(fitted, tmp_path):
    name, model, _, history, _ = fitted
    if len(history) == 1:
        return  # fitted in one go
    if name in WIDE and name != "transformer+wide":
        return  # the part that can be interrupted is the family's, which has its own case; the linear part is fitted after it

    def interrupt(epoch, *_):
        if 1 < epoch < 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(name, tmp_path, report=interrupt)
    seen = []
    resumed, _, again = fit(name, tmp_path, report=lambda epoch, *_: seen.append(epoch))
    assert 1 < seen[0] < 2 and seen[-1] == 3
    assert [row["loss"] for row in again] == pytest.approx([row["loss"] for row in history], abs=1e-5)
    for ours, theirs in zip(resumed.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def _raw(text) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _example(text) -> bytes:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[_raw(text)]))
    return tf.train.Example(features=tf.train.Features(feature={"text": feature})).SerializeToString()
