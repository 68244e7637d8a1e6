"""No cell that anything here writes is obeyed by a spreadsheet, and each can be turned back into its text."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core import csv_escape
from components.data.row_format import BadRow
from pipelines.cli import predict
from pipelines.monitoring import batch_files

UNSEEN = ["", " ", "\u3000", "\u200b", "\ufeff", "\u00ad", "\u2060", "\x00", "\u2028", "\ufe0f", " \u200b \u2060"]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "﹦", "﹣"])
@pytest.mark.parametrize("unseen", UNSEEN)
def test_a_formula_behind_what_is_not_shown_becomes_text(unseen, sign):
    text = f"{unseen}{sign}1"
    assert csv_escape.safe(text) == "'" + text and csv_escape.restored(csv_escape.safe(text)) == text


@pytest.mark.parametrize("text", ["'=1", "''", "\t1", "\r1", "\n1"])
def test_an_apostrophe_or_a_line_end_before_anything_is_kept_apart(text):
    assert csv_escape.safe(text) == "'" + text


@pytest.mark.parametrize("text", ["", "plain - text", "1=1", " Goal", "\u200bGoal", "\u200b", "(=1)"])
def test_what_is_no_formula_stays(text):
    assert csv_escape.safe(text) == text


@given(st.text(max_size=8))
def test_any_text_comes_back(text):
    assert csv_escape.restored(csv_escape.safe(text)) == text


def test_a_class_name_is_no_formula_either():
    answers = [{"label": "=cmd()", "label_id": 0, "probabilities": [1.0], "model_version": 1}]
    (row,) = csv.DictReader(io.StringIO(predict.as_csv(["text"], answers), newline=""))
    assert row["label"] == "'=cmd()"


def test_the_quarantine_of_a_run_and_of_the_monitor_hold_the_same_cells():
    row = BadRow(3, "label", "\u200b＝cmd", "is outside the labels")
    assert batch_files.cells("=a.csv", row) == ["'=a.csv", 3, "label", "'\u200b＝cmd", "is outside the labels"]
