"""The result of the first pass over a scene: the summaries of its blocks, collected for the whole scene."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unclouded.clearing.context.context_builder import ContextBuilder
from unclouded.clearing.context.summaries import Summary, blocks_of
from unclouded.clearing.detector.cover_detector import CoverDetector, detector_factor
from unclouded.clearing.grid_file import GridFile, RowBuffer
from unclouded.clearing.inputs import SceneInputs
from unclouded.errors import InputError
from unclouded.models.generator import Generator
from unclouded.progress import Progress
from unclouded.reading.info import SceneInfo
from unclouded.writing.writer import checksum


@dataclass(frozen=True)
class SceneSummary:
    """The result of the first pass over a scene.

    Attributes:
        builder: holds the statistics of the scene's cells.
        bands_and_level: (1, 14) of the scene, see `Observation`.
        reduced: (D, h, w) the input of the detector, see `CoverDetector.reduce`; None without a detector.
        reduced_checksum: of `reduced`.
        classification: (2, h, w) on the detector's grid, see `detection.scl.shares`; None without a detector or SCL.
        snow: share of the classified pixels that are snow; None without a classification.
        checksums: of all pixels that were read, by kind, such as "mask pixels".
    """

    builder: ContextBuilder
    bands_and_level: Tensor
    reduced: GridFile | None
    reduced_checksum: int
    classification: GridFile | None
    snow: float | None
    checksums: dict[str, int]


def collect(
    summaries: Iterable[Summary],
    inputs: SceneInputs,
    generator: Generator,
    detector: CoverDetector | None,
    folder: Path | None,
    report: Progress,
) -> SceneSummary:
    """Collect the summaries of a scene's blocks, which come in the order of `blocks_of`.

    Raises:
        InputError: if no pixel holds data.
        FileError: if the scene cannot be read, or the disk is full.
    """
    info, factor = inputs.scene.info, detector_factor(inputs.scene.info)
    builder = ContextBuilder(
        generator, info.height, info.width, folder, masked=inputs.mask is not None, progress=report
    )
    reduced = None if detector is None else RowBuffer(detector.grid(folder))
    classified = detector is not None and inputs.classification is not None
    classification = RowBuffer(detector.classification_grid(folder)) if detector and classified else None
    checksums = {"pixels": 0, "radar pixels": 0, "mask pixels": 0, "classification pixels": 0}
    bands_and_level = torch.empty(0)
    done = reduced_checksum = 0
    counts = np.zeros(4, np.int64)
    for block, summary in zip(blocks_of(info.height, info.width), summaries, strict=True):
        box = block.inner
        builder.add(box, summary.cells, summary.clear)
        if detector is not None and reduced is not None and summary.reduced is not None:
            reduced.add(box.row // detector.step, box.column // detector.step, summary.reduced)
            reduced_checksum = checksum(summary.reduced, reduced_checksum)
        if classification is not None and summary.classification is not None:
            classification.add(box.row // factor, box.column // factor, summary.classification)
        counts += (*summary.valid, *summary.snow)
        bands_and_level = torch.tensor(summary.bands_and_level, device=generator.device)
        for name, found in zip(checksums, summary.checksums, strict=True):
            checksums[name] = checksum(np.array([found], np.uint32), checksums[name])
        done += box.height * box.width
        report("summarising", done, info.height * info.width)
    valid, wanted, snow, classified_pixels = counts.tolist()
    _check_data(info, valid, wanted)
    return SceneSummary(
        builder,
        bands_and_level,
        None if reduced is None else reduced.grid,
        reduced_checksum,
        None if classification is None else classification.grid,
        snow / classified_pixels if classified_pixels else None,
        checksums,
    )


def _check_data(info: SceneInfo, valid: int, wanted: int) -> None:
    """Refuse a scene without valid pixels, or without any in the region of interest."""
    if not valid:
        value = "" if info.encoding.nodata is None else f" ({info.encoding.nodata})"
        raise InputError(
            f"{info.source}: every pixel is no-data{value} or not a number; "
            "give a scene that holds data, or correct its no-data value"
        )
    if not wanted:
        raise InputError(f"{info.source}: holds no data in the area that is wanted; give another area or date")
