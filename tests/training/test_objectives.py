"""The terms of training against values worked out by hand."""

import math

import pytest
import torch

from unclouded.training import objectives


def test_reconstruction_counts_only_what_weighs() -> None:
    predicted, truth = torch.tensor([[1.0, 5.0]]), torch.tensor([[0.5, 0.0]])
    assert float(objectives.reconstruction(predicted, truth, torch.tensor([[1.0, 0.0]]))) == pytest.approx(0.5)
    assert float(objectives.reconstruction(predicted, truth, torch.zeros(1, 2))) == 0


def test_the_crps_rewards_the_true_spread() -> None:
    rng = torch.Generator().manual_seed(0)
    truth = torch.randn(200_000, generator=rng)
    weight = torch.ones_like(truth)

    def score(spread: float) -> float:
        first, second = (spread * torch.randn(200_000, generator=rng) for _ in range(2))
        return float(objectives.crps(first, second, truth, weight))

    # The score of N(0, 1) forecasts for N(0, 1) truth is 1 / sqrt(pi).
    assert score(1.0) == pytest.approx(torch.pi**-0.5, abs=0.01)
    assert score(1.0) < min(score(0.3), score(3.0))


def test_the_best_predicted_error_is_the_mean_one() -> None:
    error = torch.tensor([0.01, 0.03, 0.08])
    weight = torch.ones(3)

    def score(expected: float) -> float:
        return float(objectives.laplace_nll(torch.full((3,), expected), error, weight))

    assert score(0.04) < min(score(0.038), score(0.042))
    assert score(0.04) == pytest.approx(math.log(4) + 1)
    assert math.isfinite(score(0.0))
    only_first = torch.tensor([1.0, 0.0, 0.0])
    assert float(objectives.laplace_nll(torch.full((3,), 0.01), error, only_first)) == pytest.approx(1)


def test_spectral_angle_ignores_brightness() -> None:
    spectrum = torch.rand(1, 13, 4, 4) + 0.1
    one = torch.ones(1, 1, 4, 4)
    assert float(objectives.spectral_angle(2 * spectrum, spectrum, one)) == pytest.approx(0, abs=1e-6)
    first, second = torch.zeros(1, 2, 1, 1), torch.zeros(1, 2, 1, 1)
    first[0, 0], second[0, 1] = 1, 1
    assert float(objectives.spectral_angle(first, second, one[..., :1, :1])) == pytest.approx(1)


def test_detection_is_zero_at_the_truth_only() -> None:
    cloud_shadow_fraction = torch.rand(1, 1, 8, 8) * 0.8
    one = torch.ones_like(cloud_shadow_fraction)
    target = objectives.replacement(cloud_shadow_fraction)
    assert float(objectives.detection(target, cloud_shadow_fraction, one)) == pytest.approx(0, abs=1e-6)
    assert float(objectives.detection((target + 0.1).clamp(max=1), cloud_shadow_fraction, one)) > 0.005


def test_replacement_saturates() -> None:
    cloud_shadow_fraction = torch.tensor([0.0, 0.02, 0.4, 1.0])
    replaced = objectives.replacement(cloud_shadow_fraction)
    assert float(replaced[0]) == 0
    assert float(replaced[1]) < 0.1
    assert float(replaced[2]) > 0.85
    assert float(replaced[3]) == 1


def test_least_squares_labels() -> None:
    assert float(objectives.least_squares(torch.ones(3), real=True)) == 0
    assert float(objectives.least_squares(torch.ones(3), real=False)) == 1


def test_a_cycle_by_distributions_lets_a_cloud_come_back_elsewhere() -> None:
    image = torch.full((1, 2, 8, 8), 0.1)
    image[..., :4] = 0.8
    moved, gone = image.flip(3), torch.full_like(image, 0.1)
    weight = torch.ones(1, 1, 8, 8)
    assert objectives.cycle(moved, image, weight) > 1
    assert objectives.cycle_of_distributions(moved, image, weight) == pytest.approx(0, abs=1e-6)
    assert objectives.cycle_of_distributions(gone, image, weight) == pytest.approx(
        float(objectives.cycle(gone, image, weight)), rel=1e-6
    )


def test_cycles_count_only_what_weighs() -> None:
    image, back = torch.rand(1, 2, 8, 8), torch.rand(1, 2, 8, 8)
    weight = torch.zeros(1, 1, 8, 8)
    weight[..., :2, :] = 1
    back[..., :2, :] = image[..., :2, :]
    assert objectives.cycle(back, image, weight) == 0
    assert objectives.cycle_of_distributions(back, image, weight) == 0


def test_mode_seeking_falls_as_images_differ() -> None:
    z = (torch.zeros(1, 4), torch.ones(1, 4))
    image = torch.full((1, 1, 4, 4), 0.2)
    near, far = (objectives.mode_seeking(image, image + step, z) for step in (0.01, 0.2))
    assert near > far
    assert objectives.mode_seeking(image, image, z) == pytest.approx(100)


def test_change_is_the_share_that_is_replaced_of_what_holds_data() -> None:
    opacity, weight = torch.tensor([[[[1.0, 0.5, 0.7]]]]), torch.tensor([[[[1.0, 1.0, 0.0]]]])
    assert float(objectives.change(opacity, weight)) == pytest.approx(0.75)
    assert float(objectives.change(opacity, torch.zeros_like(weight))) == 0
