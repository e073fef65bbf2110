"""Fitting of the heads of trained networks: the error head and the ground prior, on simulated images."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from unclouded.errors import UncloudedError
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.weights import load_generator, save_generator
from unclouded.progress import TrainingProgress
from unclouded.training.batch_source import BatchSource
from unclouded.training.error_head import fit_error_head
from unclouded.training.ground_prior import fit_ground_prior
from unclouded.training.simulated_clouds import SimulatedBatch
from unclouded.training.translator_state import BEST, WEIGHTS, TranslatorTraining, header_of


def fit_heads(training: TranslatorTraining, batches: BatchSource, output: Path, progress: TrainingProgress) -> None:
    """Fit the heads of the moving average and of the run's best network, if it keeps one, and save both.

    A run that is interrupted here starts this again when resumed.

    Raises:
        UncloudedError: a head is not finite; the weights without it are kept.
    """
    if not training.fits_heads:
        return
    best, settings, device = output / BEST, training.settings, training.device
    networks = {output / WEIGHTS: (training.average, header_of(training, output.name, finished=True))}
    if best.exists():
        network, header = load_generator(best)
        networks[best] = (network.to(device), replace(header, data=settings.data))

    def draw(size: int) -> SimulatedBatch:
        return batches.simulated(size).to(device)

    size, rng = settings.training.batch, training.rng
    for path, (network, header) in networks.items():
        if isinstance(network, ContextGenerator):
            found = []
            if settings.ground_prior.images and network.expected is not None:
                prior = settings.ground_prior
                found.append(fit_ground_prior(network, network.expected, draw, prior, size, rng, progress))
            if settings.error.images:
                precision = settings.training.precision
                found.append(fit_error_head(network, draw, settings.error, size, precision, rng, progress))
            if not all(math.isfinite(value) for value in found):
                raise UncloudedError(f"{path}: what the heads learn is not finite; the weights are those without it.")
            save_generator(network, header, path)
