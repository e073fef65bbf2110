"""Overpasses that are kept as items of their own, whose files hold the windows that an area needs and lie beside it."""

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
from unclouded.catalog.search import home_of
from unclouded.catalog.windows import overpass_window, write_window
from unclouded.files import clear_away, write_json
from unclouded.progress import Progress, silent
from unclouded.reading.files.raster import shown
from unclouded.reading.grids.area import EXTENT, SURROUNDINGS, Area
from unclouded.reading.products.stac import source_of_item
from unclouded.reading.radiometry.levels import without_cirrus
from unclouded.reading.source import Source, Wanted, safe_stem

_CLASSES = "SCL"
"""What the scene classification is called among the bands."""

_FORMAT = 2
"""Raised when windows are kept in another way."""

_AT_ONCE = 4
"""Bands that are read at once: most of the time is spent waiting for answers."""

_OF_THE_WHOLE = ("file:", "proj:", "storage:", "alternate", "href")
"""How fields of an asset begin that do not hold for a part of it kept elsewhere."""


@dataclass(frozen=True)
class Extract:
    """What is wanted of every overpass.

    Attributes:
        area: that is to be seen; its surroundings are read too.
        bands: those of these that it has, and its scene classification; all bands if None.
        offset_given: whether the offset of the DN is known from elsewhere.
        sign: gives an item its signatures.
        retry: with reads over the network.
    """

    area: Area
    bands: tuple[str, ...] | None
    offset_given: bool
    sign: Callable[[dict[str, Any]], dict[str, Any]]
    retry: RetryPolicy


def kept_item(overpass: Overpass, area: Area, folder: Path) -> Path:
    """Where the item of an overpass is kept in a folder, with its windows beside it; nothing is read.

    The name of its own folder tells tiles and area apart, so that what is there is what was asked for.
    """
    files = [
        [tile.name, *sorted(shown(asset["href"]) for asset in tile.item["assets"].values())] for tile in overpass.tiles
    ]
    said = json.dumps([_FORMAT, files, area.polygons, area.is_box, SURROUNDINGS, EXTENT])
    stem = safe_stem(overpass.name)
    return folder / f"{stem}-{hashlib.sha256(said.encode()).hexdigest()[:12]}" / f"{stem}.json"


def keep(overpass: Overpass, extract: Extract, folder: Path, progress: Progress = silent) -> tuple[Path, list[str]]:
    """Keep what is wanted of an overpass in a folder; what is kept already is not read again.

    Args:
        overpass: of which is read.
        extract: what is cut out of it.
        folder: where items are kept.
        progress: is told the bands.

    Returns:
        The item that is kept, and what was left out, a sentence each.

    Raises:
        InputError: the item is not understood.
        FileError: a file of it is not there or damaged, or a window cannot be written.
        NetworkError: it cannot be reached; the windows that were read are kept.
    """
    item = kept_item(overpass, extract.area, folder)
    best = _described(overpass.tiles[0].item, extract)
    bands = _addresses(best, extract.bands)
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


def limit(folder: Path, most_bytes: int, needed: Sequence[Path]) -> int:
    """Remove what was not used for longest from a folder of kept items, until it holds no more than so many bytes.

    Args:
        folder: where items are kept.
        most_bytes: that may stay.
        needed: items that stay in any case.

    Returns:
        The bytes that it holds then.
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


def _described(item: dict[str, Any], extract: Extract) -> Source:
    """What the reader finds in an item, of whose bands all are named."""
    found = source_of_item(item, home_of(item), Wanted(offset_given=extract.offset_given))
    return without_cirrus(found, None)


def _addresses(source: Source, bands: Sequence[str] | None) -> dict[str, str]:
    """Where the bands that are wanted lie, and the scene classification."""
    found = {layer.band: layer.path for layer in source.layers if bands is None or layer.band in bands}
    return found | ({_CLASSES: source.classification} if source.classification else {})


def _window_of(item: Path, band: str) -> Path:
    return item.with_name(f"{band}.tif")


def _read(
    overpass: Overpass, extract: Extract, bands: Sequence[str], item: Path, remaining: Callable[[int], None]
) -> list[str]:
    """Read bands of an overpass into the windows beside its item; return what was left out."""
    # Signatures are short-lived, so they are asked for when they are needed.
    tiles = [_described(extract.sign(tile.item), extract) for tile in overpass.tiles]
    alike = [tile for tile in tiles if _says_alike(tile, tiles[0])]
    notes = [
        f"{tile.name}: its DN mean something else than those of {tiles[0].name}: left out"
        for tile in tiles
        if tile not in alike
    ]
    finest = min(_common_bands(alike), key=lambda band: (BANDS[INDEX[band]].resolution, INDEX[band]))
    first = [_addresses(tile, None)[finest] for tile in alike]
    place = extract.retry.read(first, lambda: overpass_window(first, extract.area))
    notes += [
        f"{tile.name}: lies in another grid than {tiles[0].name}: left out"
        for number, tile in enumerate(alike)
        if number not in place.tiles
    ]
    sources = [_addresses(alike[number], None) for number in place.tiles]

    def read(band: str) -> None:
        files = [source[band] for source in sources if band in source]
        extract.retry.read(files, lambda: write_window(files, place, _window_of(item, band)))

    with ThreadPoolExecutor(_AT_ONCE) as threads:
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
    """Bands that all of some sources have."""
    return set.intersection(*(set(source.bands) for source in sources))


def _says_alike(source: Source, other: Source) -> bool:
    """Whether the DN of two items mean the same."""

    def said(one: Source) -> Mapping[str, float]:
        return dict(zip(one.bands, one.offsets or (0.0,) * len(one.bands), strict=True))

    return (source.level, source.scale, said(source)) == (other.level, other.scale, said(other))


def _record(item: dict[str, Any], source: Source, kept: Path) -> dict[str, Any]:
    """The item as it is kept: of its assets those of which there is a window, and where it comes from."""
    places = {path: band for band, path in _addresses(source, None).items()}
    assets = {}
    for key, asset in item["assets"].items():
        band = places.get(asset["href"])
        if band is not None and _window_of(kept, band).is_file():
            own = {name: value for name, value in asset.items() if not name.startswith(_OF_THE_WHOLE)}
            assets[key] = own | {"href": f"./{band}.tif", "type": "image/tiff; application=geotiff"}
    properties = {
        name: value
        for name, value in item["properties"].items()
        if not name.startswith("proj:") or name in ("proj:code", "proj:epsg")
    }
    links = [{"rel": "via", "href": shown(home_of(item))}]
    return item | {"assets": assets, "properties": properties, "links": links}
