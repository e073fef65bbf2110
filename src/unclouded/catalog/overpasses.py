"""Overpasses of an area: items of a catalogue grouped by overpass, and the selection of tiles of each.

Tiles of one overpass are adjacent and overlap; if the best of them does not cover all of the area, others in its
reference system are added.
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

LEAST_COVERAGE = 0.01
"""Least share of the area that an overpass covers to count as a date."""

_ONE_PASS = timedelta(minutes=10)
"""Largest difference in time between tiles of one overpass of a platform; orbits are 100 minutes apart."""

_SIDE = 128
"""Cells along each side of the bounds of the area, in which coverage is counted."""

_ADDS = 0.005
"""Least share of the area that a further tile adds."""

_LEVEL = 0.02
"""Coverages that differ by less count as equal; then the reference system and the newer processing decide."""

_NEWEST = ("s2:processing_baseline", "processing:version", "s2:generation_time", "updated", "created")


@dataclass(frozen=True)
class Granule:
    """An item of a catalogue, with its metadata.

    Attributes:
        item: of the catalogue.
        time: of acquisition.
        crs: of its files, as "EPSG:32632"; empty if not stated.
        cloud: cloud cover of the whole tile in percent; None if not stated.
        covers: (128, 128) cells of the area that it covers.
    """

    item: dict[str, Any]
    time: datetime
    crs: str
    cloud: float | None
    covers: NDArray[np.bool_]

    @property
    def name(self) -> str:
        """Identifier of the item."""
        return str(self.item["id"])


@dataclass(frozen=True)
class Overpass:
    """A date of a place.

    Attributes:
        tiles: that are used; each after the first fills what those before it lack.
        coverage: share of the area that they cover, 0 to 1.
        notes: what was left out, one sentence each.
    """

    tiles: tuple[Granule, ...]
    coverage: float
    notes: tuple[str, ...] = ()

    @property
    def time(self) -> datetime:
        """Acquisition time, in UTC."""
        return self.tiles[0].time

    @property
    def name(self) -> str:
        """Identifier of the first tile."""
        return self.tiles[0].name

    @property
    def cloud(self) -> float | None:
        """Mean cloud cover of the tiles in percent by the catalogue; None if not stated."""
        known = [tile.cloud for tile in self.tiles if tile.cloud is not None]
        return sum(known) / len(known) if known else None


def overpasses(items: Sequence[dict[str, Any]], area: Area) -> list[Overpass]:
    """Group items by overpass, in order of time, and select tiles of each; those that cover too little are dropped.

    Raises:
        InputError: none of them covers the area.
    """
    wanted = _cells(area, [{"type": "MultiPolygon", "coordinates": area.polygons}], touched=True)
    tiles = [tile for item in items if (tile := _tile(item, area, wanted)).covers.any()]
    # Dates in one reference system are on one grid, so the one with the most coverage is preferred.
    covered: Counter[str] = Counter()
    for tile in tiles:
        covered[tile.crs] += int(tile.covers.sum())
    main = max(covered, key=lambda crs: (covered[crs], crs), default="")
    found = [_select_tiles(group, int(wanted.sum()), main) for group in _grouped(tiles)]
    kept = [one for one in found if one.coverage >= LEAST_COVERAGE]
    if not kept:
        raise InputError(
            f"{area.name}: the {len(items)} items that were found hold next to nothing of it; give a larger area"
        )
    return kept


def less_cloudy(dates: Sequence[Overpass], most_cloud: float) -> list[Overpass]:
    """The dates with at most so many percent of cloud, and those without this information.

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
    assert time is not None  # checked by the search
    code, number = properties.get("proj:code"), properties.get("proj:epsg")
    cloud = properties.get("eo:cloud_cover")
    outline = item.get("geometry")
    covers = wanted & _cells(area, [outline], touched=False) if isinstance(outline, dict) else wanted
    crs = str(code) if code else f"EPSG:{number}" if number else ""
    return Granule(item, time, crs, float(cloud) if isinstance(cloud, int | float) else None, covers)


def _cells(area: Area, outlines: list[Any], *, touched: bool) -> NDArray[np.bool_]:
    try:
        place = from_bounds(*area.bounds, _SIDE, _SIDE)
        held: NDArray[np.bool_] = geometry_mask(outlines, (_SIDE, _SIDE), place, all_touched=touched, invert=True)
    except (ValueError, TypeError, KeyError):
        return np.ones((_SIDE, _SIDE), np.bool_)  # an invalid outline does not exclude anything
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


def _select_tiles(group: Sequence[Granule], cells: int, main: str) -> Overpass:
    """Select the tile with the largest coverage (if equal, in `main`, then the newest), and those that add to it."""

    def rank(tile: Granule) -> tuple[float, bool, list[str]]:
        newest = [str(tile.item["properties"].get(key, "")) for key in _NEWEST]
        return round(tile.covers.sum() / cells / _LEVEL), tile.crs == main, [*newest, tile.name]

    ranked = sorted(group, key=rank, reverse=True)
    taken, held, notes = [ranked[0]], ranked[0].covers, []
    for tile in ranked[1:]:
        adds = (tile.covers & ~held).sum() / cells
        if adds < _ADDS:
            continue
        if tile.crs != ranked[0].crs:
            notes.append(
                f"{tile.name} would add {adds:.0%} of the area, but is in {tile.crs}, not in {ranked[0].crs}: left out"
            )
            continue
        taken.append(tile)
        held = held | tile.covers
    return Overpass(tuple(taken), float(held.sum() / cells), tuple(notes))
