"""The offset of each band: as declared, else by the pixels, else that of another image of the place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import UnknownOffsetError, UnknownRadiometryError
from unclouded.reading.radiometry.declared import Declared
from unclouded.reading.radiometry.fallback import FallbackRadiometry, assumed_scale_note
from unclouded.reading.radiometry.offset_removed_twice import refuse_offset_removed_twice
from unclouded.reading.radiometry.offsets import (
    check_offset,
    offset_of_sample,
    refuse_bright,
    refuse_declared_unit,
    rescaled_offset,
)
from unclouded.reading.radiometry.plausibility import data_of
from unclouded.reading.radiometry.unremoved_offset import refuse_unremoved_offset, unremoved_offset_note
from unclouded.reflectance import Encoding

_LARGEST_WITHOUT_OFFSET = 100.0
"""Scales of floats up to this are of reflectance and per cent, from which the offset was removed already."""


def choose_offsets(
    name: str,
    bands: Sequence[str],
    dtype: np.dtype[Any],
    declared: Declared,
    values: Sequence[NDArray[np.generic]],
    encoding: Encoding,
    fallback: FallbackRadiometry | None,
) -> tuple[tuple[float, ...], list[str]]:
    """Decide the offset of each band, in DN.

    Args:
        name: of the scene, for errors.
        bands: of the scene.
        dtype: of its DN.
        declared: by its files.
        values: some DN of each band.
        encoding: scale and no-data value, without offsets.
        fallback: radiometry of another image of the place, for what is not known otherwise.

    Returns:
        The offsets, and notes on what was assumed.

    Raises:
        UnknownRadiometryError: the pixels contradict what is declared, or nothing tells the offset.
    """
    reflectance = dtype.kind == "f" and encoding.scale <= _LARGEST_WITHOUT_OFFSET
    if declared.offsets is None or (reflectance and declared.scale != encoding.scale):
        offset, notes = _offset_by_pixels(name, bands, values, encoding, fallback, reflectance=reflectance)
        return (offset,) * len(bands), notes
    if reflectance and not any(declared.offsets):
        return declared.offsets, unremoved_offset_note(data_of(values, encoding), encoding.scale)
    if not declared.certain:
        refuse_declared_unit(name, declared.offsets, encoding.scale)
        refuse_bright(name, data_of(values, replace(encoding, offsets=declared.offsets)), declared.offsets)
    if min(declared.offsets) < 0 and not declared.certain:
        data = data_of(values, replace(encoding, offsets=declared.offsets))
        try:
            check_offset(name, bands, data, declared.offsets)
        except UnknownRadiometryError:
            if fallback is None:
                raise
            why = (
                f"as too much of it would be negative with {min(declared.offsets):g}, which its name or metadata means"
            )
            return (0.0,) * len(bands), [assumed_scale_note(encoding.scale, 0, why)]
    if declared.by_name and not any(declared.offsets) and fallback is None:
        denied = "is in DN whose name denies it"
        refuse_unremoved_offset(name, bands, data_of(values, encoding), encoding.scale, denied)
    return declared.offsets, []


def _offset_by_pixels(
    name: str,
    bands: Sequence[str],
    values: Sequence[NDArray[np.generic]],
    encoding: Encoding,
    fallback: FallbackRadiometry | None,
    *,
    reflectance: bool,
) -> tuple[float, list[str]]:
    """The offset of all bands where nothing declares it, and notes on what was assumed."""
    scale = encoding.scale
    of_scene = 0.0 if fallback is None else fallback.offset * scale
    as_scene = of_scene, [assumed_scale_note(scale, of_scene, "as the scene is, for it does not say it itself")]
    try:
        refuse_offset_removed_twice(name, bands, values, encoding)
    except UnknownRadiometryError:
        if of_scene <= 0:
            raise
        return as_scene
    data = data_of(values, encoding)
    if reflectance:
        note = unremoved_offset_note(data, scale)
        if fallback is None:
            refuse_unremoved_offset(name, bands, data, scale)
        return as_scene if note and of_scene < 0 else (0.0, note)
    try:
        return offset_of_sample(name, data, scale)
    except UnknownOffsetError:
        if fallback is None or fallback.scale != scale:
            raise  # an offset in DN says nothing of one in reflectance
        assumed = rescaled_offset(scale)
        return assumed, [assumed_scale_note(scale, assumed, "as its darkest pixels are as bright as that makes them")]
