"""The model verdict's page on slices: what decided on a class, and what came of it."""

import numpy as np
import pytest

from pipelines.reports import model_verdict

PART = {
    "kind": "class", "rows": 1900, "difference": -0.042, "low": -0.05, "high": -0.03, "won": 0, "lost": 80, "p_worse": 1e-20,
    "limit": 0.01, "f1": 0.89, "change": -0.0046, "p": 0.0895, "fell": False, "recall_fell": False, "traded": False,
}  # fmt: skip
VERDICT = {
    "run": "run-1", "decision": "blessed", "reasons": [], "warnings": [], "digest": "d" * 64,
    "metrics": {"accuracy": 0.9, "interval": (0.8, 0.95), "confusion": np.eye(2, dtype=int).tolist(), "rows": 2},
}  # fmt: skip


def shown(**part):
    champion = {
        "accuracy": 0.9, "difference": 0.0, "low": -0.01, "high": 0.01, "won": 80, "lost": 80, "p_worse": 0.5,
        "slices": {"Business": {**PART, **part}},
    }  # fmt: skip
    return model_verdict.page({**VERDICT, "comparisons": {"champion": champion}}, ["World", "Business"])


@pytest.mark.parametrize(
    ("part", "word", "refused"),
    [({"traded": True}, "traded", False), ({"recall_fell": True}, "recall fell", True), ({"fell": True}, "fell", True)],
)
def test_a_class_is_shown_with_f1_and_what_came_of_it(part, word, refused):
    assert f"F1 -0.0046, p 0.0895 <b>{word}</b>" in shown(**part)
    assert ('<tr class="part bad">' in shown(**part)) == refused


def test_a_length_is_shown_without_f1_and_a_class_that_held_without_a_word():
    assert "<b>fell</b>" in shown(kind="length", fell=True)
    assert "F1 -0.0046" not in shown(kind="length", fell=True)
    assert "p 0.0895<" in shown()


def test_accuracy_over_coverage_is_drawn_and_tabled_where_it_was_measured():
    points = [
        {"min_confidence": 0.0, "rows": 100, "coverage": 1.0, "accuracy": 0.9137},
        {"min_confidence": 0.95, "rows": 40, "coverage": 0.4, "accuracy": 0.9876},
        {"min_confidence": 0.99, "rows": 0, "coverage": 0.0, "accuracy": None},
    ]
    metrics = {**VERDICT["metrics"], "coverage": points, "calibration_error": 0.0123}
    page = model_verdict.page({**VERDICT, "metrics": metrics, "comparisons": {}}, ["World", "Business"])
    assert "Accuracy over the share of rows labelled" in page and "accuracy: 0.9876" in page
    assert '<td class="n">0.95</td><td class="n">40.0%</td><td class="n">0.9876</td>' in page
    assert "Expected calibration error 0.012" in page
    assert "least confidence" not in model_verdict.page({**VERDICT, "comparisons": {}}, ["World", "Business"])


CELL = {
    "true": 0, "said": 1, "count": 40,
    "rows": [{"text": f"text {n} <script>", "sure": 0.9, "champion": "=World"} for n in range(30)],
}  # fmt: skip


def test_a_wrong_cell_of_the_matrix_opens_its_rows_a_bounded_number_and_says_how_many():
    verdict = {**VERDICT, "comparisons": {}, "metrics": {**VERDICT["metrics"], "confusion": [[60, 40], [0, 100]]}}
    page = model_verdict.page(verdict, ["World", "Business"], mistakes=[CELL])
    assert '<a href="#cell-0-1">40</a>' in page and '<div class="wide" id="cell-0-1">' in page
    assert page.count("&lt;script&gt;") == 25 and "40 rows, the 25 surest shown" in page and "<script" not in page
    assert '<a href="rows.csv" download>' in page
    assert "rows.csv" not in model_verdict.page(verdict, ["World", "Business"])


def test_the_file_of_rows_holds_all_that_were_kept_and_no_cell_that_a_spreadsheet_obeys():
    won = {"text": "+1", "true": "World", "said": "World", "champion": "Business", "sure": 0.75}
    lines = model_verdict.rows_as_csv(["World", "Business"], [CELL], {"won": {"count": 1, "rows": [won]}}).splitlines()
    assert lines[0] == "kind,true,candidate,probability,champion,text" and len(lines) == 32
    assert lines[1] == "wrong,World,Business,0.900000,'=World,text 0 <script>"
    assert lines[-1] == "won,World,World,0.750000,Business,'+1"


def test_fresh_rows_have_a_block_where_the_gate_measured_them():
    found = {
        "newest": {"accuracy": 0.9, "rows": 300}, "taken_out": {"champion": 2}, "comparisons": {},
        "days": [{"span": "2026-03-01", "rows": 300, "accuracy": 0.9, "interval": [0.86, 0.93], "champion": 0.88}],
    }  # fmt: skip
    page = model_verdict.page({**VERDICT, "comparisons": {}, "fresh": found}, ["World", "Business"])
    assert "Fresh rows: 0.9000 on 300 rows" in page and "2 left out that the champion learned from" in page
    assert "2026-03-01" in page and "0.8600 to 0.9300" in page
