"""The eight networks, ours and the published ones: shapes, what they must not see, and who learns from what."""

from dataclasses import replace

import pytest
import torch

from unclouded.bands import NAMES
from unclouded.errors import WeightsError
from unclouded.models.observation import Observation
from unclouded.models.published import PublishedGenerator
from unclouded.models.translator import Translator, TranslatorSizes
from unclouded.models.weights import load_generator, load_translator, save_generator, save_translator
from unclouded.models.weights_header import Header
from unclouded.settings import UnpairedSettings
from unclouded.sizes import CloudSettings, GeneratorSettings, PublishedSettings
from unclouded.training.image_pool import ImagePool
from unclouded.training.unpaired_terms import discriminator_terms, frozen, generator_terms

OURS = TranslatorSizes(
    GeneratorSettings(widths=(8, 8, 8), context_widths=(8, 8, 8), features=2, latent=4, code=8),
    CloudSettings(widths=(8, 8), latent=2, code=8),
)
PUBLISHED = TranslatorSizes(PublishedSettings(width=4, blocks=1, latent=3))


@pytest.fixture(params=[OURS, PUBLISHED], ids=["ours", "published"])
def translator(request) -> Translator:
    torch.manual_seed(0)
    return Translator(request.param)


def images(batch: int, height: int, width: int, seed: int = 1, absent: tuple[int, ...] = ()) -> Observation:
    optical = torch.rand(batch, 13, height, width, generator=torch.Generator().manual_seed(seed)) * 0.4
    present = torch.ones(batch, 13)
    present[:, list(absent)] = 0
    return Observation.of(optical * present[:, :, None, None], present, torch.zeros(batch))


@pytest.mark.parametrize(("batch", "height", "width"), [(2, 64, 64), (1, 72, 120)])
def test_shapes_at_any_size_and_a_batch_of_one(translator: Translator, batch: int, height: int, width: int) -> None:
    x, y = images(batch, height, width), images(batch, height, width, 2)
    rng = torch.Generator().manual_seed(0)
    cleared, made = translator.clear(x, translator.draw_y(x, rng))
    assert cleared.shape == made.ground.shape == (batch, 13, height, width)
    assert made.opacity.shape == (batch, 1, height, width)
    z_x = translator.draw_x(y, rng)
    assert translator.cloud(y, z_x).shape == (batch, 13, height, width)
    assert translator.e_x(x.optical, y.optical, x).shape == z_x.shape
    assert translator.e_y(x.optical, y.optical, x).shape == translator.draw_y(x, rng).shape
    assert translator.d_y(cleared, x).shape == (batch, 1, height // 8, width // 8)
    assert len(translator.d_zx(z_x)) == len(translator.d_zy(translator.draw_y(x, rng))) == batch


def test_absent_bands_stay_absent_and_are_not_looked_at(translator: Translator) -> None:
    absent = (0, 9, 10)
    x = images(1, 64, 64, absent=absent)
    z_y, z_x = translator.draw_y(x, torch.Generator()), translator.draw_x(x, torch.Generator())
    translator.eval()
    outputs = []
    for value in (0.0, 0.7):
        optical = x.optical.clone()
        optical[:, list(absent)] = value
        seen = x._replace(optical=optical * x.present[:, :, None, None])
        cleared, clouded = translator.clear(seen, z_y)[0], translator.cloud(seen, z_x)
        assert (cleared[:, list(absent)] == 0).all()
        assert (clouded[:, list(absent)] == 0).all()
        # Encoders and discriminators are given images made elsewhere, so they must leave absent bands out themselves.
        outputs.append(
            [translator.e_x(optical, cleared, x), translator.e_y(optical, cleared, x), translator.d_x(optical, x)]
        )
    for one, other in zip(*outputs, strict=True):
        assert torch.equal(one, other)


def test_the_latents_reach_the_images(translator: Translator) -> None:
    x = images(1, 64, 64)
    for parameter in translator.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    rng = torch.Generator().manual_seed(3)
    for draw, make in (
        (translator.draw_y, lambda z: translator.clear(x, z)[0]),
        (translator.draw_x, lambda z: translator.cloud(x, z)),
    ):
        one, other = (make(draw(x, rng)) for _ in range(2))
        assert float((one - other).detach().abs().mean()) > 1e-3


def gradients(networks: Translator, name: str) -> bool:
    return any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in getattr(networks, name).parameters())


