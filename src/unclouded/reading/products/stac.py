"""A STAC item: one JSON file, local or remote, that names an asset for each band."""

from __future__ import annotations

import json
import re
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

from unclouded.errors import FileError, InputError
from unclouded.reading.files.raster import is_remote, shown, split_address
from unclouded.reading.files.remote import UNREAD, access_failure
from unclouded.reading.names.naming import band_named, check_bands
from unclouded.reading.products.folder import ENDINGS, pick_layers
from unclouded.reading.products.item_properties import level_of_item, offset_of_item, offset_removed, properties_of
from unclouded.reading.radiometry.declared import USUAL_SCALE
from unclouded.reading.radiometry.offsets import unknown_offset
from unclouded.reading.source import Source, Wanted, safe_stem

_LARGEST_ITEM = 16 * 2**20
_SECONDS = 60
_NOT_DATA = {"thumbnail", "overview", "visual", "metadata"}
_CLASSES = re.compile(r"scl(?:[_-].*)?", re.IGNORECASE)
"""Keys under which catalogues have the scene classification."""


def is_item(path: str) -> bool:
    """Tell whether `path` is to be read as a STAC item: a .json file, or an address that is not a raster's."""
    ending = Path(split_address(path).path if is_remote(path) else path).suffix.lower()
    return ending in (".json", ".geojson") or (is_remote(path) and ending not in ENDINGS)


def item_source(path: str, wanted: Wanted) -> Source:
    """Find the assets of the Sentinel-2 bands of the item at `path`, and their scale and offsets.

    Raises:
        InputError: not a Sentinel-2 item, no asset of a band, or an offset that cannot be known.
        FileError: the item cannot be read.
    """
    return source_of_item(_load(path), path, wanted)


def source_of_item(item: dict[str, Any], path: str, wanted: Wanted) -> Source:
    """The same of a parsed item of the address `path`, where its relative addresses begin; errors likewise."""
    name = shown(path)
    requested = check_bands(name, wanted.bands) if wanted.bands is not None else None
    _refuse_other_missions(name, item)
    assets, others = _choose(name, path, item)
    classification, absent = _classification(name, path, item)
    notes = [f"left out: {', '.join(others)}, not of the 13 bands"] if others else []
    notes += [f"its scene classification {href} is not there" for href in absent]
    if not assets:
        keys = ", ".join(list(item["assets"])[:8]) or "none"
        raise InputError(
            f"{name}: has no asset of a Sentinel-2 band (assets: {keys}); give an item with assets such as B02"
        )
    layers = pick_layers(name, {band: asset.href for band, asset in assets.items()}, requested)
    chosen = [assets[layer.band] for layer in layers]
    for asset in chosen:
        if not is_remote(asset.href) and not Path(asset.href).exists():
            raise FileError(
                f"{name}: its asset {asset.key} leads to {asset.href}: no such file; put it there, or take bands that "
                "are there by --bands"
            )
    scales = {asset.scale for asset in chosen}
    if len(scales) > 1:
        raise InputError(
            f"{name}: raster:scale differs between its assets; one for all is accepted; pick bands with --bands"
        )
    scale = scales.pop()
    return Source(
        name=name,
        stem=safe_stem(str(item.get("id", "")) or Path(path).stem),
        layers=layers,
        level=level_of_item(item),
        scale=scale,
        offsets=None if wanted.offset_given else tuple(_offset(name, item, asset) for asset in chosen),
        offsets_uncertain=True,
        others=frozenset(assets) - {layer.band for layer in layers},
        notes=notes,
        acquired=str(properties_of(item).get("datetime") or ""),
        classification=classification,
    )


@dataclass(frozen=True)
class _Asset:
    """An asset of one band: its address, pixel size in metres, DN per 1.0 and DN to add, None where not said."""

    key: str
    href: str
    metres: float
    scale: float | None
    offset: float | None


def _load(path: str) -> dict[str, Any]:
    name = shown(path)
    if is_remote(path) and not path.startswith(("http://", "https://")):
        raise InputError(f"{name}: items are read over http and https; download it, or give that address")
    try:
        with urllib.request.urlopen(path, timeout=_SECONDS) if is_remote(path) else Path(path).open("rb") as stream:
            text = stream.read(_LARGEST_ITEM + 1)
    except UNREAD as error:
        if is_remote(path):
            raise FileError(f"{name}: {access_failure(error)}") from error
        raise FileError(
            f"{name}: cannot be read ({getattr(error, 'strerror', None) or error}); check the path"
        ) from error
    if len(text) > _LARGEST_ITEM:
        raise FileError(f"{name}: is larger than {_LARGEST_ITEM // 2**20} MB, so not a STAC item; give one item")
    if is_remote(path) and text.lstrip()[:1] == b"<":
        raise InputError(
            f"{name}: is a web page; give the address of the item itself, as a browser of catalogues names it as source"
        )
    try:
        item = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{name}: is not JSON ({error}); give a STAC item") from error
    if not isinstance(item, dict) or item.get("type") != "Feature" or not isinstance(item.get("assets"), dict):
        found = item.get("type", "an object") if isinstance(item, dict) else type(item).__name__
        raise InputError(f"{name}: is not a STAC item (found {found}); give one item, with type Feature and assets")
    return item


