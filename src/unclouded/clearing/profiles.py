"""How the files of a cleared scene are written: the image as the input is, its quality, and its mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unclouded.detection.classes import CLASS_COLOURS, CLASS_NAMES, NO_DATA, class_tag
from unclouded.files import MASK_BANDS, QUALITY_BANDS
from unclouded.reading.info import SceneInfo
from unclouded.reading.results import result_tags
from unclouded.sources import source_tags
from unclouded.writing.writer import Profile


def cleared_profile(info: SceneInfo) -> Profile:
    """How a cleared scene is written: as the scene was, with the tag that says what it was cleared from."""
    return Profile.of_grid(
        info,
        dtype=info.dtype,
        nodata=info.encoding.nodata,
        descriptions=info.descriptions,
        scales=info.scales,
        offsets=info.gdal_offsets,
        tags=result_tags(info),
    )


def quality_profile(info: SceneInfo, references: Sequence[str]) -> Profile:
    """How the quality of a scene is written: its tags say what the values of `source` mean."""
    return Profile.of_grid(
        info,
        dtype=np.dtype(np.float32),
        nodata=float("nan"),
        descriptions=QUALITY_BANDS,
        tags=source_tags(references),
        overviews="NEAREST",  # of the source: an average of codes would be that of another date
    )


def mask_profile(info: SceneInfo) -> Profile:
    """How the mask of a scene is written: its classes with their names and colours."""
    names = {class_tag(value): name for value, name in CLASS_NAMES.items()}
    return Profile.of_grid(
        info,
        dtype=np.dtype(np.uint8),
        nodata=float(NO_DATA),
        descriptions=MASK_BANDS,
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
