"""Training of the translator's eight networks: one plain loop, which can be killed and resumed at any checkpoint."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from unclouded.errors import UncloudedError
from unclouded.inference import InferenceConfig
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.generator import Generator
from unclouded.models.observation import Observation
from unclouded.models.translator import Translator, TranslatorSizes
from unclouded.models.weights import Header, load_generator, save_generator, save_translator, start_from
from unclouded.precision import autocast
from unclouded.progress import TrainingProgress, silent_training
from unclouded.settings import TranslatorSettings
from unclouded.training.checkpoint import check_settings, check_start, read_checkpoint, restoring, write_checkpoint
from unclouded.training.error_head import teach_error_head
from unclouded.training.ground_prior import teach_ground_prior
from unclouded.training.image_pool import ImagePool
from unclouded.training.ranks import Ranks
from unclouded.training.run_log import RunLog
from unclouded.training.schedule import cosine, update_average, warm_up
from unclouded.training.simulated_clouds import Simulated
from unclouded.training.simulated_terms import simulated_terms
from unclouded.training.unpaired_terms import discriminator_terms, frozen, generator_terms


class BatchSource(Protocol):
    """Where batches come from, such as `training.archive_source.ArchiveSource`."""

    def simulated(self, size: int) -> Simulated:
        """Draw clear images under simulated clouds: this process's share of `size`."""

    def unpaired(self, size: int) -> tuple[Observation, Observation]:
        """Draw cloudy images, and as many clear ones: this process's share of `size`."""

    def state_dict(self) -> dict[str, Any]:
        """The position."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a position."""


WEIGHTS, BEST = "weights.safetensors", "best.safetensors"
"""In a run's folder: the moving average as it is, and as it was when it was best (see `training.validation`)."""
TRANSLATOR = "translator.safetensors"
"""Likewise: all eight networks, of which the moving average is G_XY, where the two domains teach."""

Validate = Callable[["TranslatorTraining"], dict[str, float]]
"""Measures the moving average; what it gives is logged."""


