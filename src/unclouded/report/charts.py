"""Line charts as SVG whose colours come from the page's style sheet, so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from markupsafe import Markup, escape
from matplotlib.ticker import LogLocator, MaxNLocator

from unclouded.report.blocks import Chart, Curve

_LOGARITHMIC = 30
"""Ratio of the largest to the smallest value above which the axis is logarithmic."""


def line_chart(
    title: str, curves: Sequence[Curve], x_title: str, *, small: bool = False, from_zero: bool = False
) -> Chart:
    """Draw curves over a common x axis; points that are not finite break the line.

    Args:
        title: of the chart.
        curves: the curves; a `level` one is a horizontal line at its last value.
        x_title: of the axis.
        small: whether the chart is one of many.
        from_zero: start the y axis at 0.
    """
    width, height = (320, 170) if small else (760, 300)
    left, right, top, bottom = (52, 10, 10, 34) if small else (64, 14, 12, 44)
    xs = [x for one in curves for x, _ in one.points]
    ys = [y for one in curves for _, y in one.points if math.isfinite(y)] or [0.0]
    logarithmic = not from_zero and min(ys) > 0 and max(ys) / min(ys) > _LOGARITHMIC
    x_ticks = [x for x in MaxNLocator(4 if small else 8, integer=True).tick_values(0, max(xs)) if 0 <= x <= max(xs)]
    low, high, y_ticks = _y_axis([0.0, *ys] if from_zero else ys, logarithmic, 3 if small else 5)

    def across(x: float) -> float:
        return left + (width - left - right) * x / (max(xs) or 1)

    def down(y: float) -> float:
        share = math.log(y / low) / math.log(high / low) if logarithmic else (y - low) / (high - low)
        return height - bottom - (height - top - bottom) * share

    shapes = []
    for y in y_ticks:
        shapes.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{down(y):.1f}" y2="{down(y):.1f}"/>')
        shapes.append(f'<text x="{left - 8}" y="{down(y) + 4:.1f}" text-anchor="end">{_short(y)}</text>')
    shapes.append(
        f'<line class="axis" x1="{left}" x2="{width - right}" y1="{height - bottom}" y2="{height - bottom}"/>'
    )
    for x in x_ticks:
        shapes.append(f'<text x="{across(x):.1f}" y="{height - bottom + 18}" text-anchor="middle">{_short(x)}</text>')
    if not small:
        centre = (left + width - right) / 2
        shapes.append(
            f'<text class="title" x="{centre}" y="{height - 6}" text-anchor="middle">{escape(x_title)}</text>'
        )
    for position, one in enumerate(curves):
        places = [(across(x), down(y)) if math.isfinite(y) else None for x, y in one.points]
        if one.level:
            last = next((place[1] for place in reversed(places) if place), None)
            places = [] if last is None else [(left, last), (width - right, last)]
        style = f"series s{position % 4}" + (" dashed" if one.dashed else "")
        shapes.append(f'<path class="{style}" d="{_path(places)}"/>')
        if not one.dashed and not one.level and len(places) <= 60:
            shapes += _dots(one, places, f"dot s{position % 4}", 2 if small else 3, x_title)
    description = _describe(title, curves, x_title, logarithmic)
    svg = (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(description)}" '
        f'preserveAspectRatio="xMidYMid meet">{"".join(shapes)}</svg>'
    )
    # All texts above are escaped; the rest are numbers and names of style classes.
    return Chart(title + (", logarithmic" if logarithmic else ""), description, Markup(svg), tuple(curves))


def _y_axis(values: Sequence[float], logarithmic: bool, count: int) -> tuple[float, float, list[float]]:
    """Limits and ticks of the y axis."""
    low, high = min(values), max(values)
    if logarithmic:
        low, high = low / 1.15, high * 1.15
        ticks = [float(tick) for tick in LogLocator(numticks=count + 2).tick_values(low, high) if low <= tick <= high]
        return low, high, ticks
    span = (high - low) or abs(high) or 1
    # From zero if that takes little of the height, else from a little below the smallest value.
    low, high = (min(0.0, low) if low < 0.6 * high else low - 0.2 * span), high + 0.06 * span
    return low, high, [float(tick) for tick in MaxNLocator(count).tick_values(low, high) if low <= tick <= high]


def _dots(
    curve: Curve, places: Sequence[tuple[float, float] | None], style: str, radius: int, x_title: str
) -> Iterator[str]:
    """A dot at each place of a curve, whose values show when it is pointed at; None where there is no point."""
    for place, (x, y) in zip(places, curve.points, strict=True):
        if place:
            tip = escape(f"{curve.name}, {x_title} {_short(x)}: {y:.4g}")
            dot = f'cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="{radius}"'
            yield f'<circle class="{style}" {dot}><title>{tip}</title></circle>'


def _path(places: Sequence[tuple[float, float] | None]) -> str:
    steps = []
    for before, place in pairwise([None, *places]):
        if place:
            steps.append(f"{'L' if before else 'M'}{place[0]:.1f} {place[1]:.1f}")
    return "".join(steps)


def _describe(title: str, curves: Sequence[Curve], x_title: str, logarithmic: bool) -> str:
    """Text alternative of a chart."""
    lines = []
    for one in curves:
        finite = [(x, y) for x, y in one.points if math.isfinite(y)]
        if finite:
            (start, first), (end, last) = finite[0], finite[-1]
            lowest = min(y for _, y in finite)
            lines.append(
                f"{one.name} from {first:.4g} at {x_title} {_short(start)} to {last:.4g} at {x_title} {_short(end)}, "
                f"lowest {lowest:.4g}"
            )
    return f"{title}{', logarithmic axis' if logarithmic else ''}: {'; '.join(lines)}."


def _short(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e7 else f"{value:.3g}"
