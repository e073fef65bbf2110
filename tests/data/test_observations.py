"""Batches as the networks see them."""

import numpy as np
import pytest
import torch

from unclouded.bands import INDEX, L1C, L2A, NAMES, TEN
from unclouded.data.batch import GROUPS, Batch
from unclouded.data.observations import Augmentation, share_bands, to_observation

SIDES = {10: 24, 20: 12, 60: 4}
FLIP_ROTATE = Augmentation(flip_rotate=True, drop_bands=0, drop_guides=0)


def batch(count=3, names=L2A, seed=0, sides=SIDES):
    rng = np.random.default_rng(seed)
    groups = []
    for resolution, group in GROUPS.items():
        dn = rng.integers(1, 9000, (count, len(group), sides[resolution], sides[resolution])).astype(np.uint16)
        dn[:, [name not in names for name in group]] = 0
        groups.append(torch.from_numpy(dn))
    return Batch(
        *groups,
        radar=torch.from_numpy(rng.normal(-15, 3, (count, 2, sides[10], sides[10])).astype(np.float32)),
        present=torch.tensor([[float(name in names) for name in NAMES]] * count),
        guided=torch.ones(count, 2),
        labels=torch.zeros(count, 43),
        level=torch.ones(count),
        ids=[f"patch_{n}" for n in range(count)],
    )


def test_dn_become_reflectance_and_fine_bands_keep_every_value():
    given = batch()
    x = to_observation(given, "cpu")
    assert x.optical.shape == (3, 13, 24, 24)
    assert torch.equal(x.optical[:, INDEX["B08"]], given.b10[:, 3].float() / 10_000)
    assert (x.optical[:, INDEX["B10"]] == 0).all()
    assert (x.valid == 1).all()
    assert x.guides.equal(given.radar)


def test_a_flat_coarse_band_stays_flat():
    given = batch()
    x = to_observation(given._replace(b60=torch.full_like(given.b60, 700)), "cpu")
    assert torch.allclose(x.optical[:, INDEX["B09"]], torch.tensor(0.07))


def test_a_slope_in_a_coarse_band_stays_a_slope():
    ramp = torch.arange(4).mul(600).add(600).to(torch.uint16)
    given = batch()
    given.b60[:] = ramp
    fine = to_observation(given, "cpu").optical[0, INDEX["B01"], 0] * 10_000
    inner = torch.arange(3, 21)  # beyond the outer pixels' centres nothing is known
    assert torch.allclose(fine[inner], 600 + 100 * (inner - 2.5), atol=0.1)


def test_no_data_is_not_valid_and_does_not_darken_its_neighbours():
    given = batch()
    given.b10[1, :, :6, :6] = 0
    given.b20[1, :, :3, :3] = 0
    given.b60[1, :, 0, 0] = 0
    given.b60[1, :, 0, 1:] = 5000
    x = to_observation(given, "cpu")
    assert x.valid[1, 0, :6, :6].sum() == 0
    assert x.valid.sum() == x.valid.numel() - 36
    assert x.optical[1, INDEX["B01"], 0, 6] == pytest.approx(0.5)
    assert (x.optical[1, :, :6, :6] == 0).all()
    assert torch.equal(x.guides, given.radar)  # radar sees the ground there


def test_no_data_in_absent_bands_and_darkness_in_b10_do_not_matter():
    given = batch(names=TEN)
    assert (to_observation(given, "cpu").valid == 1).all()
    given = batch(names=L1C)
    given.b60[:, 2] = 0
    assert (to_observation(given, "cpu").valid == 1).all()


def test_bands_of_one_size_are_taken_as_they_are():
    given = batch(names=L1C, sides={10: 16, 20: 16, 60: 16})
    x = to_observation(given, "cpu")
    assert torch.equal(x.optical[:, INDEX["B09"]], given.b60[:, 1].float() / 10_000)


def test_missing_radar_is_zero():
    given = batch()
    given.radar[0] = float("nan")
    given.guided[0] = 0
    x = to_observation(given, "cpu", Augmentation(), torch.Generator().manual_seed(0))
    assert x.guides.isfinite().all()
    assert (x.guides[0] == 0).all() and (x.guide_valid[0] == 0).all()


def test_radar_is_valid_where_both_its_channels_are():
    given = batch()
    given.radar[0, 0, :8] = float("nan")
    given.radar[1, 1, :, :5] = float("nan")
    x = to_observation(given, "cpu")
    assert (x.guide_valid[0, 0, :8] == 0).all() and (x.guide_valid[0, 0, 8:] == 1).all()
    assert (x.guide_valid[1, 0, :, :5] == 0).all() and (x.guide_valid[1, 0, :, 5:] == 1).all()
    assert (x.guide_valid[2] == 1).all()
    assert torch.equal(x.guides, torch.where(x.guide_valid > 0, given.radar, 0.0))


def test_the_generator_decides_everything():
    given = batch(20)
    one, same, other = (
        to_observation(given, "cpu", Augmentation(), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one.optical, other.optical)
    with pytest.raises(ValueError, match="generator"):
        to_observation(given, "cpu", Augmentation())


def test_all_channels_of_a_patch_turn_together_and_every_orientation_comes():
    given = batch(200)
    mark = torch.arange(24 * 24).reshape(24, 24) % 1000 + 1
    given.b10[:] = mark.to(torch.uint16)
    given.radar[:] = mark.float()
    x = to_observation(given, "cpu", FLIP_ROTATE, torch.Generator().manual_seed(0))
    assert torch.allclose(x.optical[:, INDEX["B02"]] * 10_000, x.guides[:, 0], atol=0.01)
    seen = {tuple(image[0, [0, 0, 1], [0, 1, 0]].tolist()) for image in x.guides}
    assert len(seen) == 8


def test_bands_and_radar_are_dropped_at_the_requested_rates():
    given = batch(400, sides={10: 6, 20: 3, 60: 1})
    how = Augmentation(flip_rotate=False, drop_bands=0.4, drop_guides=0.25)
    x = to_observation(given, "cpu", how, torch.Generator().manual_seed(0))
    counts = x.present.sum(1)
    assert 0.3 < (counts < 12).float().mean() < 0.5
    assert {4, 10} <= set(counts.int().tolist())
    assert counts.min() >= 1
    assert (x.present <= given.present).all()
    assert 0.7 < x.guide_valid.mean() < 0.8
    assert (x.optical[x.present == 0] == 0).all()
    assert (x.guides[x.guide_valid.flatten() == 0] == 0).all()


def test_both_domains_show_the_same_bands():
    x = to_observation(batch(names=TEN), "cpu")
    y = to_observation(batch(names=L1C, seed=1), "cpu")
    x, y = share_bands(x, y)
    assert torch.equal(x.present, y.present)
    assert x.present.sum() == 30
    assert (y.optical[:, INDEX["B10"]] == 0).all()
