"""Images as the networks take them, and what conditions the networks: which bands, which level, which guides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.bands import NAMES
from unclouded.guides import CHANNELS, GUIDES
from unclouded.models.blocks import average_over_cells

CELL = 8
"""Side in pixels of one cell of the scene's context grid; tile origins are multiples of it."""

CONDITIONING = len(NAMES) + len(CHANNELS) + 1
"""Numbers that condition the networks at a cell, see `conditioning_of`."""

GUIDE_CHANNELS = tuple(
    (number, centre, spread)
    for number, guide in enumerate(GUIDES)
    for centre, spread in zip(guide.centre, guide.spread, strict=True)
)
"""Of each channel of the guides: the number of its guide, its centre and its spread."""


class Observation(NamedTuple):
    """A batch of images and what is known about them. Absent bands, guides and invalid pixels are zero.

    Attributes:
        optical: (B, 13, H, W) reflectance, 1.0 = 100 %, in the order of `bands.NAMES`.
        valid: (B, 1, H, W) 1 where the image holds data, else 0.
        guides: (B, G, H, W) the channels of all guides in the order of `guides.CHANNELS`, in their units.
        guide_valid: (B, N, H, W) 1 where that guide of `guides.GUIDES` holds data, else 0; (B, N, 1, 1) if each image
            has it everywhere or nowhere, which the networks then need not look at pixel by pixel.
        present: (B, 13) 1 for each band that is there.
        level: (B,) 0 for L1C, 1 for L2A.
        cover: (B, 1, H, W) how far cloud or shadow are known to hide each pixel, by a detector or a mask: 1 for wholly,
            -1 for not at all, 0 where unknown.
    """

    optical: Tensor
    valid: Tensor
    guides: Tensor
    guide_valid: Tensor
    present: Tensor
    level: Tensor
    cover: Tensor

    @classmethod
    def of(
        cls,
        optical: Tensor,
        present: Tensor,
        level: Tensor,
        valid: Tensor | None = None,
        guides: Mapping[str, Tensor] | None = None,
    ) -> Observation:
        """Complete an observation: all is valid, without guides, unless given; of cover nothing is known.

        `guides` are by name, (B, C, H, W) each, not finite where they are absent: see `join_guides`.
        """
        batch, _, height, width = optical.shape
        if guides:
            values, guide_valid = join_guides(guides)
        else:
            values = optical.new_zeros(batch, len(CHANNELS), height, width)
            guide_valid = optical.new_zeros(batch, len(GUIDES), 1, 1)
        return cls(
            optical,
            optical.new_ones(batch, 1, height, width) if valid is None else valid,
            values,
            guide_valid,
            present,
            level,
            optical.new_zeros(batch, 1, height, width),
        )

    def to(self, device: torch.device | str) -> Observation:
        """The same on a device."""
        return Observation(*(field.to(device) for field in self))

    @classmethod
    def cat(cls, batches: Iterable[Observation]) -> Observation:
        """Put batches together, of images of one size."""
        batches = list(batches)
        if len(batches) == 1:
            return batches[0]  # a copy of which would take as long as a layer of the network
        if len({batch.guide_valid.shape[2:] for batch in batches}) > 1:
            # A guide ends within an image of one of them.
            batches = [
                batch._replace(guide_valid=batch.guide_valid.expand(-1, -1, *batch.optical.shape[2:]))
                for batch in batches
            ]
        return cls(*(torch.cat(fields) for fields in zip(*batches, strict=True)))

    def images(self, which: slice) -> Observation:
        """Some images of the batch."""
        return Observation(*(field[which] for field in self))

    def crop(self, rows: slice, columns: slice) -> Observation:
        """A window of the images."""
        window = (..., rows, columns)
        return self._replace(
            optical=self.optical[window],
            valid=self.valid[window],
            guides=self.guides[window],
            guide_valid=self.guide_valid if _single(self.guide_valid) else self.guide_valid[window],
            cover=self.cover[window],
        )

    @property
    def seen(self) -> Tensor:
        """(B, 13, H, W) 1 where the image shows something in a band, else 0."""
        return self.valid * self.present[:, :, None, None]

    @property
    def bands_and_level(self) -> Tensor:
        """(B, 14): 1 for each band that is there, and the processing level."""
        return torch.cat([self.present, self.level[:, None]], dim=1)

    @property
    def guide_share(self) -> Tensor:
        """Share of each cell's pixels where each guide is valid: (B, N, H / 8, W / 8), or (B, N, 1, 1)."""
        return self.guide_valid if _single(self.guide_valid) else average_over_cells(self.guide_valid, CELL)

    @property
    def conditioning(self) -> Tensor:
        """The conditioning of the networks, see `conditioning_of`. H and W are multiples of `CELL`."""
        return conditioning_of(self.bands_and_level, self.guide_share)


