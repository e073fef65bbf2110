"""The detector's answer for a scene held against what other dates of the place show, see `detection.multitemporal`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from unclouded.clearing.detector.detection_cache import Detection
from unclouded.clearing.grid_file import GridFile
from unclouded.detection.csmask import SIX_BANDS
from unclouded.detection.filters import maximum_filter
from unclouded.detection.multitemporal import DatePair, Relation, cloud_and_clear, fit_relation
from unclouded.references.verdicts import SAME

_ROWS = 512
"""Rows of the detector's grid that are in memory at once."""

_SAMPLED = 65_536
"""Cells that a relation is found by."""

_DOUBTFUL = 0.5
"""Probability of cloud or shadow from which on a cell of the scene may not be clear."""


class DetectedReference(NamedTuple):
    """A reference on the detector's grid.

    Attributes:
        bands: D names.
        reflectance: (D, h, w).
        hiding: (1, h, w) how surely its ground is hidden.
        hidden: from which of that on it is.
    """

    bands: Sequence[str]
    reflectance: GridFile
    hiding: GridFile
    hidden: float

    def shows(self, first: int, last: int) -> NDArray[np.bool_]:
        """Where it shows the ground, of some rows."""
        return np.asarray(self.hiding.rows(first, last)[0] < self.hidden)


def correct_by_dates(
    scene: Detection, bands: Sequence[str], references: Sequence[DetectedReference], folder: Path | None
) -> tuple[GridFile, GridFile] | None:
    """Probabilities of a scene (4, h, w), and how surely its cells are clear (2, h, w), by the dates beside it.

    Of the second, beside cloud too and but for there, where it is for the pixels to tell how far its rim goes.

    Args:
        scene: the detector's answer.
        bands: that it saw.
        references: other dates.
        folder: for the files.

    Returns:
        None if no reference tells anything.

    Raises:
        FileError: if the disk is full.
    """
    usable: list[tuple[DetectedReference, tuple[str, ...], Relation]] = []
    for reference in references:
        common = tuple(name for name in SIX_BANDS if name in bands and name in reference.bands)
        relation = _relation(scene, bands, reference, common)
        if relation is not None:
            usable.append((reference, common, relation))
    if not usable:
        return None
    height, width = scene.probabilities.height, scene.probabilities.width
    probabilities, known = GridFile(height, width, folder, 4), GridFile(height, width, folder, 2)
    for top in range(0, height, _ROWS):
        bottom = min(top + _ROWS, height)
        first, last = max(0, top - 1), min(height, bottom + 1)
        found, reflectance = scene.probabilities.rows(first, last), scene.reflectance.rows(first, last)
        cloud, clear = cloud_and_clear(
            [
                DatePair(
                    _of(common, bands, reflectance),
                    _of(common, reference.bands, reference.reflectance.rows(first, last)),
                    reference.shows(first, last),
                    relation,
                    common,
                )
                for reference, common, relation in usable
            ]
        )
        found[0] = np.maximum(found[0] * (1 - clear), cloud)
        # Haze lies over wide areas, and a relation may take it for a change of the ground.
        found[[1, 3]] *= 1 - clear
        beside = maximum_filter(torch.from_numpy(found[0])[None, None], 1)[0, 0].numpy()
        inside = slice(top - first, bottom - first)
        probabilities.write_rows(top, found[:, inside])
        known.write_rows(top, np.stack([clear, clear * (1 - beside)])[:, inside])
    return probabilities, known


def _of(wanted: Sequence[str], bands: Sequence[str], values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values[[bands.index(name) for name in wanted]]


def _relation(
    scene: Detection, bands: Sequence[str], reference: DetectedReference, common: Sequence[str]
) -> Relation | None:
    """The relation of the scene to a reference, by cells that are evenly spread over both.

    There is none to the same image, whose cloud stands where the scene's does and so would pass for ground.
    """
    height, width = scene.probabilities.height, scene.probabilities.width
    step = max(1, int(np.ceil(np.sqrt(height * width / _SAMPLED))))
    parts = []
    for row in range(0, height, step):
        here, there = scene.reflectance.rows(row, row + 1), reference.reflectance.rows(row, row + 1)
        likely = scene.probabilities.rows(row, row + 1)[:2].sum(axis=0) < _DOUBTFUL
        mine, theirs = _of(common, bands, here), _of(common, reference.bands, there)
        both = np.isfinite(mine).all(axis=0) & np.isfinite(theirs).all(axis=0) & reference.shows(row, row + 1)
        cells = (both & (np.arange(width) % step == row // step % step))[0]
        parts.append((mine[:, 0, cells], theirs[:, 0, cells], likely[0, cells]))
    mine, theirs, likely = (np.concatenate(some, axis=-1) for some in zip(*parts, strict=True))
    same = mine.size > 0 and float(np.abs(mine - theirs).mean()) < SAME
    return None if same else fit_relation(mine, theirs, likely, common)
