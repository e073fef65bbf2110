"""Estimate of the bytes to read of an overpass, by its items alone."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from unclouded.bands import BANDS, INDEX
from unclouded.catalog.overpasses import Overpass
from unclouded.catalog.search import address_of
from unclouded.reading.grids.area import Area, surroundings
from unclouded.reading.grids.grid import METRES_PER_DEGREE
from unclouded.reading.products.stac import source_of_item
from unclouded.reading.source import Wanted

_TILE = 109_800.0
"""Side of a tile in metres."""

_BLOCK = 512
"""Side of a block in pixels; files are read in whole blocks."""

_BYTES_PER_PIXEL = 1.6
"""Compressed size of a band whose file size is not stated."""


@dataclass(frozen=True)
class Estimate:
    """Bytes to read, and size of the whole files in bytes."""

    read: int
    whole: int


def estimate(overpass: Overpass, area: Area, bands: Collection[str] | None) -> Estimate:
    """Estimate the bytes to read of an overpass for an area and its surroundings.

    Args:
        overpass: its tiles are assumed to cover equal parts of the area.
        area: of interest.
        bands: to read; all if None.

    Raises:
        InputError: an item is invalid.
    """
    west, south, east, north = area.bounds
    narrow = math.cos(math.radians((south + north) / 2))
    sides = [(east - west) * METRES_PER_DEGREE * narrow, (north - south) * METRES_PER_DEGREE]
    share, whole = 0.0, 0.0
    for tile in overpass.tiles:
        source = source_of_item(tile.item, address_of(tile.item), Wanted(offset_given=True))
        for layer in source.layers:
            if bands is not None and layer.band not in bands:
                continue
            metres = BANDS[INDEX[layer.band]].resolution
            size = _size(tile.item, layer.path) or _BYTES_PER_PIXEL * (_TILE / metres) ** 2
            parts = [min(1.0, (side + 2 * surroundings(side) + _BLOCK * metres) / _TILE) for side in sides]
            share += size * parts[0] * parts[1] / len(overpass.tiles)
            whole += size
    return Estimate(round(share), round(whole))


def _size(item: dict[str, Any], address: str) -> int | None:
    """Size of a file in bytes, if its item states it."""
    for asset in item["assets"].values():
        if asset["href"] == address and isinstance(asset.get("file:size"), int):
            return int(asset["file:size"])
    return None
