"""Evidence of what covers a scene, by the detector and by masks, on the detector's grid and on that of the cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unclouded.clearing.detector.cover_detector import CoverDetector, detector_factor
from unclouded.clearing.grid_file import GridFile
from unclouded.clearing.inputs import SceneInputs
from unclouded.clearing.options import OWN_DETECTION, ClearOptions
from unclouded.detection.csmask import usable_bands
from unclouded.detection.opacity import EVIDENCE_RADIUS, cover_input, evidence, hidden, trust_factor
from unclouded.detection.scl import JOIN_RADIUS, join
from unclouded.models.generator import Generator
from unclouded.models.observation import CELL
from unclouded.reading.files.raster import shown
from unclouded.reading.info import SceneInfo

EVIDENCE = 4
"""Channels of `detection.opacity.evidence`."""

_NOWHERE = -100.0
"""How far something was found around, where whatever the network sees must not count: no threshold is so low."""

_ROWS = 512
"""Rows of the detector's grid that are in memory at once."""


class Cover(NamedTuple):
    """What is known of the cover of a tile.

    Attributes:
        evidence: (1, 4, h, w) on the detector's grid over the tile's cells, see `detection.opacity.evidence`.
        fill: (1, 15, H / 8, W / 8) the scene's clear ground filled in, see `ContextBuilder.fill`.
    """

    evidence: NDArray[np.float32]
    fill: NDArray[np.float32]


def detector_for(inputs: SceneInputs, generator: Generator, options: ClearOptions) -> CoverDetector | None:
    """The detector for a scene; None if weights or options want none, or a mask has to do since bands are missing.

    Raises:
        InputError: if nothing can be detected with the bands of the input, and no mask was given.
    """
    if generator.inference.detector == "none" or options.mask_only:
        return None
    bands = (inputs.detection or inputs.scene).info.bands
    if inputs.mask is not None and not usable_bands(bands):
        return None
    return CoverDetector(inputs.scene.info, bands, generator=generator)


def evidence_of(probabilities: GridFile, folder: Path | None, clear: GridFile | None = None) -> GridFile:
    """Make the evidence (4, h, w) of a scene of its probabilities, see `detection.opacity.evidence`.

    Args:
        probabilities: (4, h, w) of the detector's grid.
        folder: for the file.
        clear: (2, h, w) how surely other dates show that nothing hides the ground, and the same except beside cloud.

    Raises:
        FileError: if the disk is full.
    """
    made = GridFile(probabilities.height, probabilities.width, folder, EVIDENCE)
    for top, rows in _by_strips(probabilities, evidence):
        if clear is not None:
            known, apart = clear.rows(top, top + rows.shape[1])
            rows[:2] *= 1 - apart
            rows[2] = np.maximum(np.minimum(rows[0] + rows[1], 1), rows[2] * (1 - known))
        made.write_rows(top, rows)
    return made


def hidden_of(probabilities: GridFile, folder: Path | None) -> GridFile:
    """How surely the ground of an image is hidden, (1, h, w), by its probabilities; see `detection.opacity.hidden`.

    Raises:
        FileError: if the disk is full.
    """
    made = GridFile(probabilities.height, probabilities.width, folder, 1)
    for top, rows in _by_strips(probabilities, hidden):
        made.write_rows(top, rows)
    return made


