"""The folder of results that `unclouded series` writes: which dates it holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from unclouded.errors import InputError, UncloudedError
from unclouded.files import quality_path
from unclouded.reading.result_item import item_time, read_item
from unclouded.reading.scene_pair import ScenePair, find_input

COLLECTION = "collection.json"


def is_series(folder: Path) -> bool:
    """Tell whether a folder holds the results of `unclouded series`."""
    return (folder / COLLECTION).is_file()


def find_series(folder: Path) -> list[ScenePair]:
    """Find the dates of a series in order of time, those without one last; `before` is None where the input is missing.

    Raises:
        InputError: the collection lists no result that is there.
    """
    collection = folder / COLLECTION
    try:
        links = json.loads(collection.read_text())["links"]
        items = [folder / str(link["href"]) for link in links if link["rel"] in ("item", "related")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{collection}: is no STAC collection of results; run `unclouded series` again") from error
    outputs = [item.with_suffix(".tif") for item in items]
    found = [output for output in outputs if output.is_file() and quality_path(output).is_file()]
    if not found:
        raise InputError(f"{collection}: lists no result that is there; run `unclouded series` again")
    late = datetime.max.replace(tzinfo=UTC)
    found.sort(key=lambda output: (item_time(read_item(output)) or late, output.name))
    return [ScenePair(_input_of(output), output) for output in found]


def _input_of(output: Path) -> str | None:
    try:
        return find_input(output)
    except UncloudedError:
        return None
