"""Level, scale and offset of the scene, assumed for other dates of the place that do not declare their own."""

from __future__ import annotations

from dataclasses import dataclass

from unclouded.reading.info import SceneInfo

ASSUMED_FROM_SCENE = "taken for"
"""Start of the notes on what was assumed of an image."""

ABOUT_SCALE = "scale"
"""How such a note continues if it is about scale and offset."""


@dataclass(frozen=True)
class FallbackRadiometry:
    """Radiometry of a scene, for other images of the place; used only where their pixels do not contradict it.

    Attributes:
        level: "L1C" or "L2A".
        scale: DN per 1.0 reflectance.
        offset: in reflectance, added to DN / scale; -0.1 where DN carry +1000.
    """

    level: str
    scale: float
    offset: float

    @staticmethod
    def of(scene: SceneInfo) -> FallbackRadiometry:
        """The radiometry of `scene`."""
        return FallbackRadiometry(scene.level, scene.encoding.scale, scene.encoding.offsets[0] / scene.encoding.scale)


def assumed_note(what: str) -> str:
    """The note on an image for a level or a scale that was assumed."""
    return f"{ASSUMED_FROM_SCENE} {what}; it does not say it itself"


def assumed_scale_note(scale: float, offset: float, why: str) -> str:
    """The note on an image for a scale and an offset (in DN) that were assumed, and why."""
    return f"{ASSUMED_FROM_SCENE} {ABOUT_SCALE} {scale:g}, offset {offset:g}, {why}"
