"""Cloud, shadow and haze of a whole scene: detected, joined with its classification, corrected by other dates."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from affine import Affine
from numpy.typing import NDArray

from unclouded.clearing.context.cover import (
    EVIDENCE,
    cell_means,
    detector_for,
    evidence_of,
    evidence_without_detector,
    in_rows,
    join_classification,
)
from unclouded.clearing.context.relighting import Shade
from unclouded.clearing.context.scene_summary import SceneSummary
from unclouded.clearing.detector.cover_detector import FOUND, detector_factor
from unclouded.clearing.detector.detection_cache import Detection, DetectionKey, run_detector
from unclouded.clearing.grid_file import GridFile
from unclouded.clearing.inputs import SceneInputs
from unclouded.clearing.options import ClearOptions
from unclouded.detection.classes import covered
from unclouded.detection.filters import maximum_filter, mean_filter
from unclouded.detection.opacity import may_be_covered
from unclouded.models.generator import Generator
from unclouded.progress import Progress
from unclouded.reading.grids.area import inside
from unclouded.reading.info import SceneInfo
from unclouded.tiles import Box

if TYPE_CHECKING:
    from unclouded.clearing.context.other_dates import OtherDates

_MORE_LIKELY_THAN_NOT = 0.5

_MIN_VISIBLE_SHADE, _EVERYWHERE = 0.25, 0.7
"""Share of a scene that has to be visible ground in shadow to estimate its light without any in the sun: less may be of
one land cover; and the share of the visible ground above which the rest is taken for bright ground in shadow."""

_PENUMBRA = 2
"""Pixels of the detector's grid, of 40 m, along the edge of a shadow in which the light is between that of the umbra
and full light."""


class CoverShares(NamedTuple):
    """Shares of the pixels of the region of interest, 0 to 1; 0 where no detector ran.

    Attributes:
        hazy: in hazy areas, see `detection.haze`.
        covered: under cloud or shadow.
        dark: on land too dark to be sunlit, see `detection.shadow`.
    """

    hazy: float = 0.0
    covered: float = 0.0
    dark: float = 0.0


class SceneCover:
    """Cloud, shadow and haze of a scene, on the detector's grid.

    Attributes:
        detector: None if a mask or the network alone decides.
        detected: the detector's result; None before `detect`, or without a detector.
        evidence: (4, h, w) of cover, see `detection.opacity.evidence`; None before `detect`, or if the network alone
            decides.
        shares: of the scene that is covered.
        shade: of a cloud outside of the scene; None if there is none.
    """

    def __init__(
        self,
        inputs: SceneInputs,
        generator: Generator,
        options: ClearOptions,
        folder: Path | None,
        report: Progress,
    ) -> None:
        self._inputs, self._generator, self._options = inputs, generator, options
        self._info = inputs.scene.info
        self._folder, self._report = folder, report
        self.detector = detector_for(inputs, generator, options)
        self.detected: Detection | None = None
        self.evidence: GridFile | None = None
        self.shares = CoverShares()
        self.shade: Shade | None = None

    def detect(self, summary: SceneSummary) -> None:
        """Run the detector on the summarised scene, unless it has run; takes ownership of the files of `summary`.

        Raises:
            FileError: if the disk is full.
        """
        if self.evidence is not None:
            return
        if self.detector is None:
            if self._inputs.mask is not None:
                self.evidence = evidence_without_detector(self._info, self._generator, self._options, self._folder)
            return
        detected = self._run(summary)
        if summary.classification is not None:
            alone = detected.probabilities
            detected = detected._replace(probabilities=join_classification(alone, summary.classification, self._folder))
            alone.close()
            summary.classification.close()
        self._set_evidence(detected)

    def _run(self, summary: SceneSummary) -> Detection:
        """The detector's result for the scene, from the cache of a series if there is one."""
        detector, reduced, cache = self.detector, summary.reduced, self._inputs.detection_cache
        assert detector is not None and reduced is not None

        def run() -> Detection:
            return run_detector(detector, reduced, summary.reduced_checksum, self._folder, self._report)

        # What is detected in other bands than the scene's is of no use to other dates.
        if cache is None or self._inputs.detection is not None:
            detected = run()
        else:
            key = DetectionKey(self._info, self._inputs.files, self._info, detector)
            detected = cache.get(key, self._folder, run, summary.reduced_checksum)
        if detected.reflectance is not reduced:
            reduced.close()
        return detected

    def correct(self, dates: OtherDates) -> None:
        """Correct the detector's probabilities by other dates.

        Raises:
            FileError: if the disk is full.
        """
        if self.detector is None or self.detected is None:
            return
        corrected = dates.correct(self.detected, self.detector.bands)
        if corrected is not None:
            probabilities, clear = corrected
            self.detected.probabilities.close()
            self._set_evidence(self.detected._replace(probabilities=probabilities), clear)
            clear.close()

    def _set_evidence(self, detected: Detection, clear: GridFile | None = None) -> None:
        """Turn the detector's probabilities into evidence, and derive the shares; `clear` as of `evidence_of`."""
        if self.evidence is not None:
            self.evidence.close()
        self.detected = detected
        self.evidence = evidence_of(detected.probabilities, self._folder, clear)
        wanted = pixels_of_interest(self._info)

        def share(values: NDArray[np.float32]) -> float:
            return float((values > _MORE_LIKELY_THAN_NOT)[wanted].mean())

        self.shares = CoverShares(
            hazy=share(self.evidence.channel(EVIDENCE - 1)),
            covered=share(self.evidence.channel(0) + self.evidence.channel(1)),
            dark=share(detected.probabilities.channel(FOUND - 1)),
        )
        self.shade = self._find_shade(detected)

    def _find_shade(self, detected: Detection) -> Shade | None:
        """Shadow of a cloud outside of a small scene; None in large ones."""
        if self.detector is None or not self.detector.small:
            return None
        cloud, shadow, dark = (detected.probabilities.channel(number) for number in (0, 1, FOUND - 1))
        valid = np.isfinite(detected.reflectance.channel(0))
        visible = valid & (cloud < _MORE_LIKELY_THAN_NOT)
        shaded = visible & (dark > _MORE_LIKELY_THAN_NOT)
        everywhere = bool(shaded.sum() > max(_MIN_VISIBLE_SHADE * valid.sum(), _EVERYWHERE * visible.sum()))
        certainty = np.ones_like(cloud)
        if not everywhere:
            reflectance = detected.reflectance.rows(0, detected.reflectance.height)
            certainty = np.minimum(self.detector.shaded(reflectance), shadow) * (1 - cloud)
            if not certainty.any():
                return None
        umbra = mean_filter(-maximum_filter(-torch.from_numpy(certainty)[None, None], _PENUMBRA), _PENUMBRA // 2)
        return Shade(self._info.level, cell_means(umbra, detector_factor(self._info)), everywhere)

    def any_replaced(self, threshold: float, boxes: Iterable[Box]) -> bool:
        """Whether any pixel of the scene, cut into `boxes`, may be covered by evidence or mask: other dates may help.

        Cover that only the network's opacity shows is filled by the network.
        """
        if self.evidence is None:
            return False
        if any(may_be_covered(torch.from_numpy(rows)[None], threshold).any() for rows in in_rows(self.evidence)):
            return True
        mask = self._inputs.mask
        return mask is not None and any(
            covered(mask.read(box.row, box.column, box.height, box.width)).any() for box in boxes
        )


def pixels_of_interest(info: SceneInfo) -> NDArray[np.bool_]:
    """Which pixels (h, w) of the detector's grid lie in the region of interest of a scene."""
    factor = detector_factor(info)
    everywhere = np.ones((-(-info.height // factor), -(-info.width // factor)), np.bool_)
    if info.region is None:
        return everywhere
    wanted = np.zeros_like(everywhere)
    wanted[info.region.box.cells(factor)] = True
    outlined = inside(info.region, Box(0, 0, *wanted.shape), info.transform @ Affine.scale(factor))
    return wanted if outlined is None else wanted & outlined
