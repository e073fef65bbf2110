"""Predictions of a classifier, and the threshold from which a class counts as predicted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unclouded.bands import L2A, TEN
from unclouded.errors import InputError
from unclouded.evaluation.land_cover import check_bands, choose_threshold, decide, image_f1
from unclouded.models.land_cover import ClassifierSettings


def some(seed: int, classes: int = 5):
    rng = np.random.default_rng(seed)
    labels = rng.random((60, classes)) < 0.4
    probabilities = rng.random((60, classes)).astype(np.float32) * 0.6 + 0.3 * labels.astype(np.float32)
    return probabilities, labels


@given(st.integers(0, 1000), st.sampled_from(["softmax", "sigmoid"]))
def test_no_threshold_of_the_grid_is_better_than_the_chosen_one(seed: int, output: str) -> None:
    probabilities, labels = some(seed)
    chosen = image_f1(decide(probabilities, choose_threshold(probabilities, labels, output), output), labels)
    assert all(chosen >= image_f1(decide(probabilities, t, output), labels) - 1e-9 for t in (0.05, 0.3, 0.5, 0.7))


def test_a_gap_is_cut_in_its_middle() -> None:
    labels = np.array([[True, False], [False, True]])
    assert choose_threshold(np.where(labels, 0.8, 0.2).astype(np.float32), labels, "sigmoid") == pytest.approx(
        0.5, abs=0.02
    )


def test_a_softmax_always_predicts_its_most_probable_class() -> None:
    flat = np.array([[0.3, 0.36, 0.34]], np.float32)
    assert decide(flat, 0.5, "softmax").tolist() == [[False, True, False]]
    assert not decide(flat, 0.5, "sigmoid").any()


def test_f1_of_an_image() -> None:
    labels = np.array([[True, True, False], [False, False, True]])
    predicted = np.array([[True, False, True], [False, False, True]])
    assert image_f1(predicted, labels) == pytest.approx((0.5 + 1) / 2)
    assert image_f1(labels, labels) == 1
    assert image_f1(np.zeros((1, 3), bool), np.zeros((1, 3), bool)) == 0


def test_missing_bands_are_named_unless_subsets_were_learnt() -> None:
    present = torch.ones(2, 13)
    present[1, [0, 9]] = 0
    with pytest.raises(InputError, match="second: lacks B01, B09"):
        check_bands(ClassifierSettings(("a",), bands=L2A), present, ["first", "second"])
    check_bands(ClassifierSettings(("a",), bands=TEN), present, ["first", "second"])
    check_bands(ClassifierSettings(("a",), bands=L2A, subsets=True), present, ["first", "second"])
    with pytest.raises(InputError, match="first: lacks B10"):
        check_bands(ClassifierSettings(("a",), bands=("B10",), subsets=True), present * 0, ["first", "second"])
