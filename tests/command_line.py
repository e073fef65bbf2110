"""The command line, called within this process or in one of its own, and a stack to give to it."""

from __future__ import annotations

import sys

import rasterio
from scenes import MemoryScene, ground
from typer.testing import CliRunner

from unclouded.cli import app

FOUR = ("B02", "B03", "B04", "B08")


def run(*arguments):
    """Run a command within this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def command(*arguments) -> list[str]:
    """Words that run a command in a process of its own."""
    return [sys.executable, "-m", "unclouded", *map(str, arguments)]


def write(path, bands=FOUR, names=True, height=60, width=70):
    """A stack whose name says that it is L2A of an old baseline."""
    scene = MemoryScene(ground(len(bands), height, width), bands)
    options = {"driver": "GTiff", "height": height, "width": width, "count": len(bands), "dtype": "uint16"}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", crs=scene.info.crs, transform=scene.info.transform, nodata=0, **options) as file:
        file.write(scene.dn)
        if names:
            file.descriptions = bands
    return path
