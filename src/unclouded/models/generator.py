"""What every generator X x Z_y -> Y takes and gives: cloudy images in, clear ground and its opacity out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unclouded.bands import NAMES
from unclouded.models.blocks import average_over_cells
from unclouded.models.inference import InferenceConfig

GUIDES: tuple[str, ...] = ("VV", "VH")
"""Co-registered channels that help but are not translated, in their order; backscatter in dB."""

CELL = 8
"""Side in pixels of one cell of the scene's context grid; tile origins are multiples of it."""

REACH = 4
"""Cells from the core of a cloud or shadow within which pixels may be replaced: 320 m."""

KNOWN = len(NAMES) + len(GUIDES) + 1
"""Numbers that tell what is known of an image: which bands and guides are there, and its level."""

STATISTICS = len(NAMES) + len(GUIDES) + 2
"""Numbers that a cell of the context grid is reduced to."""

_RADAR_CENTRE, _RADAR_SPREAD = -16.0, 6.0


class Observation(NamedTuple):
    """A batch of images and what is known about them. Absent bands, guides and invalid pixels are zero.

    Attributes:
        optical: (B, 13, H, W) reflectance, 1.0 = 100 %, in the order of `bands.NAMES`.
        valid: (B, 1, H, W) 1 where the image holds data, else 0.
        guides: (B, 2, H, W) VV and VH in dB.
        present: (B, 13) 1 for each band that is there.
        guided: (B, 2) 1 for each guide that is there.
        level: (B,) 0 for L1C, 1 for L2A.
    """

    optical: Tensor
    valid: Tensor
    guides: Tensor
    present: Tensor
    guided: Tensor
    level: Tensor

    @classmethod
    def of(
        cls,
        optical: Tensor,
        present: Tensor,
        level: Tensor,
        valid: Tensor | None = None,
        guides: Tensor | None = None,
        guided: Tensor | None = None,
    ) -> Observation:
        """Complete an observation: everything valid and no guides unless given."""
        batch, _, height, width = optical.shape
        return cls(
            optical,
            optical.new_ones(batch, 1, height, width) if valid is None else valid,
            optical.new_zeros(batch, len(GUIDES), height, width) if guides is None else guides,
            present,
            optical.new_zeros(batch, len(GUIDES)) if guided is None else guided,
            level,
        )

    @property
    def known(self) -> Tensor:
        """(B, 16): which bands and guides are there, and the processing level."""
        return torch.cat([self.present, self.guided, self.level[:, None]], dim=1)


Layer = Callable[[int], Tensor]
"""Gives the channel of that number."""


class Survey(NamedTuple):
    """What the context network says of each cell.

    Attributes:
        trust: (B, 1, h, w) 0 to 1: how far the cell shows clear, sunlit ground.
        features: (B, F, h, w) for the fine network.
    """

    trust: Tensor
    features: Tensor


class Translation(NamedTuple):
    """A clear image and how much of the input it replaces.

    Attributes:
        ground: (B, 13, H, W) reflectance of the ground as it would look without cloud or shadow.
        opacity: (B, 1, H, W) 0 where the input is kept, 1 where `ground` replaces it wholly.
        expected_error: (B, 1, H, W) the absolute error, in reflectance, that the composed image is expected to have,
            mean over the bands that are there; 0 from a network that does not foresee it.
    """

    ground: Tensor
    opacity: Tensor
    expected_error: Tensor


def compress(reflectance: Tensor) -> Tensor:
    """Bring ground (0 to 0.5) and cloud tops (beyond 1) into one range that a network can work with: asinh(r / 0.1)."""
    # Its definition by the logarithm is several times as fast as torch's own; what is far below 0 would lose digits.
    x = (reflectance / 0.1).clamp(min=-10)
    return torch.log(x + torch.sqrt(torch.addcmul(x.new_ones(()), x, x)))


class Sizes(Protocol):
    """What the clearing of a scene must know of a generator's settings, which are a data class."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def latent(self) -> int:
        """Length of z_y."""

    @property
    def features(self) -> int:
        """Channels of a survey's features."""


class Surveyor(Protocol):
    """The network that says what each cell of a scene shows."""

    @property
    def margin(self) -> int:
        """Cells beyond which nothing influences a cell's survey."""

    def __call__(self, statistics: Tensor, known: Tensor) -> Survey:
        """Survey the cells' `statistics` (B, S, h, w), given `known` (B, 16)."""


