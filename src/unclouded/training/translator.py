"""Training of the generator X x Z_y -> Y: one plain loop, which can be killed and resumed at any checkpoint."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from unclouded.data.collection import load_collection
from unclouded.errors import InputError, UncloudedError
from unclouded.models.discriminator import Discriminator
from unclouded.models.generator import CELL, Generator, GeneratorSettings, Observation, Translation, compose
from unclouded.models.weights import Header, save_generator
from unclouded.settings import TranslatorSettings
from unclouded.training import objectives
from unclouded.training.batches import Batches, Simulated


class Training:
    """Everything a run needs to go on: networks, optimisers, moving average, randomness and the step."""

    def __init__(self, settings: TranslatorSettings) -> None:
        torch.manual_seed(settings.training.seed)
        self.settings = settings
        generator = Generator(GeneratorSettings(**settings.model.model_dump()))
        self.generator = generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.discriminator = Discriminator()
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        rate = settings.training
        self.optimiser = torch.optim.AdamW(
            self.generator.parameters(), rate.learning_rate, (0.9, 0.99), weight_decay=0.01, fused=True
        )
        self.opponent = torch.optim.Adam(self.discriminator.parameters(), rate.discriminator_rate, (0.5, 0.999))
        self.rng = torch.Generator().manual_seed(settings.training.seed)
        self.step = 0

    def state(self) -> dict[str, Any]:
        """What `restore` takes."""
        modules = ("generator", "discriminator", "average", "optimiser", "opponent")
        return {name: getattr(self, name).state_dict() for name in modules} | {
            "rng": self.rng.get_state(),
            "step": self.step,
            "settings": self.settings.model_dump_json(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a saved state."""
        for name in ("generator", "discriminator", "average", "optimiser", "opponent"):
            getattr(self, name).load_state_dict(state[name])
        self.rng.set_state(state["rng"])
        self.step = state["step"]


def train(settings: TranslatorSettings, data: Path, output: Path, resume: bool = False) -> Path:
    """Train a generator and return the path of its weights.

    Args:
        settings: of the run.
        data: folder that holds the images which the settings' collection names.
        output: folder of the run: `checkpoint.pt`, `log.jsonl` and, at every checkpoint, `weights.safetensors`.
        resume: go on from `checkpoint.pt`.

    Raises:
        InputError: the folder holds a run and `resume` was not asked for, or there is none to resume.
        UncloudedError: a loss is no longer finite; the last good checkpoint stays.
    """
    checkpoint = output / "checkpoint.pt"
    if checkpoint.exists() != resume:
        found, advice = (
            ("already holds a run", "add --resume") if checkpoint.exists() else ("holds no run", "drop --resume")
        )
        raise InputError(f"{output}: {found}; {advice} or choose another folder.")
    output.mkdir(parents=True, exist_ok=True)
    training = Training(settings)
    if resume:
        training.restore(torch.load(checkpoint, weights_only=True))
    batches = Batches(load_collection(data, Path(settings.training.collection)), training.rng)
    every, last = settings.training.checkpoint_every, settings.training.steps
    sums: dict[str, float] = {}
    started = time.monotonic()
    with (
        tqdm(total=last, initial=training.step, unit="step", disable=None) as bar,
        (output / "log.jsonl").open("a") as log,
    ):
        while training.step < last:
            terms = _step(training, batches)
            bad = [name for name, value in terms.items() if not math.isfinite(value)]
            if bad:
                where = f"{', '.join(bad)} not finite at step {training.step}"
                raise UncloudedError(f"{output}: {where}; checkpoint.pt is the last good state.")
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value
            training.step += 1
            bar.update()
            if training.step % every == 0 or training.step == last:
                means = {name: round(value / every, 6) for name, value in sums.items()}
                log.write(
                    json.dumps({"step": training.step, "seconds": round(time.monotonic() - started), **means}) + "\n"
                )
                log.flush()
                bar.set_postfix(means)
                sums.clear()
                _save(training, output)
    return output / "weights.safetensors"


