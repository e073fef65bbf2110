"""Sizes of the networks: what settings ask for, and what the header of weights keeps to build them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

_STRICT = {"extra": "forbid"}
"""What pydantic, which reads settings, makes of a size that there is not."""


@dataclass(frozen=True)
class GeneratorSettings:
    """Sizes of our G_XY, see `models.context_generator`.

    Attributes:
        widths: channels of the fine network at 20, 40 and 80 m.
        context_widths: channels of the context network at 80, 160 and 320 m.
        features: channels that the context network hands to the fine one beside the ground.
        latent: length of z_y.
        code: length of what modulates the blocks.
        cover: whether the network is told what is known to hide the ground, see `models.observation`.
        ground_prior: whether it says which ground to expect where nothing shows through, see `models.heads`.
    """

    widths: tuple[int, int, int] = (48, 72, 96)
    context_widths: tuple[int, int, int] = (48, 64, 96)
    features: int = 16
    latent: int = 16
    code: int = 64
    cover: bool = False
    ground_prior: bool = False
    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    def __post_init__(self) -> None:
        _at_least(1, *self.widths, *self.context_widths, self.features, self.latent, self.code)


@dataclass(frozen=True)
class CloudSettings:
    """Sizes of our G_YX, see `models.cloud_generator`.

    Attributes:
        widths: channels at 20 and 40 m.
        latent: length of z_x in each cell.
        code: length of what modulates the blocks.
    """

    widths: tuple[int, int] = (32, 64)
    latent: int = 8
    code: int = 32
    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    def __post_init__(self) -> None:
        _at_least(1, *self.widths, self.latent, self.code)


@dataclass(frozen=True)
class PublishedSettings:
    """Sizes of both published generators, see `models.published`.

    Attributes:
        width: channels of the first layer.
        blocks: residual blocks.
        latent: length of z.
        side: of the largest image in pixels that they are made to take, whole.
    """

    width: int = 32
    blocks: int = 3
    latent: int = 16
    side: int = 120
    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    def __post_init__(self) -> None:
        _at_least(1, self.width, self.latent)
        _at_least(0, self.blocks)
        _at_least(8, self.side)

    @property
    def features(self) -> int:
        """Channels of `SceneContext.features`: there are none."""
        return 0


def _at_least(least: int, *sizes: int) -> None:
    for size in sizes:
        if size < least:
            raise ValueError(f"a size of {size}; {least} or more is accepted")
