"""Levels and seasons: plausible variety, and nothing where nothing is asked for."""

import torch

from unclouded.bands import INDEX
from unclouded.data.seasons import change_level, change_season, path_reflectance, take_spectrum


def test_same_level_is_left_alone() -> None:
    image = torch.rand(3, 13, 8, 8)
    level = torch.tensor([0.0, 1.0, 0.0])
    image[1, INDEX["B10"]] = 0
    assert torch.equal(change_level(image.clone(), level, level, torch.Generator().manual_seed(0)), image)


def test_air_brightens_blue_most_and_l2a_has_no_cirrus_band() -> None:
    surface = torch.full((2, 13, 8, 8), 0.05)
    top = change_level(surface, torch.ones(2), torch.zeros(2), torch.Generator().manual_seed(0))
    gain = (top - surface).mean(dim=(0, 2, 3))
    assert float(gain[INDEX["B02"]]) > float(gain[INDEX["B04"]]) > float(gain[INDEX["B11"]])
    down = change_level(top, torch.zeros(2), torch.ones(2), torch.Generator().manual_seed(0))
    assert (down[:, INDEX["B10"]] == 0).all()
    assert float((down[:, INDEX["B03"]] - 0.05).abs().max()) < 0.06


def test_season_recolours_whole_images_over_the_air() -> None:
    rng = torch.Generator().manual_seed(1)
    path = path_reflectance(torch.zeros(8), rng)
    image = path[:, :, None, None] + torch.rand(8, 13, 4, 4, generator=rng) * 0.3
    turned = change_season(image, path, rng)
    ratio = (turned - path[:, :, None, None]) / (image - path[:, :, None, None])
    torch.testing.assert_close(ratio, ratio[..., :1, :1].expand_as(ratio), rtol=1e-2, atol=1e-2)
    assert (ratio > 0).all()
    assert float((ratio.mean(dim=(2, 3)) - 1).abs().max()) > 0.05
    assert (path_reflectance(torch.ones(2), rng) == 0).all()


def test_an_image_takes_the_spectrum_of_another_where_that_is_known() -> None:
    image = 0.1 + 0.1 * torch.rand(13, 16, 16, generator=torch.Generator().manual_seed(0))
    known = torch.zeros(13)
    known[[INDEX["B02"], INDEX["B08"]]] = 1
    spectrum = torch.full((13,), 0.3) * known
    spectrum[INDEX["B02"]] = 0.1
    taken = take_spectrum(image, torch.zeros(13), spectrum, known)
    assert abs(float(taken[INDEX["B02"]].mean()) - 0.1) < 1e-4
    assert abs(float(taken[INDEX["B08"]].mean()) - 0.3) < 1e-4
    between = float((taken / image)[INDEX["B05"]].mean())
    assert float((taken / image)[INDEX["B02"]].mean()) < between < float((taken / image)[INDEX["B08"]].mean())
    assert torch.equal(take_spectrum(image, torch.zeros(13), spectrum, torch.zeros(13)), image)
