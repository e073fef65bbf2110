"""How raster files are read, whatever they hold."""

import numpy as np
from rasterio.env import get_gdal_config

from unclouded.reading.files.raster import read_overview


class SpiedDataset:
    """Tells how much GDAL may keep of the blocks that are read."""

    name = "scene.tif"

    def read(self, indexes, out_shape, resampling):
        self.cache = get_gdal_config("GDAL_CACHEMAX")
        return np.zeros(out_shape)


def test_the_blocks_of_an_image_made_small_are_kept_until_all_bands_are_read() -> None:
    dataset = SpiedDataset()
    read_overview(dataset, [1, 2, 3], 10, 10)
    # A block with 13 bands of four bytes; with less, every block is unpacked again for each of its rows.
    assert dataset.cache > 512 * 512 * 13 * 4
