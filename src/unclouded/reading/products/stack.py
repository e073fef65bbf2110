"""A stacked GeoTIFF or COG: one file, one grid, any subset of the bands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rasterio.io import DatasetReader

from unclouded.errors import InputError
from unclouded.reading.array_classification import classification_among
from unclouded.reading.files.export_tiles import tile_note
from unclouded.reading.files.pixels import alpha_of, sample
from unclouded.reading.files.raster import VRT, open_raster, shown
from unclouded.reading.files.vrt import vrt_sources
from unclouded.reading.names.band_names import name_layers
from unclouded.reading.names.dates import refuse_several_days
from unclouded.reading.names.missions import refuse_others
from unclouded.reading.names.naming import band_named, unnamed
from unclouded.reading.names.product_name import ProductName, product_name
from unclouded.reading.radiometry.declared import EIGHT_BIT
from unclouded.reading.radiometry.offsets import offset_of_name
from unclouded.reading.source import Layer, Source, Wanted, stem_of

_SHADES = 20
"""Values of an alpha channel, at most, of which not most pixels have 0 or the greatest."""


def stack_source(path: str, wanted: Wanted) -> Source:
    """Find the bands of the file at `path`.

    Raises:
        InputError: as `name_layers`.
        FileError: the file cannot be opened.
    """
    name = shown(path)
    with open_raster(path) as dataset:
        indexes, notes = _without_alpha(dataset)
        parts = _sources(dataset)
        texts = [_text(dataset, index, parts) for index in indexes]
        if len(indexes) in (1, 3) and unnamed(texts) and set(dataset.dtypes) == {"uint8"}:
            raise InputError(f"{name}: is uint8; {EIGHT_BIT}")
    refuse_others(name, (Path(name).name, *(text or "" for text in texts)))
    named = name_layers(name, texts, wanted)
    layers = tuple(Layer(band, path, n) for band, n in zip(named.bands, indexes, strict=True) if band is not None)
    read_from = [part and Path(part).name for part in parts] or texts
    found_in = {band: text for band, text in zip(named.bands, read_from, strict=False) if band and text}
    refuse_several_days(name, {band: text for band, text in found_in.items() if band in named.taken})
    products = (product_name(Path(text).name) for text in (name, *(part for part in parts if part)))
    product = next((found for found in products if found != ProductName()), ProductName())
    offset = None if wanted.offset_given else offset_of_name(name, product)
    classes = classification_among([text or "" for text in texts])
    source = Source(
        name=name,
        stem=stem_of(path),
        layers=layers,
        level=product.level,
        offsets=None if offset is None else (offset,) * len(layers),
        offsets_uncertain=True,
        order_assumed=named.order_assumed,
        taken=named.taken,
        own_metadata=True,
        notes=[*notes, *named.notes, *tile_note(path)],
        classification="" if classes is None else path,
        classification_band=None if classes is None else indexes[classes],
    )
    # Of layers without names all are looked at first, to tell whether their order is the usual one.
    return source if named.order_assumed else source.only(named.taken)


def _without_alpha(dataset: DatasetReader) -> tuple[list[int], list[str]]:
    alpha = alpha_of(dataset)
    if alpha is None:
        return list(dataset.indexes), []
    name = dataset.descriptions[alpha - 1]
    values, counts = np.unique(sample(dataset, [alpha]), return_counts=True)
    if values.size > _SHADES and counts[values == 0].sum() + counts[-1] < counts.sum() / 2:
        raise InputError(
            f"{shown(dataset.name)}: marks its band {alpha} as alpha channel, and its values are those of a band; "
            f"take the mark off, with gdal_edit.py -colorinterp_{alpha} undefined"
        )
    return [index for index in dataset.indexes if index != alpha], [f"{name or 'the alpha channel'} is left out"]


def _sources(dataset: DatasetReader) -> list[str | None]:
    """For each band of a VRT the file that it is made of, if it is one alone; nothing for other files."""
    if dataset.driver != VRT:
        return []
    return [files[0] if len(set(files)) == 1 else None for files in vrt_sources(dataset.name)]


def _text(dataset: DatasetReader, index: int, parts: list[str | None]) -> str | None:
    text: str | None = dataset.descriptions[index - 1]
    if text and index <= len(parts) and (part := parts[index - 1]):
        named, held = band_named(text), band_named(Path(part).stem)
        if named != held and named is not None and held is not None:
            raise InputError(
                f"{dataset.name}: calls its band {index} {named} and takes it from {Path(part).name}, which is named "
                f"after {held}; make it again, with the description of each file's own band"
            )
    if not text and index <= len(parts) and (part := parts[index - 1]) and band_named(Path(part).stem):
        return Path(part).stem
    if not text and dataset.count == 1 and band_named(Path(dataset.name).stem):
        return Path(dataset.name).stem
    return text
