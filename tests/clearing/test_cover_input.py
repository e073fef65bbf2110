"""The cover input of the network: detection and mask, the same for any tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scenes import CLOUDS, SMALL, MemoryMask, MemoryScene, fields, options_of
from scipy import ndimage

from unclouded.bands import L1C
from unclouded.clearing.context.ground import match_level
from unclouded.clearing.inputs import SceneInputs
from unclouded.clearing.passes import Clearing
from unclouded.detection.classes import THICK_CLOUD
from unclouded.inference import InferenceConfig
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.weights import load_generator
from unclouded.sizes import GeneratorSettings

pytestmark = pytest.mark.usefixtures("unasked")

SQUARE = np.s_[200:240, 400:448]


@pytest.fixture(scope="module")
def network():
    """A network with the cover input, whose layers all contribute."""
    torch.manual_seed(0)
    sizes = GeneratorSettings(
        SMALL.widths, SMALL.context_widths, SMALL.features, code=SMALL.code, cover=True, ground_prior=True
    )
    made = ContextGenerator(sizes, InferenceConfig(detector="csmask", threshold=0.2)).eval().requires_grad_(False)
    for name, parameter in made.named_parameters():
        if name.endswith("second.weight") or name in ("leave.weight", "context.leave.weight", "expected.leave.weight"):
            torch.nn.init.normal_(parameter, std=0.15)
    return made


@pytest.fixture(scope="module")
def scene():
    return MemoryScene(fields(L1C, 300, 560), L1C)


def square():
    mask = np.zeros((300, 560), np.uint8)
    mask[SQUARE] = THICK_CLOUD
    return mask


def cleared(scene, generator, given, **options):
    dn, quality = np.zeros_like(scene.dn), np.zeros((2, *scene.dn.shape[1:]), np.float32)
    inputs = SceneInputs(scene, mask=None if given is None else MemoryMask(given))
    for tile in Clearing(inputs, generator, *options_of(**options)).tiles():
        dn[(slice(None), *tile.box.slices)] = tile.dn
        quality[(slice(None), *tile.box.slices)] = tile.quality[:2]
    return dn, quality


def cover_inputs(scene, generator, monkeypatch, given, **options):
    """The cover input of a scene that is one tile: by pixel (H, W) and by cell.

    The mask must reach two opposite corners, so that the tile is one window.
    """
    pixels, cells = [], []
    translate, encode = generator.translate_lazily, generator.context.forward
    with monkeypatch.context() as patched:
        patched.setattr(generator, "translate_lazily", lambda x, *more: pixels.append(x.cover) or translate(x, *more))
        patched.setattr(
            generator.context, "forward", lambda values, *more: cells.append(values[:, -1]) or encode(values, *more)
        )
        cleared(scene, generator, given, tile=1024, crop=1024, **options)
    return pixels[0][0, 0, :300, :560].numpy(), cells[0][0].numpy()


def corners():
    mask = np.zeros((300, 560), np.uint8)
    mask[:8, :8] = mask[-8:, -8:] = THICK_CLOUD
    return mask


def test_detected_cover_is_an_input_by_pixel_and_by_cell(scene, network, monkeypatch):
    pixels, cells = cover_inputs(scene, network, monkeypatch, corners())
    assert pixels.shape == (300, 560) and np.abs(pixels).max() <= 1
    for row, column, radius in CLOUDS:
        half = radius // 2
        assert pixels[row - half : row + half, column - half : column + half].min() > 0.5
        assert cells[row // 8, column // 8] > 0.5
    assert pixels[100:280, 420:540].max() < -0.99 and cells[13:35, 53:67].max() < -0.99
    assert (pixels[-8:, -8:] == 1).all() and cells[36, 69] == 0 and cells[37, 69] == 1


def test_a_complete_mask_alone_is_the_input(scene, network, monkeypatch):
    pixels, cells = cover_inputs(
        scene, network, monkeypatch, np.maximum(square(), corners()), mask_only=True, mask="given"
    )
    covered = square() > 0
    assert (pixels[covered] == 1).all()
    covered[197:243, 397:451] = True  # it falls smoothly outside
    covered[:11, :11] = covered[-11:, -11:] = True
    assert (pixels[~covered] == -1).all()
    inside = np.zeros_like(cells, dtype=bool)
    inside[25:30, 50:56] = inside[:1, :1] = inside[37:, 69:] = True
    assert (cells[inside] == 1).all() and (cells[~inside] < 1).all()
    assert (cells[:24, 2:49] == -1).all()


@pytest.mark.parametrize("mask", [None, square()])
def test_the_tiles_decide_nothing(scene, network, mask):
    whole, whole_quality = cleared(scene, network, mask, tile=1024, crop=1024)
    for options in ({"tile": 64, "crop": 16}, {"tile": 96, "tile_offset": (32, 32), "crop": 32}):
        dn, quality = cleared(scene, network, mask, **options)
        np.testing.assert_allclose(dn, whole.astype(float), atol=1)
        np.testing.assert_allclose(quality, whole_quality, atol=1e-5)
    assert (whole_quality[0] > 0).mean() > 0.02


def overcast():
    """A scene under thick cloud with shaded gaps in it, so that nowhere any ground is known."""
    random = np.random.default_rng(1)
    shade = np.array([0.08, 0.06, 0.05, 0.04, 0.05, 0.09, 0.1, 0.11, 0.11, 0.05, 0.001, 0.09, 0.05])
    top = np.array([1] * 10 + [0.02, 0.6, 0.5])
    gaps = np.zeros((300, 560))
    gaps[100:160, 90:170] = gaps[40:90, 300:380] = gaps[180:240, 420:480] = 1
    gaps = ndimage.gaussian_filter(gaps, 3)
    smooth = [ndimage.gaussian_filter(random.standard_normal((300, 560)), pixels) for pixels in (2, 6)]
    ground, cloud = (texture / texture.std() for texture in smooth)
    image = shade[:, None, None] * (1 + 0.1 * ground) * gaps + top[:, None, None] * (0.7 + 0.08 * cloud) * (1 - gaps)
    return MemoryScene(np.rint(image * 10_000).astype(np.uint16), L1C)


def test_nor_where_ground_through_thin_cover_is_adjusted_to_the_expected_ground(monkeypatch):
    generator, scene, moved = load_generator("default")[0], overcast(), []

    def watched(image, *given):
        made = match_level(image, *given)
        moved.append(float((made - image).abs().max()))
        return made

    monkeypatch.setattr("unclouded.clearing.tiles.ground_composition.match_level", watched)
    whole, whole_quality = cleared(scene, generator, None, tile=1024, crop=1024)
    assert max(moved) > 0.01
    for options in ({"tile": 64, "crop": 16}, {"tile": 96, "tile_offset": (32, 32), "crop": 32}):
        dn, quality = cleared(scene, generator, None, **options)
        np.testing.assert_allclose(dn, whole.astype(float), atol=1)
        np.testing.assert_allclose(quality, whole_quality, atol=1e-5)
