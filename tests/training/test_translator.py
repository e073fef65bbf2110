"""The training loop: it learns, it resumes to the bit, and it stops at a loss that is no number."""

import json
from pathlib import Path

import pytest
import torch
from tiny_run import at_draw, changed, interrupt

from unclouded.data.collection import load_collection
from unclouded.errors import InputError, UncloudedError, WeightsError
from unclouded.models.published import PublishedGenerator
from unclouded.models.weights import load_generator, save_generator
from unclouded.models.weights_header import Header
from unclouded.settings import ErrorSettings, TranslatorSettings
from unclouded.sizes import PublishedSettings
from unclouded.training import translator
from unclouded.training.collection_source import CollectionSource
from unclouded.training.error_head import fit_error_head
from unclouded.training.simulated_clouds import SimulatedBatch
from unclouded.training.translator_run import run


def test_a_killed_run_resumes_to_the_bit(tiny: TranslatorSettings, made_up: Path, tmp_path: Path) -> None:
    whole = run(tiny, made_up, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt), at_draw(6, CollectionSource, "simulated", interrupt):
        run(tiny, made_up, tmp_path / "killed")
    resumed = run(tiny, made_up, tmp_path / "killed", resume=True)
    for mine, theirs in zip(
        load_generator(whole)[0].parameters(), load_generator(resumed)[0].parameters(), strict=True
    ):
        assert torch.equal(mine, theirs)
    log = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [2, 4, 6]
    assert {"reconstruction", "ground", "detection", "adversarial", "cycle", "mode_seeking", "discriminator_zx"} <= log[
        -1
    ].keys()


def test_every_parameter_learns(tiny: TranslatorSettings, made_up: Path, tmp_path: Path) -> None:
    before = {name: p.clone() for name, p in translator.TranslatorTraining(tiny).translator.g_xy.named_parameters()}
    after, header = load_generator(run(tiny, made_up, tmp_path / "run"))
    still = [name for name, p in after.named_parameters() if torch.equal(p, before[name])]
    assert still == []
    assert header.steps == 6
    assert header.settings["training"]["batch"] == 2


def test_without_steps_only_the_error_head_of_other_weights_learns(
    tiny: TranslatorSettings, made_up: Path, tmp_path: Path
) -> None:
    first = run(tiny, made_up, tmp_path / "first")
    model = tiny.model_dump()
    model["training"] |= {"start": str(first), "steps": 0}
    model["error"] |= {"steps": 20, "images": 8}
    second, header = load_generator(run(TranslatorSettings.model_validate(model), made_up, tmp_path / "second"))
    assert header.steps == 6
    before = load_generator(first)[0].state_dict()
    moved = {name for name, value in second.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if name.startswith("error.")}


def test_the_error_head_learns_how_large_errors_are(tiny: TranslatorSettings, made_up: Path) -> None:
    training = translator.TranslatorTraining(tiny)
    source = CollectionSource(load_collection(made_up, made_up / "listing.yaml"), training.rng)

    def taught(steps: int) -> float:
        how = ErrorSettings(images=12, pixels=100, steps=steps)
        rng = torch.Generator().manual_seed(0)
        return fit_error_head(training.average, source.simulated, how, 4, "fp32", rng)

    assert taught(200) < taught(1) - 0.2


def test_a_run_starts_from_weights_that_fit_alone(tiny: TranslatorSettings, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_generator(PublishedGenerator(PublishedSettings(width=8, blocks=1, latent=4)), Header("other"), path)
    model = tiny.model_dump()
    model["training"] |= {"start": str(path)}
    with pytest.raises(WeightsError, match=r"other\.safetensors: holds \S+, which the network of the settings"):
        translator.TranslatorTraining(TranslatorSettings.model_validate(model))
    spoilt = translator.TranslatorTraining(tiny).average
    torch.nn.init.constant_(spoilt.prior, float("nan"))
    save_generator(spoilt, Header("spoilt"), tmp_path / "spoilt.safetensors")
    model["training"] |= {"start": str(tmp_path / "spoilt.safetensors")}
    with pytest.raises(WeightsError, match="not finite"):
        translator.TranslatorTraining(TranslatorSettings.model_validate(model))
    model["training"] |= {"start": "default"}
    with pytest.raises(WeightsError, match="does not fit"):
        translator.TranslatorTraining(TranslatorSettings.model_validate(model))


def test_a_run_with_the_cover_input_starts_from_weights_without_it(
    tiny: TranslatorSettings, made_up: Path, tmp_path: Path
) -> None:
    first = run(tiny, made_up, tmp_path / "first")
    model = tiny.model_dump()
    model["model"] |= {"cover": True}
    model["training"] |= {"start": str(first)}
    generator, header = load_generator(run(TranslatorSettings.model_validate(model), made_up, tmp_path / "second"))
    assert generator.takes_cover and header.steps == 12
    for weights in (generator.enter.weight[:, -4:], generator.context.enter.weight[:, -1]):
        assert weights.abs().max() > 0  # trained


def test_not_a_number_stops_and_keeps_the_last_checkpoint(
    tiny: TranslatorSettings, made_up: Path, tmp_path: Path
) -> None:
    def spoil(images: SimulatedBatch) -> SimulatedBatch:
        return images._replace(truth=images.truth * float("nan"))

    with (
        pytest.raises(UncloudedError, match=r"ground.* not finite at step 3"),
        at_draw(4, CollectionSource, "simulated", spoil),
    ):
        run(tiny, made_up, tmp_path / "run")
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] == 2


def test_refuses_to_overwrite_or_invent_a_run(tiny: TranslatorSettings, made_up: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        run(tiny, made_up, tmp_path / "run", resume=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").touch()
    with pytest.raises(InputError, match="already holds a run"):
        run(tiny, made_up, tmp_path / "run")


def test_resuming_with_other_settings_names_what_differs(
    tiny: TranslatorSettings, made_up: Path, tmp_path: Path
) -> None:
    run(changed(tiny, training={"steps": 2}), made_up, tmp_path / "run")
    other = changed(tiny, training={"learning_rate": 0.5}, loss={"cycle": 2.0})
    with pytest.raises(
        InputError, match=r"run: loss\.cycle was 1\.0, is 2\.0; training\.learning_rate was 0\.001, is 0\.5"
    ):
        run(other, made_up, tmp_path / "run", resume=True)
    longer = changed(tiny, training={"steps": 3, "checkpoint_every": 1})
    assert load_generator(run(longer, made_up, tmp_path / "run", resume=True))[1].steps == 3
