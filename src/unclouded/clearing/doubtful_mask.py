"""A mask whose values were understood by themselves alone, held against the scene that it is given for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from unclouded.detection.classes import CLEAR, Bits, Scheme, says_its_classes
from unclouded.detection.mask_doubts import doubt
from unclouded.errors import InputError
from unclouded.reading.array_classification import NO_VALUE
from unclouded.reading.info import SceneInfo
from unclouded.reflectance import scaled, valid_pixels
from unclouded.tiles import Box

_VISIBLE = ("B02", "B03", "B04", "B01")
"""Bands in which cloud outshines the ground, the first that is there."""

_WHOLE, _SIDE, _PLACES = 512, 128, 4
"""Side in pixels of scenes that are looked at whole; of larger ones so large windows at so many places each way."""


class ClassRaster(Protocol):
    """What reads windows (height, width) of a mask's values; see `reading.mask.MaskRaster`."""

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.int32]:
        """Read a window inside the grid; `NO_VALUE` where it says nothing."""


class Sample(NamedTuple):
    """Pixels that hold data.

    Attributes:
        values: (n,) of the mask.
        visible: (n,) reflectance in the shortest visible band; None if there is none.
    """

    values: NDArray[np.int32]
    visible: NDArray[np.float32] | None


def may_mean_others(scheme: str | Scheme | Bits, label: str, tags: Mapping[str, str]) -> bool:
    """Whether a mask was taken for one of true and false or of OmniCloudMask by its values alone."""
    return scheme in ("boolean", "omnicloudmask") and not says_its_classes(label, tags)


def samples(
    mask: ClassRaster, info: SceneInfo, read: Callable[[int, int, int, int], NDArray[Any]], within: Box | None = None
) -> Iterator[Sample]:
    """What a mask says of pixels of a scene all over it, or of those of them that lie `within` a box.

    Args:
        mask: on the grid of the scene.
        info: of the scene.
        read: reads a window of its DN, see `Scene.read`.
        within: all of it unless given.

    Raises:
        FileError: if either cannot be read.
    """
    band = next((info.bands.index(band) for band in _VISIBLE if band in info.bands), None)
    for whole in _boxes(info.height, info.width):
        if within is not None and not whole.meets(within):
            continue
        box = whole if within is None else whole.shared(within)
        said = mask.read(box.row, box.column, box.height, box.width)
        dn = read(box.row, box.column, box.height, box.width)
        there = valid_pixels(dn, info.encoding)
        # What it says nothing of is not covered: 0 itself may be its no-data value.
        values = np.where(said == NO_VALUE, CLEAR, said)[there]
        yield Sample(values, None if band is None else scaled(dn, info.encoding)[band][there])


def refuse_doubtful(name: str, scheme: str | Scheme | Bits, level: str, found: Sequence[Sample]) -> None:
    """Refuse a mask that `may_mean_others`, and does by the pixels.

    Args:
        name: how errors call it.
        scheme: what it was taken for.
        level: of the scene.
        found: what `samples` gives of all of it.

    Raises:
        InputError: saying what contradicts it.
    """
    if not found:
        return
    visible = [sample.visible for sample in found if sample.visible is not None]
    values = np.concatenate([sample.values for sample in found])
    why = doubt(values, np.concatenate(visible) if visible else None, level)
    if why is not None:
        raise InputError(
            f"{name}: a mask whose values may mean several things ({why}); say what they mean: --mask-classes "
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
