"""Masks whose meaning was guessed by their values alone, checked against the pixels of the scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from unclouded.detection.classes import CLEAR, BitScheme, Scheme, declares_scheme
from unclouded.detection.mask_plausibility import implausibility, implausibility_of_scl, implausible_gaps
from unclouded.errors import InputError
from unclouded.reading.array_classification import NO_VALUE
from unclouded.reading.info import SceneInfo
from unclouded.reflectance import scaled, valid_pixels
from unclouded.tiles import Box

_VISIBLE = ("B02", "B03", "B04", "B01")
"""Bands in which cloud is brighter than most ground; the first one present is used."""

_WHOLE, _SIDE, _PLACES = 512, 128, 4
"""Scenes up to the first side, in pixels, are checked whole; larger ones in windows of the second side, so many along
each axis."""


class ClassRaster(Protocol):
    """Reads windows (height, width) of a mask's values, as `reading.mask.MaskRaster` does."""

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.int32]:
        """Read a window inside the grid; `NO_VALUE` where the mask has no value."""


class Sample(NamedTuple):
    """Pixels that hold data.

    Attributes:
        values: (n,) of the mask, `NO_VALUE` where it has none.
        visible: (n,) reflectance in the shortest visible band; None if there is none.
    """

    values: NDArray[np.int32]
    visible: NDArray[np.float32] | None


def is_ambiguous(scheme: str | Scheme | BitScheme, label: str, tags: Mapping[str, str]) -> bool:
    """Whether a mask was taken for boolean, of OmniCloudMask or SCL, by its values alone."""
    guessed = isinstance(scheme, str) and scheme in ("boolean", "omnicloudmask", "scl")
    return guessed and not declares_scheme(str(scheme), label, tags)


def samples(
    mask: ClassRaster, info: SceneInfo, read: Callable[[int, int, int, int], NDArray[Any]], within: Box | None = None
) -> Iterator[Sample]:
    """Read mask values and brightness at windows spread over a scene, or at the parts of them `within` a box.

    Args:
        mask: on the grid of the scene.
        info: of the scene.
        read: reads a window of its DN, see `Scene.read`.
        within: the whole scene by default.

    Raises:
        FileError: if either cannot be read.
    """
    band = next((info.bands.index(band) for band in _VISIBLE if band in info.bands), None)
    for whole in _boxes(info.height, info.width):
        if within is not None and not whole.meets(within):
            continue
        box = whole if within is None else whole.shared(within)
        raw = mask.read(box.row, box.column, box.height, box.width)
        dn = read(box.row, box.column, box.height, box.width)
        valid = valid_pixels(dn, info.encoding)
        yield Sample(raw[valid], None if band is None else scaled(dn, info.encoding)[band][valid])


def refuse_implausible(name: str, scheme: str | Scheme | BitScheme, level: str, found: Sequence[Sample]) -> None:
    """Refuse an ambiguous mask, see `is_ambiguous`, if the pixels contradict the guessed meaning of its values.

    Args:
        name: of the mask, for errors.
        scheme: the guessed meaning.
        level: of the scene, "L1C" or "L2A".
        found: all of `samples`.

    Raises:
        InputError: naming the contradiction.
    """
    if not found:
        return
    known = [sample.visible for sample in found if sample.visible is not None]
    values, visible = np.concatenate([sample.values for sample in found]), np.concatenate(known) if known else None
    if visible is not None and scheme != "scl" and (gaps := implausible_gaps(values, visible, NO_VALUE)):
        raise InputError(f"{name}: {gaps}; write 1 there, and 0 where it is clear")
    # Pixels without a value count as clear, since 0 itself may be the mask's no-data value.
    values = np.where(values == NO_VALUE, CLEAR, values)
    if scheme == "scl":
        why = None if visible is None else implausibility_of_scl(values, visible)
    else:
        why = implausibility(values, visible, level)
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
