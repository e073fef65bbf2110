"""Other dates of the place (references): where they show the ground, and what they predict under the scene's cover.

The detector runs on each reference as on the scene, on the scene's grid. Then scene and references are read block by
block for the statistics to which the transfer is fitted; see `references`. The ground of a tile is predicted where the
outputs are written, so that the workers on tiles do not need the references.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from unclouded.clearing.background import prefetch
from unclouded.clearing.context.context_builder import GridRows
from unclouded.clearing.context.cover import hidden_of, in_rows
from unclouded.clearing.context.detection_by_dates import DetectedReference, correct_by_dates
from unclouded.clearing.context.outliers import outliers
from unclouded.clearing.context.summaries import blocks_of
from unclouded.clearing.detector.cover_detector import CoverDetector
from unclouded.clearing.detector.detection_cache import Detection, DetectionKey, run_detector
from unclouded.clearing.grid_file import GridFile, RowBuffer
from unclouded.clearing.inputs import OpenReference, SceneInputs
from unclouded.detection.classes import covered
from unclouded.detection.csmask import usable_bands
from unclouded.detection.opacity import enlarge, may_be_covered
from unclouded.models.generator import Generator
from unclouded.models.observation import CELL
from unclouded.progress import Progress
from unclouded.reading.names.dates import acquired, same_overpass
from unclouded.references.squares import Prediction
from unclouded.references.statistics import Layout, Reference, Statistics, block_statistics, blocks, merge
from unclouded.references.temporal_interpolation import TemporalInterpolation, interpolate, scarce
from unclouded.references.transfer import Transfer, fit
from unclouded.references.verdicts import Verdict, verdicts, verdicts_by_each_other
from unclouded.reflectance import to_reflectance
from unclouded.tiles import Box, Tile, narrow
from unclouded.writing.writer import checksum

_HIDDEN = (0.3, 0.6, 0.9)
"""Certainty of cloud or shadow from which on a pixel of a reference is hidden: the first that leaves `_MIN_CLEAR`."""

_COVERED = (0.45, 0.9, 0.999)
"""The same for the evidence of the scene, which is 1.5 times as much, see `detection.opacity.evidence`."""

_ROUNDS = 2
"""Iterations of the statistics of a scene with a mask, each with the outliers of the last fit left out."""

_MIN_CLEAR = 0.05
"""Share of an image that has to be clear for a threshold to be taken."""

_SIGMAS = 1.645
"""Half width of the 90 % interval in uncertainties, as of the network's, see `calibration` of the weights."""


class TransferredGround(NamedTuple):
    """The ground of a box of the scene by other dates.

    Attributes:
        box: of the scene.
        reflectance: (C, h, w) of the scene's bands; only where `share` is not 0.
        uncertainty: (h, w) in reflectance; 90 % of the errors of a band are within 1.645 of it, as of a Gaussian.
        share: (h, w) weight of the references in the ground, 0 to 1.
        source: (h, w) number of the reference with the largest weight, from 0 on; -1 where `share` is 0.
        predicted_bands: (C,) which bands they have; the others are 0.
    """

    box: Box
    reflectance: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    share: NDArray[np.float32]
    source: NDArray[np.int16]
    predicted_bands: NDArray[np.bool_]


_Image = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""Reflectance (C, h, w) of a reference, and where it shows the ground (h, w)."""


@dataclass(frozen=True)
class _ReferenceDate:
    """A reference and where it shows the ground."""

    image: OpenReference
    certainty: GridRows | None
    threshold: float
    detected: DetectedReference | None = None

    @property
    def overcast(self) -> bool:
        """Whether hardly any of it is clear, so that its ground may be seen through thin cloud."""
        return self.certainty is not None and self.threshold > _HIDDEN[0]

    def read(self, box: Box, factor: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Reflectance (C, h, w) of a box of the scene, and where it shows the ground (h, w)."""
        values = self.image.read(box)
        clear = np.asarray(np.isfinite(values).all(axis=0))
        if self.certainty is not None:
            clear &= ~_hidden(self.certainty, box, factor, self.threshold)
        return values, clear


