"""A stacked GeoTIFF or COG: one file, one grid, any subset of the bands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from unclouded.bands import NAMES
from unclouded.errors import InputError
from unclouded.reading.missions import refuse_landsat
from unclouded.reading.naming import (
    ProductName,
    assumed_bands,
    band_named,
    is_not_a_band,
    nearest_name,
    order_of_bands,
    product_name,
    refuse_repeats,
    unnamed,
)
from unclouded.reading.offsets import offset_of_name
from unclouded.reading.raster import VRT, open_raster, shown
from unclouded.reading.source import Layer, Source, stem_of
from unclouded.reading.vrt import vrt_sources


def stack_source(path: str, bands: Sequence[str] | None, *, offset_given: bool) -> Source:
    """Find the bands of the file at `path`; `bands` names them in the file's order, or picks among its named ones.

    Raises:
        InputError: bands without names in a number that has no known order, or with unknown or repeated names.
        FileError: the file cannot be opened.
    """
    name = shown(path)
    with open_raster(path) as dataset:
        indexes, notes = _without_alpha(dataset)
        parts = _sources(dataset)
        texts = [_text(dataset, index, parts) for index in indexes]
    asked = order_of_bands(name, bands) if bands is not None else None
    found = _name_bands(name, texts, asked, notes)
    layers = tuple(Layer(band, path, index) for band, index in zip(found, indexes, strict=True) if band is not None)
    if not layers:
        raise InputError(f"{name}: holds no Sentinel-2 band; accepted: {', '.join(NAMES)}; name them with --bands")
    refuse_landsat(name, (Path(name).name, *(text or "" for text in texts)))
    refuse_repeats(name, (layer.band for layer in layers), "its descriptions")
    said = (product_name(Path(text).name) for text in (name, *(part for part in parts if part)))
    product = next((found for found in said if found != ProductName()), ProductName())
    offset = None if offset_given else offset_of_name(name, product)
    return Source(
        name=name,
        stem=stem_of(path),
        layers=layers,
        level=product.level,
        offsets=None if offset is None else (offset,) * len(layers),
        offsets_in_doubt=True,
        order_assumed=bands is None and unnamed(texts),
        own_metadata=True,
        notes=notes,
    )


def _without_alpha(dataset: DatasetReader) -> tuple[list[int], list[str]]:
    kept = [i for i, use in zip(dataset.indexes, dataset.colorinterp, strict=True) if use != ColorInterp.alpha]
    return kept, ["the alpha channel is left out"] if len(kept) < dataset.count else []


def _sources(dataset: DatasetReader) -> list[str | None]:
    """For each band of a VRT the file that it is made of, if it is one alone; nothing for other files."""
    if dataset.driver != VRT:
        return []
    return [files[0] if len(set(files)) == 1 else None for files in vrt_sources(dataset.name)]


def _text(dataset: DatasetReader, index: int, parts: list[str | None]) -> str | None:
    text: str | None = dataset.descriptions[index - 1]
    if not text and index <= len(parts) and (part := parts[index - 1]) and band_named(Path(part).stem):
        return Path(part).stem
    if not text and dataset.count == 1 and band_named(Path(dataset.name).stem):
        return Path(dataset.name).stem
    return text


def _name_bands(
    name: str, texts: list[str | None], asked: tuple[str | None, ...] | None, notes: list[str]
) -> list[str | None]:
    """Name every band of the file; None for one that is left out."""
    own = [None if unnamed(texts) or not text else band_named(text) for text in texts]
    if asked is not None:
        if None not in asked and set(asked) <= set(own):
            return [band if band in asked else None for band in own]
        if len(asked) != len(texts):
            has = ", ".join(band for band in own if band) or "no names"
            raise InputError(
                f"{name}: --bands names {len(asked)} bands, the file holds {len(texts)} ({has}); "
                "name all in the file's order, with - for each that is none of the 13"
            )
        if any(own):
            notes.append(f"bands taken from --bands; the file's own descriptions say {', '.join(str(b) for b in own)}")
        return list(asked)
    if unnamed(texts):
        order = assumed_bands(name, len(texts))
        notes.append(f"band order assumed: {' '.join(order)}; give --bands if it is another")
        return list(order)
    for number, (text, band) in enumerate(zip(texts, own, strict=True), start=1):
        if band is not None:
            continue
        if text and is_not_a_band(text):
            notes.append(f"left out: {text!r}, which is not one of the 13 bands")
            continue
        found = f"band {number} is called {text!r}{nearest_name(text)}" if text else f"band {number} has no description"
        raise InputError(f"{name}: {found}; accepted: {', '.join(NAMES)}; name all bands with --bands")
    return list(own)
