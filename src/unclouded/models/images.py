"""Arranges images (B, C, H, W) of any bands among the 13 bands of the networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unclouded.bands import INDEX, L1C, L2A, LEVELS, NAMES
from unclouded.errors import InputError

_USUAL = {len(L1C): L1C, len(L2A): L2A}
"""Bands of images that name none."""


class Images(NamedTuple):
    """Images of 13 bands; absent bands and pixels without data are zero.

    Attributes:
        optical: (B, 13, H, W) reflectance, 1.0 = 100 %.
        present: (B, 13) 1 for each present band.
        level: (B,) 0 for L1C, 1 for L2A.
        valid: (B, 1, H, W) 1 where there are data, else 0.
        places: indices of the images' own bands among the 13.
    """

    optical: Tensor
    present: Tensor
    level: Tensor
    valid: Tensor
    places: list[int]

    @classmethod
    def of(cls, images: Tensor, bands: Sequence[str] | None = None, level: str | None = None) -> Images:
        """Arrange `images` (B, C, H, W) of reflectance; a pixel that is NaN in a band, or 0 in all, is no data.

        Args:
            images: in float32.
            bands: names of the C bands; by default those of L1C (13) or L2A (12) in their usual order.
            level: "L1C" or "L2A"; needed if `bands` are given without B10.

        Raises:
            InputError: if bands or level cannot be known.
        """
        if images.ndim != 4:
            raise InputError(f"images have the shape {tuple(images.shape)}; four dimensions (B, C, H, W) are accepted")
        names = _USUAL.get(images.shape[1], ()) if bands is None else tuple(bands)
        if len(names) != images.shape[1] or len(set(names)) < len(names) or not set(names) <= set(NAMES):
            raise InputError(
                f"images of {images.shape[1]} bands, named {', '.join(names) or 'not at all'}; name each of them once "
                f"with bands=[...]; accepted: {', '.join(NAMES)}"
            )
        if level is None:
            level = "L1C" if "B10" in names else "L2A" if bands is None else None
        if level not in LEVELS:
            raise InputError(
                f"images of level {level}; give level='L1C' (top of the atmosphere) or level='L2A' (surface)"
            )
        places = [INDEX[name] for name in names]
        valid = torch.isfinite(images).all(1, keepdim=True) & (images != 0).any(1, keepdim=True)
        optical = images.new_zeros(len(images), len(NAMES), *images.shape[2:])
        optical[:, places] = torch.where(valid, images, 0.0)
        present = images.new_zeros(len(images), len(NAMES))
        present[:, places] = 1
        return cls(
            optical,
            present,
            images.new_full((len(images),), float(LEVELS.index(level))),
            valid.to(images.dtype),
            places,
        )
