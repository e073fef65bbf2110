import numpy as np
import pytest
import torch

from unclouded.bands import L1C, NAMES
from unclouded.detection.classes import CLEAR, NO_DATA, SHADOW, THICK_CLOUD, THIN_CLOUD
from unclouded.detection.opacity import (
    CONTRAST_RADIUS,
    EVIDENCE_RADIUS,
    RIM_RADIUS,
    SHADOW_SIDE_RADIUS,
    ceiling,
    classify,
    compose_opacity,
    contrast,
    cover,
    cover_input,
    departure,
    dilate,
    enlarge,
    evidence,
    may_be_covered,
    trust_factor,
)

EVERY = torch.linspace(0, 1, 101).view(1, 1, 1, 101)
ALL = torch.ones(1, 1, 1, 101)


def layers(*values):
    """Evidence or contrast that is the same for all of `EVERY`."""
    return torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1).expand(1, -1, 1, 101)


def test_without_detected_cover_around_no_pixel_is_replaced_whatever_the_opacity():
    opacity = compose_opacity(EVERY, layers(0, 0, 0, 0), layers(1, 1), ALL)
    assert (opacity == 0).all()
    assert compose_opacity(EVERY, layers(0, 0, 0, 0), layers(1, 1), ALL, threshold=0.05).max() > 0.1


def test_near_cover_the_network_alone_is_believed():
    opacity = compose_opacity(EVERY, layers(0, 0, 1, 0), layers(0, 0), ALL)
    assert torch.allclose(opacity[..., 40:97], EVERY[..., 40:97], atol=1e-4)
    assert (opacity[..., :20] == 0).all()


@pytest.mark.parametrize("kind", [0, 1])
def test_what_the_detector_is_sure_of_is_replaced_where_it_departs_from_the_ground(kind):
    found = [0, 0, 1, 0]
    found[kind] = 1
    departed = [0, 0]
    departed[kind] = 1
    assert compose_opacity(EVERY, layers(*found), layers(*departed), ALL).min() > 0.85
    thin = compose_opacity(EVERY, layers(*found), layers(0, 0), ALL)
    assert torch.allclose(thin, compose_opacity(EVERY, layers(0, 0, 1, 0), layers(0, 0), ALL))


def test_opacity_rises_with_each_evidence_and_has_no_step():
    for place in range(4):
        steps = []
        for value in np.linspace(0, 1, 201):
            found = [0.3, 0.2, 0.5, 0.1]
            found[place] = value
            steps.append(compose_opacity(EVERY, layers(*found), layers(0.5, 0.5), ALL))
        change = torch.stack(steps).diff(dim=0)
        assert change.min() >= -1e-6
        assert change.max() < 0.05


def test_what_a_given_mask_covers_is_replaced_wholly_and_smoothly():
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 10:20, 10:20] = 1
    soft = cover(mask)
    assert (soft[..., 10:20, 10:20] == 1).all()
    assert (soft[..., :5, :] == 0).all()
    assert soft.diff(dim=-1).abs().max() < 0.4
    none = torch.zeros(1, 4, 32, 32)
    opacity = compose_opacity(torch.zeros(1, 1, 32, 32), none, none[:, :2], none[:, :1] + 0.5, mask=soft)
    assert torch.equal(opacity, soft)


@pytest.mark.parametrize(
    "found, given, expected",
    [
        ((1, 0, 1, 0), 0, 1),
        ((0, 1, 1, 0), 0, 1),
        ((0.8, 0.7, 1, 0), 0, 1),
        ((0, 0, 1, 0), 0, -1),
        ((0.5, 0, 1, 0), 0, 0),
        ((0, 0, 0, 1), 0, 0),
        ((0.4, 0, 0, 1), 0, 0.4),
        ((0, 0, -100, -100), 0, -1),
        ((0, 0, -100, -100), 1, 1),
        ((0.2, 0, 1, 0), 1, 1),
    ],
)
def test_the_cover_input_has_cloud_and_shadow_and_is_unknown_where_haze_is_not_detected(found, given, expected):
    assert torch.allclose(cover_input(layers(*found), layers(given)), torch.tensor(float(expected)), atol=1e-6)
    if not given:
        assert torch.equal(cover_input(layers(*found)), cover_input(layers(*found), layers(0)))


