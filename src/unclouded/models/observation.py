"""Input of the networks: images, guides and cover, and the conditioning on bands, level and guides."""

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
"""Length of the conditioning vector of a cell, see `conditioning_of`."""

GUIDE_CHANNELS = tuple(
    (number, centre, spread)
    for number, guide in enumerate(GUIDES)
    for centre, spread in zip(guide.centre, guide.spread, strict=True)
)
"""For each channel of the guides: index of its guide, mean, and standard deviation."""


class Observation(NamedTuple):
    """A batch of images with their conditioning; absent bands, absent guides and invalid pixels are zero.

    Attributes:
        optical: (B, 13, H, W) reflectance, 1.0 = 100 %, in the order of `bands.NAMES`.
        valid: (B, 1, H, W) 1 where the image holds data, else 0.
        guides: (B, G, H, W) the channels of all guides in the order of `guides.CHANNELS`, in their units.
        guide_valid: (B, N, H, W) 1 where that guide of `guides.GUIDES` holds data, else 0; (B, N, 1, 1) if each image
            has it everywhere or nowhere.
        present: (B, 13) 1 for each present band.
        level: (B,) 0 for L1C, 1 for L2A.
        cover: (B, 1, H, W) cloud or shadow by a detector or a mask: 1 covered, -1 clear, 0 unknown.
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
        """Make an observation of unknown cover; by default all pixels are valid, and there are no guides.

        `guides` are (B, C, H, W) by name, not finite where absent, see `join_guides`.
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
        """Concatenate batches of images of one size."""
        batches = list(batches)
        if len(batches) == 1:
            return batches[0]  # since a copy takes as long as a layer of the network
        if len({batch.guide_valid.shape[2:] for batch in batches}) > 1:
            # In one of the batches a guide ends within an image.
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
    def valid_bands(self) -> Tensor:
        """(B, 13, H, W) 1 where a present band holds data, else 0."""
        return self.valid * self.present[:, :, None, None]

    @property
    def bands_and_level(self) -> Tensor:
        """(B, 14): 1 for each present band, and the processing level."""
        return torch.cat([self.present, self.level[:, None]], dim=1)

    @property
    def guide_share(self) -> Tensor:
        """Share of each cell's pixels where each guide is valid: (B, N, H / 8, W / 8), or (B, N, 1, 1)."""
        return self.guide_valid if _single(self.guide_valid) else average_over_cells(self.guide_valid, CELL)

    @property
    def conditioning(self) -> Tensor:
        """The conditioning of the networks, see `conditioning_of`. H and W are multiples of `CELL`."""
        return conditioning_of(self.bands_and_level, self.guide_share)


def join_guides(guides: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Concatenate guides, (B, C, H, W) by name; missing ones are absent, others valid where all channels are finite.

    Returns:
        `Observation.guides` and `Observation.guide_valid`.
    """
    like = next(iter(guides.values()))
    values, valid = [], []
    for guide in GUIDES:
        absent = like.new_full((1,), torch.nan).expand(len(like), len(guide.channels), *like.shape[2:])
        channels = guides.get(guide.name, absent)
        valid.append(torch.isfinite(channels).all(1, keepdim=True))
        values.append(torch.where(valid[-1], channels, 0.0))
    return torch.cat(values, dim=1), reduce_uniform(torch.cat(valid, dim=1).to(like.dtype))


def reduce_uniform(maps: Tensor) -> Tensor:
    """Reduce maps (B, N, H, W) to (B, N, 1, 1) if each of them holds a single value."""
    first = maps[..., :1, :1]
    return first if bool((maps == first).all()) else maps


def conditioning_of(bands_and_level: Tensor, guide_share: Tensor) -> Tensor:
    """Conditioning of the networks, channels last: (B, h, w, 16), or (B, 1, 1, 16) if it is uniform in each image.

    It holds 1 for each present band, for each guide channel the share of valid pixels in the cell, and the level.

    Args:
        bands_and_level: (B, 14), see `Observation`.
        guide_share: (B, N, h, w) of the cells, or (B, N, 1, 1).
    """
    share = torch.cat([guide_share[:, number, None] for number, _, _ in GUIDE_CHANNELS], dim=1).permute(0, 2, 3, 1)
    image = bands_and_level[:, None, None].expand(-1, share.shape[1], share.shape[2], -1)
    return torch.cat([image[..., :-1], share, image[..., -1:]], dim=3)


def pad_to_cells(x: Observation) -> Observation:
    """Extend an observation to multiples of `CELL` by repeating its last row and column, guides included."""
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
    """The channels of the guides, (B, 1, H, W) each, with about zero mean and unit variance; zero where absent."""
    return [
        (channel - centre) / spread * x.guide_valid[:, number, None]
        for channel, (number, centre, spread) in zip(torch.split(x.guides, 1, dim=1), GUIDE_CHANNELS, strict=True)
    ]


def with_validity(channels: Sequence[Tensor], validity: Tensor) -> list[Tensor]:
    """Insert the validity (B, N, H, W) of each guide after its `channels` (B, 1, H, W each)."""
    remaining, joined = iter(channels), []
    for number, guide in enumerate(GUIDES):
        joined += [*islice(remaining, len(guide.channels)), validity[:, number, None]]
    return joined


def _single(maps: Tensor) -> bool:
    """Tell whether maps are of a single value each, (B, N, 1, 1)."""
    return maps.shape[2:] == (1, 1)
