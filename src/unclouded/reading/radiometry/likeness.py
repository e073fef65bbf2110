"""What another date of a place is taken for where it does not say it itself: for one like the scene."""

from __future__ import annotations

from dataclasses import dataclass

from unclouded.reading.info import SceneInfo

TAKEN_FOR = "taken for"
NUMBERS = "scale"
"""How notes begin that say what an image was taken for, and how what follows does where it is about its numbers."""


@dataclass(frozen=True)
class Likeness:
    """What is known of a scene, for images of the same place; each is believed as far as their pixels bear it out.

    Attributes:
        level: "L1C" or "L2A".
        scale: DN per 1.0 reflectance.
        offset: reflectance that is added to that of the DN; -0.1 where these carry +1000.
    """

    level: str
    scale: float
    offset: float

    @staticmethod
    def to(scene: SceneInfo) -> Likeness:
        """What `scene` tells."""
        return Likeness(scene.level, scene.encoding.scale, scene.encoding.offsets[0] / scene.encoding.scale)


def taken_for(what: str) -> str:
    """The note of an image that it was taken for something."""
    return f"{TAKEN_FOR} {what}; it does not say it itself"


def numbers_taken_for(scale: float, offset: float, why: str) -> str:
    """The note of an image that its numbers were taken for something, and why."""
    return f"{TAKEN_FOR} {NUMBERS} {scale:g}, offset {offset:g}, {why}"
