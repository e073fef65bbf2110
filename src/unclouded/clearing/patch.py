"""Clear a patch that is its own scene, in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from unclouded.bands import INDEX
from unclouded.clearing.latent_sampling import latents, sample
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.scene_reader import observe
from unclouded.guides import RADAR
from unclouded.models.generator import Generator, pad_to_cells
from unclouded.tiles import Box


def clear_patch(
    reflectance: NDArray[np.float32],
    bands: Sequence[str],
    level: str,
    generator: Generator,
    options: ClearOptions | None = None,
    *,
    radar: NDArray[np.float32] | None = None,
    valid: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Clear a patch that is its own scene, in memory, on the generator's device.

    Args:
        reflectance: (C, h, w), 1.0 = 100 %.
        bands: the name of each.
        level: "L1C" or "L2A".
        generator: the network, on its device.
        options: how; its model, device and paths are not used.
        radar: (2, h, w) VV and VH in dB; a pixel where one of them is NaN is without radar.
        valid: (h, w) where the patch holds data; everywhere unless given.

    Returns:
        The cleared reflectance (C, h, w), the opacity (h, w), and the uncertainty (h, w), see
        `clearing.latent_sampling.sample`. The last two are NaN where the patch is not valid.
    """
    options = options or ClearOptions()
    height, width = reflectance.shape[1:]
    if valid is None:
        valid = np.ones((height, width), np.bool_)
    whole = Box(0, 0, height, width)
    guides = {} if radar is None else {RADAR.name: radar}
    with torch.inference_mode():
        x = pad_to_cells(observe(reflectance, valid, bands, level, guides, generator.device))
        statistics = generator.summarise(x)
        context = generator.spread(statistics, generator.context(statistics, x.conditioning))
        zs = latents(generator, options.samples, options.seed)
        drawn = sample(generator, x, context, zs, whole, options.precision)[0]
    present = [INDEX[band] for band in bands]
    kept = ~valid | (drawn.opacity < options.threshold_for(generator.inference))
    cleared = np.where(kept, reflectance, drawn.reflectance[present])
    return (
        cleared.astype(np.float32, copy=False),
        np.where(valid, drawn.opacity, np.float32(np.nan)),
        np.where(valid, drawn.uncertainty, np.float32(np.nan)),
    )
