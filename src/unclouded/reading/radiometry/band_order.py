"""Whether the pixels of a stack without band names fit the usual order of as many bands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from unclouded.bands import ASSUMED_ORDER, L1C, L2A, NAMES, TEN, TEN_METRES
from unclouded.errors import InputError

_Sample = Callable[[], Sequence[NDArray[np.generic]]]
_WITHOUT_B8A = tuple(band for band in L1C if band != "B8A")
_B8A_FIRST = (*L1C[:7], "B8A", "B08", *L1C[9:])

_LEXICOGRAPHIC = ("B01", "B10", "B11", "B12", *L1C[1:8], "B8A", "B09")
"""Google Earth Engine's names (B1, B10, B11, B12, B2 …) in lexicographic order."""


def _subset(order: tuple[str, ...], bands: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(band for band in order if band in bands)


OTHER_ORDERS: dict[int, tuple[tuple[str, ...], ...]] = {
    13: ((*_WITHOUT_B8A, "B8A"), _LEXICOGRAPHIC, _B8A_FIRST),
    12: (_WITHOUT_B8A, (*_subset(_WITHOUT_B8A, L2A), "B8A"), _subset(_LEXICOGRAPHIC, L2A), _subset(_B8A_FIRST, L2A)),
    10: (
        ("B02", "B03", "B04", "B08", "B05", "B06", "B07", "B8A", "B11", "B12"),
        ("B01", "B02", "B04", "B05", "B08", "B8A", "B09", "B10", "B11", "B12"),
        (*_subset(_WITHOUT_B8A, TEN), "B8A"),
        _subset(_LEXICOGRAPHIC, TEN),
        _subset(_B8A_FIRST, TEN),
    ),
}
"""Orders in use besides `bands.ASSUMED_ORDER`: names sorted lexicographically, with and without a 0 before the digit,
B8A before B08, L1C without B8A, the 10 m bands first, and the input of s2cloudless."""

_SHARPER = 0.01
"""Margin of sharpness, see `_sharpness`, by which every 10 m band has to exceed all others to locate them. Of 271 real
stacks on grids of 10 m it does in 264, and in none do the sharpest bands lie where another order has those of 10 m."""

_BY_SHARPNESS_ALONE = {
    *(_subset(_LEXICOGRAPHIC, bands) for bands in (L2A, TEN)),
    *(_subset(_B8A_FIRST, bands) for bands in (L1C, L2A, TEN)),
}
"""Orders in which spectra are about as smooth as in the usual one, or smoother under cloud."""

_NUMBERED = ("B01", "B02", "B03", "B04")

_TOO_SHARP, _FINE_METRES = 0.012, 12.0
"""Margin of sharpness by which B01 exceeds the blurriest of the others if it is no band of 60 m, and the largest pixels
in metres at which bands differ in sharpness."""

_SMOOTHER = 0.95
"""Roughness of the spectra in another order, relative to the usual one, at most (cloud is grey, and fits every order):
of 575 real stacks in the usual order 12 are refused, of 1,908 in another one 1,838, naming the right order."""

_CIRRUS, _SURE_CIRRUS = 0.6, 0.3
"""Brightness of B10 relative to the next darkest band, at most; the second where nothing but B10's position tells."""

_MIN_VALUES, _HIGHEST_CLASS = 20, 12
"""Different values that most bands of a real image have at least, and the highest class of the scene classification."""


def check_order(source: str, sample: Sequence[NDArray[np.generic]]) -> None:
    """Refuse to read a stack in the usual order where its pixels fit another one better.

    Bands of 10 m are sharper than those resampled to 10 m, which locates them. Among orders that agree in this, spectra
    are smooth: the mean step between bands of neighbouring wavelengths is smallest in the true order. B10, in which
    hardly any light comes from the ground, is the darkest band.

    Args:
        source: name of the stack, for errors.
        sample: some DN (rows, width) of each band; neighbours in a row are neighbours in the stack.

    Raises:
        InputError: naming the order that fits, or a layer that is a mask.
    """
    usual, others = ASSUMED_ORDER[len(sample)], OTHER_ORDERS[len(sample)]
    images = np.stack([band.astype(np.float64) for band in sample])
    valid = np.asarray(np.isfinite(images).all(axis=0) & (images > 0).any(axis=0))
    values = images[:, valid]
    if not values.size:
        return
    medians = np.median(values, axis=1)
    darkest = int(medians.argmin())
    relative = medians[darkest] / max(float(np.delete(medians, darkest).min()), 1e-9)
    sharp = _sharp_positions(images, valid, [usual, *others])
    fits = sharp is None or _ten_metre_positions(usual) == sharp
    best, lowest = usual, _roughness(values, usual) if fits else np.inf
    usual_roughness = lowest
    for order in others:
        if fits and "B10" in order and (order.index("B10") != darkest or relative > _CIRRUS):
            continue
        if _ten_metre_positions(order) != sharp if sharp is not None else order in _BY_SHARPNESS_ALONE:
            continue
        sure = "B10" in order and "B10" not in usual and relative < _SURE_CIRRUS
        roughness = _roughness(values, order)
        if roughness < (1.0 if sure else _SMOOTHER) * usual_roughness and (best == usual or roughness < lowest):
            best, lowest = order, roughness
    if best != usual:
        raise InputError(
            f"{source}: {len(usual)} bands without names, whose pixels do not fit the usual order ({' '.join(usual)}) "
            f"but {' '.join(best)}; give --band-names {','.join(best)} if that is it, else the true order"
        )
    _refuse_classes(source, sample)


def refuse_numbered(source: str, bands: Sequence[str], others: Collection[str], sample: _Sample, metres: float) -> None:
    """Refuse layers named B01, B02, … in sequence of which the first is too sharp to be the band B01.

    Programs number layers without names like this. B01 has pixels of 60 m: in 283 real images on grids of 10 m it never
    exceeds the blurriest of B02, B03 and B04 by `_TOO_SHARP`; in 281 of them ten bands of 10 and 20 m, numbered, do.

    Args:
        source: name of the stack, for errors.
        bands: the names of its layers.
        others: names of layers that are not taken.
        sample: gives some DN of each layer, see `check_order`.
        metres: pixel size; on a coarse grid all bands are equally sharp.

    Raises:
        InputError: asking for the names.
    """
    names = sorted({*bands, *others})
    in_sequence = names == [f"B{n:02}" for n in range(1, len(names) + 1)]
    if metres > _FINE_METRES or not set(_NUMBERED) <= set(bands) or not in_sequence:
        return
    layers = sample()
    if len({layer.shape for layer in layers}) > 1:
        return
    images = np.stack([layers[bands.index(band)].astype(np.float64) for band in _NUMBERED])
    sharpness = _sharpness(images, np.asarray(np.isfinite(images).all(axis=0) & (images > 0).any(axis=0)))
    if sharpness is not None and sharpness[0] > sharpness[1:].min() + _TOO_SHARP:
        raise InputError(
            f"{source}: its bands are called B01, B02, … to {names[-1]}, and B01 is too sharp for one of 60 m, as "
            "where they are counted and not named; give --band-names with the names of all in their order, "
            f"{','.join(names)} if these are right"
        )


def _refuse_classes(source: str, sample: Sequence[NDArray[np.generic]]) -> None:
    """Refuse a stack whose last layer holds few different values, as masks and classifications do."""
    *layers, last = (layer[np.isfinite(layer)].astype(np.float64) for layer in sample)
    values = np.unique(last)
    if not last.size or values[-1] <= 0 or np.median([np.unique(layer).size for layer in layers]) < _MIN_VALUES:
        return  # so do its bands
    if values.size <= 2:
        found = f"nothing but {' and '.join(f'{value:g}' for value in values)}"
    elif values[-1] <= _HIGHEST_CLASS and not (last % 1).any() and _unlike_classes(layers):
        found = f"whole numbers up to {values[-1]:g} alone"
    else:
        return
    order = ASSUMED_ORDER.get(len(layers))
    advice = f"--band-names {','.join(order)},- if that is it" if order else "--band-names, with - for the last"
    raise InputError(
        f"{source}: {len(sample)} bands without names, of which the last holds {found}, as masks and classes do; "
        f"name them all: {advice}"
    )


def _unlike_classes(layers: Sequence[NDArray[np.float64]]) -> bool:
    """Whether bands hold fractions, or DN far above all classes, so that a layer of small integers is no band."""
    fractions = np.concatenate([layer % 1 != 0 for layer in layers])
    return bool(fractions.mean() > 0.5 or min(float(np.median(layer)) for layer in layers) > 10 * _HIGHEST_CLASS)


def _ten_metre_positions(order: tuple[str, ...]) -> frozenset[int]:
    """The positions of the 10 m bands in an order."""
    return frozenset(position for position, band in enumerate(order) if band in TEN_METRES)


def _sharp_positions(
    images: NDArray[np.float64], valid: NDArray[np.bool_], orders: Sequence[tuple[str, ...]]
) -> frozenset[int] | None:
    """The positions of the 10 m bands in the order in which they are sharper than all others; None without one."""
    sharpness = _sharpness(images, valid)
    if sharpness is None:
        return None
    for positions in dict.fromkeys(map(_ten_metre_positions, orders)):
        sharp = np.isin(np.arange(len(images)), list(positions))
        if sharpness[sharp].min() > sharpness[~sharp].max() + _SHARPER:
            return positions
    return None


def _sharpness(images: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Mean absolute difference of pixels at lag 1, over that at lag 2, (C,): 1/2 where bands were interpolated.

    None without valid pairs of pixels at both lags.
    """
    lag1 = valid[:, 1:] & valid[:, :-1]
    lag2 = valid[:, 2:] & valid[:, :-2]
    if not lag1.any() or not lag2.any():
        return None
    near = np.abs(np.diff(images, axis=2))[:, lag1].mean(axis=1)
    far = np.abs(images[:, :, 2:] - images[:, :, :-2])[:, lag2].mean(axis=1)
    return np.asarray(near / np.maximum(far, 1e-9))


def _roughness(values: NDArray[np.float64], order: tuple[str, ...]) -> float:
    """Mean step between bands of neighbouring wavelengths, relative to the mean; B09 and B10 see water vapour."""
    rows = [order.index(band) for band in NAMES if band in order and band not in ("B09", "B10")]
    spectra = values[rows]
    steps = np.abs(np.diff(spectra, axis=0)).mean(axis=0)
    return float(np.mean(steps / np.maximum(np.abs(spectra).mean(axis=0), 1e-9)))
