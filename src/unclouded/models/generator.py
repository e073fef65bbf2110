"""Interface of the generators X x Z_y -> Y: cloudy images in, clear ground and its opacity out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from unclouded.bands import NAMES
from unclouded.guides import CHANNELS, GUIDES
from unclouded.inference import InferenceConfig
from unclouded.models.blocks import average_over_cells
from unclouded.models.images import Images
from unclouded.models.observation import (
    CELL,
    GUIDE_CHANNELS,
    Observation,
    pad_to_cells,
    standardised_guides,
    with_validity,
)

VARIATION, VALID_SHARE = len(NAMES), len(NAMES) + 1
"""Channels of the statistics of a cell that hold the variation of brightness and the share of valid pixels."""

STATISTICS = len(NAMES) + 2 + len(CHANNELS) + len(GUIDES)
"""Number of statistics of a cell, without its cover, which is appended if it is an input of the network."""

_SHARES = [VALID_SHARE + count for count in accumulate(len(guide.channels) + 1 for guide in GUIDES)]
"""Channels of the statistics of a cell that hold the share of each guide."""

ReadChannel = Callable[[int], Tensor]
"""Reads a channel by its number."""


class SceneContext(NamedTuple):
    """Output of the context encoder for each cell.

    Attributes:
        trust: (B, 1, h, w) 0 to 1, how far the cell is clear, sunlit ground.
        features: (B, F, h, w) for the fine network.
    """

    trust: Tensor
    features: Tensor


class Translation(NamedTuple):
    """A clear image and how much of the input it replaces.

    Attributes:
        ground: (B, 13, H, W) reflectance of the ground without cloud and shadow.
        opacity: (B, 1, H, W) 0 where the input is kept, 1 where `ground` replaces it wholly.
        expected_error: (B, 1, H, W) expected absolute error of the composed image, in reflectance, mean over the
            present bands; 0 from a network that does not predict it.
        detail: (B, 13, H, W) the part of `ground` that is detail visible through the cover: its deviation from the
            mean of its cells, in reflectance; 0 from a network that does not separate it.
        expected: (B, 13, H, W) expected reflectance of the ground under opaque cover, independent of the appearance
            of the cover; `ground` from a network without a ground prior.
    """

    ground: Tensor
    opacity: Tensor
    expected_error: Tensor
    detail: Tensor
    expected: Tensor


class LazyTranslation(NamedTuple):
    """The opacity of a crop of a tile, whose ground is not computed yet.

    Attributes:
        opacity: (B, 1, H, W), that of `Translation`.
        draw: computes the `Translation` of a part of the crop, given by rows and columns of the tile's cells.
    """

    opacity: Tensor
    draw: Callable[[tuple[slice, slice]], Translation]


def compress(reflectance: Tensor) -> Tensor:
    """Compress ground (0 to 0.5) and cloud tops (beyond 1) into one range for networks: asinh(r / 0.1)."""
    # By the logarithm, which is several times as fast as `torch.asinh`; far below 0 it would lose digits.
    x = (reflectance / 0.1).clamp_(min=-10)
    return torch.log(torch.addcmul(x.new_ones(()), x, x).sqrt_() + x)


def expand(compressed: Tensor) -> Tensor:
    """The inverse of `compress`."""
    return torch.sinh(compressed) * 0.1


class Sizes(Protocol):
    """The sizes in a generator's settings (a data class) that clearing a scene depends on."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def latent(self) -> int:
        """Length of z_y."""

    @property
    def features(self) -> int:
        """Channels of `SceneContext.features`."""


class ContextEncoder(Protocol):
    """The network that says what each cell of a scene shows."""

    @property
    def margin(self) -> int:
        """Cells beyond which nothing influences a cell's context."""

    def __call__(self, statistics: Tensor, conditioning: Tensor) -> SceneContext:
        """Encode the cells' `statistics` (B, S, h, w) under their `conditioning`, see `conditioning_of`."""


