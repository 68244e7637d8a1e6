"""Attention as numbers, as a picture and as a page: what a person is shown is what the model gave."""

import re

import numpy as np
import pytest

from components.evaluation import attention
from pipelines.reports import attention_page, attention_picture

LABELS = ["World", "Sports"]
SQUARE = np.array([[[0.5, 0.5, 0.0, 0.0], [0.1, 0.9, 0.0, 0.0], [0, 0, 0, 0], [0, 0, 0, 0]]], np.float32)


def answer(tokens, weights, label="Sports"):
    found = attention.words(tokens, attention.received(weights))
    return {
        "label": label, "label_id": 1, "probabilities": [0.25, 0.75], "tokens": tokens, "attention": weights,
        "words": found, "top": attention.top(found),
    }  # fmt: skip


def test_padding_is_taken_away_from_tokens_rows_and_columns():
    tokens, weights = attention.real(["goal", "coach", "", ""], SQUARE)
    assert tokens == ["goal", "coach"]
    np.testing.assert_array_equal(weights, SQUARE[:, :2, :2])
    tokens, weights = attention.real(["goal", "coach", ""], np.array([[[0.3, 0.7, 0.0]]]))
    assert weights.tolist() == [[[0.3, 0.7]]]


def test_what_a_token_receives_is_the_mean_over_heads_and_places():
    weights = np.stack([np.eye(2), [[1.0, 0.0], [1.0, 0.0]]])
    assert attention.received(weights).tolist() == [0.75, 0.25]
    assert attention.received(np.zeros((2, 0, 0))).tolist() == []


def test_pieces_become_words_again_and_marks_are_left_out():
    found = attention.words(
        ["[CLS]", "un", "##heard", "##-of", "goal", "[SEP]"], [0.5, 0.0625, 0.0625, 0.125, 0.125, 0.125]
    )
    assert found == [("unheard-of", 0.25), ("goal", 0.125)]


def test_the_top_names_a_word_once_with_the_most_it_received():
    found = [("a", 0.1), ("goal", 0.3), ("a", 0.4), ("b", 0.3)]
    assert attention.top(found, 2) == [("a", 0.4), ("goal", 0.3)]


@pytest.mark.parametrize(
    ("tokens", "weights"),
    [
        ([], np.zeros((1, 0, 0))),
        (["goal"], np.ones((1, 1, 1))),
        (["goal", "coach"], np.array([[[0.3, 0.7]]])),
        (["goal", "coach"], np.stack([np.eye(2)] * 5)),
        (["$", "$x^", "日本", "\U0001f600", "ا", "w" * 3_000], np.full((1, 6, 6), 1 / 6)),
        (["$", "a$b$", "日本", "_{"], np.full((1, 1, 4), 0.25)),
    ],
)
def test_any_tokens_become_a_picture_and_a_page(tmp_path, tokens, weights):
    attention_picture.draw(tmp_path / "map.png", tokens, weights, "Sports $0.75$, version 1")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert attention_page.page("version 1", [answer(tokens, weights)], LABELS).startswith("<!doctype html>")


def test_a_picture_of_many_heads_and_words_stays_a_size_that_opens(tmp_path):
    from matplotlib.image import imread

    words = [f"word{number}" for number in range(40)]
    attention_picture.draw(tmp_path / "map.png", words, np.full((12, 40, 40), 1 / 40), "many")
    height, width, _ = imread(tmp_path / "map.png").shape
    assert max(height, width) < 4_000


def test_the_page_shades_words_by_what_they_received_darkest_the_most():
    shown = attention_page.page("version 1", [answer(["goal", "coach"], np.array([[[0.25, 0.75]]]))], LABELS)
    assert re.findall(r'/([0-9.]+)\)" title="([0-9.]+%)">(\w+)<', shown) == [
        ("0.25", "25.0%", "goal"),
        ("0.75", "75.0%", "coach"),
    ]
    assert "World 0.250, Sports 0.750" in shown
    assert "<svg" not in shown


def test_the_page_draws_a_map_for_each_head_without_its_faintest_cells():
    shown = attention_page.page(
        "version 1", [answer(["goal", "coach"], np.stack([np.eye(2), np.full((2, 2), 0.5)]))], LABELS
    )
    assert shown.count("<svg") == 2
    assert shown.count("<rect") == 2 + 4
    assert "coach → goal 50.0%" in shown


def test_a_text_without_words_says_so():
    assert "no words that the model could read" in attention_page.page("v", [answer([], np.zeros((1, 0, 0)))], LABELS)


def test_everything_on_the_page_is_escaped_and_nothing_is_fetched():
    evil = "<script>alert(1)</script>\"'&"
    one = answer([evil, "goal"], np.full((1, 2, 2), 0.5), label=evil)
    shown = attention_page.page(evil, [one, answer([evil], np.ones((1, 1, 1)))], [evil, "x"])
    assert "<script" not in shown
    assert not re.search(r"https?:|src=|@import|url\(", shown)