def _refuse_other_missions(name: str, item: dict[str, Any]) -> None:
    properties = properties_of(item)
    satellite = " ".join(str(properties.get(key, "")) for key in ("constellation", "platform"))
    if satellite.strip() and "sentinel-2" not in satellite.lower().replace("_", "-"):
        raise InputError(f"{name}: is of {satellite.strip()}; items of Sentinel-2 are accepted")


def _choose(name: str, path: str, item: dict[str, Any]) -> tuple[dict[str, _Asset], list[str]]:
    """Return the finest asset of each band, a TIFF before a JPEG 2000, and the keys of rasters left out."""
    best: dict[str, tuple[tuple[float, bool], _Asset]] = {}
    others = []
    for key, asset in item["assets"].items():
        if not isinstance(asset, dict) or not isinstance(asset.get("href"), str) or not _is_raster(asset):
            continue
        entries = _entries(asset, "eo:bands") or _entries(asset, "bands")
        band = _band(key, entries)
        if band is None:
            if not _CLASSES.fullmatch(key):
                others.append(key)
            continue
        found = _read_asset(name, path, key, asset)
        rank = found.metres, split_address(found.href).path.lower().endswith(".jp2")
        if band not in best or rank < best[band][0]:
            best[band] = rank, found
    return {band: asset for band, (_, asset) in best.items()}, others


def _classification(name: str, path: str, item: dict[str, Any]) -> tuple[str, list[str]]:
    """Return where the finest scene classification lies, a TIFF before a JPEG 2000, empty without one that is there.

    The names of files that should be there come second, if none is.
    """
    found = []
    for key, asset in item["assets"].items():
        held = isinstance(asset, dict) and isinstance(asset.get("href"), str)
        if held and _CLASSES.fullmatch(key) and _is_raster(asset):
            read = _read_asset(name, path, key, asset)
            found.append((read.metres, split_address(read.href).path.lower().endswith(".jp2"), read.href))
    # Items are often kept with those of their files alone that somebody needed.
    existing = [one for one in found if is_remote(one[2]) or Path(one[2]).exists()]
    return (min(existing)[2], []) if existing else ("", [Path(href).name for _, _, href in found])


def _is_raster(asset: dict[str, Any]) -> bool:
    roles = asset.get("roles")
    if isinstance(roles, list) and _NOT_DATA & {str(role) for role in roles}:
        return False
    kind = str(asset.get("type", ""))
    return split_address(asset["href"]).path.lower().endswith(ENDINGS) or kind.startswith(("image/tiff", "image/jp2"))


def _entries(asset: dict[str, Any], field: str) -> list[dict[str, Any]]:
    entries = asset.get(field)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _band(key: str, entries: list[dict[str, Any]]) -> str | None:
    """Return the band of an asset from its description, else its key; None for a composite or something else."""
    if len(entries) > 1:
        return None
    texts = [
        str(entry[field]) for entry in entries for field in ("name", "common_name", "eo:common_name") if field in entry
    ]
    return next((band for text in (*texts, key) if (band := band_named(text)) is not None), None)


def _read_asset(name: str, path: str, key: str, asset: dict[str, Any]) -> _Asset:
    parts = [asset, *_entries(asset, "raster:bands")[:1], *_entries(asset, "bands")[:1]]
    suffix = re.search(r"_(\d{2})m$", key)
    metres = _number(parts, "gsd", "spatial_resolution", "raster:spatial_resolution")
    # The suffix says more than gsd, which some catalogues give for the band and not for the file.
    metres = float(suffix[1]) if suffix else metres
    step = _number(parts, "raster:scale", "scale")
    offset = _number(parts, "raster:offset", "offset")
    if step is not None and not 0 < step < float("inf"):
        raise InputError(
            f"{name}: asset {key} has raster:scale {step}; a positive number is accepted; correct the item"
        )
    scale = None if step is None or step == 1 else 1 / step
    if offset is not None and abs(offset) <= 10:
        offset = round(offset * (scale or USUAL_SCALE), 6)
    return _Asset(key, _resolve(name, path, asset["href"]), metres or float("inf"), scale, offset)


def _number(parts: list[dict[str, Any]], *fields: str) -> float | None:
    for part in parts:
        for field in fields:
            if isinstance(part.get(field), int | float):
                return float(part[field])
    return None


def _resolve(name: str, path: str, href: str) -> str:
    """Return where an asset lies: an address, or a local file for an item that is one itself."""
    if is_remote(href):
        return href
    if "://" in href and not href.startswith("file://"):
        raise InputError(
            f"{name}: asset at {shown(href)}; local files, http, https, s3 and gs are accepted; download it"
        )
    if is_remote(path):
        if href.startswith("file://"):
            raise InputError(f"{name}: a remote item with a local asset ({href}); download the item first")
        return urljoin(path, href)
    return str(Path(path).parent / (unquote(split_address(href).path) if href.startswith("file://") else href))


def _offset(name: str, item: dict[str, Any], asset: _Asset) -> float:
    """Return the DN to add for an asset, from all that the item says about it; InputError when that does not agree."""
    if offset_removed(properties_of(item)):
        return 0.0
    expected = offset_of_item(item)
    if asset.offset is None and expected is None:
        raise unknown_offset(name, "it gives neither a processing baseline nor raster:offset")
    if asset.offset is not None and expected is not None and asset.offset != expected:
        raise unknown_offset(
            name, f"asset {asset.key} has raster:offset {asset.offset:g} DN, its processing baseline means {expected:g}"
        )
    return asset.offset if asset.offset is not None else expected or 0.0
