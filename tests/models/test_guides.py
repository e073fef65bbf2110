"""Guides: a pixel without one is as if there were none; weights of old give what they gave."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from unclouded.errors import WeightsError
from unclouded.guides import CHANNELS, GUIDES, RADAR, Guide
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.generator import Generator, compose
from unclouded.models.observation import CELL, Observation, pad_to_cells
from unclouded.models.weights import load_generator, save_generator, start_from
from unclouded.models.weights_file import bundled
from unclouded.models.weights_header import Header
from unclouded.sizes import GeneratorSettings

SCRIPT = Path(__file__).parents[2] / "scripts" / "convert_weights.py"

# Ground, opacity and expected error of the bundled weights at four places of `scene`, when they were bundled.
PLACES = ((1, 30, 40), (7, 20, 50), (3, 5, 90), (11, 60, 10))
BUNDLED = {
    "none": (
        (0.145333, 0.999771, 0.022392),
        (0.142862, 0.996847, 0.026225),
        (0.114021, 0.944038, 0.028872),
        (0.15925, 0.955107, 0.028293),
    ),
    "radar": (
        (0.145447, 0.999769, 0.021399),
        (0.144996, 0.996382, 0.025522),
        (0.111117, 0.953374, 0.031037),
        (0.158244, 0.965074, 0.029665),
    ),
}


@pytest.fixture(scope="module")
def generator() -> Generator:
    return load_generator("default")[0]


def scene() -> tuple[torch.Tensor, torch.Tensor]:
    """Optical (1, 13, 64, 96) with a cloud in its middle, and radar (1, 2, 64, 96) in dB."""
    row, column = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    band = torch.arange(13.0)[:, None, None]
    ground = 0.15 + 0.05 * torch.sin(row / 9 + band) * torch.cos(column / 7 - band)
    cloud = 0.6 * torch.exp(-((row - 30) ** 2 + (column - 40) ** 2) / 200)
    radar = torch.stack([-12 + 3 * torch.sin(row / 11), -19 + 3 * torch.cos(column / 13)])
    return (ground + cloud)[None], radar[None]


def observe(radar: torch.Tensor | None) -> Observation:
    optical, _ = scene()
    return Observation.of(optical, torch.ones(1, 13), torch.zeros(1), guides={} if radar is None else {"radar": radar})


def cleared(generator: Generator, x: Observation) -> torch.Tensor:
    with torch.inference_mode():
        return compose(x.optical, generator(x, torch.zeros(1, 16)))


@pytest.mark.parametrize("name", ["none", "radar"])
def test_the_bundled_weights_give_what_they_gave(generator: Generator, name: str) -> None:
    with torch.inference_mode():
        made = generator(observe(scene()[1] if name == "radar" else None), torch.zeros(1, 16))
    found = [
        (float(made.ground[0, band, row, column]), *(float(image[0, 0, row, column]) for image in made[1:3]))
        for band, row, column in PLACES
    ]
    torch.testing.assert_close(torch.tensor(found), torch.tensor(BUNDLED[name]), atol=2e-6, rtol=1e-4)


def test_radar_that_ends_at_half_width_leaves_the_rest_as_without_radar(generator: Generator) -> None:
    """Where it is taken for 0 dB instead, the rest moves by 0.010 on average."""
    radar = scene()[1]
    radar[..., 48:] = torch.nan
    half, none, full = (cleared(generator, observe(given)) for given in (radar, None, scene()[1]))
    assert float((half - none)[..., 72:].abs().mean()) < 0.0005
    assert float((half - full)[..., :24].abs().mean()) < 0.5 * float((none - full)[..., :24].abs().mean())
    assert float((full - none).abs().mean()) > 0.002


def test_radar_that_is_nowhere_is_none(generator: Generator) -> None:
    nowhere, none = observe(torch.full((1, 2, 64, 96), torch.nan)), observe(None)
    assert all(torch.equal(one, other) for one, other in zip(nowhere, none, strict=True))


@pytest.mark.parametrize("channel", [0, 1])
def test_a_pixel_that_lacks_one_channel_lacks_the_guide(channel: int) -> None:
    radar = scene()[1]
    radar[0, channel, 3, 5] = torch.nan
    x = observe(radar)
    assert x.guide_valid.shape == (1, 1, 64, 96)
    assert float(x.guide_valid.sum()) == 64 * 96 - 1
    assert (x.guides[0, :, 3, 5] == 0).all()


def test_cells_are_summarised_over_the_pixels_where_the_guide_is_valid(generator: Generator) -> None:
    """What a guide would show where it is not valid changes nothing."""
    radar = torch.full((1, 2, 64, 96), -10.0)
    radar[..., :4] = torch.nan
    share, whole = (generator.summarise(observe(given)) for given in (radar, torch.full_like(radar, -10.0)))
    valid = share.shape[1] - len(GUIDES) - generator.takes_cover
    guides = slice(valid - len(CHANNELS), valid)
    torch.testing.assert_close(share[:, guides], whole[:, guides])
    assert (share[:, valid, :, 0] == 0.5).all() and (share[:, valid, :, 1:] == 1).all()


def test_validity_as_a_map_gives_the_same_as_one_number(generator: Generator) -> None:
    x = observe(scene()[1])
    assert x.guide_valid.shape == (1, 1, 1, 1)
    mapped = x._replace(guide_valid=x.guide_valid.expand(-1, -1, 64, 96))
    torch.testing.assert_close(cleared(generator, mapped), cleared(generator, x), atol=1e-5, rtol=1e-5)


def test_a_guide_does_not_fade_where_an_image_is_extended() -> None:
    radar = scene()[1]
    radar[..., :8] = torch.nan
    x = pad_to_cells(Observation(*(image[..., :61, :90] if image.ndim == 4 else image for image in observe(radar))))
    assert x.guide_share.shape == (1, 1, 64 // CELL, 96 // CELL)
    assert (x.guide_share[..., 1:] == 1).all() and (x.guide_share[..., 0] == 0).all()


def without_validity(path: Path) -> Path:
    """Weights that do not heed where radar is valid, as those of before did not."""
    generator = ContextGenerator(GeneratorSettings(widths=(8, 8, 8)))
    with torch.no_grad():
        for weight, planes in ((generator.enter.weight, 4), (generator.context.enter.weight, 1)):
            weight[:, -planes:] = 0
    save_generator(generator, Header(name="network"), path)
    return path


def in_the_order_of_old(new: Path, path: Path) -> Path:
    """Weights in the order of before: bands, radar, then the others; no validity of radar."""
    with safe_open(new, framework="pt") as file:
        record = json.loads(file.metadata()["unclouded"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not a mapping)
    del record["model"]["guides"]
    for name, places, others in (("enter.weight", 4, 1), ("context.enter.weight", 1, 2)):
        weight = tensors[name].unflatten(1, (-1, places))
        bands, rest, radar, validity = weight.split([13, others, 2, 1], dim=1)
        assert (validity == 0).all()
        tensors[name] = torch.cat([bands, radar, rest], dim=1).flatten(1, 2).contiguous()
    save_file(tensors, path, metadata={"unclouded": json.dumps(record)})
    return path


def test_weights_of_old_are_refused_and_converted(tmp_path: Path, generator: Generator) -> None:
    today, new = without_validity(tmp_path / "today.safetensors"), tmp_path / "new.safetensors"
    old = in_the_order_of_old(today, tmp_path / "old.safetensors")
    for read in (lambda: load_generator(old), lambda: start_from(generator, old)):
        with pytest.raises(WeightsError, match=r"old\.safetensors: from before .* scripts/convert_weights\.py"):
            read()
    subprocess.run([sys.executable, SCRIPT, old, new], check=True)
    (mine, header), (theirs, other) = load_generator(new), load_generator(today)
    assert replace(header, sha256="") == replace(other, sha256="")
    for (name, value), (same, expected) in zip(mine.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert name == same and torch.equal(value, expected)


MORE = """
import runpy, sys
from unclouded import guides
more = guides.Guide("ground", ("B02", "error"), centre=(0.1, 0.02), spread=(0.1, 0.02))
guides.GUIDES += (more,)
guides.CHANNELS += more.channels
script, old, new = sys.argv[1:]
sys.argv = [script, old, new]
runpy.run_path(script, run_name="__main__")
import torch
from unclouded.models.observation import Observation
from unclouded.models.weights import load_generator
made, _ = load_generator(new)
radar = torch.full((1, 2, 64, 96), -12.0)
ground = torch.full((1, 2, 64, 96), 0.3)
optical = torch.linspace(0, 0.5, 13 * 64 * 96).reshape(1, 13, 64, 96)
x = [Observation.of(optical, torch.ones(1, 13), torch.zeros(1), guides=given) for given in (
    {"radar": radar}, {"radar": radar, "ground": ground})]
