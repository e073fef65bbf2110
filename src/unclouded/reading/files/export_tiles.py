"""Tiles into which an export of Google Earth Engine is cut, which belong together: one scene in several files."""

from __future__ import annotations

import re
from pathlib import Path

_TILE = re.compile(r"(.*?)(-?)(\d{10})-(\d{10})\.tiff?", re.IGNORECASE)
"""Names such as "scene-0000000000-0000009984.tif": first row and column of the tile."""


def tile_note(path: str) -> list[str]:
    """Return a note for one of several tiles of an export that lie side by side; nothing for any other file."""
    file = Path(path)
    found = _TILE.fullmatch(file.name)
    if found is None or not file.is_file():
        return []
    stem = found[1] + found[2]
    others = [other for other in file.parent.iterdir() if (o := _TILE.fullmatch(other.name)) and o[1] + o[2] == stem]
    if len(others) < 2:
        return []
    return [
        f"is one of {len(others)} tiles of one export, which belong together: clear them as one scene, made by "
        f"gdalbuildvrt {found[1] or 'scene'}.vrt {stem}*{file.suffix}"
    ]