class OtherDates:
    """The references of one scene.

    Attributes:
        checksum: of the detector's input of all of them.
        verdicts: on each of them, after `fit`.
        note: for the user, on all of them; may be empty.
        missing_bands: bands of the scene that none of them has; they are guessed where the others are transferred.
    """

    def __init__(self, inputs: SceneInputs, generator: Generator, folder: Path | None, report: Progress) -> None:
        """Detect cloud and shadow in every reference.

        Raises:
            FileError: if one cannot be read, or the disk is full.
        """
        self._inputs, self._generator = inputs, generator
        self._folder, self._report = folder, report
        self.checksum = 0
        self.verdicts: list[Verdict] = []
        self.note = ""
        self.missing_bands: tuple[str, ...] = ()
        self._asked = self._answered = 0
        self._factor = self._own_factor = 1
        self._grids: list[GridFile] = []
        self._dates = [self._detected(image) for image in inputs.references]
        self._transfer: Prediction | None = None

    def _detected(self, image: OpenReference) -> _ReferenceDate:
        info = self._inputs.scene.info
        if not usable_bands(image.bands):
            return _ReferenceDate(image, None, 1.0)
        detector = CoverDetector(info, image.bands, image.level, generator=self._generator)
        self._factor = detector.factor
        cache, key = self._inputs.detection_cache, DetectionKey(image.info, image.files, info, detector)
        found = (
            self._detect(image, detector)
            if cache is None
            else cache.get(key, self._folder, lambda: self._detect(image, detector))
        )
        self.checksum = checksum(np.array([found.checksum], np.uint32), self.checksum)
        certainty = hidden_of(found.probabilities, self._folder)
        found.probabilities.close()
        self._grids += [certainty, found.reflectance]
        threshold = _lowest_threshold(certainty.channel(0), _HIDDEN)
        detected = DetectedReference(detector.bands, found.reflectance, certainty, threshold)
        return _ReferenceDate(image, GridRows(certainty, detector.factor), threshold, detected)

    def _detect(self, image: OpenReference, detector: CoverDetector) -> Detection:
        info = self._inputs.scene.info
        bands = [image.bands.index(band) for band in detector.bands]
        reduced = RowBuffer(detector.grid(self._folder))
        boxes = [tile.inner for tile in blocks_of(info.height, info.width)]
        digest = done = 0
        windows = prefetch(image.read(box, bands) for box in boxes)
        with closing(windows) as read:
            for block, window in zip(boxes, read, strict=True):
                valid = np.asarray(np.isfinite(window).all(axis=0))
                made = detector.reduce(window, valid)
                digest = checksum(made, digest)
                reduced.add(block.row // detector.step, block.column // detector.step, made)
                done += block.height * block.width
                self._report(f"reading {image.name}", done, info.height * info.width)
        return run_detector(detector, reduced.grid, digest, self._folder, self._report)

    def correct(self, scene: Detection, bands: Sequence[str]) -> tuple[GridFile, GridFile] | None:
        """Correct the detector's probabilities of the scene by the references, see `correct_by_dates`.

        Raises:
            FileError: if the disk is full.
        """
        dates = [date.detected for date in self._dates if date.detected and self._days_to(date.image) != 0]
        return correct_by_dates(scene, bands, dates, self._folder)

    def _days_to(self, image: OpenReference) -> float | None:
        """Days from the scene to a reference, negative before, 0 for one overpass; None if a date is unknown."""
        when = acquired(self._inputs.scene.info)
        if when is None or image.acquired is None:
            return None
        return 0.0 if same_overpass(when, image.acquired) else (image.acquired - when).total_seconds() / 86400

    def fit(self, evidence: GridFile, factor: int) -> list[Verdict]:
        """Fit the transfer to the pixels that are clear in scene and references, and judge the references.

        Args:
            evidence: of the scene's cover.
            factor: side of its pixels in pixels of the scene.

        Raises:
            FileError: if a file cannot be read.
        """
        self._own_factor = factor
        statistics = self._statistics(evidence, factor, _COVERED[0])
        masked = self._inputs.mask is not None
        if masked and _any_above(evidence, _COVERED[0]):
            statistics = self._without_outliers(statistics, evidence, factor)
        among = verdicts_by_each_other(statistics, self._incomparable()) if scarce(statistics) else []
        interpolation = (
            interpolate(statistics, [verdict.reference for verdict in among if verdict.usable]) if among else None
        )
        if interpolation is not None:
            bands = zip(interpolation.layout.bands, interpolation.predicted_bands, strict=True)
            self.missing_bands = tuple(band for band, predicted in bands if not predicted)
            self._transfer, self.verdicts, self.note = interpolation, among, self._note(interpolation)
            return among
        if (
            among
            and not masked
            and (limit := _lowest_threshold(evidence.channel(0) + evidence.channel(1), _COVERED)) > _COVERED[0]
        ):
            statistics = self._statistics(evidence, factor, limit)
        self.verdicts = verdicts(statistics)
        usable = [verdict.reference for verdict in self.verdicts if verdict.usable]
        self._transfer = fit(statistics, usable) if usable else None
        if among and not usable:
            self.verdicts = among  # they say why their ground is not interpolated either
        return self.verdicts

    def _without_outliers(self, statistics: Statistics, evidence: GridFile, factor: int) -> Statistics:
        """Statistics of a scene with a mask, without pixels detected as covered that disagree with the other dates.

        A mask that is a little too small leaves rims of cloud, which bias the fit. But the detector, whose pixels are
        larger, also calls clear pixels around the mask covered, and these are the most informative.

        Args:
            statistics: without all pixels that are detected as covered.
            evidence: see `fit`.
            factor: see `fit`.
        """
        for _ in range(_ROUNDS):
            usable = [verdict.reference for verdict in verdicts(statistics) if verdict.usable]
            if not usable:
                return self._statistics(evidence, factor, np.inf)
            statistics = self._statistics(evidence, factor, _COVERED[0], fit(statistics, usable))
        return statistics

    def _statistics(
        self, evidence: GridFile, factor: int, limit: float, transfer: Transfer | None = None
    ) -> Statistics:
        """Statistics of the pixels that are clear in scene and references.

        Args:
            evidence: see `fit`.
            factor: see `fit`.
            limit: of the evidence, above which a pixel is covered, besides those that a mask covers.
            transfer: by which pixels above the limit are clear, if they agree with its prediction.
        """
        info, own = self._inputs.scene.info, GridRows(evidence, factor)
        known = [Reference(date.image.name, date.image.bands, self._days_to(date.image)) for date in self._dates]
        layout = Layout(info.height, info.width, info.bands, tuple(known))
        boxes = list(blocks(info.height, info.width))

        def read(box: Box) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], list[_Image]]:
            dn = self._inputs.scene.read(box.row, box.column, box.height, box.width)
            reflectance, valid = to_reflectance(dn, info.encoding)
            others = [date.read(box, self._factor) for date in self._dates]
            masked, hidden = self._masked(box), _hidden(own, box, factor, limit)
            if transfer is not None:
                hidden = outliers(transfer, box, reflectance, others, hidden & ~masked)
            return reflectance, valid & ~(masked | hidden), masked | hidden, others

        def pieces() -> Iterator[Statistics]:
            done = 0
            with closing(prefetch(read(box) for box in boxes)) as windows:
                for box, (scene, clear, hidden, others) in zip(boxes, windows, strict=True):
                    images, theirs = zip(*others, strict=True)
                    yield block_statistics(layout, box.row, box.column, scene, clear, images, theirs, hidden)
                    done += box.height * box.width
                    self._report("comparing dates", done, info.height * info.width)

        return merge(layout, pieces())

    def _note(self, interpolation: TemporalInterpolation) -> str:
        """Note, for the user, that the ground of references is interpolated in time."""
        names = ", ".join(_dated(self._dates[number].image) for number in interpolation.needed)
        little = "nothing" if interpolation.correction.known < 1 else "too little"
        note = f"{self._inputs.scene.info.source}: {little} clear to fit to: ground of {names} interpolated in time"
        missing_bands = ", ".join(self.missing_bands)
        return f"{note}; no date has {missing_bands}: guessed, and so is the source" if missing_bands else note

    def _incomparable(self) -> dict[int, str]:
        """References that cannot be used where no clear ground of the scene confirms them, and why."""
        scene = self._inputs.scene.info
        made = {}
        for number, image in enumerate(date.image for date in self._dates):
            if image.level != scene.level:
                made[number] = f"its level is {image.level}, the scene's {scene.level}"
            elif image.unsure:
                made[number] = "; ".join(image.unsure)
            elif self._dates[number].overcast:
                made[number] = "nearly all of it lies under cloud or shadow"
        return made

    @property
    def predicted_share(self) -> float:
        """Share of the pixels requested by `ground` so far that come from references."""
        return self._answered / max(self._asked, 1)

    def ground(self, box: Box, evidence: NDArray[np.float32], threshold: float) -> TransferredGround | None:
        """Predict the ground of the pixels of a box that may be covered; None without any, or without a transfer.

        Args:
            box: of the scene, aligned to cells.
            evidence: (1, 4, h', w') of the cover of its cells.
            threshold: opacity under which a pixel is kept.

        Raises:
            FileError: if a reference cannot be read.
        """
        if self._transfer is None or not self._transfer.needed:
            return None
        found = enlarge(torch.from_numpy(evidence), self._own_factor, 0, 0, box.height, box.width)
        wanted = np.asarray(may_be_covered(found, threshold)[0].numpy()) | self._masked(box)
        if not wanted.any():
            return None
        # No more of the references is read, but for a cell around: their certainty is interpolated between cells.
        part = narrow(Tile(box, box), _in_cells(wanted), CELL, CELL, CELL).padded
        images: list[NDArray[np.float32] | None] = [None] * len(self._dates)
        clear: list[NDArray[np.bool_] | None] = [None] * len(self._dates)
        for number in self._transfer.needed:
            images[number], clear[number] = self._dates[number].read(part, self._factor)
        made = self._transfer.predict(part.row, part.column, images, clear, wanted[part.within(box).slices])
        self._asked += int(wanted.sum())
        self._answered += int((made.transferred >= 0.5).sum())
        uncertainty = made.error * np.float32(self._transfer.interval / _SIGMAS)
        return TransferredGround(
            part, made.reflectance, uncertainty, made.transferred, made.source, made.predicted_bands
        )

    def _masked(self, box: Box) -> NDArray[np.bool_]:
        """Where the user's mask covers a box, (h, w)."""
        mask = self._inputs.mask
        if mask is None:
            return np.zeros((box.height, box.width), np.bool_)
        return covered(mask.read(box.row, box.column, box.height, box.width))

    def close(self) -> None:
        """Delete the temporary files."""
        for grid in self._grids:
            grid.close()


