"""Results of this program where images are expected: what was guessed in them would pass for observed."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import NoReturn
from urllib.parse import urlsplit

from unclouded.errors import InputError, UncloudedError
from unclouded.files import MASK_BANDS, QUALITY_BANDS, quality_path
from unclouded.reading.files.raster import open_raster
from unclouded.reading.info import SceneInfo

TAG = "UNCLOUDED"
"""Tag of a cleared image or a composite, which travels with its pixels; it says what they were made of."""


_ENDINGS = (".tif", ".tiff")
"""Of results."""


def result_tags(info: SceneInfo) -> dict[str, str]:
    """The tags of what is made of a scene."""
    path = urlsplit(info.source).path if "://" in info.source else info.source
    return {**info.tags, TAG: f"cleared from {PurePosixPath(path).name}"}


def refuse_result(source: str) -> None:
    """Refuse the path of an image that was cleared before, as its tag or the quality beside it says.

    It need not be understood otherwise, so that nobody is asked about a file that is not wanted.

    Raises:
        InputError: saying what to give instead.
    """
    path = Path(source)
    # Unlike that of a Path, this is false, too, of names that are too long, and in folders that may not be read.
    if not os.path.isfile(path):
        return
    _refuse_marked(source, _described(path)[1])
    beside = quality_path(path)
    if _may_be_of(beside, path) and _described(beside)[0][:2] == QUALITY_BANDS[:2]:
        _refuse(source, f"{beside.name} is beside it")


def _may_be_of(quality: Path, image: Path) -> bool:
    """Whether the quality beside an image may be its own, and not that of what was made of `scene.zip` or the like."""
    if image.suffix.lower() not in _ENDINGS or not os.path.isfile(quality):
        return False
    others = (image.with_suffix(ending) for ending in _ENDINGS if ending != image.suffix)
    return not any(_described(other)[1].get(TAG) for other in others if os.path.isfile(other))


def refuse_cleared(name: str, variables: Iterable[Hashable], attributes: Mapping[str, object]) -> None:
    """Refuse an array that was cleared before, as its variables or attributes say; InputError likewise."""
    if set(QUALITY_BANDS[:2]) <= set(variables):
        _refuse(name, f"it holds {' and '.join(QUALITY_BANDS[:2])}")
    _refuse_marked(name, attributes)


def is_mask(path: Path) -> bool:
    """Tell whether a file that is there is one of `unclouded mask`."""
    return _described(path)[0] == MASK_BANDS


def _described(path: Path) -> tuple[tuple[str | None, ...], Mapping[str, str]]:
    """Descriptions of the bands of a file, and its tags; none of what is no image."""
    try:
        with open_raster(str(path)) as dataset:
            return tuple(dataset.descriptions), dataset.tags()
    except UncloudedError:
        return (), {}


def _refuse_marked(name: str, tags: Mapping[str, object]) -> None:
    if tag := tags.get(TAG):
        _refuse(name, str(tag))


def _refuse(name: str, why: str) -> NoReturn:
    raise InputError(
        f"{name}: is a result of `unclouded clear` ({why}), whose guessed pixels would pass for observed; "
        "give what it was made of"
    )
