"""Teaches a network's error head which errors to expect of it, once the network itself has learnt."""

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
from unclouded.detection.csmask import readable
from unclouded.errors import UncloudedError
from unclouded.models.blocks import to_grid
from unclouded.models.context_generator import ContextGenerator
from unclouded.progress import TrainingProgress, silent_training
from unclouded.settings import ErrorSettings
from unclouded.training import objectives
from unclouded.training.fitting import fit
from unclouded.training.simulated_clouds import Simulated

_HIDDEN = 0.3
"""Share of a pixel that is hidden from which on a mask covers it."""


class Pixels(NamedTuple):
    """What the error head sees of pixels (blocks of 2 x 2), and the absolute error there.

    Attributes:
        seen: (N, C) the features that the image is drawn from.
        context: (N, K).
        code: (N, D).
        error: (N,) mean over the block and the bands that are there.
    """

    seen: Tensor
    context: Tensor
    code: Tensor
    error: Tensor


def teach_error_head(
    generator: ContextGenerator,
    draw: Callable[[int], Simulated],
    settings: ErrorSettings,
    batch: int,
    precision: str,
    rng: torch.Generator,
    progress: TrainingProgress = silent_training,
) -> float:
    """Look at the errors of what clearing makes of simulated images, and fit a network's error head to them.

    All other values of the network stay as they are.

    Args:
        generator: the network.
        draw: gives so many simulated images.
        settings: how many images, and how the head learns.
        batch: images drawn at once.
        precision: under which the network runs, one of `PRECISIONS`.
        rng: of masks, pixels and their order.
        progress: told each batch.

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
    head.begin(rng)
    weight = torch.ones((), device=pixels.error.device)

    def loss_of(some: Tensor) -> Tensor:
        seen, context, code, error = (field[some] for field in pixels)
        return objectives.laplace_nll(head.of_pixels(seen, context, code), error, weight)

    fit(head, loss_of, len(pixels.error), settings, rng, largest_norm=1.0)
    with torch.no_grad():
        found = head.of_pixels(pixels.seen, pixels.context, pixels.code)
        return float(objectives.laplace_nll(found, pixels.error, weight))


def _sample_pixels(
    generator: ContextGenerator, image: Simulated, count: int, options: ClearOptions, rng: torch.Generator
) -> Pixels | None:
    """Take `count` random pixels that are replaced in an image cleared as a scene is, or as many as there are.

    What is composed is not the network's ground alone: it is settled by the scene's own, and laid over the image as far
    as detector and mask say. Half of the images come with the mask of all that hides the ground, and so do those with
    whose bands no detector tells anything.

    Returns:
        None where nothing is replaced, or nothing holds data.
    """
    x, threshold = image.observation, options.threshold_for(generator.inference)
    if not x.valid.any():
        return None
    has_mask = bool(torch.rand((), generator=rng) < 0.5)
    present = [name for name, there in zip(NAMES, x.present[0].tolist(), strict=True) if there]
    detects = generator.inference.detector != "none"
    mask = None
    if detects and (has_mask or not readable(present)):
        hidden = image.cloud_shadow_fraction[0, 0] >= _HIDDEN
        mask = np.where(hidden.cpu().numpy(), np.uint8(THICK_CLOUD), np.uint8(CLEAR))
        options = replace(options, mask_only=True)
    shown: list[tuple[Tensor, Tensor, Tensor]] = []
    hook = generator.error.register_forward_hook(lambda head, inputs, output: shown.append(inputs))
    try:
        made = sample_patch(x, generator, options, mask=mask)
    finally:
        hook.remove()
    seen, context, code = shown[-1]  # the first may be what the detector asked
    # Cells around the image, alike on all sides, are not of it.
    blocks = x.optical.shape[2] // 2, x.optical.shape[3] // 2
    code = to_grid(code, *seen.shape[2:]).expand(-1, *seen.shape[2:], -1).permute(0, 3, 1, 2)
    seen, context, code = (_middle(values, *blocks)[0] for values in (seen, generator.error.enlarge(context), code))
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
    seen, context, code = (values[:, row, column].T.float() for values in (seen, context, code))
    return Pixels(seen, context, code, of_blocks[row, column].to(seen.device))


def _middle(values: Tensor, height: int, width: int) -> Tensor:
    """The middle of images (B, C, h, w)."""
    top, left = (values.shape[2] - height) // 2, (values.shape[3] - width) // 2
    return values[..., top : top + height, left : left + width]
