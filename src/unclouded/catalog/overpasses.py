"""What a satellite saw of an area in one pass: the items of a catalogue by overpass, and which of them are taken.

Tiles of one overpass lie side by side and overlap; where the best of them does not hold all of the area, others in its
reference system fill what it lacks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from rasterio.transform import from_bounds

from unclouded.catalog.search import time_of
from unclouded.errors import InputError
from unclouded.reading.grids.area import Area
from unclouded.reading.names.dates import parse_time

SEEN_AT_LEAST = 0.01
"""Share of the area under which an overpass is not worth a date of its own."""

_ONE_PASS = timedelta(minutes=10)
"""Tiles of one platform that lie closer in time are of one overpass; the next orbit is 100 minutes away."""

_SIDE = 128
"""Cells along each side of the bounds of the area, in which the share of it that a tile holds is counted."""

_ADDS = 0.005
"""Share of the area that a further tile has to add."""

_LEVEL = 0.02
"""Shares that differ by less count as equal; the reference system and the newer processing decide then."""

_NEWEST = ("s2:processing_baseline", "processing:version", "s2:generation_time", "updated", "created")


@dataclass(frozen=True)
class Granule:
    """An item, and what it says of itself.

    Attributes:
        item: as the catalogue has it.
        time: when it was taken.
        crs: of its files, as "EPSG:32632"; empty where it does not say it.
        cloud: percent of the whole tile; None where it does not say it.
        holds: (128, 128) which cells of the area it holds.
    """

    item: dict[str, Any]
    time: datetime
    crs: str
    cloud: float | None
    holds: NDArray[np.bool_]

    @property
    def name(self) -> str:
        """Its identifier."""
        return str(self.item["id"])


@dataclass(frozen=True)
class Overpass:
    """A date of a place.

    Attributes:
        tiles: that are taken; each after the first fills what those before it lack.
        seen: share of the area that they hold, 0 to 1.
        notes: what was left out, one sentence each.
    """

    tiles: tuple[Granule, ...]
    seen: float
    notes: tuple[str, ...] = ()

    @property
    def time(self) -> datetime:
        """When it was taken, in UTC."""
        return self.tiles[0].time

    @property
    def name(self) -> str:
        """The identifier of the first tile."""
        return self.tiles[0].name

    @property
    def cloud(self) -> float | None:
        """Percent of the tiles under cloud, as the catalogue has it; None where it does not say it."""
        known = [tile.cloud for tile in self.tiles if tile.cloud is not None]
        return sum(known) / len(known) if known else None


def overpasses(items: Sequence[dict[str, Any]], area: Area) -> list[Overpass]:
    """Group items by overpass and take what is needed of each, by time; those that see too little are left out.

    Raises:
        InputError: none of them sees the area.
    """
    wanted = _cells(area, [{"type": "MultiPolygon", "coordinates": area.polygons}], touched=True)
    tiles = [tile for item in items if (tile := _tile(item, area, wanted)).holds.any()]
    # Dates in one reference system lie in one grid: that which shows most is taken where there is a choice.
    shown: Counter[str] = Counter()
    for tile in tiles:
        shown[tile.crs] += int(tile.holds.sum())
    main = max(shown, key=lambda crs: (shown[crs], crs), default="")
    found = [_taken(group, int(wanted.sum()), main) for group in _grouped(tiles)]
    kept = [one for one in found if one.seen >= SEEN_AT_LEAST]
    if not kept:
        raise InputError(
            f"{area.name}: the {len(items)} items that were found hold next to nothing of it; give a larger area"
        )
    return kept


def less_cloudy(dates: Sequence[Overpass], most_cloud: float) -> list[Overpass]:
    """Those under at most so many percent of cloud, and those of which it is not known.

    Raises:
        InputError: there is none.
    """
    kept = [one for one in dates if one.cloud is None or one.cloud <= most_cloud]
    if not kept:
        clearest = min(dates, key=lambda one: one.cloud or 0.0)
        raise InputError(
            f"--max-cloud {most_cloud:g}: all {len(dates)} dates have more cloud; the clearest, "
            f"{clearest.time:%Y-%m-%d}, has {clearest.cloud:.0f}%: accept more, or give other --dates"
        )
    return kept


def _tile(item: dict[str, Any], area: Area, wanted: NDArray[np.bool_]) -> Granule:
    properties = item["properties"]
    time = parse_time(time_of(item))
    assert time is not None  # which the search has seen to
    code, number = properties.get("proj:code"), properties.get("proj:epsg")
    cloud = properties.get("eo:cloud_cover")
    outline = item.get("geometry")
    holds = wanted & _cells(area, [outline], touched=False) if isinstance(outline, dict) else wanted
    crs = str(code) if code else f"EPSG:{number}" if number else ""
    return Granule(item, time, crs, float(cloud) if isinstance(cloud, int | float) else None, holds)


def _cells(area: Area, outlines: list[Any], *, touched: bool) -> NDArray[np.bool_]:
    try:
        place = from_bounds(*area.bounds, _SIDE, _SIDE)
        held: NDArray[np.bool_] = geometry_mask(outlines, (_SIDE, _SIDE), place, all_touched=touched, invert=True)
    except (ValueError, TypeError, KeyError):
        return np.ones((_SIDE, _SIDE), np.bool_)  # an outline that is none says nothing
    return held


def _grouped(tiles: Sequence[Granule]) -> list[list[Granule]]:
    groups: list[list[Granule]] = []
    for tile in sorted(tiles, key=lambda tile: (_platform(tile), tile.time, tile.name)):
        last = groups[-1] if groups else []
        if last and _platform(last[0]) == _platform(tile) and tile.time - last[0].time <= _ONE_PASS:
            last.append(tile)
        else:
            groups.append([tile])
    return sorted(groups, key=lambda group: group[0].time)


def _platform(tile: Granule) -> str:
    return str(tile.item["properties"].get("platform", "")).lower()


def _taken(group: Sequence[Granule], cells: int, main: str) -> Overpass:
    """The tile that holds most, then those that add to it: of what holds alike, that in `main`, then the newest."""

    def rank(tile: Granule) -> tuple[float, bool, list[str]]:
        newest = [str(tile.item["properties"].get(key, "")) for key in _NEWEST]
        return round(tile.holds.sum() / cells / _LEVEL), tile.crs == main, [*newest, tile.name]

    ranked = sorted(group, key=rank, reverse=True)
    taken, held, notes = [ranked[0]], ranked[0].holds, []
    for tile in ranked[1:]:
        adds = (tile.holds & ~held).sum() / cells
        if adds < _ADDS:
            continue
        if tile.crs != ranked[0].crs:
            notes.append(
                f"{tile.name} would add {adds:.0%} of the area, but is in {tile.crs}, not in {ranked[0].crs}: left out"
            )
            continue
        taken.append(tile)
        held = held | tile.holds
    return Overpass(tuple(taken), float(held.sum() / cells), tuple(notes))
