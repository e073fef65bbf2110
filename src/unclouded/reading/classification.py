"""The scene classification (SCL) that comes with a scene, on its grid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from unclouded.reading.array_classification import ArrayClassification
from unclouded.reading.files.raster import shown
from unclouded.reading.info import SceneInfo
from unclouded.reading.mask import MaskRaster, mask_as_file, open_mask


@contextmanager
def open_classification(info: SceneInfo) -> Iterator[MaskRaster | ArrayClassification]:
    """Open what `info.classification` names: a file, or a variable in the groups of a NetCDF file or Zarr store.

    That of an array is there already.

    Raises:
        InputError: it lies elsewhere.
        FileError: it is missing or damaged.
    """
    if not isinstance(info.classification, str):
        yield info.classification if info.region is None else info.classification.of_crop(info.region.cut)
        return
    from unclouded.reading.products.cube_groups import in_groups, read_variable  # which need xarray

    inside = in_groups(info.classification)
    if inside is None:
        band = info.classification_band
        name = "" if band is None else f"{shown(info.classification)}/SCL"
        with open_mask(info.classification, info, name, band) as raster:
            yield raster
        return
    values = read_variable(*inside)
    with mask_as_file(values, info) as file, open_mask(file, info, info.classification) as raster:
        yield raster
