"""What is wrong with a reference, judged by the ground that the scene and it both show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unclouded.references.statistics import Statistics

_LEAST_PIXELS = 50
SAME = 0.0008
"""Mean difference in reflectance below which two images are one and the same."""

_OFFSET = 0.1
_OFFSET_TOLERANCE = 0.03
_DARK = 0.05
_RESEMBLES = 0.03
_COMMON = (0.02, 0.98)
_STRETCHES = 60


@dataclass(frozen=True)
class Verdict:
    """Whether a reference is used.

    Attributes:
        reference: its number.
        usable: whether `transfer.fit` is to be given it.
        fault: None, or "identical", "duplicate", "cloudy", "not common", "elsewhere", "not comparable" (not usable),
            "offset" (usable if a fit takes it out).
        reason: one line for people; empty without a fault.
    """

    reference: int
    usable: bool
    fault: str | None = None
    reason: str = ""


def verdicts(statistics: Statistics) -> list[Verdict]:
    """Judge every reference of a scene."""
    return [_verdict(statistics, k) for k in range(len(statistics.layout.references))]


def verdicts_by_each_other(statistics: Statistics, incomparable: Mapping[int, str]) -> list[Verdict]:
    """Judge the references of a scene that shows too little to hold them against, for `temporal_interpolation`.

    Args:
        statistics: of the scene and its references.
        incomparable: those whose reflectance may mean something else than the scene's, and why.
    """
    made: list[Verdict] = []
    for k in range(len(statistics.layout.references)):
        made.append(_by_others(statistics, k, incomparable, [v.reference for v in made if v.usable]))
    return made


def _by_others(statistics: Statistics, k: int, incomparable: Mapping[int, str], before: Sequence[int]) -> Verdict:
    layout = statistics.layout
    name, bands = layout.references[k].name, layout.references[k].bands
    if (useless := _useless(statistics, k)) is not None:
        return useless
    why = incomparable.get(k, "" if set(bands) & set(layout.bands) else "it has no band of the scene")
    if why:
        return Verdict(k, False, "not comparable", f"{name}: {why}, and the scene shows too little to fit it to")
    hidden, visible = statistics.hidden, statistics.hidden_visible
    for other in before:
        both = visible[:, other] & visible[:, k]
        if layout.references[other].bands == bands and both.any():
            theirs, mine = (hidden[:, layout.channels(i)][both] for i in (other, k))
            if _apart(theirs, mine) < SAME:
                return Verdict(k, False, "duplicate", f"{name}: the same image as {layout.references[other].name}")
    alike = [i for i, r in enumerate(layout.references) if i != k and i not in incomparable and r.bands == bands]
    both = visible[:, k] & visible[:, alike].all(axis=1)
    if len(alike) > 1 and len(bands) > 1 and both.sum() >= _LEAST_PIXELS:
        others = np.median([hidden[:, layout.channels(i)][both] for i in alike], axis=0).astype(np.float64)
        if shift := _even_shift(others, hidden[:, layout.channels(k)][both].astype(np.float64)):
            return Verdict(
                k, False, "offset", f"{name}: {shift:+.2f} in every band against the other dates; correct it"
            )
    return Verdict(k, True)


def _useless(statistics: Statistics, k: int) -> Verdict | None:
    """The verdict on a reference that cannot show what the scene's cover hides, whatever its ground is."""
    reference = statistics.layout.references[k]
    if reference.days == 0:
        same = f"{reference.name}: is of the scene's own overpass, and shows the same clouds; give another date"
        return Verdict(k, False, "identical", same)
    if not (statistics.visible[k] > 0).any():
        nothing = f"{reference.name}: shows no ground within the scene: cloud, no data, or outside it"
        return Verdict(k, False, "cloudy", nothing)
    return None


def _verdict(statistics: Statistics, k: int) -> Verdict:
    layout = statistics.layout
    name = layout.references[k].name
    if (useless := _useless(statistics, k)) is not None:
        return useless
    both = statistics.sample_visible[:, k]
    if both.sum() < _LEAST_PIXELS:
        return Verdict(
            k, False, "not common", f"{name}: {int(both.sum())} sampled pixels are clear in it and the scene"
        )
    # Of many references a sample has more than a thousand values: those that are asked for first, then the samples.
    theirs = statistics.samples[:, layout.channels(k)][both].astype(np.float64)
    ours = statistics.samples[:, : len(layout.bands)][both].astype(np.float64)
    for other in range(k):
        if layout.references[other].bands == layout.references[k].bands:
            pair = statistics.sample_visible[:, other] & both
            one, another = (statistics.samples[:, layout.channels(i)][pair] for i in (other, k))
            if pair.any() and _apart(one, another) < SAME:
                return Verdict(k, False, "duplicate", f"{name}: the same image as {layout.references[other].name}")
    common = [b for b in layout.bands if b in layout.references[k].bands]
    if common:
        a = ours[:, [layout.bands.index(b) for b in common]]
        b = theirs[:, [layout.references[k].bands.index(b) for b in common]]
        if _apart(a, b) < SAME:
            return Verdict(k, False, "identical", f"{name}: the scene itself; give another date")
    if (share := _explained(theirs, ours)) < _RESEMBLES:
        return Verdict(
            k, False, "elsewhere",
            f"{name}: does not resemble the scene where both are clear (explains {max(share, 0):.0%}): another place?",
        )  # fmt: skip
    if len(common) > 1 and (shift := _even_shift(a, b)):
        seems = (
            "their DN seem to hold 1,000 that is not said"
            if shift > 0
            else "1,000 that their DN do not hold seems said"
        )
        # The fit takes an even shift out; what looks for cloud before does not.
        reason = f"{name}: {shift:+.2f} in every band: {seems}; correct it, or ground may be taken for cloud or shadow"
        return Verdict(k, True, "offset", reason)
    return Verdict(k, True)


def _apart(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return float(abs(a - b).mean())


def _even_shift(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """By how much a reference is brighter in every band alike, if that is 1,000 DN, else 0.

    Another season is brighter, too, but hardly where it is dark: so the darkest pixels must be as far apart.
    """
    shift = np.median(theirs - ours, axis=0)
    dark = np.quantile(theirs, _DARK, axis=0) - np.quantile(ours, _DARK, axis=0)
    mean = float(shift.mean())
    far = abs(dark - np.sign(mean) * _OFFSET).max()
    alike = abs(abs(mean) - _OFFSET) < _OFFSET_TOLERANCE and shift.std() < _OFFSET_TOLERANCE
    return mean if alike and far < _OFFSET_TOLERANCE else 0.0


def _explained(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Share of the variance that a regression explains on every other stretch of samples, fitted to the rest."""
    # Cloud and shadow that a mask left would weigh most.
    x, y = (np.clip(v, *np.quantile(v, _COMMON, axis=0)) for v in (x, y))
    stretch = (np.arange(len(x)) * _STRETCHES // len(x)) % 2 == 0
    x = np.c_[np.ones(len(x)), (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-6)]
    share = []
    for fitted in (stretch, ~stretch):
        a, b = x[fitted], y[fitted]
        w = np.linalg.solve(a.T @ a + 1e-2 * len(a) * np.eye(a.shape[1]), a.T @ b)
        centred = y[~fitted] - y[~fitted].mean(axis=0)
        left = y[~fitted] - x[~fitted] @ w
        left -= left.mean(axis=0)
        share.append(1 - np.square(left).sum() / max(np.square(centred).sum(), 1e-12))
    return float(np.mean(share))
