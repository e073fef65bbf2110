"""Training of the translator's eight networks: one plain loop, which can be resumed from any checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from unclouded.errors import UncloudedError
from unclouded.models.translator import Translator
from unclouded.models.weights import save_generator, save_translator
from unclouded.precision import autocast
from unclouded.progress import TrainingProgress, silent_training
from unclouded.settings import TranslatorSettings
from unclouded.training.batch_source import BatchSource
from unclouded.training.checkpoint import check_settings, check_start, read_checkpoint, write_checkpoint
from unclouded.training.head_fitting import fit_heads
from unclouded.training.ranks import Ranks
from unclouded.training.run_log import RunLog
from unclouded.training.schedule import cosine, update_average, warm_up
from unclouded.training.simulated_terms import simulated_terms
from unclouded.training.translator_state import TRANSLATOR, WEIGHTS, TranslatorTraining, header_of
from unclouded.training.unpaired_terms import discriminator_terms, frozen, generator_terms

Validate = Callable[["TranslatorTraining"], dict[str, float]]
"""Measures the moving average of G_XY; the values are logged by name."""


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
        source: makes the source of batches, which draws from the random generator passed to it.
        output: folder of the run: `checkpoint.pt`, `log.jsonl` and, at every checkpoint, `weights.safetensors`, with
            `translator.safetensors` in unpaired training.
        resume: resume from `checkpoint.pt`.
        ranks: the processes of the run; by default this one alone, on the CPU. On the CPU a resumed run gives the same
            weights as an uninterrupted one.
        validate: measures the networks every `validate_every` steps.
        progress: called with each step and its terms.

    Raises:
        InputError: the folder holds a run and `resume` is not set, there is none to resume, or it had other settings.
        FileError: the checkpoint cannot be read.
        UncloudedError: a term is no longer finite; the last checkpoint is kept.
    """
    check_start(output, resume)
    training = TranslatorTraining(settings, ranks)
    ranks = training.ranks
    ranks.on_first(lambda: output.mkdir(parents=True, exist_ok=True))
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
                entry |= ranks.on_first(partial(validate, training))
            sums.clear()
            if log is not None:
                log.write({"step": training.step, "seconds": round(time.monotonic() - started)} | entry)
                _save(training, batches, output)
    if config.steps == 0 and ranks.first:
        _save(training, batches, output)
    ranks.on_first(partial(fit_heads, training, batches, output, progress))
    return output / WEIGHTS


def _step(training: TranslatorTraining, batches: BatchSource) -> dict[str, float]:
    """Update generators and encoders, then the discriminators; return each term, and a gradient norm if not finite."""
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
