"""Near-duplicates are found and strangers are not; profiles that differ lie apart and samples of one do not."""

import random

import numpy as np
import pytest
from data_kit import articles

from components.data_quality import drift, label_consistency
from components.data_quality.near_duplicates import Signatures
from components.data_quality.profile import Profile, words_of


def first_like(texts):
    signatures = Signatures()
    signatures.add(texts[:3])
    signatures.add(texts[3:])
    return signatures.first_like().tolist()


def test_a_text_with_one_word_changed_is_like_the_first_and_strangers_are_not():
    words = [f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(120)]
    base = words[:40]
    changed = [*base[:20], "other", *base[21:]]
    texts = [base, words[40:80], changed, words[80:], base]
    assert first_like([" ".join(text) for text in texts]) == [-1, -1, 0, -1, 0]


def test_order_counts_and_short_texts_do_not():
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    assert first_like([" ".join(words), " ".join(words[::2] + words[1::2]), "one two", "one two", ""]) == [-1] * 5


def test_nine_in_ten_of_many_near_duplicates_are_found():
    rng, texts = random.Random(0), [f"{t} {d}" for _, t, d in articles(500)]
    near = []
    for text in texts:
        words = text.split()
        words[rng.randrange(len(words))] = "changed"
        near.append(" ".join(words))
    signatures = Signatures()
    signatures.add(texts + near)
    matches = signatures.first_like()
    assert np.mean(matches[500:] == np.arange(500)) > 0.8 and np.mean(matches[:500] < 0) > 0.95


def profile(rows):
    counted = Profile(["a", "b", "c", "d"])
    for label, title, description in rows:
        text = f"{title} {description}"
        counted.add(title, text, words_of(text), label - 1)
    return counted.to_json()


@pytest.fixture(scope="module")
def two():
    rows = articles(3_000)
    random.Random(0).shuffle(rows)
    return rows


@pytest.mark.parametrize("size", [150, 1_000])
def test_two_samples_of_one_source_do_not_drift(two, size):
    whole, part = profile(two[1_000:]), profile(two[:size])
    assert max(f(whole, part) for f in (drift.labels, drift.lengths, drift.words)) < 0.1


def test_distance_runs_from_0_to_1():
    assert drift.distance([5, 5], [50, 50]) == 0
    assert drift.distance([1e6, 0], [0, 1e6]) == pytest.approx(1, abs=1e-3)
    assert drift.distance([], []) == 0 and drift.distance([0, 0], [1, 2]) == 0


def test_new_words_are_those_that_gained_most():
    before, now = (
        profile([(1, "old words", "stay " * 20)]),
        profile([(1, "news flash " * 9, "stay " * 20), (1, "old", "words")]),
    )
    assert [word for word, _, _ in drift.new_words(before, now)] == ["news", "flash"]


def test_noise_lowers_agreement_and_swapped_labels_turn_it(two):
    words = [(words_of(f"{t} {d}"), n - 1) for n, t, d in two]
    known, rng = profile(two[:2_000]), random.Random(1)
    clean = label_consistency.confusion(known, words[2_000:])
    noisy = label_consistency.confusion(
        known, [(w, rng.randrange(4) if rng.random() < 0.27 else n) for w, n in words[2_000:]]
    )
    turned = label_consistency.confusion(known, [(w, {1: 2, 2: 1}.get(n, n)) for w, n in words[2_000:]])
    assert label_consistency.share(clean)[0] > 0.75 and label_consistency.drop(clean, clean) == 0
    assert label_consistency.drop(noisy, clean) > 0.06
    assert (
        label_consistency.swapped(turned) == [(2, 1)]
        and label_consistency.swapped(clean) == label_consistency.swapped(noisy) == []
    )


def test_a_handful_of_rows_proves_no_noise():
    assert label_consistency.drop([[3, 2], [2, 3]], [[900, 100], [100, 900]]) == 0
    assert label_consistency.swapped([[0, 5], [5, 0]]) == []
