"""Ground in the shadow of a cloud: its light given back where all of a scene lies in it, else its detail."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scenes import MemoryScene, fields, options_of

from unclouded.atmosphere import air_reflectance
from unclouded.bands import INDEX, L1C, NAMES
from unclouded.clearing.context.relighting import light_beside_sunlit, light_everywhere, relit
from unclouded.clearing.context.shadow_detail import SHADOW_DETAIL_RADIUS, ShadowDetail
from unclouded.clearing.inputs import SceneInputs
from unclouded.clearing.passes import Clearing
from unclouded.detection.classes import SHADOW
from unclouded.models.weights import load_generator
from unclouded.tiles import Box

AIR = torch.tensor([air_reflectance(name, "L1C") for name in NAMES])[:, None, None]


def ground(contrast: float, side: int = 96) -> torch.Tensor:
    """Smooth ground (1, 13, side, side) of as much near infrared as land has, with that much detail."""
    noise = torch.nn.functional.avg_pool2d(torch.randn(1, 1, side, side, generator=torch.manual_seed(0)), 3, 1, 1)
    level = torch.linspace(0.1, 0.3, 13).view(1, 13, 1, 1).clone()
    level[:, INDEX["B08"]] = 0.205
    return level * (1 + contrast * noise / noise.std())


@pytest.mark.parametrize("share", [0.2, 0.35, 0.6])
def test_the_light_of_ground_in_shadow_is_given_back(share: float) -> None:
    lit = ground(0.05)
    shaded = AIR + share * (lit - AIR)
    light = light_everywhere(shaded[:, [INDEX["B08"]]], "L1C")
    assert light.mean().item() == pytest.approx(share, rel=0.02)
    assert (relit(shaded, light, "L1C") - lit).abs().mean() < 0.01


def test_ground_in_the_sun_has_all_the_light_and_darkness_some() -> None:
    assert (light_everywhere(torch.full((1, 1, 9, 9), 0.3), "L2A") == 1).all()
    torch.testing.assert_close(light_everywhere(torch.zeros(1, 1, 9, 9), "L2A"), torch.full((1, 1, 9, 9), 0.1))


@pytest.mark.parametrize("share", [0.2, 0.35, 0.6])
def test_beside_sunlit_ground_its_near_infrared_tells_the_light(share: float) -> None:
    air, wood = AIR[INDEX["B08"]].item(), 0.15  # darker than land mostly is
    shaded = torch.zeros(1, 1, 40, 40)
    shaded[..., :20] = 1
    sunlit = torch.full((1, 1, 40, 40), wood)
    seen = torch.where(shaded > 0, air + share * (sunlit - air), sunlit)
    beside = light_beside_sunlit(seen, sunlit, torch.full_like(seen, 0.5), shaded, "L1C")
    assert beside[..., :20].mean().item() == pytest.approx(share, rel=0.1)
    alone = light_beside_sunlit(seen, sunlit, torch.zeros_like(seen), shaded, "L1C")
    torch.testing.assert_close(alone[..., :12], light_everywhere(seen, "L1C")[..., :12])


def test_the_air_is_blue_and_corrected_for_in_l2a() -> None:
    seen = [air_reflectance(name, "L1C") for name in ("B01", "B02", "B03", "B04", "B08", "B12")]
    assert seen == sorted(seen, reverse=True)
    assert seen[1] == pytest.approx(0.061, abs=0.002)  # an optical thickness of 0.155 at 492 nm
    assert air_reflectance("B02", "L2A") == 0


def detail_over(seen: torch.Tensor, lit: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What is laid over the level of the ground by what is seen all in shadow, and what the ground has, B8A inside."""
    level = lit.mean((2, 3), keepdim=True).expand_as(lit)
    made = ShadowDetail.of(seen, torch.ones(1, 1, 96, 96)).over(level, torch.zeros_like(lit), L1C)
    return tuple((image - level)[:, INDEX["B8A"], 24:72, 24:72] for image in (made, lit))


def test_detail_in_shadow_is_brought_to_the_light_around() -> None:
    lit = ground(0.1)
    given, wanted = detail_over(AIR + 0.4 * (lit - AIR), lit)
    slope = (given * wanted).sum() / wanted.square().sum()
    assert 0.6 < slope < 1


def test_what_is_too_rough_for_ground_is_no_detail() -> None:
    rough = ground(0.6)  # as the rim of a cloud is
    given, wanted = detail_over(0.4 * rough, rough)
    assert given.std() < 0.2 * wanted.std()


def test_the_ground_beside_the_shadow_changes_nothing_and_is_not_changed() -> None:
    share = torch.zeros(1, 1, 96, 96)
    share[..., :48] = 1
    dark = torch.where(share > 0, 0.4, 1.0) * ground(0.05)
    level, own = torch.full_like(dark, 0.2), torch.full_like(dark, 0.01)
    made, beside = (
        ShadowDetail.of(image, share).over(level, own, L1C) for image in (dark, torch.where(share > 0, dark, 0.9))
    )
    torch.testing.assert_close(made[..., :44], beside[..., :44])
    assert torch.equal(made[..., 48:], level[..., 48:])


