"""The monitor's rule on articles that came with a label: a fall below the card's accuracy that is not chance is a warning."""

import pytest

from pipelines.config.settings import MonitorSettings
from pipelines.monitoring import batch_check


def rules(rows, accuracy, card=0.9, **settings):
    figures = {"labelled": {"rows": rows, "accuracy": accuracy}, "expected_accuracy": card, "new_words": []}
    figures |= {"drift": {"words": None, "lengths": None, "classes": None}, "confidence": 0.9}
    counts = {"in": 500, "out": 500, "quarantined": 0}
    return batch_check.warnings(figures, counts, None, MonitorSettings(**settings))


@pytest.mark.parametrize(
    ("rows", "accuracy", "warned"),
    [
        (200, 0.90, False),
        (200, 0.87, False),  # 174 of 200 right is chance: p = 0.10
        (200, 0.80, True),
        (40, 0.80, False),  # 32 of 40 or fewer: p = 0.042
        (40, 0.70, True),
        (29, 0.20, False),  # fewer than `min_labelled`
        (20_000, 0.885, False),  # surely lower, but by less than `max_accuracy_drop`
        (0, None, False),
    ],
)
def test_accuracy_on_labelled_arrivals_is_judged_by_the_exact_binomial_test(rows, accuracy, warned):
    assert [each["rule"] for each in rules(rows, accuracy)] == ["accuracy"] * warned


def test_the_warning_names_both_accuracies_the_limit_and_the_chance():
    (warning,) = rules(200, 0.8)
    assert warning["message"].startswith(
        "accuracy on 200 articles that came with a label is 0.800, limit 0.880 (0.900 on "
    )
    assert "p = 1.7e-05" in warning["message"] and (warning["value"], warning["limit"]) == (0.8, 0.88)


def test_without_an_accuracy_on_the_card_it_is_not_judged():
    assert rules(200, 0.5, card=None) == []


def test_few_rows_in_all_do_not_silence_it():
    assert [each["rule"] for each in rules(60, 0.5, min_rows=1_000)] == ["accuracy"]
