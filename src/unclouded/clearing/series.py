"""Series of a place: the references of each date, what dates share, and the STAC collection of the results."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from unclouded.clearing.detector.detection_cache import DetectionCache
from unclouded.clearing.inputs import ReferenceOpener
from unclouded.clearing.options import ClearOptions, ReferenceLimits
from unclouded.errors import UnreadableReferenceError
from unclouded.files import empty, workplace, write_json
from unclouded.reading.grids.output_grid import as_written
from unclouded.reading.info import SceneInfo
from unclouded.reading.names.dates import same_overpass
from unclouded.reading.reader import ReadOptions
from unclouded.version import __version__
from unclouded.writing.stac_item import item_path

if TYPE_CHECKING:
    from unclouded.clearing.clear import ClearedScene

_GEOJSON = "application/geo+json"
_USUAL_LIMITS = ReferenceLimits()


def nearest_dates(
    source: str, acquired: Mapping[str, datetime | None], limits: ReferenceLimits = _USUAL_LIMITS
) -> tuple[str, ...]:
    """Choose the other dates that help to clear one, the nearest first, of two as near the earlier.

    Dates that are not known come last, in the order of the inputs. One of the same overpass is no other date: it shows
    the same clouds.

    Args:
        source: the date to clear.
        acquired: when each date was taken, the one to clear included.
        limits: of the choice.
    """
    when = acquired[source]
    known: list[tuple[float, datetime, str]] = []
    unknown: list[str] = []
    for other, then in acquired.items():
        if other == source:
            continue
        if when is None or then is None:
            if not limits.only_earlier:
                unknown.append(other)
        elif not same_overpass(then, when) and (then < when or not limits.only_earlier):
            known.append((abs((then - when).total_seconds()), then, other))
    return tuple([other for *_, other in sorted(known)][: limits.max_references] + unknown)[: limits.max_references]


class ReferenceSelection:
    """Chooses the references of each date of a place: the nearest other dates that can be read."""

    def __init__(
        self,
        candidates: Mapping[str, Mapping[str, datetime | None]],
        limits: ReferenceLimits,
        on_unreadable: Callable[[UnreadableReferenceError], None],
    ) -> None:
        """Choose among the dates that overlap each.

        Args:
            candidates: for each date those that overlap it, itself included, and when they were acquired.
            limits: of the choice.
            on_unreadable: called once for each date that turns out not to be readable.
        """
        self._candidates, self._limits, self._on_unreadable = candidates, limits, on_unreadable
        self._unreadable: set[str] = set()
        self._lock = Lock()

    def of(self, source: str) -> tuple[str, ...]:
        """The references of a date, without those that turned out not to be readable."""
        readable = {
            other: date
            for other, date in self._candidates[source].items()
            if other == source or other not in self._unreadable
        }
        return nearest_dates(source, readable, self._limits)

    def clear(self, source: str, options: ClearOptions, clear: Callable[[ClearOptions], ClearedScene]) -> ClearedScene:
        """Clear a date by `clear` with its references; one that cannot be read is replaced by the next nearest."""
        while True:
            references = self.of(source)
            try:
                return clear(replace(options, references=references))
            except UnreadableReferenceError as error:
                if error.reference not in references:
                    raise
                with self._lock:
                    known = error.reference in self._unreadable
                    self._unreadable.add(error.reference)
                if not known:
                    self._on_unreadable(error)
                options = replace(options, overwrite=True)  # what was begun was begun with its help


def described(
    sources: Sequence[str], reading: ReadOptions, crs: str | None = None, resolution: float | None = None
) -> dict[str, SceneInfo]:
    """What each of some dates is as it is written, see `reading.grids.output_grid`.

    Raises:
        InputError: if one is not understood, or cannot be brought to that grid.
        FileError: if one cannot be read.
    """
    known = {}
    for source in sources:
        with reading.open(source) as scene:
            known[source] = as_written(scene.info, crs, resolution)
    return known


@contextmanager
def shared_references(folder: Path, reading: ReadOptions) -> Iterator[ReferenceOpener]:
    """Keep the detections of each date of a series for the others, in a hidden folder in `folder`.

    The folder stays if the clearing is killed or interrupted, for the run that resumes it.

    Raises:
        FileError: if the folder cannot be made.
        OutputExistsError: if another run is clearing a series there.
    """
    with workplace(folder / "series") as place:
        yield ReferenceOpener(reading=reading, detection_cache=DetectionCache(place), assumptions_reported=True)
        empty(place)


def write_collection(folder: Path, outputs: Sequence[Path]) -> Path:
    """Write a STAC 1.1 collection of the cleared dates in a folder, by their items; return where it is.

    Raises:
        FileError: if it cannot be written.
    """
    records: dict[Path, dict[str, Any]] = {
        item_path(output): json.loads(item_path(output).read_text())
        for output in outputs
        if item_path(output).is_file()
    }
    items = list(records.values())
    boxes = [item["bbox"] for item in items if item.get("bbox")]
    times = sorted(
        time
        for item in items
        for key in ("datetime", "start_datetime", "end_datetime")
        if (time := item["properties"].get(key))
    )
    box = [f(column) for f, column in zip((min, min, max, max), zip(*boxes, strict=True), strict=True)] if boxes else []
    collection = {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": folder.resolve().name,
        "description": f"Dates of a place, each cleared with the help of the others by unclouded {__version__}.",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [box or [-180.0, -90.0, 180.0, 90.0]]},
            "temporal": {"interval": [[times[0], times[-1]] if times else [None, None]]},
        },
        "links": [
            # Of a date that is not known there is a feature, which is no item.
            {"rel": "item" if "stac_version" in record else "related", "href": f"./{path.name}", "type": _GEOJSON}
            for path, record in records.items()
        ],
    }
    written = folder / "collection.json"
    write_json(collection, written)
    return written
