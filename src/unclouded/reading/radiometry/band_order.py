"""Whether the pixels of a stack without band names agree with the order that is usual for so many bands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from unclouded.bands import ASSUMED_ORDER, BANDS, L1C, L2A, NAMES, TEN
from unclouded.errors import InputError

_Sample = Callable[[], Sequence[NDArray[np.generic]]]
_WITHOUT_B8A = tuple(band for band in L1C if band != "B8A")
_B8A_FIRST = (*L1C[:7], "B8A", "B08", *L1C[9:])

_AS_TEXTS = ("B01", "B10", "B11", "B12", *L1C[1:8], "B8A", "B09")
"""As Google Earth Engine's names (B1, B10, B11, B12, B2 …) come when they are sorted as texts."""


def _of(order: tuple[str, ...], bands: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(band for band in order if band in bands)


OTHER_ORDERS: dict[int, tuple[tuple[str, ...], ...]] = {
    13: ((*_WITHOUT_B8A, "B8A"), _AS_TEXTS, _B8A_FIRST),
    12: (_WITHOUT_B8A, (*_of(_WITHOUT_B8A, L2A), "B8A"), _of(_AS_TEXTS, L2A), _of(_B8A_FIRST, L2A)),
    10: (
        ("B02", "B03", "B04", "B08", "B05", "B06", "B07", "B8A", "B11", "B12"),
        ("B01", "B02", "B04", "B05", "B08", "B8A", "B09", "B10", "B11", "B12"),
        (*_of(_WITHOUT_B8A, TEN), "B8A"),
        _of(_AS_TEXTS, TEN),
        _of(_B8A_FIRST, TEN),
    ),
}
"""Orders that are in use beside `bands.ASSUMED_ORDER`: names sorted as texts, with and without a 0 before the digit,
B8A before B08, L1C without B8A, the 10 m bands first, and the input of s2cloudless."""

_SHARP = tuple(band.name for band in BANDS if band.resolution == 10)

_SHARPER = 0.01
"""How much sharper each band of 10 m has to be than each other for their places to be told by it. Of 271 real stacks
on grids of 10 m they are in 264, and in none do the sharpest bands lie where another order has those of 10 m."""

_BY_SHARPNESS_ALONE = {
    *(_of(_AS_TEXTS, bands) for bands in (L2A, TEN)),
    *(_of(_B8A_FIRST, bands) for bands in (L1C, L2A, TEN)),
}
"""Orders whose spectra are about as smooth as the usual one's, or under cloud smoother."""

_COUNTED = ("B01", "B02", "B03", "B04")
_TOO_SHARP, _FINE = 0.012, 12.0

_SMOOTHER = 0.95
"""How much smoother the spectra of another order have to be (cloud is grey, and fits every order): of 575 real stacks
in their usual order 12 are asked about, of 1,908 in another one 1,838, by the right name."""

_CIRRUS, _SURE_CIRRUS = 0.6, 0.3
"""B10 is at most so bright as the next darkest band; at most the latter where its place alone is to tell."""

_FEW, _MOST_CLASS = 20, 12
"""Values that most bands of a real image have at least, and the highest class of the scene classification (SCL)."""


def check_order(source: str, sample: Sequence[NDArray[np.generic]]) -> None:
    """Refuse to read a stack in the usual order where its pixels fit another one better.

    Bands of 10 m are sharper than those that were brought to 10 m, which tells which places are theirs. Among orders
    that agree in this, spectra are smooth: in the true order the mean step between bands of neighbouring wavelengths
    is the smallest. B10, which hardly any light from the ground reaches, is the darkest band.

    Args:
        source: how errors call the stack.
        sample: some DN (rows, width) of each band, neighbours along a row being neighbours in the stack.

    Raises:
        InputError: naming the order that fits, or a layer that is a mask.
    """
    usual, others = ASSUMED_ORDER[len(sample)], OTHER_ORDERS[len(sample)]
    images = np.stack([band.astype(np.float64) for band in sample])
    valid = np.asarray(np.isfinite(images).all(axis=0) & (images > 0).any(axis=0))
    values = images[:, valid]
    if not values.size:
        return
    middles = np.median(values, axis=1)
    darkest = int(middles.argmin())
    contrast = middles[darkest] / max(float(np.delete(middles, darkest).min()), 1e-9)
    places = _sharp_places(images, valid, [usual, *others])
    fits = places is None or _places(usual) == places
    best, least = usual, _roughness(values, usual) if fits else np.inf
    assumed = least
    for order in others:
        if fits and "B10" in order and (order.index("B10") != darkest or contrast > _CIRRUS):
            continue
        if _places(order) != places if places is not None else order in _BY_SHARPNESS_ALONE:
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
    _refuse_classes(source, sample)


def refuse_counted(source: str, bands: Sequence[str], others: Collection[str], sample: _Sample, metres: float) -> None:
    """Refuse layers called B01, B02, … one after the other, of which the first is too sharp to be the band B01.

    So programs count layers that have no names. B01 has pixels of 60 m: in 283 real images on grids of 10 m it is never
    by `_TOO_SHARP` sharper than the least sharp of B02, B03 and B04. Ten bands of 10 and 20 m, called so, are in 281.

    Args:
        source: how errors call the stack.
        bands: the names of its layers.
        others: names of layers that are not taken.
        sample: gives some DN of each, see `check_order`.
        metres: size of a pixel; on a coarse grid all bands are as sharp.

    Raises:
        InputError: asking for the names.
    """
    called = sorted({*bands, *others})
    if metres > _FINE or not set(_COUNTED) <= set(bands) or called != [f"B{n:02}" for n in range(1, len(called) + 1)]:
        return
    layers = sample()
    if len({layer.shape for layer in layers}) > 1:
        return
    images = np.stack([layers[bands.index(band)].astype(np.float64) for band in _COUNTED])
    sharpness = _sharpness(images, np.asarray(np.isfinite(images).all(axis=0) & (images > 0).any(axis=0)))
    if sharpness is not None and sharpness[0] > sharpness[1:].min() + _TOO_SHARP:
        raise InputError(
            f"{source}: its bands are called B01, B02, … to {called[-1]}, and B01 is too sharp for one of 60 m, as "
            "where they are counted and not named; give --band-names with the names of all in their order, "
            f"{','.join(called)} if these are right"
        )


def _refuse_classes(source: str, sample: Sequence[NDArray[np.generic]]) -> None:
    """Refuse a stack whose last layer holds hardly any values, as masks do, or classes."""
    *layers, last = (layer[np.isfinite(layer)].astype(np.float64) for layer in sample)
    values = np.unique(last)
    if not last.size or values[-1] <= 0 or np.median([np.unique(layer).size for layer in layers]) < _FEW:
        return  # nothing in it tells
    if values.size <= 2:
        found = f"nothing but {' and '.join(f'{value:g}' for value in values)}"
    elif values[-1] <= _MOST_CLASS and not (last % 1).any() and _apart(layers):
        found = f"whole numbers up to {values[-1]:g} alone"
    else:
        return
    order = ASSUMED_ORDER.get(len(layers))
    advice = f"--band-names {','.join(order)},- if that is it" if order else "--band-names, with - for the last"
    raise InputError(
        f"{source}: {len(sample)} bands without names, of which the last holds {found}, as masks and classes do; "
        f"name them all: {advice}"
    )


def _apart(layers: Sequence[NDArray[np.float64]]) -> bool:
    """Whether bands are fractions, or DN above all classes, so that small whole numbers among them are none of them."""
    fractions = np.concatenate([layer % 1 != 0 for layer in layers])
    return bool(fractions.mean() > 0.5 or min(float(np.median(layer)) for layer in layers) > 10 * _MOST_CLASS)


def _places(order: tuple[str, ...]) -> frozenset[int]:
    """Where an order has the bands of 10 m."""
    return frozenset(position for position, band in enumerate(order) if band in _SHARP)


def _sharp_places(
    images: NDArray[np.float64], valid: NDArray[np.bool_], orders: Sequence[tuple[str, ...]]
) -> frozenset[int] | None:
    """Where the bands of 10 m are, if those of one of the orders are sharper than all others; None if of none are."""
    sharpness = _sharpness(images, valid)
    if sharpness is None:
        return None
    for places in dict.fromkeys(map(_places, orders)):
        sharp = np.isin(np.arange(len(images)), list(places))
        if sharpness[sharp].min() > sharpness[~sharp].max() + _SHARPER:
            return places
    return None


def _sharpness(images: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """The mean step (C,) from a pixel to the next, over that to the next but one: 1/2 of what is interpolated.

    None where no three pixels with data are neighbours.
    """
    next_ = valid[:, 1:] & valid[:, :-1]
    next_but_one = valid[:, 2:] & valid[:, :-2]
    if not next_.any() or not next_but_one.any():
        return None
    steps = np.abs(np.diff(images, axis=2))[:, next_].mean(axis=1)
    wide = np.abs(images[:, :, 2:] - images[:, :, :-2])[:, next_but_one].mean(axis=1)
    return np.asarray(steps / np.maximum(wide, 1e-9))


def _roughness(values: NDArray[np.float64], order: tuple[str, ...]) -> float:
    """Mean step between bands of neighbouring wavelengths, over the mean; B09 and B10 see water vapour."""
    rows = [order.index(band) for band in NAMES if band in order and band not in ("B09", "B10")]
    spectra = values[rows]
    steps = np.abs(np.diff(spectra, axis=0)).mean(axis=0)
    return float(np.mean(steps / np.maximum(np.abs(spectra).mean(axis=0), 1e-9)))
