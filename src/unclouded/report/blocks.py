"""Elements of a page: tables, charts, scenes and pictures, as data for the template."""

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
        text: of the cell.
        share: length of a bar behind the text, 0 to 1; None for no bar.
        link: id on the page that the text links to.
        code: whether the text is code, such as a checksum.
    """

    text: str
    share: float | None = None
    link: str = ""
    code: bool = False


NOTHING = Cell("\N{EN DASH}")
"""Cell without a value."""


@dataclass(frozen=True)
class Line:
    """A row of a table: title, cells, and `weight`, by which our main result and the paper's are highlighted."""

    title: Cell
    cells: Sequence[Cell]
    weight: Literal["", "ours", "paper"] = ""


@dataclass(frozen=True)
class Table:
    """A table; `columns` includes the column of the titles."""

    caption: str
    columns: Sequence[str]
    lines: Sequence[Line]
    note: str = ""
    folded: bool = False
    kind: str = "table"


@dataclass(frozen=True)
class Curve:
    """A curve of a chart, points (x, y); a `level` curve is a horizontal line for reference."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    level: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart as SVG, with a text alternative and its legend."""

    title: str
    description: str
    svg: Markup
    legend: Sequence[Curve]


@dataclass(frozen=True)
class Charts:
    """Charts side by side; `small` ones for many quantities."""

    charts: Sequence[Chart]
    small: bool = False
    kind: str = "charts"


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, with a text alternative."""

    uri: str
    width: int
    height: int
    alt: str


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side, each with its caption."""

    title: str
    pictures: Sequence[tuple[Picture, str]]
    kind: str = "pictures"


@dataclass(frozen=True)
class Overlay:
    """An overlay of a scene: its picture, and its legend: a colour scale with both ends, or `entries` of classes.

    `mark` is the position of a mark on the scale, 0 to 1.
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
    """A scene before and after in one composite, and the name of the composite."""

    name: str
    before: Picture
    after: Picture


@dataclass(frozen=True)
class Swipe:
    """A scene before and after, with overlays, facts, and a scale bar (share of the width, label).

    The first of `composites` is shown initially.
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
    """Remarks on the elements above."""

    texts: Sequence[str]
    kind: str = "notes"


Block = Table | Charts | Pictures | Swipe | Notes


@dataclass(frozen=True)
class Subsection:
    """A subsection: heading, introductory line, and elements."""

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
    """A number with so many decimals; a dash if it is not finite."""
    return NOTHING if value is None or not math.isfinite(value) else Cell(f"{value:,.{digits}f}")


def significant(value: float | None) -> Cell:
    """A number with three significant digits and no exponent."""
    if value is None or not math.isfinite(value):
        return NOTHING
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return Cell(f"{value:,.{min(digits, 6)}f}")


def checksum(value: str) -> Cell:
    """A SHA-256, which the page abbreviates and can unfold."""
    return Cell(value, code=True)
