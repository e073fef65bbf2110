"""The scene classification (SCL) that comes with a scene, on its grid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from unclouded.reading.info import SceneInfo
from unclouded.reading.mask import MaskRaster, mask_as_file, open_mask


@contextmanager
def open_classification(info: SceneInfo) -> Iterator[MaskRaster]:
    """Open what `info.classification` names: a file, or a variable in the groups of a NetCDF file or Zarr store.

    Raises:
        InputError: it lies elsewhere.
        FileError: it is missing or damaged.
    """
    from unclouded.reading.products.cube_groups import in_groups, read_variable  # which need xarray

    inside = in_groups(info.classification)
    if inside is None:
        with open_mask(info.classification, info) as raster:
            yield raster
        return
    values = read_variable(*inside)
    with mask_as_file(values, info) as file, open_mask(file, info, info.classification) as raster:
        yield raster
