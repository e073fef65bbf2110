"""Single pixels of large files: the blocks that hold them are read, each once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from unclouded.reading.files.raster import read_window


def read_points(
    dataset: DatasetReader, indexes: Sequence[int], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.generic]:
    """Read bands (C, n) at n pixels, which lie inside.

    Raises:
        FileError: a block is missing or damaged.
    """
    high, wide = dataset.block_shapes[0]
    values = np.zeros((len(indexes), len(rows)), np.result_type(*(dataset.dtypes[index - 1] for index in indexes)))
    blocks = np.stack([rows // high, columns // wide], axis=1)
    for down, across in np.unique(blocks, axis=0):
        here = (blocks == (down, across)).all(axis=1)
        top, left = int(down * high), int(across * wide)
        window = Window(left, top, min(wide, dataset.width - left), min(high, dataset.height - top))
        pixels = read_window(dataset, indexes, window)
        values[:, here] = pixels[:, rows[here] - top, columns[here] - left]
    return values
