"""How the images are read that a command is given: the same options in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from unclouded.bands import LEVELS
from unclouded.clearing.options import option
from unclouded.cli.options import OFFSET, SCALE, names_of

if TYPE_CHECKING:
    from unclouded.reading.grids.area import Area
    from unclouded.reading.reader import ReadOptions

AREA = ("bbox", "geometry")
"""Options of commands that write a part of a scene."""


@dataclass(frozen=True)
class SourceOptions:
    """What is said of the inputs, where they do not say it themselves, and what of them is wanted."""

    bands: str | None = option(
        None, "Bands to take; of a stack without names also the names of all its bands.", metavar="B02,B03,..."
    )
    band_names: str | None = option(
        None,
        "Name of each band of a stack without names, in the file's order; - for what is none of the 13.",
        metavar="B01,B02,...,-",
    )
    variant: str | None = option(
        None,
        "Which of MAJA's two reflectances to read from a folder that holds both; FRE unless given.",
        choices=("FRE", "SRE"),
    )
    level: str | None = option(None, "Processing level, where the input does not say.", choices=LEVELS)
    scale: float | None = option(None, SCALE)
    offset: float | None = option(None, OFFSET)
    bbox: str | None = option(
        None, "Read, clear and write this box alone, in degrees of longitude and latitude.", metavar="W,S,E,N"
    )
    geometry: str | None = option(
        None, "The same with the polygons of a GeoJSON file; around them is no data.", metavar="FILE"
    )

    def reading(self) -> ReadOptions:
        """The options as the reader takes them.

        Raises:
            InputError: the area is none.
            FileError: its file cannot be read.
        """
        from unclouded.reading.reader import ReadOptions

        return ReadOptions(
            names_of(self.bands),
            self.level,
            self.scale,
            self.offset,
            area=self._area(),
            band_names=names_of(self.band_names),
            variant=self.variant,
        )

    def _area(self) -> Area | None:
        from unclouded.reading.grids.area import box_area
        from unclouded.reading.grids.geojson import file_area

        if self.bbox is not None and self.geometry is not None:
            raise typer.BadParameter("is the area too; give one of them", param_hint="--geometry")
        if self.geometry is not None:
            return file_area(Path(self.geometry))
        return None if self.bbox is None else box_area(self.bbox)
