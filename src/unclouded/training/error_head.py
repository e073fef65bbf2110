"""Fitting of a trained network's error head to the errors of simulated images cleared by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.bands import NAMES
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.patch import sample_patch
from unclouded.detection.classes import CLEAR, THICK_CLOUD
from unclouded.detection.csmask import usable_bands
from unclouded.errors import UncloudedError
from unclouded.models.blocks import to_grid
from unclouded.models.context_generator import ContextGenerator
from unclouded.progress import TrainingProgress, silent_training
from unclouded.settings import ErrorSettings
from unclouded.training import objectives
from unclouded.training.fitting import fit
from unclouded.training.simulated_clouds import SimulatedBatch

_HIDDEN = 0.3
"""`cloud_shadow_fraction` from which on the mask of an image covers a pixel."""


class Pixels(NamedTuple):
    """Input of the error head for blocks of 2 x 2 pixels, and the absolute error there.

    Attributes:
        features: (N, C), see `ErrorHead.of_pixels`.
        context: (N, K), likewise.
        code: (N, D), likewise.
        error: (N,) in reflectance, mean over the block and the present bands.
    """

    features: Tensor
    context: Tensor
    code: Tensor
    error: Tensor


def fit_error_head(
    generator: ContextGenerator,
    draw: Callable[[int], SimulatedBatch],
    settings: ErrorSettings,
    batch: int,
    precision: str,
    rng: torch.Generator,
    progress: TrainingProgress = silent_training,
) -> float:
    """Clear simulated images, and fit a network's error head to the errors; the rest of the network is not changed.

    Args:
        generator: the network.
        draw: draws so many simulated images.
        settings: number of images, and options of fitting.
        batch: images drawn at once.
        precision: under which the network runs, one of `PRECISIONS`.
        rng: of masks, pixels and their order.
        progress: called for each batch.

    Raises:
        UncloudedError: nothing is replaced in any image.

    Returns:
        The mean of `objectives.laplace_nll` over all pixels afterwards.
    """
    sampled = []
    options = ClearOptions(precision=precision)
    batches = -(-settings.images // batch)
    for number in range(batches):
        for image in draw(batch).each():
            if (pixels := _sample_pixels(generator, image, settings.pixels, options, rng)) is not None:
                sampled.append(pixels)
        progress("errors", number + 1, batches, {})
    if not sampled:
        raise UncloudedError(
            f"In {settings.images} simulated images nothing is replaced, so there are no errors to learn from: "
            "make error.images larger."
        )
    pixels = Pixels(*(torch.cat(field) for field in zip(*sampled, strict=True)))
    head = generator.error
    head.initialise(rng)
    weight = torch.ones((), device=pixels.error.device)

    def loss_of(some: Tensor) -> Tensor:
        features, context, code, error = (field[some] for field in pixels)
        return objectives.laplace_nll(head.of_pixels(features, context, code), error, weight)

    fit(head, loss_of, len(pixels.error), settings, rng, largest_norm=1.0)
    with torch.no_grad():
        found = head.of_pixels(pixels.features, pixels.context, pixels.code)
        return float(objectives.laplace_nll(found, pixels.error, weight))


def _sample_pixels(
    generator: ContextGenerator, image: SimulatedBatch, count: int, options: ClearOptions, rng: torch.Generator
) -> Pixels | None:
    """Sample up to `count` random pixels that are replaced in an image that is cleared as a scene is.

    The composed image is not the network's ground alone: its level follows the scene's own ground, and detector and
    mask decide where it replaces the image. Half of the images have a mask of all cover, and so do those with bands
    that the detector cannot use.

    Returns:
        None if nothing is replaced, or nothing holds data.
    """
    x, threshold = image.observation, options.threshold_for(generator.inference)
    if not x.valid.any():
        return None
    has_mask = bool(torch.rand((), generator=rng) < 0.5)
    present = [name for name, there in zip(NAMES, x.present[0].tolist(), strict=True) if there]
    detects = generator.inference.detector != "none"
    mask = None
    if detects and (has_mask or not usable_bands(present)):
        hidden = image.cloud_shadow_fraction[0, 0] >= _HIDDEN
        mask = np.where(hidden.cpu().numpy(), np.uint8(THICK_CLOUD), np.uint8(CLEAR))
        options = replace(options, mask_only=True)
    calls: list[tuple[Tensor, Tensor, Tensor]] = []
    hook = generator.error.register_forward_hook(lambda head, inputs, output: calls.append(inputs))
    try:
        made = sample_patch(x, generator, options, mask=mask)
    finally:
        hook.remove()
    features, context, code = calls[-1]  # an earlier call may be by the detector
    # The image is padded by equally many cells on all sides.
    blocks = x.optical.shape[2] // 2, x.optical.shape[3] // 2
    code = to_grid(code, *features.shape[2:]).expand(-1, *features.shape[2:], -1).permute(0, 3, 1, 2)
    cut = (_middle(values, *blocks)[0] for values in (features, generator.error.enlarge(context), code))
    features, context, code = cut
    there = x.present[0].cpu().numpy() > 0
    truth = image.truth[0].cpu().numpy()[there]
    error = abs(np.clip(made.reflectance[there], 0, 1) - np.clip(truth, 0, 1)).mean(0)
    replaced = (made.opacity >= threshold) & (x.valid[0, 0].cpu().numpy() > 0)
    of_blocks, whole = (
        F.avg_pool2d(torch.from_numpy(values.astype(np.float32))[None], 2)[0] for values in (error, replaced)
    )
    row, column = torch.nonzero(whole == 1, as_tuple=True)
    if not len(row):
        return None
    some = torch.randperm(len(row), generator=rng)[:count]
    row, column = row[some], column[some]
    features, context, code = (values[:, row, column].T.float() for values in (features, context, code))
    return Pixels(features, context, code, of_blocks[row, column].to(features.device))


def _middle(values: Tensor, height: int, width: int) -> Tensor:
    """Centre crop of images (B, C, h, w)."""
    top, left = (values.shape[2] - height) // 2, (values.shape[3] - width) // 2
    return values[..., top : top + height, left : left + width]
