"""The detector's probabilities of a scene corrected by other dates of the place, see `detection.multitemporal`."""

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
"""Cells, at most, to which a relation is fitted."""

_DOUBTFUL = 0.5
"""Probability of cloud or shadow from which on a cell of the scene is not taken for clear."""


class DetectedReference(NamedTuple):
    """A reference on the detector's grid.

    Attributes:
        bands: D names.
        reflectance: (D, h, w).
        certainty: (1, h, w) that its ground is hidden.
        threshold: of the certainty, from which on the ground is hidden.
    """

    bands: Sequence[str]
    reflectance: GridFile
    certainty: GridFile
    threshold: float

    def shows(self, first: int, last: int) -> NDArray[np.bool_]:
        """Where it shows the ground, (n, w), in some rows."""
        return np.asarray(self.certainty.rows(first, last)[0] < self.threshold)


def correct_by_dates(
    scene: Detection, bands: Sequence[str], references: Sequence[DetectedReference], folder: Path | None
) -> tuple[GridFile, GridFile] | None:
    """Correct the probabilities of a scene by other dates.

    Args:
        scene: the detector's result.
        bands: that the detector read.
        references: other dates.
        folder: for the files.

    Returns:
        The probabilities (4, h, w), and the certainty that cells are clear (2, h, w): everywhere, and 0 next to cloud,
        whose rim is decided pixel by pixel. None if no reference has a relation to the scene.

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
        corrected, reflectance = scene.probabilities.rows(first, last), scene.reflectance.rows(first, last)
        cloud, clear = cloud_and_clear(
            [
                DatePair(
                    _select(common, bands, reflectance),
                    _select(common, reference.bands, reference.reflectance.rows(first, last)),
                    reference.shows(first, last),
                    relation,
                    common,
                )
                for reference, common, relation in usable
            ]
        )
        corrected[0] = np.maximum(corrected[0] * (1 - clear), cloud)
        # Not the haze: a relation may take it, over wide areas, for a change of the ground.
        corrected[[1, 3]] *= 1 - clear
        near_cloud = maximum_filter(torch.from_numpy(corrected[0])[None, None], 1)[0, 0].numpy()
        inside = slice(top - first, bottom - first)
        probabilities.write_rows(top, corrected[:, inside])
        known.write_rows(top, np.stack([clear, clear * (1 - near_cloud)])[:, inside])
    return probabilities, known


def _select(names: Sequence[str], bands: Sequence[str], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The bands `names` of values (D, ...) that hold `bands`."""
    return values[[bands.index(name) for name in names]]


def _relation(
    scene: Detection, bands: Sequence[str], reference: DetectedReference, common: Sequence[str]
) -> Relation | None:
    """Fit the relation of the scene to a reference, by cells evenly spread over both; None without one.

    There is none to the same image, whose cloud would agree with the scene's and count as ground.
    """
    height, width = scene.probabilities.height, scene.probabilities.width
    step = max(1, int(np.ceil(np.sqrt(height * width / _SAMPLED))))
    parts = []
    for row in range(0, height, step):
        clear = scene.probabilities.rows(row, row + 1)[:2].sum(axis=0) < _DOUBTFUL
        own = _select(common, bands, scene.reflectance.rows(row, row + 1))
        other = _select(common, reference.bands, reference.reflectance.rows(row, row + 1))
        both = np.isfinite(own).all(axis=0) & np.isfinite(other).all(axis=0) & reference.shows(row, row + 1)
        cells = (both & (np.arange(width) % step == row // step % step))[0]
        parts.append((own[:, 0, cells], other[:, 0, cells], clear[0, cells]))
    own, other, clear = (np.concatenate(rows, axis=-1) for rows in zip(*parts, strict=True))
    same = own.size > 0 and float(np.abs(own - other).mean()) < SAME
    return None if same else fit_relation(own, other, clear, common)