def _step(training: Training, batches: Batches) -> dict[str, float]:
    """One update of the generator and, once it takes part, of the discriminator."""
    settings = training.settings
    for group in training.optimiser.param_groups:
        group["lr"] = settings.training.learning_rate * _schedule(training.step, settings)
    adversarial = settings.loss.adversarial > 0 and training.step >= settings.training.adversarial_from
    terms = _simulated_terms(training, batches.simulated(settings.training.batch))
    if adversarial:
        x, y = batches.unpaired(settings.training.batch // 2)
        with _precision(settings):
            made = _translate(training.generator, x, _latent(training, len(y)))
        cleared = compose(x.optical, made)
        terms["adversarial"] = objectives.least_squares(training.discriminator(cleared, x), real=True)
    weights = settings.loss.model_dump()
    loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
    training.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(training.generator.parameters(), 1.0)
    training.optimiser.step()
    if adversarial:
        fake = objectives.least_squares(training.discriminator(cleared.detach(), x), real=False)
        terms["discriminator"] = objectives.least_squares(training.discriminator(y, x), real=True) + fake
        training.opponent.zero_grad(set_to_none=True)
        torch.autograd.backward(terms["discriminator"])
        training.opponent.step()
    with torch.no_grad():
        share = min(settings.training.average, (1 + training.step) / (10 + training.step))
        torch._foreach_lerp_(list(training.average.parameters()), list(training.generator.parameters()), 1 - share)
    return {name: float(term.detach()) for name, term in terms.items()}


def _simulated_terms(training: Training, batch: Simulated) -> dict[str, Tensor]:
    """Terms whose truth the simulation knows.

    Half of the images are translated with z = 0, the most typical ground, and judged by their error; the other half
    with two latents each, judged by the energy score, so that the spread over z is the spread of what may be there.
    """
    half = len(batch.truth) // 2
    x = Observation(*(torch.cat([part, part[half:]]) for part in batch.observation))
    z = _latent(training, len(x.optical))
    z[:half] = 0
    with _precision(training.settings):
        statistics = training.generator.summarise(batch.observation)
        survey = training.generator.context(statistics, batch.observation.known)
        context = training.generator.spread(statistics, survey)
        made = training.generator.translate(x, torch.cat([context, context[half:]]), z)
    result, truth, hidden = compose(x.optical, made), batch.truth, batch.hidden
    typical, first, second = (slice(0, half), slice(half, len(truth)), slice(len(truth), None))
    seen = batch.observation.valid * batch.observation.present[:, :, None, None]
    bad = seen * objectives.replacement(hidden)

    def score(image: Tensor, weight: Tensor) -> Tensor:
        error = objectives.reconstruction(image[typical], truth[typical], weight[typical])
        return error + objectives.energy_score(image[first], image[second], truth[first], weight[first])

    # A cell that is partly cloud would tint the ground spread from it: the cube leaves it little trust.
    clear = F.avg_pool2d((hidden < 0.1).float(), CELL) ** 3
    trust = survey.trust.float().clamp(1e-4, 1 - 1e-4)
    # The error of a cleared pixel counts in reflectance, where 0.01 matters: bring the terms to about 1.
    return {
        "reconstruction": 10 * score(result, seen),
        "ground": 10 * score(made.ground, bad),
        "spectral_angle": 10 * objectives.spectral_angle(result[: len(truth)], truth, batch.observation.valid),
        "detection": objectives.detection(made.opacity[: len(truth)], hidden, batch.observation.valid),
        "trust": F.binary_cross_entropy(trust, clear),
    }


def _translate(generator: Generator, x: Observation, z: Tensor) -> Translation:
    statistics = generator.summarise(x)
    return generator.translate(x, generator.spread(statistics, generator.context(statistics, x.known)), z)


def _latent(training: Training, batch: int) -> Tensor:
    return torch.randn(batch, training.settings.model.latent, generator=training.rng)


def _precision(settings: TranslatorSettings) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=settings.training.precision == "bf16")


def _schedule(step: int, settings: TranslatorSettings) -> float:
    """Linear warm-up, then cosine to zero."""
    warmup, steps = settings.training.warmup, settings.training.steps
    return min((step + 1) / max(warmup, 1), 0.5 * (1 + math.cos(math.pi * step / steps)))


def _save(training: Training, output: Path) -> None:
    aside = output / ".checkpoint.part"
    torch.save(training.state(), aside)
    os.replace(aside, output / "checkpoint.pt")
    settings = training.settings
    header = Header(
        name=output.name,
        threshold=settings.threshold,
        settings=settings.model_dump(mode="json"),
        data=settings.data,
        steps=training.step,
    )
    save_generator(training.average, header, output / "weights.safetensors")
