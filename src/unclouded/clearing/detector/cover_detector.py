"""The detector over a whole scene: cloud, shadow, haze and dark land in pixels of about 40 m.

It sees the scene with wide surroundings, so it runs once over all of it, between the pass that reads the scene and the
one that clears its tiles. What it works on and what it gives stay on the disk.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from unclouded.clearing.detector.own_opacity import bright_opacity, join_opacity, own_opacity
from unclouded.clearing.grid_file import GridFile, RowCache
from unclouded.detection.csmask import SMALL, CloudShadowNetwork, coarsen, grid_factor, missing_bands, usable_bands
from unclouded.detection.haze import EXTRA, HAZE_RADIUS, haze
from unclouded.detection.shadow import shaded_regions, too_dark, water
from unclouded.detection.sliding_window import sliding_window
from unclouded.detection.vegetation import sunlit_vegetation
from unclouded.errors import InputError
from unclouded.models.generator import Generator
from unclouded.progress import Progress
from unclouded.reading.grids.grid import pixel_metres
from unclouded.reading.info import SceneInfo

FOUND = 4
"""Channels of what `CoverDetector.detect` finds."""

_ADDED_FROM = 0.3
"""Probability of cover, joined with the generator's opacity, up to which that is ignored in a large scene: else the
network would run on tiles with next to no cover."""

_SHADED_METRES = 3000
"""Longer side in metres of scenes in which regions in the shadow of a cloud outside of them are detected, at most."""

_THREADS = 2
"""Windows that the detector runs on at once; more are not faster on few cores."""


def detector_factor(info: SceneInfo) -> int:
    """Side of a pixel of the detector's grid in pixels of the scene: a divisor of `CELL`."""
    return grid_factor(pixel_metres(info.crs, info.transform, info.height, info.width))


