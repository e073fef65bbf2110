"""What a network learns to expect where nothing of the ground shows through."""

from pathlib import Path

import pytest
import torch
from tiny_run import changed

from unclouded.data.collection import load_collection
from unclouded.errors import UncloudedError
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.observation import Observation
from unclouded.models.weights import load_generator
from unclouded.settings import GroundPriorSettings, TranslatorSettings
from unclouded.sizes import GeneratorSettings
from unclouded.training import head_fitting, simulated_clouds, translator
from unclouded.training.collection_source import CollectionSource
from unclouded.training.ground_prior import fit_ground_prior
from unclouded.training.simulated_clouds import SimulatedBatch, simulate_clouds

SIZES = GeneratorSettings((8, 8, 8), (8, 8, 8), features=2, latent=4, code=8, ground_prior=True)


def overcast(size: int) -> SimulatedBatch:
    """Nothing but cloud; the ground is dark in three images of four, and bright in the fourth."""
    truth = torch.tensor([0.1, 0.1, 0.1, 0.5]).repeat(size // 4)[:, None, None, None].expand(-1, 13, 64, 64)
    x = Observation.of(torch.full_like(truth, 0.8), torch.ones(size, 13), torch.zeros(size))
    return SimulatedBatch(x, truth, torch.ones(size, 1, 64, 64))


def test_it_expects_the_mean_of_what_may_be_there() -> None:
    torch.manual_seed(0)
    generator = ContextGenerator(SIZES).requires_grad_(False)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    settings = GroundPriorSettings(images=16, cells=30, steps=600, learning_rate=1e-2, weight_decay=0.0)
    error = fit_ground_prior(generator, generator.expected, overcast, settings, 8, torch.Generator().manual_seed(0))
    # The median of what may be there is 0.1, and would leave an error of 0.2.
    assert error == pytest.approx(0.75**0.5 * 0.25**0.5 * 0.4, abs=0.002)
    made = generator(overcast(4).observation, torch.zeros(4, 4))
    assert float(made.expected.mean()) == pytest.approx(0.2, abs=0.02)
    moved = {name for name, value in generator.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and all(name.startswith("expected.") for name in moved)


def test_a_run_ends_with_it(tiny: TranslatorSettings, made_up: Path, tmp_path: Path) -> None:
    images = load_collection(made_up, made_up / "listing.yaml")
    settings = changed(
        tiny, model={"ground_prior": True}, ground_prior={"images": 60, "steps": 20}, training={"steps": 1}
    )
    path = translator.train(settings, lambda rng: CollectionSource(images, rng), tmp_path / "run")
    generator, _ = load_generator(path)
    assert isinstance(generator, ContextGenerator) and generator.expected is not None
    assert float(generator.expected.leave.weight.abs().max()) > 0


def test_a_clear_sky_teaches_nothing() -> None:
    def clear(size: int) -> SimulatedBatch:
        images = overcast(size)
        return images._replace(cloud_shadow_fraction=torch.zeros_like(images.cloud_shadow_fraction))

    generator = ContextGenerator(SIZES).requires_grad_(False)
    settings, rng = GroundPriorSettings(images=8), torch.Generator()
    with pytest.raises(UncloudedError, match=r"shows through 0 cells .* make ground_prior\.images larger"):
        fit_ground_prior(generator, generator.expected, clear, settings, 8, rng)


def test_what_is_not_finite_is_not_saved(
    tiny: TranslatorSettings, made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = load_collection(made_up, made_up / "listing.yaml")
    monkeypatch.setattr(head_fitting, "fit_error_head", lambda *_: float("nan"))
    with pytest.raises(UncloudedError, match="not finite; the weights are those without it"):
        translator.train(
            changed(tiny, training={"steps": 1}), lambda rng: CollectionSource(images, rng), tmp_path / "run"
        )
    load_generator(tmp_path / "run" / "weights.safetensors")


def test_an_image_of_few_bands_keeps_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated_clouds, "drop_bands", lambda *_: torch.eye(13)[1])
    present = torch.eye(13)[3:4]
    clear = Observation.of(torch.full((1, 13, 64, 64), 0.2) * present[:, :, None, None], present, torch.ones(1))
    made = simulate_clouds(clear, torch.Generator().manual_seed(0))
    assert torch.equal(made.observation.present, present)
