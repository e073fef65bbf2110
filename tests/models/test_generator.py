"""The generator: what may influence a pixel, and what may not."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from unclouded import bands
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.generator import STATISTICS, VALID_SHARE, Generator, SceneContext, compose
from unclouded.models.observation import CELL, Observation
from unclouded.models.weights import load_generator, save_generator
from unclouded.models.weights_header import Header
from unclouded.sizes import GeneratorSettings


@pytest.fixture(scope="module")
def generator() -> Generator:
    """A generator whose every layer does something (as initialised, residual branches and head are nearly zero)."""
    torch.manual_seed(0)
    generator = ContextGenerator(GeneratorSettings(ground_prior=True)).eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if "second" in name or "leave" in name:
            parameter.normal_(std=0.05)
    generator.error.initialise(torch.Generator().manual_seed(0))
    return generator


def test_a_network_that_has_not_learnt_to_predicts_no_error() -> None:
    made = ContextGenerator().requires_grad_(False)(observe(32, 32), torch.zeros(1, 16))
    assert float(made.expected_error.max()) < 1e-9


def observe(height: int, width: int, batch: int = 1, names: tuple[str, ...] = bands.L1C) -> Observation:
    present = torch.zeros(batch, 13)
    present[:, [bands.INDEX[name] for name in names]] = 1
    optical = torch.rand(batch, 13, height, width, generator=torch.Generator().manual_seed(1))
    return Observation.of(optical * present[:, :, None, None], present, torch.zeros(batch))


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (8, 8), (64, 64), (65, 130), (120, 120)])
def test_any_size(generator: Generator, size: tuple[int, int]) -> None:
    made = generator(observe(*size), torch.zeros(1, 16))
    assert made.ground.shape == (1, 13, *size)
    assert made.opacity.shape == (1, 1, *size)
    assert torch.isfinite(made.ground).all()
    assert made.expected_error.shape == (1, 1, *size)
    assert torch.isfinite(made.expected_error).all() and (made.expected_error > 1e-4).all()
    assert ((made.opacity >= 0) & (made.opacity <= 1)).all()


@pytest.mark.parametrize("names", [bands.L1C, bands.L2A, bands.TEN, ("B02", "B03", "B04", "B08"), ("B04",)])
def test_absent_bands_stay_absent(generator: Generator, names: tuple[str, ...]) -> None:
    x = observe(64, 64, names=names)
    made = generator(x, torch.zeros(1, 16))
    absent = [i for i, name in enumerate(bands.NAMES) if name not in names]
    assert (made.ground[:, absent] == 0).all()
    assert (compose(x.optical, made)[:, absent] == 0).all()


@pytest.fixture
def entering(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many planes the first convolution sees, each time."""
    seen, convolve = [], F.conv2d

    def counting(image: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
        if options.get("stride") == 2:
            seen.append(image.shape[1])
        return convolve(image, *rest, **options)

    monkeypatch.setattr(F, "conv2d", counting)
    return seen


@pytest.mark.parametrize("names", [bands.L1C, bands.L2A, ("B04",)])
def test_what_is_absent_all_over_need_not_be_looked_at(
    generator: Generator, names: tuple[str, ...], entering: list[int]
) -> None:
    x, z = observe(64, 64, names=names), torch.zeros(1, 16)
    whole = generator(x, z)
    with torch.inference_mode():
        part = generator(x, z)
    assert entering == [13 + 1 + 3, len(names) + 1]
    for one, other in zip(whole, part, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_in_bfloat16_sums_are_of_all_planes(generator: Generator, entering: list[int]) -> None:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        generator(observe(64, 64, names=bands.L2A), torch.zeros(1, 16))
    assert entering == [13 + 1 + 3]


def test_batch_does_not_mix(generator: Generator) -> None:
    x = observe(64, 64, batch=3)
    together = generator(x, torch.zeros(3, 16)).ground
    alone = generator(x.images(slice(1, 2)), torch.zeros(1, 16)).ground
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-4)


def context_like(generator: Generator, x: Observation) -> torch.Tensor:
    """Some context, of the shape of the one that the generator makes of an image."""
    statistics = generator.summarise(x)
    return torch.rand_like(generator.spread(statistics, generator.context(statistics, x.conditioning)))


def most_changed(generator: Generator, distance: int) -> float:
    """By what white beyond some pixels changes a cell."""
    centre = 11 * CELL  # the whole receptive field lies in the image
    x = observe(2 * centre + CELL, 2 * centre + CELL)
    context, z = context_like(generator, x), torch.zeros(1, 16)
    white, near = x.optical + 1, slice(centre - distance, centre + CELL + distance)
    white[..., near, near] = x.optical[..., near, near]
    core = (..., slice(centre, centre + CELL), slice(centre, centre + CELL))
    made = [generator.translate(x._replace(optical=optical), context, z) for optical in (x.optical, white)]
    return max(float((one[core] - other[core]).abs().max()) for one, other in zip(*made, strict=True))


def test_margin_bounds_the_fine_network(generator: Generator) -> None:
    """A change `margin` pixels away changes nothing, a nearer one does: tiles need no more overlap than that."""
    assert most_changed(generator, generator.margin) == 0
    assert most_changed(generator, generator.margin // 2) > 1e-5


@pytest.mark.parametrize("name", ["default", "unpaired"])
def test_margin_of_weights_is_that_of_their_effective_receptive_field(name: str) -> None:
    trained, _ = load_generator(name)
    assert trained.margin == 48
    assert most_changed(trained, 48) < 5e-5


def test_weights_whose_far_surroundings_count_have_a_wide_margin(generator: Generator, tmp_path: Path) -> None:
    save_generator(generator, Header("active"), tmp_path / "active.safetensors")
    assert load_generator(tmp_path / "active.safetensors")[0].margin > 48
    assert most_changed(generator, 48) > 1e-5


def test_context_margin_bounds_the_context(generator: Generator) -> None:
    margin = generator.context.margin
    side = 2 * margin + 12
    conditioning = observe(8, 8).conditioning
    statistics = torch.rand(1, STATISTICS, side, side)
    far = statistics.clone()
    far[..., :4, :] += 1
    core = (slice(None), slice(None), slice(margin + 4, margin + 8), slice(None))
    near, moved = (generator.context(cells, conditioning).features[core] for cells in (statistics, far))
    assert torch.equal(near, moved)


def test_the_receptive_field_exceeds_two_kilometres(generator: Generator) -> None:
    """Ground 2.5 km away changes what is laid under an otherwise unchanged pixel."""
    x = observe(64, 512)
    optical = x.optical.clone()
    optical[..., 256 + 32 :] *= 0.5
    z = torch.zeros(1, 16)
    difference = generator(x, z).ground - generator(x._replace(optical=optical), z).ground
    assert float(difference[..., :32].abs().max()) > 1e-5


def test_latent_and_radar_matter(generator: Generator) -> None:
    x = observe(64, 64)
    base = generator(x, torch.zeros(1, 16)).ground
    other = generator(x, torch.ones(1, 16)).ground
    radar = {"radar": torch.full((1, 2, 64, 64), -8.0)}
    guided = generator(Observation.of(x.optical, x.present, x.level, guides=radar), torch.zeros(1, 16)).ground
    assert float((other - base).abs().max()) > 1e-4
    assert float((guided - base).abs().max()) > 1e-4


def test_the_error_head_gives_the_same_for_images_and_for_their_pixels(generator: Generator) -> None:
    rng = torch.Generator().manual_seed(0)
    head = generator.error
    seen = torch.randn(2, head.see.in_features, 24, 32, generator=rng)
    context = torch.randn(2, head.place.in_features, 6, 8, generator=rng)
    code = torch.randn(2, 1, 1, head.describe.in_features, generator=rng)
    image = head(seen, context, code)
    by_pixel = [
        head.of_pixels(
            seen[i].flatten(1).T, head.enlarge(context)[i].flatten(1).T, code[i, 0].expand(24 * 32, -1)
        ).reshape(1, 24, 32)
        for i in range(2)
    ]
    enlarged = torch.nn.functional.interpolate(torch.stack(by_pixel), scale_factor=2, mode="bilinear")
    torch.testing.assert_close(image, enlarged, atol=1e-6, rtol=1e-5)
    assert image.std() > 1e-5


def test_variation_is_the_spread_of_trusted_brightness(generator: Generator) -> None:
    """Half of the ground dark, half bright: far from both edges it varies by half their difference."""
    brightness = torch.zeros(1, 13, 64, 64)
    brightness[..., ::2] = 0.4
    statistics = torch.zeros(1, STATISTICS, 64, 64)
    statistics[:, :13], statistics[:, VALID_SHARE] = torch.asinh(brightness / 0.1), 1
    all_clear = SceneContext(torch.ones(1, 1, 64, 64), torch.zeros(1, generator.settings.features, 64, 64))
    spread = generator.spread(statistics, all_clear)[:, -1]
    torch.testing.assert_close(spread, torch.full_like(spread, 0.2), atol=1e-3, rtol=0)
    even = statistics.clone()
    even[:, :13] = torch.asinh(torch.tensor(2.0))
    assert float(generator.spread(even, all_clear)[:, -1].max()) < 1e-3


def test_composition_keeps_the_input_where_opacity_is_zero(generator: Generator) -> None:
    x = observe(32, 32)
    made = generator(x, torch.zeros(1, 16))
    kept = compose(x.optical, made._replace(opacity=torch.zeros(1, 1, 32, 32)))
    laid = compose(x.optical, made._replace(opacity=torch.ones(1, 1, 32, 32)))
    assert torch.equal(kept, x.optical)
    torch.testing.assert_close(laid, made.ground)


def test_ground_is_spread_identically_with_and_without_gradients(generator: Generator) -> None:
    """Band by band for whole scenes, all at once in training."""
    torch.manual_seed(4)
    statistics = torch.rand(2, STATISTICS, 19, 23)
    scene = generator.context(statistics, torch.ones(2, 1, 1, 16))
    at_once = generator.spread(statistics, scene)
    with torch.inference_mode():
        assert torch.allclose(generator.spread(statistics, scene), at_once, rtol=1e-6, atol=1e-7)


def test_a_crop_is_that_crop_of_the_whole(generator: Generator) -> None:
    """But for its outermost cells, unless they lie at the edge of the tile."""
    torch.manual_seed(5)
    for parameter in generator.leave.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x = Observation.of(torch.rand(1, 13, 96, 80), torch.ones(1, 13), torch.zeros(1))
    context, z = context_like(generator, x), torch.zeros(1, 16)
    whole = generator.translate(x, context, z)
    crop = generator.translate(x, context, z, (slice(2, 8), slice(0, 6)))
    for one, other in zip(crop, whole, strict=True):
        assert one.shape[2:] == (48, 48)
        assert torch.allclose(one[:, :, 8:-8, :-8], other[:, :, 24:56, :40], atol=1e-5)


@pytest.mark.parametrize("crop", [(slice(2, 26), slice(9, 21)), (slice(0, 26), slice(0, 30))], ids=["inside", "edge"])
def test_a_part_of_a_lazy_translation_is_that_part_of_the_whole(
    generator: Generator, crop: tuple[slice, slice]
) -> None:
    torch.manual_seed(5)
    x = Observation.of(torch.rand(1, 13, 208, 240), torch.ones(1, 13), torch.zeros(1))
    context, z = context_like(generator, x), torch.zeros(1, 16)
    whole, lazy = generator.translate(x, context, z, crop), generator.translate_lazily(x, context, z, crop)
    assert torch.allclose(lazy.opacity, whole.opacity, atol=1e-6)
    assert all(torch.equal(one, other) for one, other in zip(lazy.draw(crop), whole, strict=True))
    rows, columns = (slice(cells.start + 4, cells.start + 10) for cells in crop)
    for one, other in zip(lazy.draw((rows, columns)), whole, strict=True):
        assert torch.allclose(one[:, :, 8:-8, 8:-8], other[:, :, 40:72, 40:72], atol=1e-6)


def test_the_opacity_alone_is_that_of_the_whole(generator: Generator) -> None:
    names = ("B02", "B03", "B04", "B08")
    images = torch.rand(1, 4, 61, 90)
    laid = deepcopy(generator).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.inference_mode():
        whole = laid(images, bands=names, level="L2A").opacity
        assert torch.equal(laid.opacity(images, bands=names, level="L2A"), whole)


@pytest.mark.parametrize("side", [128, 122])
def test_guessed_ground_has_no_frame(side: int) -> None:
    # An even cloud: what is guessed at the edges is what is guessed in the middle, also where an image ends in a cell.
    generator, _ = load_generator("default")
    x = observe(side, side)
    x = x._replace(optical=torch.full_like(x.optical, 0.5), cover=torch.ones_like(x.cover))
    visible = generator.requires_grad_(False)(x).ground[0, 1:4].mean(0)
    middle = float(visible[40:-40, 40:-40].mean())
    for edge in (visible[0], visible[-1], visible[:, 0], visible[:, -1]):
        assert float(edge.mean()) == pytest.approx(middle, abs=0.004)


def test_the_expected_ground_does_not_depend_on_its_cover(generator: Generator) -> None:
    x = observe(64, 64)
    context = context_like(generator, x)
    bright = x._replace(optical=x.optical + 0.3 * torch.rand_like(x.optical))
    one, other = (generator.translate(image, context, torch.zeros(1, 16)) for image in (x, bright))
    assert torch.equal(one.expected, other.expected)
    assert float((one.ground - other.ground).abs().mean()) > 0.01
    # It follows the clear ground around, band by band.
    darker = context.clone()
    darker[:, :26] *= 0.5
    assert float((generator.translate(x, darker, torch.zeros(1, 16)).expected - one.expected).mean()) < -0.01


def test_a_network_without_a_ground_prior_expects_what_it_guesses() -> None:
    made = ContextGenerator().requires_grad_(False)(observe(32, 32), torch.zeros(1, 16))
    assert torch.equal(made.expected, made.ground)
