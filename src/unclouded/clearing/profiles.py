"""How the files of a cleared scene are written: the image as the input is, its quality, and its mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unclouded.detection.classes import CLASS_COLOURS, CLASS_NAMES, NO_DATA, class_tag
from unclouded.files import MASK_BANDS, QUALITY_BANDS
from unclouded.reading.info import SceneInfo
from unclouded.reading.results import marked
from unclouded.sources import source_tags
from unclouded.writing.writer import Profile


def cleared_profile(info: SceneInfo) -> Profile:
    """How a cleared scene is written: as the scene was, with the tag that says what it was cleared from."""
    return Profile(
        info.width,
        info.height,
        info.crs,
        info.transform,
        info.dtype,
        info.encoding.nodata,
        info.descriptions,
        info.scales,
        info.gdal_offsets,
        marked(info),
    )


def quality_profile(info: SceneInfo, references: Sequence[str]) -> Profile:
    """How the quality of a scene is written: its tags say what the values of `source` mean."""
    return Profile(
        info.width,
        info.height,
        info.crs,
        info.transform,
        np.dtype(np.float32),
        float("nan"),
        QUALITY_BANDS,
        tags=source_tags(references),
        overviews="NEAREST",  # of the source: an average of codes would be that of another date
    )


def mask_profile(info: SceneInfo) -> Profile:
    """How the mask of a scene is written: its classes with their names and colours."""
    names = {class_tag(value): name for value, name in CLASS_NAMES.items()}
    return Profile(
        info.width,
        info.height,
        info.crs,
        info.transform,
        np.dtype(np.uint8),
        float(NO_DATA),
        MASK_BANDS,
        tags=names,
        colours={value: (r, g, b) for value, (r, g, b, _) in CLASS_COLOURS.items()},
        overviews="MODE",
    )


def mask_classes() -> list[dict[str, Any]]:
    """The classes of a mask as the classification extension of STAC lists them."""
    return [
        {
            "value": value,
            "name": name.replace(" ", "_"),
            "description": name,
            "color_hint": "{:02X}{:02X}{:02X}".format(*CLASS_COLOURS[value][:3]),
            "nodata": value == NO_DATA,
        }
        for value, name in CLASS_NAMES.items()
    ]