class CoverDetector:
    """The detector for one scene.

    Attributes:
        bands: that it reads: those of its network, then those for haze; of a small scene all.
        factor: see `detector_factor`.
        small: whether the generator runs on the whole scene at once.
        step: side of a pixel of the reduced scene, see `reduce`, in pixels of the scene.
        weights: of the generator, whose opacity is joined, as a key for caches.
    """

    def __init__(
        self, info: SceneInfo, bands: Collection[str], level: str | None = None, *, generator: Generator
    ) -> None:
        """Choose the network for a scene.

        Args:
            info: of the scene.
            bands: of the input.
            level: of the image, if it is another than the scene's.
            generator: whose opacity is joined.

        Raises:
            InputError: if nothing can be detected with these bands.
        """
        self._read = usable_bands(bands)
        if not self._read:
            raise InputError(
                f"{info.source}: clouds cannot be distinguished from ground with {', '.join(bands)}; give --mask, "
                f"or add {', '.join(missing_bands(bands))}"
            )
        self._level = level or info.level
        self.factor = detector_factor(info)
        self._size = info.height, info.width
        self._metres = max(self._size) * pixel_metres(info.crs, info.transform, info.height, info.width)
        self.small = max(self._size) <= SMALL
        self.step = max(1, self.factor // 2) if self.small else self.factor
        extra = bands if self.small else [name for name in EXTRA if name in bands]
        self.bands = tuple(dict.fromkeys((*self._read, *extra)))
        self._generator = generator
        self.weights = str(generator.inference)

    def reduce(self, reflectance: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Average a block of the scene, (C, h, w) of `bands`, to pixels of `step`; NaN where none of it holds data."""
        return coarsen(np.where(valid, reflectance, np.float32(np.nan)), self.step)

    def grid(self, folder: Path | None) -> GridFile:
        """A file for what `reduce` gives of the whole scene."""
        height, width = (-(-side // self.step) for side in self._size)
        return GridFile(height, width, folder, len(self.bands))

    def classification_grid(self, folder: Path | None) -> GridFile:
        """A file for the shares of a scene classification, see `detection.scl.shares`."""
        return GridFile(*self._grid, folder, 2)

    @property
    def _grid(self) -> tuple[int, int]:
        height, width = self._size
        return -(-height // self.factor), -(-width // self.factor)

    def coarse(self, reduced: GridFile, folder: Path | None) -> GridFile:
        """What `reduce` gave of the whole scene on the detector's own grid, in a file of its own if that is another.

        Raises:
            FileError: if the disk is full.
        """
        if self.step == self.factor:
            return reduced
        made = GridFile(*self._grid, folder, reduced.channels)
        made.write_rows(0, coarsen(reduced.rows(0, reduced.height), self.factor // self.step))
        reduced.close()
        return made

    def detect(self, reduced: GridFile, folder: Path | None, report: Progress) -> GridFile:
        """Find cloud, shadow, haze and land too dark to be sunlit: (4, h, w), see `detection.opacity.evidence`.

        Raises:
            FileError: if the disk is full.
        """
        found = GridFile(*self._grid, folder, FOUND)
        own, network = len(self._read), _network(self._read, self._level)
        if self.small:
            scene, along = reduced.rows(0, reduced.height), self.factor // self.step
            likely = network.detect_small(scene[:own], along)
            opacity = own_opacity(self._generator, scene, self.bands, self._level, self._metres)
            opacity = coarsen(opacity[None], along)[0]
            coarse = coarsen(scene, along)
            joined = self._with_haze_and_dark(join_opacity(likely, opacity, self._metres), coarse, 0)
            shaded = self.shaded(coarse)
            joined[1] = np.maximum(joined[1], shaded * (1 - joined[0]))
            joined[3] = np.maximum(joined[3], shaded)
            found.write_rows(0, joined)
            return found

        rows = RowCache(reduced)
        height, width = found.height, found.width
        pixels = self._size[0] * self._size[1]

        def read(*window: int) -> NDArray[np.float32]:
            return rows.window(*window)[:own]

        def opacity_of(window: NDArray[np.float32]) -> NDArray[np.float32]:
            return bright_opacity(self._generator, window, self._read, self._level)[None]

        opacities = sliding_window(opacity_of, read, height, width, channels=1, threads=1)
        for (row, likely), (_, opacity) in zip(network.detect(read, height, width), opacities, strict=True):
            joined = join_opacity(likely, np.where(opacity > 0, opacity, np.nan)[0], self._metres)
            joined = np.where(joined.sum(axis=0) > _ADDED_FROM, joined, likely)
            first, last = max(0, row - HAZE_RADIUS), min(height, row + joined.shape[1] + HAZE_RADIUS)
            found.write_rows(row, self._with_haze_and_dark(joined, reduced.rows(first, last), row - first))
            report("detecting", (row + joined.shape[1]) * pixels // height, pixels)
        return found

    def shaded(self, reflectance: NDArray[np.float32]) -> NDArray[np.float32]:
        """Certainty of the shadow of a cloud outside of the scene, (h, w), 0 to 1; 0 in scenes above 3 km.

        Args:
            reflectance: (C, h, w) of `bands` on the detector's own grid, NaN where there is no data.
        """
        if self._metres > _SHADED_METRES:
            return np.zeros(reflectance.shape[1:], np.float32)
        image = torch.from_numpy(reflectance)[None]
        dark = too_dark(image, self.bands, self._level)
        return np.asarray(shaded_regions(dark, image, self.bands, self._level)[0, 0].numpy(), np.float32)

    def release(self) -> None:
        """Free the networks of all detectors, some 80 MiB, if the scene is large; they are loaded again when needed."""
        if not self.small:
            _network.cache_clear()

    def _with_haze_and_dark(
        self, likely: NDArray[np.float32], reflectance: NDArray[np.float32], first: int
    ) -> NDArray[np.float32]:
        """Append haze and dark land to the probabilities of a strip, (4, n, w).

        Cloud and shadow are removed from sunlit vegetation, and shadow from water, but not under haze: there vegetation
        may lie under more, and land in shadow resembles water.

        Args:
            likely: (2, n, w) probabilities of cloud and of shadow.
            reflectance: (C, h, w) of `bands` on the detector's grid, in which the strip begins at the row `first`.
            first: that row.
        """
        image = torch.from_numpy(reflectance)[None]
        kinds = haze, too_dark, water, sunlit_vegetation
        layers = torch.cat([detect(image, self.bands, self._level) for detect in kinds], dim=1)
        hazy, dark, wet, *vegetation = layers[0, :, first : first + likely.shape[1]].numpy()
        clear = np.stack([vegetation[0], np.maximum(vegetation[1], wet)])
        return np.concatenate([likely * (1 - clear * (1 - hazy)), np.stack([hazy, dark])])


@lru_cache(maxsize=4)
def _network(bands: tuple[str, ...], level: str) -> CloudShadowNetwork:
    """Load a network once for all scenes and dates, until they are released."""
    return CloudShadowNetwork(bands, level, _THREADS)
