"""The encoding of a scene's DN (type, scale, offsets, no-data): what its files declare, checked against the pixels.

Tags and names often outlive the pixels that they were written for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError, UnknownRadiometryError
from unclouded.reading.radiometry.declared import USUAL_SCALE, Declared
from unclouded.reading.radiometry.fallback import FallbackRadiometry
from unclouded.reading.radiometry.fill_values import equal_fill_note, find_fill, without_largest
from unclouded.reading.radiometry.nodata_choice import (
    declared_nodata,
    goes_below_zero,
    ordinary_nodata_note,
    partly_empty_note,
    undeclared_nodata,
)
from unclouded.reading.radiometry.offset_choice import choose_offsets
from unclouded.reading.radiometry.offset_removed_twice import refuse_wraparound
from unclouded.reading.radiometry.offsets import bright_note, negative_note, overruled_note, refuse_unit
from unclouded.reading.radiometry.plausibility import Sample, data_of, equal_bands_note, refuse_scale
from unclouded.reading.radiometry.quantization import refuse_rescaled
from unclouded.reading.radiometry.scale_choice import choose_scale
from unclouded.reading.radiometry.value_checks import find_clipping, refuse_empty, refuse_mixed, refuse_stretched
from unclouded.reflectance import Encoding


def check_scale_and_offset(name: str, scale: object, offset: object) -> None:
    """Check the type and range of a scale and an offset that the user gives.

    Raises:
        InputError: if the scale is no positive number, or the offset no number.
    """
    if scale is not None and not (isinstance(scale, Real) and 0 < float(scale) < np.inf):
        raise InputError(f"{name}: --scale {scale!r} is not a positive number; 10000 is usual, 1 for reflectance")
    if offset is not None and not (isinstance(offset, Real) and np.isfinite(float(offset))):
        raise InputError(f"{name}: --offset {offset!r} is not a number; give -1000 or 0")


def choose_encoding(
    name: str,
    bands: Sequence[str],
    dtype: np.dtype[Any],
    declared: Declared,
    sample: Sample,
    scale: float | None,
    offset: float | None,
    fallback: FallbackRadiometry | None = None,
) -> tuple[Encoding, list[str]]:
    """Decide scale, offsets and no-data of a scene's DN: arguments win over what is declared, and that over defaults.

    Args:
        name: of the scene, in errors.
        bands: of the scene.
        dtype: of its DN.
        declared: by its files.
        sample: gives some DN of each band.
        scale: the user's, DN per 1.0 reflectance.
        offset: the user's, DN to add before dividing.
        fallback: radiometry of another image of the place, for what is not known otherwise.

    Returns:
        The encoding, and notes on what was assumed.

    Raises:
        InputError: nothing tells the encoding, or the pixels contradict it.
    """
    given = None if offset is None else (float(offset),) * len(bands)
    zero, notes = (0.0,) * len(bands), overruled_note(declared.offsets, offset)
    if declared.certain and scale is None:
        scale = declared.scale or USUAL_SCALE
        refuse_unit(name, offset, scale)
        return Encoding(scale, given or declared.offsets or zero, declared_nodata(declared.nodata, dtype)), notes
    values = sample()
    signed = declared.nodata is None and goes_below_zero(dtype, values)
    nodata = None if signed else declared_nodata(declared.nodata, dtype)
    refuse_wraparound(name, dtype, values, nodata)
    values, largest_is_nodata = without_largest(dtype, values, nodata)
    if largest_is_nodata:
        notes.append(equal_fill_note(np.iinfo(dtype).max))
    fill = find_fill(values, nodata)
    not_filled = values if fill is None else fill.outside(values)
    refuse_mixed(name, bands, dtype, not_filled)
    if scale is None:
        stated = replace(declared, offsets=given or declared.offsets or zero, nodata=nodata)
        scale_used, scale_notes = _checked_scale(name, bands, dtype, stated, not_filled, fallback)
        notes += scale_notes
    else:
        scale_used = float(scale)
        refuse_scale(name, scale_used, not_filled, nodata)
    refuse_unit(name, offset, scale_used)
    encoding = Encoding(scale_used, zero, nodata)
    if fill is not None and fill.is_fill(scale_used):
        values, encoding = not_filled, replace(encoding, fill_values=fill.values)
        notes.append(fill.note(bands))
    if (clipping := find_clipping(values, scale_used)) is not None:
        if scale is None and fallback is None:
            clipping.refuse(name)
        notes.append(clipping.note)
    refuse_empty(name, bands, data_of(values, encoding))
    if given is None:
        offsets, offset_notes = choose_offsets(name, bands, dtype, declared, values, encoding, fallback)
        encoding = replace(encoding, offsets=offsets)
    else:
        encoding = replace(encoding, offsets=given)
        data = data_of(values, encoding)
        offset_notes = negative_note(bands, data, given[0]) + bright_note(data, given[0])
    if largest_is_nodata and declared.nodata is None:
        encoding = replace(encoding, nodata=float(np.iinfo(dtype).max))
    encoding, nodata_notes = undeclared_nodata(encoding, dtype, values, declared.nodata)
    data_notes = ordinary_nodata_note(values, declared.nodata) or partly_empty_note(bands, values, encoding)
    notes += [*offset_notes, *nodata_notes, *data_notes, *equal_bands_note(bands, values)]
    return encoding, notes


def _checked_scale(
    name: str,
    bands: Sequence[str],
    dtype: np.dtype[Any],
    declared: Declared,
    values: Sequence[NDArray[np.generic]],
    fallback: FallbackRadiometry | None,
) -> tuple[float, list[str]]:
    """Choose the scale, and refuse values that were stretched or rescaled; arguments as of `choose_scale`."""
    refuse_stretched(name, dtype, values)
    try:
        scale, notes = choose_scale(name, bands, dtype, declared, values, fallback)
    except UnknownRadiometryError:
        if declared.scale is None:
            refuse_rescaled(name, dtype, bands, values, 1.0)  # its error names the divisor
        raise
    if declared.scale is None:
        refuse_rescaled(name, dtype, bands, values, scale)
    return scale, notes
