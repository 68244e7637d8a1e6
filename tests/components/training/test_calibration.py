"""Calibration on answers whose truth is known."""

import numpy as np
from scipy.special import softmax

from components.training import calibration

RANDOM = np.random.default_rng(1)
LOGITS = RANDOM.normal(size=(6000, 4)) * 2
TRUTH = np.array([RANDOM.choice(4, p=row) for row in softmax(LOGITS, axis=1)])


def test_a_temperature_is_found():
    scales, offsets = calibration.fit([LOGITS / 3], TRUTH, with_offsets=False)
    assert abs(scales[0] - 3) < 0.15 and (offsets == 0).all()


def test_offsets_take_back_a_shift_between_classes():
    shift = np.array([1.0, -1.0, 0.5, -0.5])
    _, offsets = calibration.fit([LOGITS - shift], TRUTH, with_offsets=True)
    np.testing.assert_allclose(offsets, shift, atol=0.15)


def test_a_useless_part_gets_no_weight():
    scales, _ = calibration.fit([LOGITS, RANDOM.normal(size=LOGITS.shape)], TRUTH, with_offsets=False)
    assert scales[0] > 0.9 and scales[1] < 0.05


def test_rows_told_apart_without_an_error_keep_the_numbers_finite():
    scales, offsets = calibration.fit([np.eye(2)], np.array([0, 1]), with_offsets=True)
    assert 1 < scales[0] < 3 and np.isfinite(offsets).all()


def test_calibrated_answers_err_by_chance_alone_and_shifted_ones_by_more():
    sure = softmax(LOGITS, axis=1)
    assert calibration.expected_error(sure, TRUTH) < 2 * calibration.chance_error(sure)
    wrong = softmax(LOGITS * 3, axis=1)
    assert calibration.expected_error(wrong, TRUTH) > 0.05 + calibration.chance_error(wrong)