def _by_strips(probabilities: GridFile, make: Callable[[Tensor], Tensor]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """What is made of a grid (1, C, h, w) strip by strip, with as much around as matters: first row and (K, n, w)."""
    for top in range(0, probabilities.height, _ROWS):
        bottom = min(top + _ROWS, probabilities.height)
        first, last = max(0, top - EVIDENCE_RADIUS), min(probabilities.height, bottom + EVIDENCE_RADIUS)
        strip = torch.from_numpy(probabilities.rows(first, last))[None]
        yield top, make(strip)[0, :, top - first : bottom - first].numpy()


def join_classification(probabilities: GridFile, classification: GridFile, folder: Path | None) -> GridFile:
    """Join the detector's answer (4, h, w) with the shares (2, h, w) of a scene classification, see `detection.scl`.

    Raises:
        FileError: if the disk is full.
    """
    made = GridFile(probabilities.height, probabilities.width, folder, probabilities.channels)
    for top in range(0, made.height, _ROWS):
        bottom = min(top + _ROWS, made.height)
        first, last = max(0, top - JOIN_RADIUS), min(made.height, bottom + JOIN_RADIUS)
        found, known = (torch.from_numpy(grid.rows(first, last))[None] for grid in (probabilities, classification))
        made.write_rows(top, join(found, known)[0, :, top - first : bottom - first].numpy())
    return made


def describe_detection(inputs: SceneInputs, generator: Generator, options: ClearOptions) -> str:
    """Say what the detection of cloud and shadow of a scene is based on.

    Raises:
        InputError: as `detector_for`.
    """
    own = detector_for(inputs, generator, options) is not None
    mask, classification = inputs.mask, inputs.classification
    if mask is not None and (options.mask_only or (not own and generator.inference.detector != "none")):
        return f"{shown(mask.name)} alone"
    method = OWN_DETECTION if own else "the network alone"
    if mask is not None:
        return f"{method} and {shown(mask.name)}"
    if own and classification is not None:
        return f"{method}, joined with the scene classification {Path(shown(classification.name)).name}"
    return method


def evidence_without_detector(
    info: SceneInfo, generator: Generator, options: ClearOptions, folder: Path | None
) -> GridFile:
    """Evidence without a detector, beside a mask that was given, on the grid that the detector would have.

    The network is believed everywhere if its weights want no detector. Else the mask says all.
    """
    believed = generator.inference.detector == "none" and not options.mask_only
    factor = detector_factor(info)
    height, width = -(-info.height // factor), -(-info.width // factor)
    made = GridFile(height, width, folder, EVIDENCE)
    for top in range(0, height, _ROWS):
        rows = np.zeros((EVIDENCE, min(_ROWS, height - top), width), np.float32)
        rows[2], rows[3] = (1, 0) if believed else (_NOWHERE, _NOWHERE)
        made.write_rows(top, rows)
    return made


def cell_cover(found: GridFile, factor: int, *, shadow: bool = True) -> NDArray[np.float32]:
    """How surely something covers a part of each cell, (h, w), 0 to 1, by the evidence on a grid of `factor` pixels.

    Without `shadow` it is cloud and haze alone.
    """
    along = CELL // factor
    made = np.empty((-(-found.height // along), -(-found.width // along)), np.float32)
    top = 0
    for values in in_rows(found):
        rows = torch.from_numpy(values)
        kinds = rows[: 1 + shadow].sum(0, keepdim=True)
        cover = torch.maximum(kinds.clamp(max=1), rows[3:])[None]
        cover = F.pad(cover, (0, -cover.shape[3] % along, 0, -cover.shape[2] % along))
        cells = F.max_pool2d(cover, along)[0, 0].numpy()
        made[top : top + len(cells)] = cells
        top += len(cells)
    return made


def cell_cover_input(found: GridFile, factor: int) -> NDArray[np.float32]:
    """The cover of each cell as input of the network, (h, w), by the evidence on a grid of `factor` pixels."""
    return np.concatenate(
        [_cell_means(cover_input(torch.from_numpy(values)[None]), factor) for values in in_rows(found)]
    )


def cell_trust_factor(probabilities: GridFile, factor: int) -> NDArray[np.float32]:
    """Factor on the trust in each cell, (h, w), see `detection.opacity.trust_factor`."""
    strips = _by_strips(probabilities, trust_factor)
    return np.concatenate([_cell_means(torch.from_numpy(rows)[None], factor) for _, rows in strips])


def _cell_means(fine: Tensor, factor: int) -> NDArray[np.float32]:
    """Average over the cells (h, w) a grid (1, 1, h', w') of `factor` pixels, whose last cells may be cut."""
    cells = F.avg_pool2d(fine, CELL // factor, ceil_mode=True, count_include_pad=False)
    return np.asarray(cells[0, 0].numpy(), np.float32)


def in_rows(grid: GridFile) -> Iterator[NDArray[np.float32]]:
    """All of a grid, (C, h, w) from top to bottom."""
    for top in range(0, grid.height, _ROWS):
        yield grid.rows(top, min(top + _ROWS, grid.height))
