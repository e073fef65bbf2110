"""What an image that is opened leaves in memory."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window
from rasters import spectra, write

from unclouded.bands import L2A
from unclouded.reading.files import pixels
from unclouded.reading.reader import open_scene

_PROGRAM = """
import sys

from unclouded.allocator import keep_freed_memory
from unclouded.reading.reader import open_scene

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

keep_freed_memory()
before = resident()
with open_scene(sys.argv[1]) as scene:
    print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc")
def test_of_a_large_image_that_is_opened_no_more_is_kept_than_a_few_blocks(tmp_path) -> None:
    path, side, block = tmp_path / "scene.tif", 5120, 1024
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 4, "dtype": "uint16", "nodata": 0}
    profile |= {"tiled": True, "blockxsize": block, "blockysize": block, "interleave": "pixel", "compress": "deflate"}
    place = {"crs": "EPSG:32632", "transform": from_origin(600000, 5400000, 10, 10)}
    rows = (300 + np.arange(4 * block * side) % 1009).reshape(4, block, side).astype(np.uint16)
    with rasterio.open(path, "w", zlevel=1, **profile, **place) as file:
        file.descriptions = ("B02", "B03", "B04", "B08")
        file.update_tags(PROCESSING_LEVEL="L2A")
        for row in range(0, side, block):
            file.write(rows, window=Window(0, row, side, block))
    command = [sys.executable, "-c", _PROGRAM, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert result.returncode == 0, result.stderr
    decoded = 4 * 2 * side**2
    assert int(result.stdout) < 0.6 * decoded


def test_a_scene_that_is_opened_again_is_not_sampled_again(tmp_path, monkeypatch):
    path = write(tmp_path / "scene.tif", np.tile(spectra(L2A), (1, 7, 9)), names=L2A)
    asked, read = [], pixels.read_window

    def counted(*arguments):
        asked.append(arguments)
        return read(*arguments)

    monkeypatch.setattr(pixels, "read_window", counted)
    counts = []
    for changed in (1, 1, 2):
        os.utime(path, ns=(changed, changed))
        with open_scene(path, level="L2A"):
            counts.append(len(asked))
    assert counts == [25, 25, 50]
