"""The description of an open scene, and what every open image can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from unclouded.errors import InputError
from unclouded.reading.array_classification import ArrayClassification
from unclouded.reflectance import Encoding
from unclouded.tiles import Box

Polygons = tuple[tuple[tuple[tuple[float, float], ...], ...], ...]
"""Corners (x, y) of the closed rings of polygons, the outer ring of each first."""

_NAMED = 3
"""So many inputs of which the same is said are named; of more the first, and how many."""


@dataclass(frozen=True)
class RegionOfInterest:
    """The region of a scene that is wanted; the rest is there for what it tells of that region.

    Attributes:
        box: of the scene's grid.
        area: it in longitude and latitude.
        outline: in the scene's reference system, outside of which nothing is wanted; None if all of the box is.
        cut: where the scene's grid lies in that of the whole scene, of which it is a part.
        whole: rows and columns of the whole scene.
    """

    box: Box
    area: Polygons
    outline: Polygons | None
    cut: Box
    whole: tuple[int, int]


@dataclass(frozen=True)
class SceneInfo:
    """What a scene is and how its DN are to be understood.

    Attributes:
        source: how errors call it.
        stem: for naming outputs.
        width: columns of the grid.
        height: rows of the grid.
        crs: coordinate reference system of the grid.
        transform: from column and row to coordinates.
        bands: names of `bands.NAMES`, in the order in which `Scene.read` hands them out.
        level: "L1C" or "L2A".
        encoding: scale, offsets (one per band) and no-data.
        dtype: type of the DN.
        descriptions: band descriptions for the output.
        scales: GDAL scale of each band for the output.
        gdal_offsets: GDAL offset of each band for the output, in units of reflectance where the scale is too.
        tags: metadata of the source's file.
        notes: what was assumed or left out, one sentence each, to be said to the user.
        acquired: when the image was taken, where it says so beside its name and tags; see `reading.names.dates`.
        region: what of the scene is wanted; None if it is all.
        classification: path or address of the scene classification (SCL) that comes with it, or, of an array, SCL
            itself; empty without one.
        classification_band: where that is one of several bands of a file, its number, from 1.
    """

    source: str
    stem: str
    width: int
    height: int
    crs: CRS
    transform: Affine
    bands: tuple[str, ...]
    level: str
    encoding: Encoding
    dtype: np.dtype[np.generic]
    descriptions: tuple[str | None, ...]
    scales: tuple[float, ...]
    gdal_offsets: tuple[float, ...]
    tags: dict[str, str]
    notes: tuple[str, ...]
    acquired: datetime | None = None
    region: RegionOfInterest | None = None
    classification: str | ArrayClassification = ""
    classification_band: int | None = None

    def check_window(self, row: int, column: int, height: int, width: int) -> None:
        """Check that a window to be read lies inside the grid, and holds a pixel.

        Raises:
            ValueError: it does not.
        """
        if min(row, column) < 0 or min(height, width) < 1 or row + height > self.height or column + width > self.width:
            raise ValueError(f"window {row=} {column=} {height=} {width=} leaves the {self.height} x {self.width} grid")

    def of_region(self) -> SceneInfo:
        """The description of the region of interest, as a scene of its own."""
        if self.region is None:
            return self
        box = self.region.box
        corner = self.transform @ Affine.translation(box.column, box.row)
        return replace(self, width=box.width, height=box.height, transform=corner, region=None)

    def of_whole(self) -> SceneInfo:
        """The description of the whole scene, of which this one may be a part."""
        if self.region is None:
            return self
        cut, (height, width) = self.region.cut, self.region.whole
        corner = self.transform @ Affine.translation(-cut.column, -cut.row)
        return replace(self, width=width, height=height, transform=corner, region=None)


class Raster(Protocol):
    """An image that is open: its description, and windows of its DN (C, height, width)."""

    @property
    def info(self) -> SceneInfo:
        """What the image is."""

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[Any]:
        """Read a window inside the grid."""


def check_north_up(info: SceneInfo) -> None:
    """Refuse an array whose rows run north or whose columns run west, of which no north-up file can be written.

    Raises:
        InputError: saying how to turn it.
    """
    t = info.transform
    turns = [".sortby('y', ascending=False)"] * (t.e >= 0) + [".sortby('x')"] * (t.a <= 0)
    if turns:
        raise InputError(
            f"{info.source}: its rows run north or its columns west; for a file give it north up: {''.join(turns)}, "
            "with the names of its own dimensions"
        )


def grouped_notes(infos: Sequence[SceneInfo]) -> list[str]:
    """What was assumed of inputs; once, where the same was assumed of several."""
    names: dict[str, list[str]] = {}
    for info in infos:
        for note in dict.fromkeys(info.notes):
            names.setdefault(note, []).append(info.source)
    return [
        f"{', '.join(of)}: {note}" if len(of) <= _NAMED else f"{of[0]} and {len(of) - 1} other inputs: {note}"
        for note, of in names.items()
    ]