@pytest.mark.parametrize("settings", [UnpairedSettings(), UnpairedSettings(cycle_by="distributions", noise=0.01)])
def test_each_term_teaches_whom_it_should(translator: Translator, settings: UnpairedSettings) -> None:
    x, y = images(2, 64, 64), images(2, 64, 64, 2)
    rng = torch.Generator().manual_seed(0)
    taught = {
        "adversarial": {"g_xy", "g_yx"},
        "latent_adversarial": {"g_xy", "g_yx", "e_x", "e_y"},
        "cycle": {"g_xy", "g_yx", "e_x", "e_y"},
        "latent_cycle": {"g_xy", "g_yx"},  # the encoders stand still, or both sides agree on a hidden code
        "identity": {"g_xy"},
        "mode_seeking": {"g_xy"},
    }
    if translator.spatial:  # The published networks have no opacity to weigh.
        taught["change"] = {"g_xy"}
    for parameter in translator.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    for term, expected in taught.items():
        translator.zero_grad(set_to_none=True)
        with frozen(*(getattr(translator, name) for name in Translator.DISCRIMINATORS)):
            terms, _ = generator_terms(translator, x, y, settings, rng, taught)
        assert terms.keys() == taught.keys()
        torch.autograd.backward(terms[term])
        names = {
            name
            for name in Translator.GENERATORS_AND_ENCODERS + Translator.DISCRIMINATORS
            if gradients(translator, name)
        }
        assert names == expected, term


def test_judging_teaches_the_discriminators_alone(translator: Translator) -> None:
    x, y = images(2, 64, 64), images(2, 64, 64, 2)
    rng = torch.Generator().manual_seed(0)
    _, made = generator_terms(translator, x, y, UnpairedSettings(), rng, ("adversarial", "latent_adversarial"))
    translator.zero_grad(set_to_none=True)
    pools = {name: ImagePool(2, rng) for name in ("x", "y")}
    torch.autograd.backward(torch.stack(list(discriminator_terms(translator, made, pools, rng).values())).sum())
    names = {
        name for name in Translator.GENERATORS_AND_ENCODERS + Translator.DISCRIMINATORS if gradients(translator, name)
    }
    assert names == set(Translator.DISCRIMINATORS)


def test_a_second_scale_has_a_larger_receptive_field_and_the_same_weight() -> None:
    torch.manual_seed(0)
    judge = Translator(replace(OURS, discriminator_scales=2)).d_y.eval()
    x = images(1, 128, 128)
    optical = x.optical.requires_grad_(True)
    scores = judge(optical, x)
    assert scores.shape == (1, 2, 16, 16)
    reach = []
    for channel in range(2):
        (slope,) = torch.autograd.grad(scores[0, channel, 8, 8], optical, retain_graph=True)
        reach.append(int((slope.abs().sum((0, 1, 2)) > 0).sum()))
    assert reach[1] > 1.8 * reach[0]


def test_all_eight_come_back_and_g_xy_alone(translator: Translator, tmp_path) -> None:
    averaged = Translator(translator.sizes).g_xy.eval()
    path = tmp_path / "eight.safetensors"
    save_translator(translator.eval(), Header(name="eight", steps=7), path, averaged)
    again, header = load_translator(path)
    assert (header.name, header.steps, again.sizes) == ("eight", 7, translator.sizes)
    for name, value in translator.state_dict().items():
        wanted = averaged.state_dict()[name[5:]] if name.startswith("g_xy.") else value
        kept = wanted.half().float() if wanted.ndim > 1 else wanted  # kernels are in float16
        assert torch.equal(again.state_dict()[name], kept), name
    alone, _ = load_generator(path)
    x, z = images(1, 64, 64), translator.draw_y(images(1, 64, 64), torch.Generator())
    assert torch.equal(alone(x, z).ground, again.g_xy.eval()(x, z).ground)
    torch.testing.assert_close(alone(x, z).ground, averaged(x, z).ground, atol=1e-3, rtol=0)
    save_generator(averaged, Header(name="one"), tmp_path / "one.safetensors")
    with pytest.raises(WeightsError, match="holds `unclouded-generator-1`, not `unclouded-translator-1`"):
        load_translator(tmp_path / "one.safetensors")


def test_published_weights_come_back(tmp_path) -> None:
    generator = PublishedGenerator(PublishedSettings(width=4, blocks=1, latent=3)).eval()
    save_generator(generator, Header(name="published"), tmp_path / "w.safetensors")
    again, _ = load_generator(tmp_path / "w.safetensors")
    x, z = images(1, 61, 67), torch.ones(1, 3)
    assert torch.equal(again(x, z).ground, generator(x, z).ground)
    assert again(x, z).ground.shape == (1, len(NAMES), 61, 67)
    assert (again(x, z).opacity == 1).all()


def test_a_published_generator_does_not_begin_saturated() -> None:
    torch.manual_seed(0)
    made = PublishedGenerator(PublishedSettings()).eval()(images(2, 64, 64), torch.randn(2, 16)).ground
    darkest, brightest = 0.0, 1.65
    inside = (made > darkest + 0.002) & (made < brightest - 0.05)
    assert float(inside.float().mean()) > 0.9
