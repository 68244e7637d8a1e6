"""The numbers behind the verdict's plots, worked by hand."""

import numpy as np
import pytest

from components.evaluation import diagnostics

PROBABILITIES = np.array([[0.96, 0.04], [0.75, 0.25], [0.35, 0.65], [0.55, 0.45]])
TRUTH = np.array([0, 0, 0, 1])  # the third and the fourth are wrong


def test_coverage_counts_the_rows_that_reach_each_confidence_and_how_many_are_right():
    points = {point["min_confidence"]: point for point in diagnostics.coverage(TRUTH, PROBABILITIES)}
    assert list(points) == sorted(diagnostics.CONFIDENCES)
    assert points[0.0] == {"min_confidence": 0.0, "rows": 4, "coverage": 1.0, "accuracy": 0.5}
    assert points[0.6]["accuracy"] == pytest.approx(2 / 3) and points[0.6]["rows"] == 3
    assert points[0.7] == {"min_confidence": 0.7, "rows": 2, "coverage": 0.5, "accuracy": 1.0}
    assert points[0.99] == {"min_confidence": 0.99, "rows": 0, "coverage": 0.0, "accuracy": None}


def test_without_rows_there_is_no_curve():
    assert diagnostics.coverage(np.zeros(0, int), np.zeros((0, 2))) == []
