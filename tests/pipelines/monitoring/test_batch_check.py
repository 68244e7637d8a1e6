"""The monitor's rule on articles that came with a label: a fall below the card's accuracy that is not chance is a warning."""

import csv
import json
from datetime import datetime, timezone

import numpy as np
import pytest

from components.core import request_log
from components.data import sources
from components.data.row_format import form_from
from components.data.text_cleaning import row_key
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


def test_no_row_of_a_request_log_counts_as_labelled(tmp_path):
    asked = [(f"goal coach {number}", "Sports", 0.9) for number in range(3)]
    rows = request_log.rows("r", datetime(2026, 3, 1, tzinfo=timezone.utc), 3, "d", asked)
    path = tmp_path / request_log.FILE
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    batch = batch_check.read([str(path)], form_from({}, ["World", "Sports"], labelled=False), print)
    assert len(batch) == 3 and (batch.given == -1).all()


def batch_of(folder, *files):
    paths = []
    for name, rows in files:
        paths.append(str(folder / name))
        with open(paths[-1], "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["label", "title", "description"], *rows])
    bad = []
    return batch_check.read(
        paths, form_from({}, ["World", "Sports"], labelled=False), lambda *row: bad.append(row)
    ), bad


def test_an_article_is_kept_once_where_it_comes_first_in_whatever_file(tmp_path):
    batch, bad = batch_of(
        tmp_path,
        ("a.csv", [["2", "Goal", "coach"], ["", "GOAL!", "Coach"], ["1", "Treaty", ""], ["1", "", ""]]),
        ("b.csv", [["", "treaty", ""], ["", "embassy", "border"], ["", "goal coach", ""]]),
    )
    for _ in range(2):  # the files are read anew
        found = [(one.title, one.given, one.line, one.file[-5:]) for one in batch.articles()]
        assert found == [("Goal", 1, 2, "a.csv"), ("Treaty", 0, 4, "a.csv"), ("embassy", -1, 3, "b.csv")]
    assert batch.rows == {"in": 7, "out": 3, "quarantined": 1, "duplicates": 3} and len(batch) == 3
    assert batch.keys.tolist() == [row_key(text) for text in ("Goal coach", "Treaty", "embassy border")]
    assert [one.key for one in batch.articles()] == [f"{key:016x}" for key in batch.keys.tolist()]
    assert batch.given.tolist() == [1, 0, -1]
    assert [(file[-5:], row.line) for file, row in bad] == [("a.csv", 5)] and batch.bad == bad[0]
    assert {at: one.title for at, one in batch.at([2, 0]).items()} == {0: "Goal", 2: "embassy"}
    assert batch.at([]) == {}


@pytest.mark.parametrize("rows", [[["", "one", ""]], [["", "one", ""], ["", "two", ""], ["", "three", ""]]])
def test_a_file_that_changes_while_it_is_read_stops_its_batch(tmp_path, rows):
    batch, _ = batch_of(tmp_path, ("a.csv", [["", "one", ""], ["", "two", ""]]))
    batch_of(tmp_path, ("a.csv", rows))
    with pytest.raises(sources.SourceError, match="must not change while they are read"):
        list(batch.articles())


def test_unknown_words_are_counted_text_by_text():
    profile = {"tokens": [8], "words": {"goal": [3], "coach": [3]}}
    share, surprise = batch_check.unknown_words([["goal", "zither"], ["coach"], []], profile)
    assert share.tolist() == [0.5, 0, 0] and surprise[0] > 0 > surprise[1] and surprise[2] == 0
    assert [each.tolist() for each in batch_check.unknown_words([["goal"]], None)] == [[0], [0]]
    assert np.isfinite(surprise).all()