@pytest.mark.parametrize("box", [Box(16, 24, 40, 32), Box(0, 56, 32, 40)])
def test_a_part_of_an_image_shows_what_the_whole_does(box: Box) -> None:
    image, share = ground(0.1), torch.rand(1, 1, 96, 96, generator=torch.manual_seed(1))
    level, own = torch.full_like(image, 0.3), torch.zeros_like(image)
    whole = ShadowDetail.of(image, share).over(level, own, L1C)
    wider = box.grown(SHADOW_DETAIL_RADIUS, Box(0, 0, 96, 96)).slices
    part = ShadowDetail.of(image[(..., *wider)], share[(..., *wider)]).cropped(
        box.within(box.grown(SHADOW_DETAIL_RADIUS, Box(0, 0, 96, 96)))
    )
    crop = (..., *box.slices)
    made, inner = part.over(level[crop], own[crop], L1C), (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(made[inner], whole[crop][inner], atol=1e-6, rtol=0)


def test_a_scene_in_the_shadow_of_a_cloud_outside_of_it_is_cleared_to_full_light() -> None:
    lit = fields(L1C, 160, 160, clouds=())
    air = AIR.numpy() * 1e4
    shaded = (air + 0.3 * (lit - air)).round().astype(np.uint16)
    generator, _ = load_generator("default")
    clearing = Clearing(SceneInputs(MemoryScene(shaded, L1C)), generator, *options_of())
    cleared, classes = np.zeros_like(lit), np.zeros(lit.shape[1:], np.uint8)
    for tile in clearing.tiles():
        cleared[(slice(None), *tile.box.slices)], classes[tile.box.slices] = tile.dn, tile.mask[0]
    truth = lit.astype(np.float32)
    assert (classes == SHADOW).mean() > 0.9
    assert np.abs(cleared - truth).mean() < 0.4 * np.abs(shaded - truth).mean()
    infrared = L1C.index("B08")
    assert np.corrcoef(cleared[infrared].ravel(), truth[infrared].ravel())[0, 1] > 0.8


def partly_shaded() -> tuple[np.ndarray, np.ndarray]:
    """A scene in the sun, and the same with its left third in shadow, (13, 160, 160) DN each."""
    lit = fields(L1C, 160, 160, clouds=())
    air = AIR.numpy() * 1e4
    shaded = lit.copy()
    shaded[..., :56] = (air + 0.3 * (lit[..., :56] - air)).round()
    return lit, shaded


def test_a_part_in_the_shadow_of_a_cloud_outside_is_cleared_to_the_light_of_the_rest() -> None:
    lit, shaded = partly_shaded()
    generator, _ = load_generator("default")
    cleared = shaded.copy()
    for tile in Clearing(SceneInputs(MemoryScene(shaded, L1C)), generator, *options_of()).tiles():
        cleared[(slice(None), *tile.box.slices)] = tile.dn
    dark = (slice(None), slice(None), slice(0, 40))
    errors = [np.abs(image[dark].astype(float) - lit[dark]).mean() for image in (cleared, shaded)]
    assert errors[0] < 0.25 * errors[1]
    infrared = (L1C.index("B08"), *dark[1:])
    assert np.corrcoef(cleared[infrared].ravel(), lit[infrared].ravel())[0, 1] > 0.9
    assert (cleared[..., 72:] == shaded[..., 72:]).mean() > 0.98


def in_a_corner() -> np.ndarray:
    """A scene in shadow, (13, 160, 160) DN, but for a corner in the sun."""
    lit = fields(L1C, 160, 160, clouds=((150, 10, 12),))
    air = AIR.numpy() * 1e4
    shaded = (air + 0.3 * (lit - air)).round().astype(np.uint16)
    shaded[:, :48, 112:] = lit[:, :48, 112:]
    return shaded


@pytest.mark.parametrize("shaded", [in_a_corner(), partly_shaded()[1]], ids=["nearly everywhere", "in part"])
def test_the_tiles_of_a_scene_in_shadow_decide_nothing(shaded: np.ndarray) -> None:
    generator, _ = load_generator("default")
    whole, cut = shaded.copy(), shaded.copy()
    for made, options in ((whole, {}), (cut, {"tile": 64, "crop": 16})):
        for tile in Clearing(SceneInputs(MemoryScene(shaded, L1C)), generator, *options_of(**options)).tiles():
            made[(slice(None), *tile.box.slices)] = tile.dn
    np.testing.assert_allclose(whole.astype(float), cut.astype(float), atol=1)
    assert (whole[:, 8:32, 128:152] == shaded[:, 8:32, 128:152]).mean() > 0.9
    assert (whole[:, 64:, :40] != shaded[:, 64:, :40]).mean() > 0.9
