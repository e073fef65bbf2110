"""Evidence of cloud, shadow and haze in a scene, by the detector and by masks, on the detector's grid and on cells."""

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

_MASK_ALONE = -100.0
"""Evidence of near cover and haze where the network's opacity must not count: no threshold is as low."""

_ROWS = 512
"""Rows of the detector's grid that are in memory at once."""


class Cover(NamedTuple):
    """Evidence of cover and clear ground of a tile.

    Attributes:
        evidence: (1, 4, h, w) on the detector's grid over the tile's cells, see `detection.opacity.evidence`.
        fill: (1, 16, H / 8, W / 8) the scene's clear ground filled in, see `ContextBuilder.fill`.
    """

    evidence: NDArray[np.float32]
    fill: NDArray[np.float32]


def detector_for(inputs: SceneInputs, generator: Generator, options: ClearOptions) -> CoverDetector | None:
    """The detector for a scene; None if weights or options use none, or if it lacks bands and a mask was given.

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
    """Turn the probabilities of a scene into evidence (4, h, w), see `detection.opacity.evidence`.

    Args:
        probabilities: (4, h, w) on the detector's grid.
        folder: for the file.
        clear: (2, h, w) certainty that the ground is clear, by other dates, and the same but 0 next to cloud.

    Raises:
        FileError: if the disk is full.
    """
    made = GridFile(probabilities.height, probabilities.width, folder, EVIDENCE)
    for top, rows in _by_strips(probabilities, evidence):
        if clear is not None:
            certain, apart_from_cloud = clear.rows(top, top + rows.shape[1])
            rows[:2] *= 1 - apart_from_cloud
            rows[2] = np.maximum(np.minimum(rows[0] + rows[1], 1), rows[2] * (1 - certain))
        made.write_rows(top, rows)
    return made


def hidden_of(probabilities: GridFile, folder: Path | None) -> GridFile:
    """Certainty that the ground of an image is hidden, (1, h, w), see `detection.opacity.hidden`.

    Raises:
        FileError: if the disk is full.
    """
    made = GridFile(probabilities.height, probabilities.width, folder, 1)
    for top, rows in _by_strips(probabilities, hidden):
        made.write_rows(top, rows)
    return made


def _by_strips(probabilities: GridFile, make: Callable[[Tensor], Tensor]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Apply `make` to a grid (C, h, w) in strips with margins: the first row of each, and the result (K, n, w)."""
    for top in range(0, probabilities.height, _ROWS):
        bottom = min(top + _ROWS, probabilities.height)
        first, last = max(0, top - EVIDENCE_RADIUS), min(probabilities.height, bottom + EVIDENCE_RADIUS)
        strip = torch.from_numpy(probabilities.rows(first, last))[None]
        yield top, make(strip)[0, :, top - first : bottom - first].numpy()


def join_classification(probabilities: GridFile, classification: GridFile, folder: Path | None) -> GridFile:
    """Join the detector's probabilities (4, h, w) with the shares (2, h, w) of a classification, see `detection.scl`.

    Raises:
        FileError: if the disk is full.
    """
    made = GridFile(probabilities.height, probabilities.width, folder, probabilities.channels)
    for top in range(0, made.height, _ROWS):
        bottom = min(top + _ROWS, made.height)
        first, last = max(0, top - JOIN_RADIUS), min(made.height, bottom + JOIN_RADIUS)
        detected, shares = (torch.from_numpy(grid.rows(first, last))[None] for grid in (probabilities, classification))
        made.write_rows(top, join(detected, shares)[0, :, top - first : bottom - first].numpy())
    return made


def describe_detection(inputs: SceneInputs, generator: Generator, options: ClearOptions) -> str:
    """Describe, for the user, what the detection of cloud and shadow of a scene is based on.

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
    """Evidence (4, h, w) without a detector, for a scene with a mask, on the grid that the detector would have.

    The network's opacity counts everywhere if its weights use no detector. Else the mask alone counts.
    """
    network_counts = generator.inference.detector == "none" and not options.mask_only
    factor = detector_factor(info)
    height, width = -(-info.height // factor), -(-info.width // factor)
    made = GridFile(height, width, folder, EVIDENCE)
    for top in range(0, height, _ROWS):
        rows = np.zeros((EVIDENCE, min(_ROWS, height - top), width), np.float32)
        rows[2], rows[3] = (1, 0) if network_counts else (_MASK_ALONE, _MASK_ALONE)
        made.write_rows(top, rows)
    return made


def cell_cover(found: GridFile, factor: int, *, shadow: bool = True) -> NDArray[np.float32]:
    """Highest evidence of cover in each cell, (h, w), 0 to 1.

    Args:
        found: (4, h', w') evidence.
        factor: side of its pixels in pixels of the scene.
        shadow: whether shadow counts, too.
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
    """The cover of each cell as input of the network, (h, w), by evidence on a grid of `factor` pixels."""
    return np.concatenate(
        [cell_means(cover_input(torch.from_numpy(values)[None]), factor) for values in in_rows(found)]
    )


def cell_trust_factor(probabilities: GridFile, factor: int) -> NDArray[np.float32]:
    """Factor on the trust in each cell, (h, w), see `detection.opacity.trust_factor`."""
    strips = _by_strips(probabilities, trust_factor)
    return np.concatenate([cell_means(torch.from_numpy(rows)[None], factor) for _, rows in strips])


def cell_means(fine: Tensor, factor: int) -> NDArray[np.float32]:
    """Average a grid (1, 1, h', w') of `factor` pixels over cells, (h, w), of which the last may be cut."""
    cells = F.avg_pool2d(fine, CELL // factor, ceil_mode=True, count_include_pad=False)
    return np.asarray(cells[0, 0].numpy(), np.float32)


def in_rows(grid: GridFile) -> Iterator[NDArray[np.float32]]:
    """A grid in strips (C, n, w) from top to bottom."""
    for top in range(0, grid.height, _ROWS):
        yield grid.rows(top, min(top + _ROWS, grid.height))