one, other = (made(image, torch.zeros(1, 16)) for image in x)
assert x[1].guide_valid.shape == (1, 2, 1, 1) and x[1].guide_valid.sum() == 2 and x[0].guide_valid.sum() == 1
assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one, other))
print(float(one.ground.mean()), float(one.expected.mean()))
"""


def test_a_second_guide_is_an_entry_of_the_table_and_begins_with_zero_weights(
    tmp_path: Path, generator: Generator
) -> None:
    """In a process of its own, since the networks are made by the table."""
    run = [sys.executable, "-c", MORE, SCRIPT, bundled()["default"], tmp_path / "new.safetensors"]
    found = subprocess.run(run, check=True, capture_output=True, text=True)
    optical = torch.linspace(0, 0.5, 13 * 64 * 96).reshape(1, 13, 64, 96)
    radar = {"radar": torch.full((1, 2, 64, 96), -12.0)}
    made = generator(Observation.of(optical, torch.ones(1, 13), torch.zeros(1), guides=radar), torch.zeros(1, 16))
    expected = [float(image.mean()) for image in (made.ground, made.expected)]
    assert [float(number) for number in found.stdout.split()] == pytest.approx(expected, abs=1e-6)


def test_the_table_is_whole() -> None:
    names = [guide.name for guide in GUIDES]
    assert len(set(names)) == len(names)
    assert CHANNELS[: len(RADAR.channels)] == RADAR.channels
    for guide in GUIDES:
        assert isinstance(guide, Guide)
        assert len(guide.channels) == len(guide.centre) == len(guide.spread)
        assert all(spread > 0 for spread in guide.spread)
