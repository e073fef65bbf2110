"""A file on the grid of a scene, as it is where its own grid is that one, else resampled as it is read."""

from __future__ import annotations

from typing import Any

from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

from unclouded.errors import InputError
from unclouded.reading.files.raster import shown
from unclouded.reading.info import SceneInfo


def on_grid(
    dataset: DatasetReader,
    info: SceneInfo,
    resampling: Resampling,
    *,
    source_nodata: float | None,
    nodata: float,
    dtype: str,
) -> Any:  # noqa: ANN401 (DatasetReader and WarpedVRT share no base)
    """The file itself if it lies on the scene's grid, else a view of it there; who opened the file closes both.

    Args:
        dataset: open file with a reference system.
        info: of the scene.
        resampling: from the file's pixels to the scene's.
        source_nodata: value of the file where it holds no data.
        nodata: value of the view there, and beyond the file's edge.
        dtype: of the view.

    Raises:
        InputError: the file is in degrees, goes on across 180, and the scene is in another reference system.
    """
    if (dataset.crs, dataset.transform, dataset.shape) == (info.crs, info.transform, (info.height, info.width)):
        return dataset
    _refuse_across_180(dataset, info)
    return WarpedVRT(
        dataset,
        crs=info.crs,
        transform=info.transform,
        width=info.width,
        height=info.height,
        resampling=resampling,
        # Next to exact: a looser approximation of the transformation would depend on the window (0 is not accepted).
        tolerance=1e-6,
        src_nodata=source_nodata,
        nodata=nodata,
        dtype=dtype,
    )


def _refuse_across_180(dataset: DatasetReader, info: SceneInfo) -> None:
    """Refuse longitudes beyond 180 degrees, of which GDAL would find those alone that lie on one side."""
    edge, reach = 180 + dataset.transform.a, max(-dataset.bounds.left, dataset.bounds.right)
    if dataset.crs != info.crs and dataset.crs.is_geographic and reach > edge:
        raise InputError(
            f"{shown(dataset.name)}: goes on across 180 degrees of longitude, and {info.source} is not in degrees; "
            f"bring it to the reference system of that, with gdalwarp -t_srs {info.crs.to_string()[:40]}"
        )
