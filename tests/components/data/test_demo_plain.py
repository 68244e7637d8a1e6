"""Sentences that a person would type are labelled as one expects by a model that the demo trained."""

import numpy as np
import pytest

from components.data import demo_corpus, demo_plain
from components.models import family
from components.training import loop
from pipelines.config.presets import PRESETS

TYPED = {
    "World": [
        "President meets prime minister for peace talks",
        "Troops attack rebels near the border",
        "Voters go to the polls",
        "Parliament rejects the treaty",
    ],
    "Sports": [
        "Striker signs for United",
        "Goalkeeper saves penalty in the final",
        "Team wins the league title",
        "Tennis champion out with injury",
    ],
    "Business": [
        "Stocks slide as oil hits a record",
        "Bank profits rise as interest rates fall",
        "Airline cuts jobs after a loss",
        "Investors worry about inflation",
    ],
    "Sci/Tech": [
        "Scientists discover a new planet",
        "New software fixes a security bug",
        "Astronauts land on the moon",
        "Hackers steal passwords online",
    ],
}


@pytest.mark.slow
def test_plain_sentences_get_the_label_that_one_expects(tmp_path):
    bag, preset = family("bag"), PRESETS["bag"]
    rows = list(demo_corpus.corpus())
    texts = np.array([f"{row.title} {row.description}".encode() for row in rows], object)
    ids, held = np.array([row.label for row in rows]), np.array([row.split == "test" for row in rows])
    import tensorflow as tf

    tokens = bag.build_vocabulary(tf.data.Dataset.from_tensor_slices(list(texts[~held])).batch(512), preset.network)
    settings = {**preset.training, "epochs": 4}
    train, check = (texts[~held], ids[~held]), (texts[held], ids[held])
    model, tokenizer, _ = loop.fit(bag, tokens, preset.network, settings, 1, train, check, 4, tmp_path)
    asked = [(text, label) for label, typed in TYPED.items() for text in typed]
    predicted = model(tokenizer(tf.constant([text for text, _ in asked]))).numpy().argmax(axis=1)
    wrong = [
        (text, demo_corpus.CLASSES[one])
        for (text, label), one in zip(asked, predicted)
        if demo_corpus.CLASSES[one] != label
    ]
    assert wrong == []


def test_one_subject_s_verb_ends_as_in_english():
    does = {act.split()[0]: one.split()[0] for desk in demo_plain.WORDS for act, one in zip(desk["act"], desk["does"])}
    assert [does[verb] for verb in ("win", "reach", "study", "play", "fix", "go", "cross", "bury")] == [
        "wins", "reaches", "studies", "plays", "fixes", "goes", "crosses", "buries",
    ]  # fmt: skip
