"""A file on the grid of a scene, as it is where its own grid is that one, else resampled as it is read."""

from __future__ import annotations

from typing import Any

from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

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
    """
    if (dataset.crs, dataset.transform, dataset.shape) == (info.crs, info.transform, (info.height, info.width)):
        return dataset
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
