"""What weighs 0 is not computed, whichever term it is, and a run that nothing would be learnt is refused at once."""

import pytest
import torch
from tiny_run import UNPAIRED, changed

from unclouded.data.collection import load_collection
from unclouded.errors import SettingsError
from unclouded.models.observation import Observation
from unclouded.models.translator import Translator
from unclouded.settings import TranslatorSettings, load_settings
from unclouded.training import objectives
from unclouded.training.collection_source import CollectionSource
from unclouded.training.translator import train
from unclouded.training.translator_state import sizes_of
from unclouded.training.unpaired_terms import generator_terms

FUNCTIONS = {
    "reconstruction": (),  # the ground is measured by the same function
    "spectral_angle": ("spectral_angle",),
    "detection": ("detection",),
    "cycle": ("cycle", "cycle_of_distributions"),
    "latent_cycle": ("latent_cycle",),
    "identity": (),  # it is a cycle's distance
    "change": ("change",),
    "mode_seeking": ("mode_seeking",),
    "adversarial": (),
    "latent_adversarial": (),
    "trust": (),
    "ground": ("replacement",),
}
SIMULATED = ("reconstruction", "ground", "spectral_angle", "detection", "trust")


@pytest.fixture
def source(made_up):
    images = load_collection(made_up, made_up / "listing.yaml")
    return lambda rng: CollectionSource(images, rng)


@pytest.mark.parametrize("term", FUNCTIONS)
def test_what_weighs_0_is_not_computed(term: str, tiny: TranslatorSettings, source, tmp_path, monkeypatch) -> None:
    # Two terms that another one shares its function with.
    off = {term: 0, **{"ground": {"detection": 0}, "cycle": {"identity": 0}}.get(term, {})}
    settings = changed(tiny, loss=off, training={"steps": 1}, unpaired={"start": 0}, error={"images": 0})

    def refuse(*_: object, **__: object) -> torch.Tensor:
        raise AssertionError(f"{term} weighs 0")

    for name in FUNCTIONS[term]:
        monkeypatch.setattr(objectives, name, refuse)
    train(settings, source, tmp_path / "run")
    logged = (tmp_path / "run" / "log.jsonl").read_text()
    assert f'"{term}"' not in logged
    if term in ("adversarial", "latent_adversarial"):
        whose = ("discriminator_zx", "discriminator_zy") if "latent" in term else ("discriminator_x", "discriminator_y")
        assert not any(f'"{name}"' in logged for name in whose)


@pytest.mark.parametrize(("term", "passes"), [("identity", ["y"]), ("change", ["x"]), ("mode_seeking", ["x", "x"])])
def test_a_generator_runs_only_for_what_teaches(term: str, passes: list[str], tiny: TranslatorSettings, source) -> None:
    only = changed(tiny, loss=dict.fromkeys((*SIMULATED, *UNPAIRED), 0) | {term: 1}, unpaired={"start": 0})
    networks = Translator(sizes_of(only))
    x, y = source(torch.Generator().manual_seed(0)).unpaired(1)
    cleared: list[str] = []
    networks.g_xy.register_forward_hook(lambda _, given, made: cleared.append("x" if given[0] is x else "y"))
    networks.g_yx.register_forward_hook(lambda *_: pytest.fail("no term asks for clouds"))
    terms, made = generator_terms(networks, x, y, only.unpaired, torch.Generator(), only.loss.unpaired)
    assert list(terms) == [term] and cleared == passes
    assert (made.cleared, made.clouded, made.z_x, made.z_y) == (None,) * 4


class Spoilt(CollectionSource):
    """Shows truth that is no number in the near infrared, which only one objective then looks at."""

    def unpaired(self, size: int) -> tuple[Observation, Observation]:
        raise AssertionError("nothing is learnt from the two domains")


def test_domains_without_a_loss_are_not_drawn(tiny: TranslatorSettings, made_up, tmp_path) -> None:
    unpaired = dict.fromkeys(UNPAIRED, 0)
    settings = changed(tiny, loss=unpaired, training={"steps": 1}, error={"images": 0})
    images = load_collection(made_up, made_up / "listing.yaml")
    train(settings, lambda rng: Spoilt(images, rng), tmp_path / "run")


def test_a_run_that_nothing_teaches_is_refused(tmp_path) -> None:
    path = tmp_path / "settings.yaml"
    nothing = "\n".join(f"  {name}: 0" for name in SIMULATED)
    path.write_text(f"loss:\n{nothing}\ntraining: {{steps: 5}}\n")
    with pytest.raises(SettingsError, match="every weight under `loss` is 0"):
        load_settings(path)
    with pytest.raises(SettingsError, match=r"unpaired\.start is 3, and there is no simulated term before"):
        load_settings(path, ["loss.cycle=1", "unpaired.start=3"])
    with pytest.raises(SettingsError, match=r"loss\.change weighs the opacity, which is 1 in published networks"):
        load_settings(path, ["loss.cycle=1", "loss.change=1", "networks=published"])
    assert load_settings(path, ["training.steps=0"]).training.steps == 0
    assert load_settings(path, ["loss.cycle=1"]).loss.cycle == 1
