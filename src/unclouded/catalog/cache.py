"""Local cache of overpasses: an item for each, with files beside it that hold the windows needed for an area."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unclouded.bands import BANDS, INDEX
from unclouded.catalog.overpasses import Overpass
from unclouded.catalog.retry import RetryPolicy
from unclouded.catalog.search import address_of
from unclouded.catalog.windows import overpass_window, write_window
from unclouded.files import clear_away, write_json
from unclouded.progress import Progress, silent
from unclouded.reading.files.raster import shown
from unclouded.reading.grids.area import EXTENT, SURROUNDINGS, Area
from unclouded.reading.products.stac import source_of_item
from unclouded.reading.radiometry.levels import without_cirrus
from unclouded.reading.source import Source, Wanted, safe_stem

_CLASSES = "SCL"
"""Name of the scene classification among the bands."""

_FORMAT = 2
"""To be incremented when the format of cached windows changes."""

_THREADS = 4
"""Bands that are read concurrently, since most of the time is spent waiting for responses."""

_OF_WHOLE_FILE = ("file:", "proj:", "storage:", "alternate", "href")
"""Prefixes of fields of an asset that do not hold for a window of it."""


@dataclass(frozen=True)
class Extract:
    """What to read of every overpass.

    Attributes:
        area: of interest; its surroundings are read too.
        bands: to read if present, beside the scene classification; all bands if None.
        offset_given: whether the user states the offset of the DN.
        sign: adds signatures to the addresses of an item.
        retry: policy of reads over the network.
    """

    area: Area
    bands: tuple[str, ...] | None
    offset_given: bool
    sign: Callable[[dict[str, Any]], dict[str, Any]]
    retry: RetryPolicy


def cached_item(overpass: Overpass, area: Area, folder: Path) -> Path:
    """Path of the cached item of an overpass, with its windows beside it; nothing is read.

    The name of its folder holds a checksum of tiles and area, so that a cached item always belongs to both.
    """
    files = [
        [tile.name, *sorted(shown(asset["href"]) for asset in tile.item["assets"].values())] for tile in overpass.tiles
    ]
    key = json.dumps([_FORMAT, files, area.polygons, area.is_box, SURROUNDINGS, EXTENT])
    stem = safe_stem(overpass.name)
    return folder / f"{stem}-{hashlib.sha256(key.encode()).hexdigest()[:12]}" / f"{stem}.json"


def store(overpass: Overpass, extract: Extract, folder: Path, progress: Progress = silent) -> tuple[Path, list[str]]:
    """Store the windows of an overpass in a folder; windows that are cached already are not read again.

    Args:
        overpass: to read.
        extract: area and bands.
        folder: of the cache.
        progress: by bands, see `Progress`.

    Returns:
        The cached item, and what was left out, a sentence each.

    Raises:
        InputError: the item is invalid.
        FileError: a file of it is missing or damaged, or a window cannot be written.
        NetworkError: a file cannot be reached; windows that were read stay in the cache.
    """
    item = cached_item(overpass, extract.area, folder)
    best = _source_of(overpass.tiles[0].item, extract)
    bands = _band_addresses(best, extract.bands)
    absent = [band for band in bands if not _window_of(item, band).is_file()]
    clear_away(item, *(_window_of(item, band) for band in bands))
    notes: list[str] = []
    if absent:
        item.parent.mkdir(parents=True, exist_ok=True)
        notes = _read(overpass, extract, absent, item, lambda done: progress("bands", len(bands) - done, len(bands)))
    if absent or not item.is_file():
        write_json(_record(overpass.tiles[0].item, best, item), item)
    os.utime(item.parent)
    return item, notes


def evict(folder: Path, most_bytes: int, needed: Sequence[Path]) -> int:
    """Remove the least recently used items from a cache until it holds at most so many bytes.

    Args:
        folder: of the cache.
        most_bytes: largest size.
        needed: items that are never removed.

    Returns:
        The size of the cache in bytes afterwards.
    """
    places = sorted((place for place in folder.iterdir() if place.is_dir()), key=lambda place: place.stat().st_mtime)
    sizes = {place: sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) for place in places}
    total = sum(sizes.values())
    kept = {item.parent for item in needed}
    for place in places:
        if total > most_bytes and place not in kept:
            shutil.rmtree(place, ignore_errors=True)
            total -= sizes[place]
    return total


def _source_of(item: dict[str, Any], extract: Extract) -> Source:
    """The source that an item describes, with all its bands."""
    found = source_of_item(item, address_of(item), Wanted(offset_given=extract.offset_given))
    return without_cirrus(found, None)


def _band_addresses(source: Source, bands: Sequence[str] | None) -> dict[str, str]:
    """Addresses of some bands and of the scene classification, by name."""
    found = {layer.band: layer.path for layer in source.layers if bands is None or layer.band in bands}
    return found | ({_CLASSES: source.classification} if source.classification else {})


def _window_of(item: Path, band: str) -> Path:
    return item.with_name(f"{band}.tif")


def _read(
    overpass: Overpass, extract: Extract, bands: Sequence[str], item: Path, remaining: Callable[[int], None]
) -> list[str]:
    """Read bands of an overpass into the windows beside its item; return what was left out."""
    # Signatures are short-lived, so they are requested immediately before reading.
    tiles = [_source_of(extract.sign(tile.item), extract) for tile in overpass.tiles]
    consistent = [tile for tile in tiles if _same_encoding(tile, tiles[0])]
    notes = [
        f"{tile.name}: its DN mean something else than those of {tiles[0].name}: left out"
        for tile in tiles
        if tile not in consistent
    ]
    finest = min(_common_bands(consistent), key=lambda band: (BANDS[INDEX[band]].resolution, INDEX[band]))
    first = [_band_addresses(tile, None)[finest] for tile in consistent]
    place = extract.retry.read(first, lambda: overpass_window(first, extract.area))
    notes += [
        f"{tile.name}: lies in another grid than {tiles[0].name}: left out"
        for number, tile in enumerate(consistent)
        if number not in place.tiles
    ]
    sources = [_band_addresses(consistent[number], None) for number in place.tiles]

    def read(band: str) -> None:
        files = [source[band] for source in sources if band in source]
        extract.retry.read(files, lambda: write_window(files, place, _window_of(item, band)))

    with ThreadPoolExecutor(_THREADS) as threads:
        reads = [threads.submit(read, band) for band in bands]
        try:
            for left, one in zip(range(len(reads) - 1, -1, -1), reads, strict=True):
                one.result()
                remaining(left)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    return notes


def _common_bands(sources: Sequence[Source]) -> set[str]:
    """Bands that all sources have."""
    return set.intersection(*(set(source.bands) for source in sources))


def _same_encoding(source: Source, other: Source) -> bool:
    """Whether level, scale and offsets of two items agree."""

    def offsets(one: Source) -> Mapping[str, float]:
        return dict(zip(one.bands, one.offsets or (0.0,) * len(one.bands), strict=True))

    return (source.level, source.scale, offsets(source)) == (other.level, other.scale, offsets(other))


def _record(item: dict[str, Any], source: Source, kept: Path) -> dict[str, Any]:
    """The item for the cache: with the assets of which there is a window, and a link to its origin."""
    places = {path: band for band, path in _band_addresses(source, None).items()}
    assets = {}
    for key, asset in item["assets"].items():
        band = places.get(asset["href"])
        if band is not None and _window_of(kept, band).is_file():
            own = {name: value for name, value in asset.items() if not name.startswith(_OF_WHOLE_FILE)}
            assets[key] = own | {"href": f"./{band}.tif", "type": "image/tiff; application=geotiff"}
    properties = {
        name: value
        for name, value in item["properties"].items()
        if not name.startswith("proj:") or name in ("proj:code", "proj:epsg")
    }
    links = [{"rel": "via", "href": shown(address_of(item))}]
    return item | {"assets": assets, "properties": properties, "links": links}