class Generator(nn.Module):
    """G_XY of the Augmented CycleGAN: y = x (1 - m) + g m, ground g and opacity m from the cloudy x and latent z_y.

    A scene is cleared in three steps, of which `forward` does all for a patch that is its own scene:
    `summarise` reduces every cell to statistics; `context` surveys these and `spread` lays the clear ground over the
    whole scene (this reaches any distance); `translate` works at full resolution on one tile, seeing `margin` pixels
    around it.

    Attributes:
        settings: sizes, with which the network can be built again.
        margin: pixels beyond which nothing but the context influences a pixel of `translate`; a multiple of `CELL`.
        context: the surveyor.
    """

    settings: Sizes
    margin: int
    context: Surveyor

    def __init__(self, inference: InferenceConfig | None = None) -> None:
        super().__init__()
        self._inference = inference or InferenceConfig()

    @property
    def inference(self) -> InferenceConfig:
        """What the weights say of their use."""
        return self._inference

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.parameters()).device

    def summarise(self, x: Observation) -> Tensor:
        """Reduce each cell to the means of its valid pixels: (B, S, H / 8, W / 8). H and W are multiples of `CELL`.

        Returns the 13 bands (compressed), the 2 guides (standardised), the variance of brightness and the valid share.
        """
        share = average_over_cells(x.valid, CELL)
        # Band by band, since what is made on the way to one stays in the processor's cache.
        means = [average_over_cells(compress(band) * x.valid, CELL) for band in torch.split(x.optical, 1, dim=1)]
        bands = torch.cat(means, dim=1) / share.clamp(min=1e-3)
        guides = average_over_cells(standardised_guides(x) * x.valid, CELL) / share.clamp(min=1e-3)
        brightness = compress(x.optical.sum(1, keepdim=True) / x.present.sum(1).clamp(min=1)[:, None, None, None])
        first = average_over_cells(brightness * x.valid, CELL) / share.clamp(min=1e-3)
        second = average_over_cells(brightness.square() * x.valid, CELL) / share.clamp(min=1e-3)
        return torch.cat([bands, guides, (second - first.square()).clamp(min=0).sqrt(), share], dim=1)

    def spread(self, statistics: Tensor, survey: Survey) -> Tensor:
        """Make the context of `translate`, (B, K, h, w), of the cells' statistics and their survey."""
        made = self.layers(
            lambda number: statistics[:, number, None], survey.trust, lambda number: survey.features[:, number, None]
        )
        return torch.cat([statistics[:, :0], *made], dim=1)

    def layers(self, statistic: Layer, trust: Tensor, feature: Layer) -> Iterator[Tensor]:
        """Make the context channel by channel, (B, 1, h, w) each, of what need not be in memory all at once.

        Args:
            statistic: gives a channel (B, 1, h, w) of the cells' statistics.
            trust: of the survey.
            feature: gives a channel (B, 1, h, w) of the survey's features.
        """
        raise NotImplementedError

    def near_cores(self, context: Tensor) -> Tensor:
        """Tell which cells (B, h, w) may hold a pixel of some opacity, by the survey in a `context` (B, K, h, w)."""
        return context.new_ones(len(context), *context.shape[2:], dtype=torch.bool)

    def translate(
        self, x: Observation, context: Tensor, z: Tensor, part: tuple[slice, slice] | None = None
    ) -> Translation:
        """Translate a tile (H, W multiples of `CELL`) under its `context` (B, K, H / 8, W / 8) and z (B, Z).

        Args:
            x: the tile.
            context: of its cells.
            z: latents.
            part: rows and columns of the cells that are wanted; all unless given. The outermost cell of a part is not
                what the whole would have there, unless it lies at the edge of the tile.
        """
        raise NotImplementedError

    def forward(self, x: Observation, z: Tensor) -> Translation:
        """Clear a patch that is its own scene: any H, W of at least one pixel; `z` is (B, Z)."""
        height, width = x.optical.shape[-2:]
        x = pad_to_cells(x)
        statistics = self.summarise(x)
        context = self.spread(statistics, self.context(statistics, x.known))
        return Translation(*(part[..., :height, :width] for part in self.translate(x, context, z)))


def compose(optical: Tensor, translation: Translation) -> Tensor:
    """Lay the ground under the input: x (1 - m) + g m, (B, 13, H, W)."""
    return torch.lerp(optical, translation.ground, translation.opacity)


def pad_to_cells(x: Observation) -> Observation:
    """Extend an observation with invalid pixels to multiples of `CELL`."""
    height, width = x.optical.shape[-2:]
    margins = (0, -width % CELL, 0, -height % CELL)
    if not any(margins):
        return x
    return x._replace(optical=F.pad(x.optical, margins), valid=F.pad(x.valid, margins), guides=F.pad(x.guides, margins))


def standardised_guides(x: Observation) -> Tensor:
    """(B, 2, H, W) the guides at about zero mean and unit spread; zero where they are absent."""
    return (x.guides - _RADAR_CENTRE) / _RADAR_SPREAD * x.guided[:, :, None, None]