def cells_around(box: Box, scene: Sequence[int], cell: int) -> Box:
    """A box grown by a cell and aligned to cells, within a scene of (height, width)."""
    grown = box.grown(cell, Box(0, 0, scene[0], scene[1]))
    row, column = grown.row // cell * cell, grown.column // cell * cell
    return Box(row, column, grown.bottom - row, grown.right - column)


def _in_cells(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which cells hold any of the `pixels` (h, w)."""
    rows, columns = (np.arange(0, side, CELL) for side in pixels.shape)
    cells: NDArray[np.bool_] = np.logical_or.reduceat(np.logical_or.reduceat(pixels, rows, axis=0), columns, axis=1)
    return cells


def _dated(image: OpenReference) -> str:
    """The name of a reference with its day, which many names hold already."""
    if image.acquired is None or any(f"{image.acquired:{day}}" in image.name for day in ("%Y-%m-%d", "%Y%m%d")):
        return image.name
    return f"{image.name} ({image.acquired:%Y-%m-%d})"


def _lowest_threshold(certainty: NDArray[np.float32], thresholds: Sequence[float]) -> float:
    """The first of the ascending `thresholds` below which enough of an image (h, w) lies, or the last."""
    return next((limit for limit in thresholds if (certainty < limit).mean() >= _MIN_CLEAR), thresholds[-1])


def _any_above(evidence: GridFile, limit: float) -> bool:
    """Whether the evidence of cloud and shadow exceeds a limit anywhere."""
    return any(bool((rows[0] + rows[1] > limit).any()) for rows in in_rows(evidence))


def _hidden(certainty: GridRows, box: Box, factor: int, limit: float) -> NDArray[np.bool_]:
    """Where (h, w) of a box aligned to cells cloud or shadow exceeds the limit, by one channel or the sum of two."""
    rows = torch.from_numpy(certainty(box)[:, :2].sum(axis=1, keepdims=True))
    hidden: NDArray[np.bool_] = enlarge(rows, factor, 0, 0, box.height, box.width)[0, 0].numpy() > limit
    return hidden
