"""The scene classification (SCL) that lies among the bands of an array, as loaders of catalogues stack it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError
from unclouded.tiles import Box

NO_VALUE = -1
"""What class values, those of masks too, are where there are none."""

_NAMED = re.compile(r"(?:s2[_ ])?scl(?:[_ ]?\d0m)?", re.IGNORECASE)

_LAST = 11
"""Class of the greatest number, snow."""


@dataclass(frozen=True, eq=False)
class ArrayClassification:
    """SCL on the grid of a scene, read window by window.

    Attributes:
        source: how errors call the scene.
        array: (h, w) of NumPy or xarray, in chunks or not.
        fill: what stands for none in it, if not 0; NaN does as well.
        corner: row and column of the scene's grid at which `array` starts.
        name: how it is called beside the scene.
        label: see `MaskRaster.label`.
    """

    source: str
    array: Any
    fill: float | None = None
    corner: tuple[int, int] = (0, 0)
    name: str = "SCL"
    label: str = "SCL"

    def of_crop(self, cut: Box) -> ArrayClassification:
        """The same for a crop of the scene."""
        return replace(self, corner=(self.corner[0] - cut.row, self.corner[1] - cut.column))

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.int32]:
        """Read the window (height, width) of classes, `NO_VALUE` where there are none.

        Raises:
            InputError: if it holds numbers that are no classes, beside one that fills it.
        """
        top, left = row - self.corner[0], column - self.corner[1]
        return self._classes(np.asarray(self.array[top : top + height, left : left + width]))

    def _classes(self, values: NDArray[Any]) -> NDArray[np.int32]:
        known = np.isin(values, range(_LAST + 1)) & (values != self.fill)
        others = np.unique(values[~known & np.isfinite(values)])
        if others.size > 1 or (others % 1).any():
            raise InputError(
                f"{self.source}: its SCL holds {', '.join(f'{other:.4g}' for other in others[:3])}; the classes 0 to "
                f"{_LAST} are accepted, neither scaled nor interpolated; give them so, or leave SCL out"
            )
        classes = np.full(values.shape, NO_VALUE, np.int32)
        classes[known] = values[known]
        return classes

    @cached_property
    def values(self) -> tuple[int, ...]:
        """The classes that it holds, in ascending order."""
        found = np.unique(self._classes(np.asarray(self.array)))
        return tuple(found[found != NO_VALUE].tolist())

    @property
    def values_of_whole(self) -> tuple[int, ...]:
        """The same: what is read of a crop lies in the whole array."""
        return self.values


def classification_among(names: Sequence[Any]) -> int | None:
    """Which of the names of bands or variables is that of the scene classification; None unless exactly one is."""
    found = [number for number, name in enumerate(names) if _NAMED.fullmatch(str(name).strip())]
    return found[0] if len(found) == 1 else None
