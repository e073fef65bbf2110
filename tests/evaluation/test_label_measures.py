"""Average precision and calibration: by hand, on what one can foresee, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unclouded.errors import InputError
from unclouded.evaluation.labels import average_precision, calibration

RNG = np.random.default_rng(0)


def test_average_precision_by_hand():
    scores = np.array([[0.9, 0.2], [0.8, 0.1], [0.7, 0.3], [0.6, 0.4]])
    labels = np.array([[1, 0], [0, 0], [1, 0], [0, 0]])
    found = average_precision(scores, labels)
    assert found.per_class[0] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert np.isnan(found.per_class[1])
    assert found.macro == found.per_class[0]
    assert found.micro == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert found.samples == 1  # of each of the two images that bear a label, its label comes first


def test_equal_scores_share_a_rank_and_give_the_frequency():
    labels = np.array([[1, 0], [0, 1], [0, 1], [0, 1]])
    found = average_precision(np.full((4, 2), 0.5), labels)
    assert found.per_class == pytest.approx([1 / 4, 3 / 4])
    assert found.samples == found.micro == 1 / 2


@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
def test_order_makes_no_difference_and_the_best_ranking_gives_one(seed, count):
    rng = np.random.default_rng(seed)
    labels = rng.random((count, 4)) < 0.4
    labels[0] = True
    scores = rng.random((count, 4)).round(1)
    found = average_precision(scores, labels)
    order = rng.permutation(count)
    again = average_precision(scores[order], labels[order])
    assert again.per_class == pytest.approx(found.per_class)
    assert (again.samples, again.micro, again.macro) == pytest.approx((found.samples, found.micro, found.macro))
    assert 0 < found.macro <= 1
    best = average_precision(scores + 2 * labels, labels)
    assert (best.samples, best.micro, best.macro) == pytest.approx((1, 1, 1))


def test_probabilities_that_come_true_are_calibrated_and_bold_ones_are_not():
    p = RNG.random((20_000, 5))
    labels = RNG.random(p.shape) < p
    fair, bold = calibration(p, labels), calibration(np.where(p > 0.5, 0.99, 0.01), labels)
    assert fair.error < 0.01
    assert bold.error == pytest.approx(0.24, abs=0.01)
    assert fair.counts.sum() == p.size
    assert fair.probability == pytest.approx(fair.frequency, abs=0.03)


def test_calibration_by_hand():
    found = calibration([[0.0, 1.0], [0.2, 0.9]], [[0, 1], [1, 0]], bins=2)
    assert found.counts.tolist() == [2, 2]
    assert found.probability == pytest.approx([0.1, 0.95])
    assert found.frequency == pytest.approx([0.5, 0.5])
    assert found.error == pytest.approx((0.4 + 0.45) / 2)
    assert np.isnan(calibration([[0.9]], [[1]], bins=2).frequency[0])


@pytest.mark.parametrize("measure", [average_precision, calibration])
def test_what_does_not_fit_is_refused(measure):
    with pytest.raises(InputError, match="of one shape"):
        measure(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(InputError, match="2 of 3 images"):
        measure([[0.1], [np.nan], [np.nan]], [[1], [0], [1]])


def test_no_labels_and_no_probabilities_are_refused():
    with pytest.raises(InputError, match="none of 3 images"):
        average_precision(np.zeros((3, 2)), np.zeros((3, 2)))
    with pytest.raises(InputError, match="from 0 to 1 is accepted"):
        calibration([[1.5]], [[1]])
