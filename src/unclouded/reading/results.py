"""Results of this program where images are expected: what was guessed in them would pass for observed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NoReturn
from urllib.parse import urlsplit

from unclouded.errors import InputError, UncloudedError
from unclouded.files import MASK_BANDS, QUALITY_BANDS, quality_path
from unclouded.reading.info import SceneInfo
from unclouded.reading.raster import open_raster

TAG = "UNCLOUDED"
"""Tag of a cleared image, which travels with its pixels; it says what they were made of."""


def marked(info: SceneInfo) -> dict[str, str]:
    """The tags of what is made of a scene."""
    path = urlsplit(info.source).path if "://" in info.source else info.source
    return {**info.tags, TAG: f"cleared from {PurePosixPath(path).name}"}


def refuse_result(info: SceneInfo) -> None:
    """Refuse a scene that was cleared before, as its tag or the quality beside it says.

    Raises:
        InputError: saying what to give instead.
    """
    if said := info.tags.get(TAG):
        _refuse(info.source, said)
    beside = quality_path(Path(info.source))
    if beside.is_file() and _bands_of(beside)[:2] == QUALITY_BANDS[:2]:
        _refuse(info.source, f"{beside.name} is beside it")


def refuse_cleared(name: str, variables: Mapping[str, object]) -> None:
    """Refuse an array that was cleared before, as its variables say; InputError likewise."""
    if set(QUALITY_BANDS[:2]) <= set(variables):
        _refuse(name, f"it holds {' and '.join(QUALITY_BANDS[:2])}")


def is_mask(path: Path) -> bool:
    """Tell whether a file that is there is one of `unclouded mask`."""
    return _bands_of(path) == MASK_BANDS


def _bands_of(path: Path) -> tuple[str | None, ...]:
    try:
        with open_raster(str(path)) as dataset:
            return tuple(dataset.descriptions)
    except UncloudedError:
        return ()


def _refuse(name: str, why: str) -> NoReturn:
    raise InputError(
        f"{name}: is a result of `unclouded clear` ({why}), whose guessed pixels would pass for observed; "
        "give what it was made of"
    )