def test_tiles_that_can_hold_no_cover_are_known_beforehand():
    rng = torch.Generator().manual_seed(0)
    found = torch.rand(1, 4, 40, 40, generator=rng) ** 3
    for threshold in (0.2, 0.6):
        may = may_be_covered(found, threshold)
        sure = torch.ones(1, 2, 40, 40)
        most = compose_opacity(sure[:, :1], found, sure, sure[:, :1], threshold)[:, 0]
        assert not (most[~may] > 0).any()
        assert may.any()
        assert not may.all()
        network = torch.rand(1, 1, 40, 40, generator=rng)
        seen = may_be_covered(found, threshold, network)
        assert not (compose_opacity(network, found, sure, sure[:, :1], threshold)[:, 0][~seen] > 0).any()
        assert not (seen & ~may).any()
        assert seen.sum() < 0.8 * may.sum()
    assert may_be_covered(found, 0.05).all()
    assert may_be_covered(found, 0.0).all()


def test_evidence_is_local():
    rng = torch.Generator().manual_seed(0)
    probabilities = torch.rand(1, 4, 2 * EVIDENCE_RADIUS + 41, 30, generator=rng) ** 8
    changed = probabilities.clone()
    changed[:, :, 0] = 0.5
    same = (evidence(probabilities) == evidence(changed)).all(dim=1)[0].all(dim=1)
    assert same[EVIDENCE_RADIUS + 1 :].all()
    assert not same.all()
    part = evidence(probabilities[:, :, 10 : 2 * EVIDENCE_RADIUS + 30])[:, :, EVIDENCE_RADIUS : EVIDENCE_RADIUS + 10]
    assert torch.allclose(part, evidence(probabilities)[:, :, EVIDENCE_RADIUS + 10 : EVIDENCE_RADIUS + 20], atol=1e-6)


def test_a_shadow_counts_only_with_a_cloud_around():
    probabilities = torch.zeros(1, 4, 20, 200)
    probabilities[:, 1] = 1
    probabilities[:, 0, :, :10] = 1
    found = evidence(probabilities)
    assert found[0, 1, 10, 5] == 1
    assert found[0, 1, 10, 150] == 0
    assert found[0, 2].min() == 1


def test_without_a_cloud_a_shadow_counts_by_how_much_too_dark_the_land_is():
    probabilities = torch.zeros(1, 4, 20, 60)
    probabilities[:, 1] = 0.5
    probabilities[:, 3, :, :20] = 1
    found = evidence(probabilities)
    assert torch.allclose(found[0, 1, :, :18], torch.tensor(0.75))
    probabilities[:, 3, :, :20] = 0.5
    assert torch.allclose(evidence(probabilities)[0, 1, :, :18], torch.tensor(0.375))
    assert not found[0, 1, :, 24:].any()
    probabilities[:, 1] = 0
    assert not evidence(probabilities).any()  # dark land alone is nothing


def test_dark_land_beside_a_shadow_is_shadow_and_other_land_is_not():
    probabilities = torch.zeros(1, 4, 60, 60)
    probabilities[:, 1, :, :20] = 1
    probabilities[:, 3, :30] = 1
    shadow = evidence(probabilities)[0, 1]
    assert (shadow[:28, :20] == 1).all() and (shadow[:28, :23] > 0.2).all()
    assert not shadow[:, 20 + 2 * (SHADOW_SIDE_RADIUS + RIM_RADIUS) :].any()  # a lake far off
    assert not shadow[30 + 2 * RIM_RADIUS :].any()


def test_a_rim_is_taken_along_by_half_a_pixel_and_a_faint_speck_is_not():
    probabilities = torch.zeros(1, 4, 20, 20)
    probabilities[:, 0, :, :10] = 1
    cloud = evidence(probabilities)[0, 0, 10]
    assert (cloud[:10] == 1).all() and cloud[10] == 0.5 and not cloud[11:].any()
    probabilities[:] = 0
    probabilities[:, 0, 10, 10] = 0.5
    assert evidence(probabilities)[0, 0].max() < 0.1


