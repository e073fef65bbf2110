"""How a scene's DN are to be understood: type, scale, offsets and no-data, from all that its files say.

What they say is held against the pixels, for tags outlive the pixels that they were made for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np

from unclouded.errors import InputError, UnknownNumbersError
from unclouded.reading.radiometry.declared import USUAL_SCALE, Declared
from unclouded.reading.radiometry.fallback import FallbackRadiometry
from unclouded.reading.radiometry.nodata_choice import declared_nodata, goes_below_zero, undeclared_nodata
from unclouded.reading.radiometry.odd_pixels import (
    cut_off,
    filling_of,
    no_data_in_all,
    refuse_empty,
    refuse_mixed,
    refuse_stretched,
    without_largest,
)
from unclouded.reading.radiometry.offset_choice import choose_offsets
from unclouded.reading.radiometry.offset_taken_twice import refuse_wrapped
from unclouded.reading.radiometry.offsets import bright_note, negative_note, overruled_note, refuse_unit
from unclouded.reading.radiometry.plausibility import Sample, data_of, refuse_scale
from unclouded.reading.radiometry.quantization import refuse_rescaled
from unclouded.reading.radiometry.scale_choice import choose_scale
from unclouded.reflectance import Encoding


def check_numbers(name: str, scale: object, offset: object) -> None:
    """Refuse what somebody gives as scale or offset of a scene and is none.

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
    """Decide scale, offsets and no-data of a scene's DN; arguments win over what is declared, that over habit.

    Args:
        name: how errors call the scene.
        bands: of the scene.
        dtype: of its DN.
        declared: what it says itself.
        sample: gives some DN of each band.
        scale: the user's, DN per 1.0 reflectance.
        offset: the user's, DN to add before dividing.
        fallback: another image of the place, for what nothing else tells.

    Returns:
        The encoding, and what was assumed.

    Raises:
        InputError: nothing says it, or the pixels contradict it.
    """
    no_offsets = (0.0,) * len(bands)
    offsets_given = None if offset is None else (float(offset),) * len(bands)
    if declared.certain and scale is None:
        nodata, scale_used = declared_nodata(declared.nodata, dtype), declared.scale or USUAL_SCALE
        refuse_unit(name, offset, scale_used)
        notes = overruled_note(declared.offsets, offset)
        return Encoding(scale_used, offsets_given or declared.offsets or no_offsets, nodata), notes
    values, notes = sample(), overruled_note(declared.offsets, offset)
    signed = declared.nodata is None and goes_below_zero(dtype, values)
    nodata = None if signed else declared_nodata(declared.nodata, dtype)
    refuse_wrapped(name, dtype, values, nodata)
    values, largest_is_nodata = without_largest(dtype, values, nodata)
    if largest_is_nodata:
        notes.append(no_data_in_all(np.iinfo(dtype).max))
    holes = filling_of(values, nodata)
    outside_holes = values if holes is None else holes.outside(values)
    refuse_mixed(name, bands, dtype, outside_holes)
    if scale is None:
        refuse_stretched(name, dtype, outside_holes)
        stated = replace(declared, offsets=offsets_given or declared.offsets or no_offsets, nodata=nodata)
        try:
            scale_used, scale_notes = choose_scale(name, bands, dtype, stated, outside_holes, fallback)
        except UnknownNumbersError:
            if declared.scale is None:  # what the step tells says more
                refuse_rescaled(name, dtype, bands, outside_holes, 1.0)
            raise
        notes += scale_notes
        if declared.scale is None:
            refuse_rescaled(name, dtype, bands, outside_holes, scale_used)
    else:
        scale_used = float(scale)
        refuse_scale(name, scale_used, outside_holes, nodata)
    refuse_unit(name, offset, scale_used)
    filling = None
    if holes is not None and holes.is_hole(scale_used):
        values, filling = outside_holes, holes.values
        notes.append(holes.note(bands))
    if (cut := cut_off(values, scale_used)) is not None:
        if scale is None and fallback is None:
            cut.refuse(name)
        notes.append(cut.note)
    encoding = Encoding(scale_used, no_offsets, nodata, filling)
    refuse_empty(name, bands, data_of(values, encoding))
    if offsets_given is None:
        offsets, offset_notes = choose_offsets(name, bands, dtype, declared, values, encoding, fallback)
        encoding = replace(encoding, offsets=offsets)
    else:
        encoding = replace(encoding, offsets=offsets_given)
        data = data_of(values, encoding)
        offset_notes = negative_note(bands, data, offsets_given[0]) + bright_note(data, offsets_given[0])
    if largest_is_nodata and declared.nodata is None:
        encoding = replace(encoding, nodata=float(np.iinfo(dtype).max))
    encoding, nodata_notes = undeclared_nodata(encoding, dtype, values, declared.nodata)
    return encoding, [*notes, *offset_notes, *nodata_notes]
