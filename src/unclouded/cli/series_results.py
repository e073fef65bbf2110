"""What `unclouded series` makes of its dates besides: a composite, a table of NDVI, an animation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unclouded.cli.console import Bar, tell
from unclouded.errors import InputError

if TYPE_CHECKING:
    from unclouded.reading.info import SceneInfo
    from unclouded.reading.reader import ReadOptions

NDVI, ANIMATION = "ndvi.csv", "series.gif"
"""Names in the folder of the results."""


class CompositeKind(StrEnum):
    """Composites of all dates, as `composites.composite`."""

    median = "median"
    best = "best"
    ndvi_max = "NDVI-max"


Composite = Annotated[
    CompositeKind | None,
    typer.Option(
        "--composite",
        case_sensitive=False,
        help="Write one image of all dates, too, weighted by uncertainty, and on how many days each pixel was seen.",
    ),
]
Ndvi = Annotated[
    bool, typer.Option("--ndvi", help="Write the mean NDVI of each date, too, observed and filled apart: DIR/ndvi.csv.")
]
Gif = Annotated[bool, typer.Option("--gif", help="Write the dates as an animation, too: DIR/series.gif.")]


@dataclass(frozen=True)
class Further:
    """What is made of the results besides."""

    composite: CompositeKind | None = None
    ndvi: bool = False
    gif: bool = False

    def check(self, known: Mapping[str, SceneInfo]) -> None:
        """Check before any work is done that dates can become what is wanted of them.

        Raises:
            InputError: they do not lie on one grid, or lack the bands of NDVI.
        """
        if not (self.composite or self.ndvi or self.gif):
            return
        from unclouded.reading.grids.overlap import check_consistent
        from unclouded.reading.series_points import INFRARED

        infos = list(known.values())
        for info in infos[1:]:
            check_consistent(info, infos[0])
        green = self.ndvi or self.composite is CompositeKind.ndvi_max
        if green and infos and not ("B04" in infos[0].bands and set(INFRARED) & set(infos[0].bands)):
            raise InputError(f"{infos[0].source}: NDVI is made of B04 and B08 or B8A, which --bands has to name")

    def write(self, folder: Path, outputs: Sequence[Path], reading: ReadOptions) -> None:
        """Write it, and say where it is; a file of an earlier run is replaced.

        Raises:
            InputError: the results do not lie on one grid.
            FileError: a file is damaged, or cannot be written.
        """
        if self.composite is not None:
            from unclouded.composites.composite import days_path, write_composite

            with Bar("composite") as bar:
                path = write_composite(folder, outputs, self.composite.value, reading, bar)
            tell(f"{path}, {days_path(path)}: {self.composite.value} of {len(outputs)} dates")
        if self.ndvi:
            from unclouded.composites.vegetation import write_ndvi

            with Bar(NDVI) as bar:
                write_ndvi(folder / NDVI, outputs, reading, bar)
            tell(f"{folder / NDVI}: {len(outputs)} dates")
        if self.gif:
            from unclouded.report.animation import write_animation

            with Bar(ANIMATION) as bar:
                write_animation(folder, folder / ANIMATION, reading, progress=bar)
            tell(f"{folder / ANIMATION}: {len(outputs)} dates")