def test_a_shadow_need_not_be_darker_than_ground_that_nothing_shows():
    assert torch.equal(contrast(layers(0.3, 0.003), EVERY)[:, :1], layers(1))
    dark = contrast(layers(0.3, 0.003), EVERY)[0, 1, 0]
    assert dark[0] > 0.2 and torch.allclose(dark[-1], torch.tensor(0.05))
    assert (dark.diff() <= 0).all()
    assert torch.equal(contrast(layers(0.3, 0.09), EVERY), layers(1, 1))


def test_half_of_a_pixel_is_kept_that_departs_little_from_ground_that_is_a_guess():
    assert torch.equal(ceiling(layers(0.03, 0.03), 0.1 + EVERY), ALL)
    most = ceiling(layers(0.03, 0.03), EVERY)[0, 0, 0]
    assert most[0] == 0.5 and (most[10:] == 1).all()
    assert (most.diff() >= 0).all() and most.diff().max() < 0.1
    for kind in (0, 1):
        departed = torch.zeros(1, 2, 1, 101)
        departed[:, kind] = 0.25 * EVERY[0]
        most = ceiling(departed, torch.zeros_like(EVERY))[0, 0, 0]
        assert most[0] == 0.5 and (most[-16:] == 1).all()
        assert (most.diff() >= 0).all() and most.diff().max() < 0.02


def test_beside_certain_cloud_no_line_is_kept():
    departed = torch.zeros(1, 2, 40, 40)
    departed[:, 0, :, 20:] = 0.5
    departed[:, 0, :, 18:20] = 0.1
    most = ceiling(departed, torch.zeros(1, 1, 40, 40))[0, 0, 20]
    assert (most[18:] == 1).all()
    assert (most[: 20 - CONTRAST_RADIUS + 2] < 0.7).all() and most.diff().abs().max() < 0.15


def test_the_more_is_covered_around_the_more_something_is_found_there():
    found = []
    for side in (1, 4, 12, 33):
        probabilities = torch.zeros(1, 4, 81, 81)
        corner = 40 - side // 2
        probabilities[:, 0, corner : corner + side, corner : corner + side] = 1
        found.append(float(evidence(probabilities)[0, 2, 40, 40 + 17]))
    assert found == sorted(found) and found[0] < 0.4 < 0.6 < found[-1]


def test_widening_keeps_what_is_flat_and_never_overshoots():
    x = torch.zeros(1, 1, 30, 30)
    x[..., 12:15, 12:15] = 0.7
    wide = dilate(x, 2)
    assert torch.allclose(wide[..., 12:15, 12:15], torch.tensor(0.7))
    assert wide.max() <= 0.7 + 1e-6
    assert torch.equal(dilate(x, 0), x)


def test_parts_of_the_grid_are_enlarged_to_what_the_whole_gives():
    coarse = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    whole = enlarge(coarse, 4, 0, 0, 80, 80)
    part = enlarge(coarse[..., 4:13, 6:14], 4, 4, 4, 28, 24)
    assert torch.allclose(part, whole[..., 20:48, 28:52], atol=1e-6)


def test_departure_is_of_the_mean_of_the_visible_or_of_the_near_infrared():
    ground = torch.full((1, 13, 9, 9), 0.1)
    soil, dark = ground.clone(), ground.clone()
    soil[:, NAMES.index("B04")] += 0.06
    dark[:, NAMES.index("B08")] -= 0.08
    assert torch.allclose(departure(ground + 0.1, ground, L1C), torch.tensor([0.1, -0.1]).view(1, 2, 1, 1))
    assert torch.allclose(departure(soil, ground, L1C), torch.tensor([0.02, 0.0]).view(1, 2, 1, 1))
    assert torch.allclose(departure(dark, ground, L1C), torch.tensor([0.0, 0.08]).view(1, 2, 1, 1), atol=1e-7)
    assert (departure(ground, ground, ("B11", "B12")) == 1).all()


