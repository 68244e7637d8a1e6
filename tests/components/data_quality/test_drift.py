"""Distances of profiles."""

import json

from components.data_quality import drift


def profile(counts: dict[str, int]) -> dict:
    return {"words": {word: [count, 0] for word, count in counts.items()}, "tokens": [sum(counts.values()), 0]}


def test_the_most_frequent_words_are_compared_in_whatever_order_a_profile_has_them(monkeypatch):
    monkeypatch.setattr(drift, "WORDS", 2)
    before, now = (
        profile({"the": 5000, "of": 4000, "art": 3, "bee": 2}),
        profile({"the": 5000, "of": 400, "art": 3, "bee": 3600}),
    )
    read = json.loads(json.dumps(before, sort_keys=True))
    assert list(read["words"]) != list(before["words"])
    assert drift.words(read, now) == drift.words(before, now) > 0.3
    swapped = profile({"the": 400, "of": 5000, "art": 3, "bee": 3600})
    assert drift.words(read, swapped) == drift.words(before, swapped)
