"""A scene of which only an area and its surroundings are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from unclouded.reading.grids.area import Area
from unclouded.reading.scene import Scene


class CroppedScene(Scene):
    """A crop of an open scene: the same pixels, on a smaller grid, with the part of it that is wanted.

    Its grid starts at a multiple of `area.ALIGNMENT` pixels of the scene, so that cells hold the same pixels.
    """

    def __init__(self, scene: Scene, area: Area) -> None:
        """Crop `scene` to `area` and its surroundings.

        Raises:
            InputError: the area lies outside the scene.
        """
        self._scene, self._area = scene, area
        self._box, region = area.crop(scene.info)
        notes = scene.info.notes
        if area.reaches_beyond(scene.info):
            notes = (*notes, f"{area.name} reaches beyond it; what lies in it is taken")
        self.info = replace(
            scene.info,
            width=self._box.width,
            height=self._box.height,
            transform=scene.info.transform @ Affine.translation(self._box.column, self._box.row),
            region=region,
            notes=notes,
        )

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.generic]:
        """Read the window of DN (C, height, width); as `Scene.read`, inside the crop."""
        self.info.check_window(row, column, height, width)
        return self._scene.read(row + self._box.row, column + self._box.column, height, width)

    def with_bands(self, bands: Sequence[str]) -> Scene | None:
        """Open the same crop of the source for other bands; as `Scene.with_bands`."""
        other = self._scene.with_bands(bands)
        return None if other is None else CroppedScene(other, self._area)

    @property
    def files(self) -> tuple[str, ...]:
        """As `Scene.files`."""
        return self._scene.files

    def close(self) -> None:
        """Close the scene's files."""
        self._scene.close()