def test_a_pixel_counts_as_cloud_in_proportion_to_how_far_it_outshines_the_ground():
    for departed, counts in ((-0.1, 0), (0, 0), (0.01, 0.25), (0.03, 0.75), (0.04, 1), (0.5, 1)):
        assert torch.allclose(contrast(layers(departed, 0), EVERY)[:, 0], torch.tensor(float(counts)))


def test_brightness_is_widened_to_the_fringes_of_a_cloud_and_no_farther():
    ground = torch.full((1, 13, 40, 40), 0.1)
    cloudy = ground.clone()
    cloudy[..., 20:, 20:] += 0.5
    cloudy[:, NAMES.index("B08"), :20] -= 0.08
    bright, dark = contrast(departure(cloudy, ground, L1C), torch.ones(1, 1, 40, 40))[0]
    assert (bright[20 - 2 :, 20 - 2 :] == 1).all()
    assert (bright[: 20 - 4] == 0).all() and (bright[:, : 20 - 4] == 0).all()
    assert (dark[:18] == 1).all() and (dark[22:] == 0).all()


def test_what_is_made_of_pixels_is_local():
    rng = torch.Generator().manual_seed(0)
    ground, optical = torch.rand(2, 1, 13, 60, 60, generator=rng) * 0.3
    changed = optical.clone()
    changed[..., 30, 30] += 0.5
    known = torch.zeros(1, 1, 60, 60)
    for make in (contrast, ceiling):
        one, other = (make(departure(image, ground, L1C), known) for image in (optical, changed))
        rows, columns = torch.nonzero((one != other)[0].any(dim=0)).T
        assert 0 < abs(rows - 30).max() <= CONTRAST_RADIUS and 0 < abs(columns - 30).max() <= CONTRAST_RADIUS


def test_trust_falls_under_cover_on_any_grid():
    for along in (1, 2, 4):
        probabilities = torch.zeros(1, 4, 10 * along - along // 2, 12 * along)
        probabilities[:, 0, :, : 4 * along] = 1
        left = trust_factor(probabilities)
        assert left.shape == (1, 1, *probabilities.shape[2:])
        assert torch.allclose(left[..., : 4 * along], torch.tensor(0.1))
        assert torch.allclose(left[..., 9 * along :], torch.tensor(1.0))


def test_classes_separate_thick_from_thin_and_cloud_from_shadow():
    opacity = torch.tensor([0.0, 0.9, 0.4, 0.9, 0.9, 0.9]).view(1, 1, 1, 6)
    network = torch.tensor([0.9, 0.9, 0.3, 0.9, 0.1, 0.5]).view(1, 1, 1, 6)
    found = torch.tensor([[0, 1, 0, 0, 1, 1], [0, 0, 0, 1, 0, 0], [0, 1, 1, 1, 1, 1]]).float().view(1, 3, 1, 6)
    departed = torch.tensor([[0, 1, 0.5, 0, 1, 1], [0, 0, 0, 1, 0, 0]]).float().view(1, 2, 1, 6)
    valid = torch.tensor([1, 1, 1, 1, 1, 0]).view(1, 1, 1, 6)
    classes = classify(opacity, network, found, departed, valid)
    assert classes.dtype == torch.uint8
    assert classes.flatten().tolist() == [CLEAR, THICK_CLOUD, THIN_CLOUD, SHADOW, THICK_CLOUD, NO_DATA]


def test_what_outshines_the_ground_is_no_shadow_and_what_is_darker_no_cloud():
    # A roof where the detector finds shadow, shadow where it finds cloud, and where the light tells nothing.
    cloud = torch.tensor([0.0, 1, 1, 0]).view(1, 1, 1, 4)
    found = torch.cat([cloud, 1 - cloud, torch.ones(1, 2, 1, 4)], dim=1)
    departed = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0]]).view(1, 2, 1, 4)
    every = torch.ones(1, 1, 1, 4)
    classes = classify(every, every, found, departed, every)
    assert classes.flatten().tolist() == [THICK_CLOUD, SHADOW, THICK_CLOUD, SHADOW]
