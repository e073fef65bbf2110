"""What the sections of a page consist of: tables, charts, scenes and pictures, as data that the template lays out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what it says.
        share: length of a bar behind the text, 0 to 1; None for no bar.
        link: id on the page that it leads to.
        code: whether it is a checksum or the like.
    """

    text: str
    share: float | None = None
    link: str = ""
    code: bool = False


NOTHING = Cell("\N{EN DASH}")
"""Where there is no number."""


@dataclass(frozen=True)
class Line:
    """A row of a table: its title, its cells, and whether it is the one to look at, or one of the paper's."""

    title: Cell
    cells: Sequence[Cell]
    weight: Literal["", "ours", "paper"] = ""


@dataclass(frozen=True)
class Table:
    """A table; `columns` counts the column of the titles."""

    caption: str
    columns: Sequence[str]
    lines: Sequence[Line]
    note: str = ""
    folded: bool = False
    kind: str = "table"


@dataclass(frozen=True)
class Curve:
    """A line of a chart: points (x, y); a `level` one is a value to compare with, and has no beginning and end."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    level: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart as SVG, what it shows in a sentence, and its legend."""

    title: str
    says: str
    svg: Markup
    legend: Sequence[Curve]


@dataclass(frozen=True)
class Charts:
    """Charts beside each other; small ones are many."""

    charts: Sequence[Chart]
    small: bool = False
    kind: str = "charts"


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, with what it shows."""

    uri: str
    width: int
    height: int
    alt: str


@dataclass(frozen=True)
class Pictures:
    """Pictures beside each other, each with its caption."""

    title: str
    pictures: Sequence[tuple[Picture, str]]
    kind: str = "pictures"


@dataclass(frozen=True)
class Overlay:
    """Something to lay over a scene: its picture, and the colours of its scale with their ends or of its classes.

    `mark` is a share of the scale that is marked.
    """

    key: str
    name: str
    picture: Picture | None
    colours: str
    low: str
    high: str
    missing: str = ""
    entries: Sequence[tuple[str, str]] = ()
    mark: float | None = None


@dataclass(frozen=True)
class BeforeAfter:
    """A scene before and after in one composite, and what that is called."""

    name: str
    before: Picture
    after: Picture


@dataclass(frozen=True)
class Swipe:
    """A scene before and after, with overlays, facts about it, and a scale bar: its share of the width, its length.

    Of several `composites` the first is shown, and the others can be chosen.
    """

    id: str
    title: str
    composites: Sequence[BeforeAfter]
    overlays: Sequence[Overlay]
    facts: Sequence[tuple[str, str]]
    notes: Sequence[str] = ()
    coarse: bool = False
    bar: tuple[float, str] | None = None
    kind: str = "swipe"


@dataclass(frozen=True)
class Notes:
    """Remarks to be read with what stands above."""

    texts: Sequence[str]
    kind: str = "notes"


Block = Table | Charts | Pictures | Swipe | Notes


@dataclass(frozen=True)
class Subsection:
    """A subsection: its heading, what it is of, and its blocks."""

    title: str
    lead: str
    blocks: Sequence[Block]
    id: str = ""


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    id: str
    title: str
    lead: str
    subsections: Sequence[Subsection] = field(default_factory=tuple)


def number(value: float | None, digits: int = 3) -> Cell:
    """A number with so many decimals; a dash where there is none."""
    return NOTHING if value is None or not math.isfinite(value) else Cell(f"{value:,.{digits}f}")


def significant(value: float | None) -> Cell:
    """A number with three significant digits and no exponent, for distances of any size."""
    if value is None or not math.isfinite(value):
        return NOTHING
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return Cell(f"{value:,.{min(digits, 6)}f}")


def checksum(value: str) -> Cell:
    """A SHA-256, which the page shows short and unfolds."""
    return Cell(value, code=True)
