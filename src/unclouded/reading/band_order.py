"""Whether the pixels of a stack without band names agree with the order that is usual for so many bands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unclouded.bands import ASSUMED_ORDER, L1C, L2A, NAMES
from unclouded.errors import InputError

_WITHOUT_B8A = tuple(band for band in L1C if band != "B8A")

_AS_TEXTS = ("B01", "B10", "B11", "B12", *L1C[1:8], "B8A", "B09")
"""As Google Earth Engine's names (B1, B10, B11, B12, B2 …) come when they are sorted as texts.

Of 12 and 10 bands that order is not told well enough: 77 of 124 real stacks of 12 would be asked about, but 14 in
their usual order, too.
"""

OTHER_ORDERS: dict[int, tuple[tuple[str, ...], ...]] = {
    13: ((*_WITHOUT_B8A, "B8A"), _AS_TEXTS),
    12: (_WITHOUT_B8A, (*(band for band in L2A if band != "B8A"), "B8A")),
    10: (
        ("B02", "B03", "B04", "B08", "B05", "B06", "B07", "B8A", "B11", "B12"),
        ("B01", "B02", "B04", "B05", "B08", "B8A", "B09", "B10", "B11", "B12"),
    ),
}
"""Orders that are in use beside `bands.ASSUMED_ORDER`: names sorted as texts, L1C without B8A, the 10 m bands first,
and the input of s2cloudless."""

_SMOOTHER = 0.95
"""How much smoother the spectra of another order have to be: of 727 real stacks in their usual order 6 are asked about,
of 957 in another 909, by the right name (cloud is grey, and fits every order)."""

_CIRRUS, _SURE_CIRRUS = 0.6, 0.3
"""B10 is at most so bright as the next darkest band; at most the latter where its place alone is to tell."""


def check_order(source: str, sample: Sequence[NDArray[np.generic]]) -> None:
    """Refuse to read a stack in the usual order where its pixels fit another one better.

    Spectra are smooth: over a stack in its true order the mean step between bands of neighbouring wavelengths is
    the smallest. B10, which hardly any light from the ground reaches, is the darkest band.

    Args:
        source: how errors call the stack.
        sample: some DN of each band, as many of each.

    Raises:
        InputError: naming the order that fits.
    """
    usual, others = ASSUMED_ORDER[len(sample)], OTHER_ORDERS[len(sample)]
    values = np.stack([band.astype(np.float64) for band in sample])
    values = values[:, np.isfinite(values).all(axis=0) & (values > 0).any(axis=0)]
    if not values.size:
        return
    middles = np.median(values, axis=1)
    darkest = int(middles.argmin())
    contrast = middles[darkest] / max(float(np.delete(middles, darkest).min()), 1e-9)
    assumed = _roughness(values, usual)
    best, least = usual, assumed
    for order in others:
        if "B10" in order and (order.index("B10") != darkest or contrast > _CIRRUS):
            continue
        sure = "B10" in order and "B10" not in usual and contrast < _SURE_CIRRUS
        roughness = _roughness(values, order)
        if roughness < (1.0 if sure else _SMOOTHER) * assumed and (best == usual or roughness < least):
            best, least = order, roughness
    if best != usual:
        raise InputError(
            f"{source}: {len(usual)} bands without names, whose pixels do not fit the usual order ({' '.join(usual)}) "
            f"but {' '.join(best)}; give --band-names {','.join(best)} if that is it, else the true order"
        )


def _roughness(values: NDArray[np.float64], order: tuple[str, ...]) -> float:
    """Mean step between bands of neighbouring wavelengths, over the mean; B09 and B10 see water vapour."""
    rows = [order.index(band) for band in NAMES if band in order and band not in ("B09", "B10")]
    spectra = values[rows]
    steps = np.abs(np.diff(spectra, axis=0)).mean(axis=0)
    return float(np.mean(steps / np.maximum(np.abs(spectra).mean(axis=0), 1e-9)))