class TranslatorTraining:
    """Everything a run needs to go on: networks, optimisers, moving average, pools, randomness and the step."""

    _STATEFUL = ("translator", "average", "optimiser", "discriminator_optimiser")

    def __init__(self, settings: TranslatorSettings, ranks: Ranks | None = None) -> None:
        torch.manual_seed(settings.training.seed)
        self.ranks = ranks = ranks or Ranks()
        self.settings, self.device = settings, ranks.device
        if settings.loss.simulated:
            ranks.check_batch("training.batch", settings.training.batch)
        if settings.loss.unpaired:
            ranks.check_batch("unpaired.batch", settings.unpaired.batch)
        # Validation must see the network as it is when its weights are read.
        networks = Translator(sizes_of(settings), inference_of(settings))
        start = settings.training.start
        self.steps_before = 0 if start is None else start_from(networks.g_xy, start)
        self.translator: Translator = networks.to(self.device, memory_format=networks.memory_format)  # type: ignore[call-overload]
        self.average: Generator = copy.deepcopy(self.translator.g_xy).requires_grad_(False)
        ranks.divide(self.translator.g_xy, "spread", "translate")
        ranks.divide(self.translator.g_xy.get_submodule("context"), "forward")
        for name in Translator.GENERATORS_AND_ENCODERS[1:] + Translator.DISCRIMINATORS:
            ranks.divide(getattr(self.translator, name), "forward")
        config = settings.training
        self.optimiser = torch.optim.AdamW(
            self.translator.parameters_of(Translator.GENERATORS_AND_ENCODERS if settings.loss.unpaired else ("g_xy",)),
            config.learning_rate,
            config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.discriminator_optimiser = torch.optim.Adam(
            self.translator.parameters_of(Translator.DISCRIMINATORS), settings.unpaired.discriminator_rate, (0.5, 0.999)
        )
        self.rng = torch.Generator().manual_seed(config.seed)
        self.pools = {name: ImagePool(settings.unpaired.pool, self.rng) for name in ("y", "x")}
        self.step = 0
        self.best: dict[str, float] = {}

    @property
    def teaches_heads(self) -> bool:
        """Whether something of the network is to learn when all steps are taken."""
        return isinstance(self.average, ContextGenerator) and self.settings.teaches_heads

    def state(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {name: getattr(self, name).state_dict() for name in self._STATEFUL} | {
            "pools": {name: pool.state_dict() for name, pool in self.pools.items()},
            "rng": self.rng.get_state(),
            "step": self.step,
            "best": self.best,
            "settings": self.settings.model_dump_json(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a saved state.

        Raises:
            InputError: it is of other networks.
        """
        with restoring():
            for name in self._STATEFUL:
                getattr(self, name).load_state_dict(state[name])
            for name, pool in self.pools.items():
                pool.load_state_dict(state["pools"][name])
            self.rng.set_state(state["rng"])
            self.step, self.best = state["step"], state["best"]


def sizes_of(settings: TranslatorSettings) -> TranslatorSizes:
    """Sizes of the networks that settings ask for."""
    ground = settings.published if settings.networks == "published" else settings.model
    return TranslatorSizes(ground, settings.cloud, discriminator_scales=settings.unpaired.scales)


def train(
    settings: TranslatorSettings,
    source: Callable[[torch.Generator], BatchSource],
    output: Path,
    *,
    resume: bool = False,
    ranks: Ranks | None = None,
    validate: Validate | None = None,
    progress: TrainingProgress = silent_training,
) -> Path:
    """Train the networks and return the path of G_XY's weights.

    Args:
        settings: of the run.
        source: gives the batches, drawing whatever is random from the generator that it is given.
        output: folder of the run: `checkpoint.pt`, `log.jsonl` and, at every checkpoint, `weights.safetensors`, with
            `translator.safetensors` if the two domains teach.
        resume: go on from `checkpoint.pt`.
        ranks: the processes that train together; this one alone, on the CPU, unless given. On the CPU a resumed run
            gives the very weights of an undisturbed one.
        validate: measures the networks every `validate_every` steps.
        progress: told each step with its terms.

    Raises:
        InputError: the folder holds a run and `resume` was not asked for, there is none to resume, or it had other
            settings.
        FileError: the checkpoint cannot be read.
        UncloudedError: a term is no longer finite; the last good checkpoint stays.
    """
    check_start(output, resume)
    training = TranslatorTraining(settings, ranks)
    ranks = training.ranks
    ranks.by_first(lambda: output.mkdir(parents=True, exist_ok=True))
    batches = source(training.rng)
    if resume:
        state = read_checkpoint(output)
        check_settings(output, state, settings)
        training.restore(state)
        batches.load_state_dict(state["source"])
    config = settings.training
    log = RunLog(output, training.step) if ranks.first else None
    sums: dict[str, list[float]] = {}
    started = time.monotonic()
    while training.step < config.steps:
        terms = _step(training, batches)
        bad = [name for name, value in terms.items() if not math.isfinite(value)]
        if bad:
            where = f"{', '.join(bad)} not finite at step {training.step}"
            raise UncloudedError(f"{output}: {where}; checkpoint.pt is the last good state.")
        for name, value in terms.items():
            sums.setdefault(name, []).append(value)
        training.step += 1
        progress("steps", training.step, config.steps, terms)
        last = training.step == config.steps
        measured = validate is not None and (last or training.step % config.validate_every == 0)
        if measured or last or training.step % config.checkpoint_every == 0:
            entry = {name: sum(values) / len(values) for name, values in sums.items()}
            if measured and validate is not None:
                entry |= ranks.by_first(partial(validate, training))
            sums.clear()
            if log is not None:
                log.write({"step": training.step, "seconds": round(time.monotonic() - started)} | entry)
                _save(training, batches, output)
    if config.steps == 0 and ranks.first:
        _save(training, batches, output)
    ranks.by_first(partial(_teach_heads, training, batches, output, progress))
    return output / WEIGHTS


def _teach_heads(training: TranslatorTraining, batches: BatchSource, output: Path, progress: TrainingProgress) -> None:
    """Teach the heads of the moving average and of the run's best network, if it keeps one, and save both.

    A run that is killed here starts this over when resumed.

    Raises:
        UncloudedError: what a head has learnt is not finite; the weights without it stay.
    """
    if not training.teaches_heads:
        return
    best, settings, device = output / BEST, training.settings, training.device
    networks = {output / WEIGHTS: (training.average, header_of(training, output.name, finished=True))}
    if best.exists():
        network, header = load_generator(best)
        networks[best] = (network.to(device), replace(header, data=settings.data))

    def draw(size: int) -> Simulated:
        return batches.simulated(size).to(device)

    size, rng = settings.training.batch, training.rng
    for path, (network, header) in networks.items():
        if isinstance(network, ContextGenerator):
            found = []
            if settings.ground_prior.images and network.expected is not None:
                prior = settings.ground_prior
                found.append(teach_ground_prior(network, network.expected, draw, prior, size, rng, progress))
            if settings.error.images:
                precision = settings.training.precision
                found.append(teach_error_head(network, draw, settings.error, size, precision, rng, progress))
            if not all(math.isfinite(value) for value in found):
                raise UncloudedError(f"{path}: what the heads learn is not finite; the weights are those without it.")
            save_generator(network, header, path)


def _step(training: TranslatorTraining, batches: BatchSource) -> dict[str, float]:
    """Update generators and encoders, then the discriminators; the value of each term, NaN for a gradient that is."""
    settings, translator = training.settings, training.translator
    for group in training.optimiser.param_groups:
        group["lr"] = settings.training.learning_rate * _schedule(training.step, settings)
    terms: dict[str, Tensor] = {}
    made = None
    if settings.loss.simulated:
        size = settings.training.batch
        simulated = training.ranks.gathered(batches.simulated(size).to(training.device), size)
        terms |= simulated_terms(
            translator.g_xy, simulated, training.rng, _precision(training), settings.loss.simulated
        )
    if settings.loss.unpaired and training.step >= settings.unpaired.start:
        size = settings.unpaired.batch
        x, y = (training.ranks.gathered(side.to(training.device), size) for side in batches.unpaired(size))
        with _precision(training), frozen(*(getattr(translator, name) for name in Translator.DISCRIMINATORS)):
            found, made = generator_terms(translator, x, y, settings.unpaired, training.rng, settings.loss.unpaired)
        terms |= found
    weights = settings.loss.model_dump()
    loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
    training.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    parameters = [p for group in training.optimiser.param_groups for p in group["params"]]
    training.ranks.sum_gradients(parameters)
    norm = torch.nn.utils.clip_grad_norm_(parameters, settings.training.clip)
    if not math.isfinite(norm):
        terms["gradient"] = norm
    else:
        training.optimiser.step()
    if made is not None and (settings.loss.adversarial or settings.loss.latent_adversarial):
        with _precision(training):
            found = discriminator_terms(translator, made, training.pools, training.rng)
        training.discriminator_optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(found.values())).sum())
        training.ranks.sum_gradients(translator.parameters_of(Translator.DISCRIMINATORS))
        training.discriminator_optimiser.step()
        terms |= found
    update_average(training.average, translator.g_xy, settings.training.average, training.step)
    return {name: float(term.detach()) for name, term in terms.items()}


def _precision(training: TranslatorTraining) -> torch.autocast:
    return autocast(training.device, training.settings.training.precision)


def _schedule(step: int, settings: TranslatorSettings) -> float:
    """Linear warm-up, then cosine to zero; or constant for half of the steps, then linear to zero."""
    config = settings.training
    warm = warm_up(step, config.warmup)
    if config.schedule == "linear":
        return warm * min(1.0, 2 * (1 - step / config.steps))
    return min(warm, cosine(step, config.steps))


def _save(training: TranslatorTraining, batches: BatchSource, output: Path) -> None:
    write_checkpoint(training.state() | {"source": batches.state_dict()}, output)
    header = header_of(training, output.name)
    save_generator(training.average, header, output / WEIGHTS)
    if training.settings.loss.unpaired:
        save_translator(training.translator, header, output / TRANSLATOR, training.average)


def inference_of(settings: TranslatorSettings) -> InferenceConfig:
    """What the weights of a run say of their use."""
    return InferenceConfig(threshold=settings.threshold, calibration=settings.calibration, detector=settings.detector)


def header_of(training: TranslatorTraining, name: str, *, finished: bool = False) -> Header:
    """What the weights of a run say of themselves at this step.

    Before the run is `finished` its error head, if it has one, has learnt nothing: they say so in `data`.
    """
    settings = training.settings
    unfinished = training.teaches_heads and not finished
    return Header(
        name=name,
        **asdict(inference_of(settings)),
        settings=settings.model_dump(mode="json"),
        data=f"{settings.data} (of an unfinished run: the uncertainty has not been learnt)".strip()
        if unfinished
        else settings.data,
        steps=training.steps_before + training.step,
    )
