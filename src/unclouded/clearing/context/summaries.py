"""The first pass over a scene: its blocks reduced to the statistics of their cells."""

from __future__ import annotations

from collections import abc
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from unclouded.bands import INDEX
from unclouded.clearing.background import prefetch
from unclouded.clearing.context.ground import clear_cells
from unclouded.clearing.detector.cover_detector import CoverDetector
from unclouded.clearing.scene_reader import SceneReader
from unclouded.detection.classes import covered
from unclouded.detection.scl import count_snow, shares
from unclouded.models.generator import Generator
from unclouded.models.observation import CELL, Observation
from unclouded.reading.grids.area import inside
from unclouded.reading.info import SceneInfo
from unclouded.tiles import Box, Tile, cut
from unclouded.writing.writer import checksum

_BLOCK = 1024
"""Side of the blocks in pixels; JPEG 2000 products are stored in blocks of this size."""


class Summary(NamedTuple):
    """Statistics of a block of the scene.

    Attributes:
        cells: (1, S, h, w) the statistics of its cells.
        bands_and_level: (1, 14) of the scene, see `Observation`.
        valid: number of valid pixels, and of those in the region of interest.
        checksums: of its DN with the further bands of the detector, of its radar, its mask and its classification.
        reduced: (C, h', w') input of the detector, see `CoverDetector.reduce`; None without a detector.
        clear: (1, 14, h, w) means of the pixels of its cells that no mask covers, 13 bands, and their share; None
            without a mask.
        classification: (2, h', w') shares of the scene classification's classes, see `detection.scl.shares`; None
            without one.
        snow: number of pixels classified as snow, and classified at all.
    """

    cells: NDArray[np.float32]
    bands_and_level: NDArray[np.float32]
    valid: tuple[int, int]
    checksums: tuple[int, int, int, int]
    reduced: NDArray[np.float32] | None = None
    clear: NDArray[np.float32] | None = None
    classification: NDArray[np.float32] | None = None
    snow: tuple[int, int] = (0, 0)


def blocks_of(height: int, width: int) -> Iterator[Tile]:
    """Cut a scene into the blocks that are summarised."""
    return cut(height, width, size=_BLOCK)


def summarise(
    blocks: Iterable[Tile], reader: SceneReader, generator: Generator, detector: CoverDetector | None = None
) -> abc.Generator[Summary, None, None]:
    """Reduce blocks to the statistics of their cells, and to the input of the detector.

    Raises:
        FileError: if the scene cannot be read.
    """
    boxes = (tile.inner for tile in blocks)
    read = ((b, reader.read(b), reader.read_detection(b), reader.read_classification(b)) for b in boxes)
    with closing(prefetch(read)) as windows:
        for box, window, detection, classes in windows:
            x = window.observation
            with torch.inference_mode():
                cells = generator.summarise(x).cpu().numpy()
            pixels = checksum(window.dn)
            radar = 0 if reader.radar is None else checksum(x.guides.cpu().numpy())
            reduced = clear = None
            if detector is not None:
                height, width = window.valid.shape
                if detection is None:
                    reflectance = x.optical[0, [INDEX[name] for name in detector.bands], :height, :width].cpu().numpy()
                    reduced = detector.reduce(reflectance, window.valid)
                else:
                    reduced = detector.reduce(detection[0], window.valid & detection[1])
                    pixels = checksum(detection[0], pixels)
            wanted = window.valid & _wanted(box, reader.info)
            valid = int(window.valid.sum()), int(wanted.sum())
            mask = 0
            if window.mask is not None:
                mask = checksum(window.mask)
                clear = _clear_cells(x, window.mask)
            classes_checksum, classification, snow = 0, None, (0, 0)
            if classes is not None:
                classes_checksum = checksum(classes)
                classification = shares(classes, reader.factor)
                snow = count_snow(classes, wanted)
            checksums = (pixels, radar, mask, classes_checksum)
            bands_and_level = x.bands_and_level.cpu().numpy()
            yield Summary(cells, bands_and_level, valid, checksums, reduced, clear, classification, snow)


def _wanted(box: Box, info: SceneInfo) -> NDArray[np.bool_]:
    """Which pixels (h, w) of a box of the scene lie in the region of interest."""
    wanted = np.ones((box.height, box.width), np.bool_)
    if info.region is None:
        return wanted
    wanted[:] = False
    if box.meets(info.region.box):
        shared = box.shared(info.region.box)
        hit = inside(info.region, shared.within(info.region.box), info.of_region().transform)
        wanted[shared.within(box).slices] = True if hit is None else hit
    return wanted


def _clear_cells(x: Observation, mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Means of the pixels of each cell that a mask of classes does not cover, and their share: (1, 14, h, w)."""
    open_sky = torch.zeros_like(x.valid)
    height, width = mask.shape
    open_sky[..., :height, :width] = torch.from_numpy(~covered(mask)).to(x.valid)
    means, share = clear_cells(x.optical, x.valid * open_sky, CELL)
    return torch.cat([means, share], dim=1).cpu().numpy()
