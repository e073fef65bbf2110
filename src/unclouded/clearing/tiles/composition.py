"""What becomes of each pixel of a tile: it stays as it is, byte for byte, or the network's ground takes its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.bands import INDEX
from unclouded.clearing.tiles.latent_sampling import Sampled
from unclouded.detection.classes import CLEAR, CLOUDS, NO_DATA
from unclouded.files import QUALITY_BANDS
from unclouded.reading.grids.area import inside
from unclouded.reading.info import SceneInfo
from unclouded.reflectance import nothing, to_dn
from unclouded.tiles import Box
from unclouded.writing.strips import ClearedTile


def compose_tile(
    box: Box,
    dn: NDArray[Any],
    valid: NDArray[np.bool_],
    drawn: Sequence[tuple[Box, Sampled]],
    info: SceneInfo,
) -> ClearedTile:
    """Put a tile together.

    Args:
        box: the tile.
        dn: (C, h, w) its DN, which are changed in place.
        valid: (h, w) which of them hold data.
        drawn: the boxes in the tile that the network was asked for, which do not meet, and what it gave.
        info: of the scene.
    """
    quality = np.repeat(np.where(valid, np.float32(0), np.float32(np.nan))[None], len(QUALITY_BANDS), axis=0)
    changed = np.zeros_like(valid)
    classes = np.where(valid, CLEAR, NO_DATA).astype(np.uint8)
    present = [INDEX[band] for band in info.bands]
    for looked_at, sampled in drawn:
        crop = looked_at.within(box).slices
        there = valid[crop]
        replaced = there & (sampled.classes != CLEAR)
        changed[crop], classes[crop] = replaced, np.where(there, sampled.classes, NO_DATA)
        if replaced.any():
            pixels = sampled.reflectance[present][:, None, replaced]
            dn[(slice(None), *crop)][:, replaced] = to_dn(pixels, info.encoding, dn.dtype)[:, 0]
        quality[:, *crop] = np.where(there, (sampled.opacity, sampled.uncertainty, sampled.source), np.nan)
    if info.encoding.fill_values is not None:
        dn[:, ~valid] = nothing(dn.dtype, info.encoding.nodata)  # which others would take for ground
    cloud = np.isin(classes, CLOUDS)
    return ClearedTile(box, dn, quality, classes[None], int(valid.sum()), int(changed.sum()), int(cloud.sum()))


def crop_to_region(tile: ClearedTile, info: SceneInfo) -> ClearedTile:
    """Cut a tile to the region of interest, counted from that region's corner; it holds some of it.

    Pixels outside the region's outline become no data.
    """
    if info.region is None:
        return tile
    wanted = info.region.box
    box = tile.box.shared(wanted)
    crop = (slice(None), *box.within(tile.box).slices)
    box = box.within(wanted)
    dn, quality, mask = tile.dn[crop], tile.quality[crop], tile.mask[crop]
    if (hit := inside(info.region, box, info.of_region().transform)) is not None:
        dn = np.where(hit, dn, np.asarray(nothing(info.dtype, info.encoding.nodata), info.dtype))
        quality = np.where(hit, quality, np.float32(np.nan))
        mask = np.where(hit, mask, np.uint8(NO_DATA))
    kinds = np.isfinite(quality[0]), (mask != CLEAR) & (mask != NO_DATA), np.isin(mask, CLOUDS)
    valid, changed, cloud = (int(kind.sum()) for kind in kinds)
    return ClearedTile(box, dn, quality, mask, valid, changed, cloud, tile.written)
