"""Networks with the cover input: started from ones without it, saved and loaded."""

import pytest
import torch

from unclouded.errors import WeightsError
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.observation import Observation
from unclouded.models.weights import load_generator, save_generator, start_from
from unclouded.models.weights_header import Header
from unclouded.sizes import GeneratorSettings

SIZES = {"widths": (8, 8, 8), "context_widths": (8, 8, 8), "features": 2, "latent": 2, "code": 8}


def network(cover: bool, seed: int = 0) -> ContextGenerator:
    torch.manual_seed(seed)
    made = ContextGenerator(GeneratorSettings(**SIZES, cover=cover)).eval().requires_grad_(False)
    for name, parameter in made.named_parameters():
        if name.endswith("second.weight") or name == "leave.weight":
            torch.nn.init.normal_(parameter, std=0.15)
    return made


def observation(cover: float | None) -> Observation:
    optical = 0.3 * torch.rand(1, 13, 62, 75, generator=torch.Generator().manual_seed(1))
    x = Observation.of(optical, torch.ones(1, 13), torch.zeros(1))
    return x if cover is None else x._replace(cover=torch.full_like(x.cover, cover))


def test_the_output_depends_on_the_cover_input_everywhere_if_there_is_one():
    for takes_cover in (True, False):
        made = network(takes_cover)
        nothing, clear, covered = (made(observation(cover)) for cover in (None, -1.0, 1.0))
        assert torch.equal(nothing.ground, made(observation(0.0)).ground)
        for other in (clear, covered):
            assert (
                (other.opacity != nothing.opacity).all() if takes_cover else torch.equal(other.opacity, nothing.opacity)
            )


def test_the_cover_input_reaches_the_cells_and_the_pixels():
    made = network(True)
    x = observation(0.0).crop(slice(0, 56), slice(0, 72))
    x.cover.zero_()
    x.cover[..., :4, :8] = 1
    cells = made.summarise(x)[0, -1]
    assert cells[0, 0] == 0.5 and cells.sum() == 0.5
    statistics, z = made.summarise(x), torch.zeros(1, 2)
    context = made.spread(statistics, made.context(statistics, x.conditioning))
    pixels = made.translate(x, context, z).opacity - made.translate(x._replace(cover=0 * x.cover), context, z).opacity
    assert pixels[..., :8, :8].abs().max() > 0


def test_from_weights_without_the_cover_input_it_begins_with_their_output(tmp_path):
    path = tmp_path / "old.safetensors"
    old, new = network(False, seed=3), network(True, seed=4)
    save_generator(old, Header(name="old", steps=7), path)
    assert start_from(new, path) == 7
    for cover in (None, -1.0, 1.0):
        for mine, theirs in zip(new(observation(cover)), old(observation(cover)), strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=0)


def test_a_file_records_whether_its_network_has_the_cover_input(tmp_path):
    for takes_cover in (False, True):
        path = tmp_path / f"{takes_cover}.safetensors"
        save_generator(network(takes_cover), Header(name="either"), path)
        generator, _ = load_generator(path)
        assert generator.takes_cover is takes_cover
    for path, cover in ((tmp_path / "True.safetensors", True), (tmp_path / "False.safetensors", False)):
        again = network(cover, seed=5)
        start_from(again, path)
        assert torch.equal(again.enter.weight, load_generator(path)[0].enter.weight)
    with pytest.raises(WeightsError, match="does not fit"):
        start_from(network(False), tmp_path / "True.safetensors")
