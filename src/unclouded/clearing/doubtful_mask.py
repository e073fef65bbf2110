"""A mask whose values were understood by themselves alone, held against the scene that it is given for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.detection.classes import CLEAR, Bits, Scheme, says_its_classes
from unclouded.detection.mask_doubts import doubt
from unclouded.errors import InputError
from unclouded.reading.array_classification import NO_VALUE
from unclouded.reading.info import SceneInfo
from unclouded.reading.mask import MaskRaster
from unclouded.reflectance import scaled, valid_pixels
from unclouded.tiles import Box

_VISIBLE = ("B02", "B03", "B04", "B01")
"""Bands in which cloud outshines the ground, the first that is there."""

_WHOLE, _SIDE, _PLACES = 512, 128, 4
"""Side in pixels of scenes that are looked at whole; of larger ones so large windows at so many places each way."""


def refuse_doubtful(
    mask: MaskRaster, scheme: str | Scheme | Bits, info: SceneInfo, read: Callable[[int, int, int, int], NDArray[Any]]
) -> None:
    """Refuse a mask that was taken for one of true and false or of OmniCloudMask, and hardly is one by the pixels.

    Args:
        mask: on the grid of the scene.
        scheme: what it was taken for.
        info: of the scene.
        read: reads a window of its DN, see `Scene.read`.

    Raises:
        InputError: saying what contradicts it.
        FileError: if either cannot be read.
    """
    if scheme not in ("boolean", "omnicloudmask") or says_its_classes(mask.label, mask.tags):
        return
    band = next((info.bands.index(band) for band in _VISIBLE if band in info.bands), None)
    values, visible = list[NDArray[np.int32]](), list[NDArray[np.float32]]()
    for box in _boxes(info.height, info.width):
        said = mask.read(box.row, box.column, box.height, box.width)
        dn = read(box.row, box.column, box.height, box.width)
        there = valid_pixels(dn, info.encoding)
        # What it says nothing of is not covered: 0 itself may be its no-data value.
        values.append(np.where(said == NO_VALUE, CLEAR, said)[there])
        if band is not None:
            visible.append(scaled(dn, info.encoding)[band][there])
    found = doubt(np.concatenate(values), np.concatenate(visible) if visible else None, info.level)
    if found is not None:
        raise InputError(
            f"{mask.name}: a mask whose values may mean several things ({found}); say what they mean: --mask-classes "
            f"{scheme} if that is it, else for example 0=cloud,1=clear or 0=nodata,1=clear,2=cloud,3=shadow"
        )


def _boxes(height: int, width: int) -> Iterator[Box]:
    if max(height, width) <= _WHOLE:
        yield Box(0, 0, height, width)
        return
    high, wide = min(_SIDE, height), min(_SIDE, width)
    for row in np.linspace(0, height - high, _PLACES).astype(int):
        for column in np.linspace(0, width - wide, _PLACES).astype(int):
            yield Box(int(row), int(column), high, wide)
