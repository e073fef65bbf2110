"""What clearing reads of a scene, window by window on its grid: its DN, and what helps to clear it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unclouded.clearing.options import ClearOptions
from unclouded.reading.info import SceneInfo
from unclouded.reading.radar import open_radar


class Raster(Protocol):
    """What clearing needs of a scene: its description and windows of its DN (C, height, width)."""

    @property
    def info(self) -> SceneInfo:
        """What the scene is."""

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[Any]:
        """Read a window inside the grid."""


class RadarRaster(Protocol):
    """Radar on the grid of a scene: windows (2, height, width) of VV and VH in dB, NaN where there is none."""

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.float32]:
        """Read a window inside the grid."""


@dataclass(frozen=True)
class SceneInputs:
    """A scene and all that is read beside it, open and on its grid.

    Attributes:
        scene: what is to be cleared.
        radar: VV and VH, if there are.
    """

    scene: Raster
    radar: RadarRaster | None = None


@contextmanager
def open_inputs(scene: Raster, options: ClearOptions) -> Iterator[SceneInputs]:
    """Open what the options name beside a scene, on its grid.

    Raises:
        InputError: if it does not fit the scene.
        FileError: if it cannot be read.
    """
    if options.radar is None:
        yield SceneInputs(scene)
        return
    with open_radar(options.radar, scene.info) as radar:
        yield SceneInputs(scene, radar)