class Generator(nn.Module):
    """G_XY of the Augmented CycleGAN: y = x (1 - m) + g m, ground g and opacity m from the cloudy x and latent z_y.

    A scene is cleared in three steps, of which `forward` does all for a patch that is its own scene:
    `summarise` reduces every cell to statistics; `context` encodes these and `spread` lays the clear ground over the
    whole scene (this reaches any distance); `translate` works at full resolution on one tile, seeing `margin` pixels
    around it.

    Attributes:
        settings: sizes, with which the network can be built again.
        margin: pixels around a cell beyond which nothing but the context influences what `translate` makes of it, by
            more than rounding to DN does; a multiple of `CELL`.
        context: the encoder of the cells.
        context_channel_count: K, channels of the context.
        largest: side in pixels of the largest image that it clears; None if its tiles agree, so that any size will do.
        takes_cover: whether `Observation.cover` is an input.
    """

    settings: Sizes
    margin: int
    largest: int | None = None
    takes_cover: bool = False
    context: ContextEncoder
    context_channel_count: int

    def __init__(self, inference: InferenceConfig | None = None) -> None:
        super().__init__()
        self._inference = inference or InferenceConfig()

    @property
    def inference(self) -> InferenceConfig:
        """How the weights are to be used."""
        return self._inference

    @property
    def error_learnt(self) -> bool:
        """Whether it predicts `Translation.expected_error`."""
        return False

    def measure_margin(self) -> None:
        """Reduce `margin` to the effective receptive field of these weights; by default it is kept."""

    @property
    def device(self) -> torch.device:
        """Device of the network."""
        return next(self.parameters()).device

    def summarise(self, x: Observation) -> Tensor:
        """Reduce each cell to the means of its valid pixels: (B, S, H / 8, W / 8). H and W are multiples of `CELL`.

        Returns the 13 bands (compressed), the variation of brightness and the share of valid pixels; then for each
        guide its channels (standardised; over the pixels where it is valid too), and the share of pixels that have it;
        last the mean of the cover, if it is an input.
        """
        share = average_over_cells(x.valid, CELL)
        # Band by band, so that intermediate results stay in the processor's cache.
        means = [average_over_cells(compress(band) * x.valid, CELL) for band in torch.split(x.optical, 1, dim=1)]
        bands = torch.cat(means, dim=1) / share.clamp(min=1e-3)
        brightness = compress(x.optical.sum(1, keepdim=True) / x.present.sum(1).clamp(min=1)[:, None, None, None])
        first = average_over_cells(brightness * x.valid, CELL) / share.clamp(min=1e-3)
        second = average_over_cells(brightness.square() * x.valid, CELL) / share.clamp(min=1e-3)
        variation = (second - first.square()).clamp(min=0).sqrt()
        cover = [average_over_cells(x.cover, CELL)] if self.takes_cover else []
        return torch.cat([bands, variation, share, *_guide_statistics(x), *cover], dim=1)

    def spread(self, statistics: Tensor, scene: SceneContext) -> Tensor:
        """Compute the context of `translate`, (B, K, h, w), from the cells' `statistics` (B, S, h, w) and encoding."""
        made = self.context_channels(
            lambda number: statistics[:, number, None], scene.trust, lambda number: scene.features[:, number, None]
        )
        return torch.cat([statistics[:, :0], *made], dim=1)

    def context_channels(self, statistic: ReadChannel, trust: Tensor, feature: ReadChannel) -> Iterator[Tensor]:
        """Compute the context channel by channel, (B, 1, h, w) each, without all input in memory at once.

        Args:
            statistic: reads a channel (B, 1, h, w) of the cells' statistics.
            trust: (B, 1, h, w), see `SceneContext`.
            feature: reads a channel (B, 1, h, w) of `SceneContext.features`.
        """
        raise NotImplementedError

    def translate(
        self, x: Observation, context: Tensor, z: Tensor, crop: tuple[slice, slice] | None = None
    ) -> Translation:
        """Translate a tile (H, W multiples of `CELL`) under its `context` (B, K, H / 8, W / 8) and z (B, Z).

        Args:
            x: the tile.
            context: of its cells.
            z: latents.
            crop: rows and columns of cells to compute; all by default. The outermost cells of a crop differ from those
                of the whole, except at the edge of the tile.
        """
        raise NotImplementedError

    def translate_lazily(
        self, x: Observation, context: Tensor, z: Tensor, crop: tuple[slice, slice]
    ) -> LazyTranslation:
        """Compute the opacity of a crop of a tile, and its ground later, where needed; arguments of `translate`.

        By default both are computed at once.
        """
        made = self.translate(x, context, z, crop)

        def draw(part: tuple[slice, slice]) -> Translation:
            rows, columns = (
                slice((cells.start - of.start) * CELL, (cells.stop - of.start) * CELL)
                for cells, of in zip(part, crop, strict=True)
            )
            return Translation(*(image[:, :, rows, columns] for image in made))

        return LazyTranslation(made.opacity, draw)

    def forward(
        self,
        x: Observation | Tensor,
        z: Tensor | None = None,
        *,
        bands: Sequence[str] | None = None,
        level: str | None = None,
    ) -> Translation:
        """Clear patches that are their own scenes: any H, W of at least one pixel.

        Args:
            x: observation, or images of reflectance (B, C, H, W), see `Images`.
            z: latents (B, Z); by default 0, the most typical ground.
            bands: of images, if not those of L1C or L2A in their usual order.
            level: of images, "L1C" or "L2A"; needed if `bands` are given without B10.

        Returns:
            The translation; of images, `ground`, `detail` and `expected` have their own bands alone.

        Raises:
            InputError: if bands or level of images cannot be known.
        """
        if not isinstance(x, Observation):
            images = Images.of(x, bands, level)
            made: Translation = self(Observation.of(images.optical, images.present, images.level, images.valid), z)
            own = {name: getattr(made, name)[:, images.places] for name in ("ground", "detail", "expected")}
            return made._replace(**own)
        z = x.optical.new_zeros(len(x.optical), self.settings.latent) if z is None else z
        height, width = x.optical.shape[-2:]
        x = pad_to_cells(x)
        return Translation(*(image[..., :height, :width] for image in self.translate(x, self._own_context(x), z)))

    def opacity(self, images: Tensor, *, bands: Sequence[str], level: str) -> Tensor:
        """The opacity (B, 1, H, W) of `forward` for images, without computing the ground."""
        arranged = Images.of(images, bands, level)
        x = pad_to_cells(Observation.of(arranged.optical, arranged.present, arranged.level, arranged.valid))
        context, z = self._own_context(x), x.optical.new_zeros(len(images), self.settings.latent)
        whole = slice(0, context.shape[2]), slice(0, context.shape[3])
        return self.translate_lazily(x, context, z, whole).opacity[..., : images.shape[2], : images.shape[3]]

    def _own_context(self, x: Observation) -> Tensor:
        """The context of patches that are their own scenes."""
        statistics = self.summarise(x)
        return self.spread(statistics, self.context(statistics, x.conditioning))


def compose(optical: Tensor, translation: Translation) -> Tensor:
    """Blend input and ground by the opacity: x (1 - m) + g m, (B, 13, H, W)."""
    return torch.lerp(optical, translation.ground, translation.opacity)


def guide_share_of(statistics: Tensor) -> Tensor:
    """The share of each guide (B, N, h, w) in the cells' `statistics` (B, S, h, w), see `Generator.summarise`."""
    return statistics[:, _SHARES]


def _guide_statistics(x: Observation) -> list[Tensor]:
    """For each guide the means (B, 1, h, w) of its channels over its valid pixels in a cell, and their share."""
    both = (x.valid * x.guide_valid).expand(-1, len(GUIDES), -1, -1)
    share = average_over_cells(both, CELL).clamp(min=1e-3)
    means = [
        average_over_cells(channel * x.valid, CELL) / share[:, number, None]
        for channel, (number, _, _) in zip(standardised_guides(x), GUIDE_CHANNELS, strict=True)
    ]
    return with_validity(means, x.guide_share.expand(-1, -1, *share.shape[2:]))
