"""Calibration on answers whose truth is known."""

import numpy as np
from scipy.special import log_expit, softmax

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


def test_the_sigmoid_of_margins_is_found_and_errs_less_than_any_temperature():
    """Margins whose sigmoids, normalised, are the probabilities that the truth was drawn from."""
    margins = RANDOM.normal(size=(20_000, 4)) * 0.8 - 0.3
    sure = softmax(log_expit(margins * 4.0 - 0.5), axis=1)
    truth = np.array([RANDOM.choice(4, p=row) for row in sure])
    scale, offset = calibration.fit_sigmoid(margins, truth)
    assert abs(scale - 4) < 0.3 and abs(offset + 0.5) < 0.3
    (warmth,), _ = calibration.fit([margins], truth, with_offsets=False)
    error = calibration.expected_error(softmax(log_expit(margins * scale + offset), axis=1), truth)
    assert error < 0.01 < calibration.expected_error(softmax(margins * warmth, axis=1), truth)


def test_a_sigmoid_of_rows_told_apart_without_an_error_is_finite():
    scale, offset = calibration.fit_sigmoid(np.eye(2) * 2 - 1, np.array([0, 1]))
    assert 0 < scale < 5 and abs(offset) < 5


def test_rows_told_apart_without_an_error_keep_the_numbers_finite():
    scales, offsets = calibration.fit([np.eye(2)], np.array([0, 1]), with_offsets=True)
    assert 1 < scales[0] < 3 and np.isfinite(offsets).all()


def test_calibrated_answers_err_by_chance_alone_and_shifted_ones_by_more():
    sure = softmax(LOGITS, axis=1)
    assert calibration.expected_error(sure, TRUTH) < 2 * calibration.chance_error(sure)
    wrong = softmax(LOGITS * 3, axis=1)
    assert calibration.expected_error(wrong, TRUTH) > 0.05 + calibration.chance_error(wrong)
