"""One training or validation image and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unclouded.bands import INDEX, NAMES


@dataclass(frozen=True)
class Patch:
    """One image.

    Attributes:
        name: unique in its collection.
        place: where it was acquired; training and validation never share one.
        level: "L1C" or "L2A".
        optical: (13, H, W) float32 reflectance in the order of `bands.NAMES`; absent bands are 0.
        bands: names of the present bands.
        radar: (2, H, W) float32 VV and VH in dB, NaN without data; None without radar.
    """

    name: str
    place: str
    level: str
    optical: NDArray[np.float32]
    bands: tuple[str, ...]
    radar: NDArray[np.float32] | None = None

    @property
    def present(self) -> NDArray[np.float32]:
        """(13,) 1 for each present band."""
        present = np.zeros(len(NAMES), np.float32)
        present[[INDEX[band] for band in self.bands]] = 1
        return present
