"""Weights and scenes for commands that are to fail, and a disk that is small."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import rasterio
from command_line import FOUR
from rasters import OLD
from scenes import MemoryScene, ground


@pytest.fixture(scope="session")
def scene_file(tmp_path_factory) -> Path:
    """A GeoTIFF of 600 x 700 pixels and four bands, whose name says that it is L2A of an old baseline."""
    path = tmp_path_factory.mktemp("scenes") / f"{OLD.format(level='L2A')}.tif"
    scene = MemoryScene(ground(4, 600, 700), FOUR)
    options = {"driver": "GTiff", "height": 600, "width": 700, "count": 4, "dtype": "uint16", "tiled": True}
    with rasterio.open(path, "w", crs=scene.info.crs, transform=scene.info.transform, nodata=0, **options) as file:
        file.write(scene.dn)
        file.descriptions = FOUR
    return path


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of a given size, or skip where that is not allowed."""
    mounted = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        if os.geteuid() != 0:
            pytest.skip("only root can mount a small file system")
        result = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True, check=False
        )
        if result.returncode:
            pytest.skip(f"a small file system cannot be mounted here: {result.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)