def join_guides(given: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Join guides, (B, C, H, W) each by name, that are not finite where they are absent; one that is not given is so.

    A guide is valid where all its channels are finite.

    Returns:
        `Observation.guides` and `Observation.guide_valid`.
    """
    like = next(iter(given.values()))
    values, valid = [], []
    for guide in GUIDES:
        absent = like.new_full((1,), torch.nan).expand(len(like), len(guide.channels), *like.shape[2:])
        channels = given.get(guide.name, absent)
        valid.append(torch.isfinite(channels).all(1, keepdim=True))
        values.append(torch.where(valid[-1], channels, 0.0))
    return torch.cat(values, dim=1), reduce_uniform(torch.cat(valid, dim=1).to(like.dtype))


def reduce_uniform(maps: Tensor) -> Tensor:
    """Reduce maps (B, N, H, W) to (B, N, 1, 1) if each of them holds a single value."""
    first = maps[..., :1, :1]
    return first if bool((maps == first).all()) else maps


def conditioning_of(bands_and_level: Tensor, guide_share: Tensor) -> Tensor:
    """Join what conditions the networks, channels last: (B, h, w, 16), or (B, 1, 1, 16) if nothing changes in an image.

    That is 1 for each band that is there, for each channel of the guides its share of the cell's pixels, and the level.

    Args:
        bands_and_level: (B, 14), see `Observation`.
        guide_share: (B, N, h, w) of the cells, or (B, N, 1, 1).
    """
    share = torch.cat([guide_share[:, number, None] for number, _, _ in GUIDE_CHANNELS], dim=1).permute(0, 2, 3, 1)
    image = bands_and_level[:, None, None].expand(-1, share.shape[1], share.shape[2], -1)
    return torch.cat([image[..., :-1], share, image[..., -1:]], dim=3)


def pad_to_cells(x: Observation) -> Observation:
    """Extend an observation to multiples of `CELL` by repeating its last row and column.

    A guide that is valid all over the image stays so: what conditions its last cells is what conditions the others.
    """
    height, width = x.optical.shape[-2:]
    return repeat_edges(x, (0, -width % CELL, 0, -height % CELL))


def repeat_edges(x: Observation, margins: tuple[int, int, int, int]) -> Observation:
    """Extend an observation by repeating its edges, by so many pixels to the left, right, top and bottom."""
    if not any(margins):
        return x

    def extended(image: Tensor) -> Tensor:
        return F.pad(image, margins, mode="replicate")

    return x._replace(
        optical=extended(x.optical),
        valid=extended(x.valid),
        guides=extended(x.guides),
        guide_valid=x.guide_valid if _single(x.guide_valid) else extended(x.guide_valid),
        cover=extended(x.cover),
    )


def in_blocks(images: Tensor, like: Observation) -> Tensor:
    """Bring images (B, C, H, W) to blocks of 2 x 2 pixels, with the bands and level of `like`.

    Returns:
        (B, 4 C + 14, H / 2, W / 2).
    """
    blocks = F.pixel_unshuffle(images, 2)
    conditioning = like.bands_and_level[:, :, None, None]
    return torch.cat([blocks, conditioning.expand(-1, -1, *blocks.shape[-2:])], dim=1)


def standardised_guides(x: Observation) -> list[Tensor]:
    """The channels of the guides, (B, 1, H, W) each, at about zero mean and unit spread; zero where they are absent."""
    return [
        (channel - centre) / spread * x.guide_valid[:, number, None]
        for channel, (number, centre, spread) in zip(torch.split(x.guides, 1, dim=1), GUIDE_CHANNELS, strict=True)
    ]


def with_validity(channels: Sequence[Tensor], validity: Tensor) -> list[Tensor]:
    """Put the validity (B, N, H, W) of each guide behind its `channels` (B, 1, H, W each)."""
    rest, together = iter(channels), []
    for number, guide in enumerate(GUIDES):
        together += [*islice(rest, len(guide.channels)), validity[:, number, None]]
    return together


def _single(maps: Tensor) -> bool:
    """Tell whether maps are of a single value each, (B, N, 1, 1)."""
    return maps.shape[2:] == (1, 1)
