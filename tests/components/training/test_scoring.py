"""Rows in a stream are answered in their order, whatever the windows and batches in which a model sees them."""

import components  # noqa: F401, it sets what TensorFlow reads at its own import

# isort: split
import numpy as np
import published

from components.data import rows
from components.training import export, scoring

TEXTS = [b"%d %s" % (at, b"x" * (at * 7 % 30)) for at in range(100)]


def test_each_row_gets_its_own_answer_and_a_batch_holds_texts_of_like_length(monkeypatch):
    monkeypatch.setattr(scoring, "WINDOW", 32)
    asked = []

    def ask(texts):
        asked.append([len(text) for text in texts])
        return np.array([[int(text.split()[0]), 0] for text in texts], np.float32)

    found = scoring.answers(ask, rows.of(TEXTS), 2, batch=8)
    assert found[:, 0].tolist() == list(range(100)) and found.dtype == np.float32
    assert [len(batch) for batch in asked] == [8] * 12 + [4]
    for start in range(0, 12, 4):
        window = [size for batch in asked[start : start + 4] for size in batch]
        assert window == sorted(window)


def test_a_model_s_answers_do_not_depend_on_the_windows(monkeypatch):
    texts, _ = published.articles(90)
    whole = export.predict(published.model("good"), texts)
    monkeypatch.setattr(scoring, "WINDOW", 13)
    np.testing.assert_allclose(export.predict(published.model("good"), rows.of(texts)), whole, atol=1e-6)
    assert export.predict(published.model("good"), []).shape == (0, 4)
