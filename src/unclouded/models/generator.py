"""The generator X x Z_y -> Y: from a cloudy image and a latent to the clear ground and the opacity of what hides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unclouded.bands import NAMES
from unclouded.models.blocks import ModulatedBlock, average_over_cells, soften, spread_ground

GUIDES: tuple[str, ...] = ("VV", "VH")
"""Co-registered channels that help but are not translated, in their order; backscatter in dB."""

CELL = 8
"""Side in pixels of one cell of the scene's context grid; tile origins are multiples of it."""

_BANDS = len(NAMES)
_STATISTICS = _BANDS + len(GUIDES) + 2
_RADAR_CENTRE, _RADAR_SPREAD = -16.0, 6.0


@dataclass(frozen=True)
class GeneratorSettings:
    """Sizes of the generator; stored in the header of its weights."""

    widths: tuple[int, int, int] = (48, 72, 96)
    context_widths: tuple[int, int, int] = (48, 64, 96)
    features: int = 16
    latent: int = 16
    code: int = 64


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
    """

    ground: Tensor
    opacity: Tensor


def compress(reflectance: Tensor) -> Tensor:
    """Bring ground (0 to 0.5) and cloud tops (beyond 1) into one range that a network can work with."""
    return torch.asinh(reflectance / 0.1)


class ContextNetwork(nn.Module):
    """Looks at the scene in cells of 80 m, three scales deep, and says where its clear ground is."""

    margin = 40
    """Cells beyond which nothing influences a cell's survey."""

    def __init__(self, settings: GeneratorSettings) -> None:
        super().__init__()
        a, b, c = settings.context_widths
        self.describe = nn.Linear(_BANDS + len(GUIDES) + 1, settings.code)
        self.enter = nn.Conv2d(_STATISTICS, a, 3, padding=1)
        self.high = nn.ModuleList(ModulatedBlock(a, settings.code) for _ in range(2))
        self.down1 = nn.Conv2d(a, b, 2, stride=2)
        self.middle = nn.ModuleList(ModulatedBlock(b, settings.code) for _ in range(2))
        self.down2 = nn.Conv2d(b, c, 2, stride=2)
        self.low = nn.ModuleList(ModulatedBlock(c, settings.code) for _ in range(2))
        self.up2 = nn.ConvTranspose2d(c, b, 2, stride=2)
        self.up1 = nn.ConvTranspose2d(b, a, 2, stride=2)
        self.leave = nn.Conv2d(a, 1 + settings.features, 1)

    def forward(self, statistics: Tensor, known: Tensor) -> Survey:
        """Survey the cells' `statistics` (B, S, h, w) of `Generator.summarise`, given `known` (B, 16)."""
        height, width = statistics.shape[-2:]
        code = F.leaky_relu(self.describe(known), 0.1)
        h = self.enter(F.pad(statistics, (0, -width % 4, 0, -height % 4)))
        for block in self.high:
            h = block(h, code)
        m = self.down1(h)
        for block in self.middle:
            m = block(m, code)
        w = self.down2(m)
        for block in self.low:
            w = block(w, code)
        h = h + self.up1(m + self.up2(w))
        out = self.leave(h)[..., :height, :width]
        return Survey(torch.sigmoid(out[:, :1]), out[:, 1:])


class Generator(nn.Module):
    """G_XY of the Augmented CycleGAN: y = x (1 - m) + g m, ground g and opacity m from the cloudy x and latent z_y.

    A scene is cleared in three steps, of which `forward` does all for a patch that is its own scene:
    `summarise` reduces every cell to statistics; `context` surveys these and `spread` lays the clear ground over the
    whole scene (this reaches any distance); `translate` works at full resolution on one tile, seeing `margin` pixels
    around it.
    The latent modulates every block of `translate`. No step normalises over space, so tiles agree where they overlap.
    """

    margin = 88
    """Pixels beyond which nothing but the context influences a pixel of `translate`; a multiple of `CELL`."""

    def __init__(self, settings: GeneratorSettings | None = None) -> None:
        super().__init__()
        self.settings = settings = settings or GeneratorSettings()
        a, b, c = settings.widths
        code = settings.code
        self.context = ContextNetwork(settings)
        self.prior = nn.Parameter(torch.full((_BANDS,), 0.15))
        known = _BANDS + len(GUIDES) + 1
        self.describe = nn.Sequential(
            nn.Linear(known + settings.latent, code), nn.LeakyReLU(0.1), nn.Linear(code, code)
        )
        context = 2 * _BANDS + 1 + settings.features
        self.enter = nn.Conv2d(4 * (_BANDS + len(GUIDES) + 1), a, 3, padding=1)
        self.place_high = nn.Conv2d(context, a, 1)
        self.high = ModulatedBlock(a, code)
        self.down1 = nn.Conv2d(a, b, 2, stride=2)
        self.middle = ModulatedBlock(b, code)
        self.down2 = nn.Conv2d(b, c, 2, stride=2)
        self.place_low = nn.Conv2d(context, c, 1)
        self.low = nn.ModuleList(ModulatedBlock(c, code) for _ in range(3))
        self.up2 = nn.ConvTranspose2d(c, b, 2, stride=2)
        self.middle_again = ModulatedBlock(b, code)
        self.up1 = nn.ConvTranspose2d(b, a, 2, stride=2)
        self.high_again = ModulatedBlock(a, code)
        self.leave = nn.Conv2d(a, 4 * (2 * _BANDS + 2), 3, padding=1)
        for parameter in self.leave.parameters():
            nn.init.normal_(parameter, std=0.01)

    def summarise(self, x: Observation) -> Tensor:
        """Reduce each cell to the means of its valid pixels: (B, S, H / 8, W / 8). H and W are multiples of `CELL`.

        Returns the 13 bands (compressed), the 2 guides (standardised), the variance of brightness and the valid share.
        """
        share = average_over_cells(x.valid, CELL)
        bands = average_over_cells(compress(x.optical) * x.valid, CELL) / share.clamp(min=1e-3)
        guides = average_over_cells(self._standardise(x) * x.valid, CELL) / share.clamp(min=1e-3)
        brightness = compress(x.optical.sum(1, keepdim=True) / x.present.sum(1).clamp(min=1)[:, None, None, None])
        first = average_over_cells(brightness * x.valid, CELL) / share.clamp(min=1e-3)
        second = average_over_cells(brightness.square() * x.valid, CELL) / share.clamp(min=1e-3)
        return torch.cat([bands, guides, (second - first.square()).clamp(min=0).sqrt(), share], dim=1)

    def spread(self, statistics: Tensor, survey: Survey) -> Tensor:
        """Spread the trusted ground over the whole grid: (B, 27 + F, h, w), the context of `translate`.

        Holds the ground near each cell and the wider mean (reflectance, 13 bands each), the trust, and the features.
        """
        bands, share = torch.sinh(statistics[:, :_BANDS]) * 0.1, statistics[:, -1:]
        weight = survey.trust * share
        near = spread_ground(bands, weight, self.prior, persistence=0.1)
        wide = spread_ground(bands, weight, self.prior, persistence=0.1, start=3)
        return torch.cat([near, wide, survey.trust, survey.features], dim=1)

    def translate(self, x: Observation, context: Tensor, z: Tensor) -> Translation:
        """Translate a tile (H, W multiples of `CELL`) under its `context` (B, 27 + F, H / 8, W / 8) and z (B, Z)."""
        code = self.describe(torch.cat([x.known, z], dim=1))
        placed = torch.cat([compress(context[:, : 2 * _BANDS]), context[:, 2 * _BANDS :]], dim=1)
        fine = torch.cat([compress(x.optical), self._standardise(x), x.valid], dim=1)
        h = self.enter(F.pixel_unshuffle(fine, 2)) + _enlarge(self.place_high(placed), CELL // 2)
        h = self.high(h, code)
        m = self.middle(self.down1(h), code)
        w = self.down2(m) + self.place_low(placed)
        for block in self.low:
            w = block(w, code)
        m = self.middle_again(m + self.up2(w), code)
        h = self.high_again(h + self.up1(m), code)
        gain, smooth = torch.split(F.pixel_shuffle(self.leave(h), 2), [_BANDS, _BANDS + 2], dim=1)
        offset, blend, logit = torch.split(soften(smooth), [_BANDS, 1, 1], dim=1)
        near, wide = _enlarge(context[:, : 2 * _BANDS], CELL).chunk(2, dim=1)
        base = wide + torch.sigmoid(blend) * (near - wide)
        # Thin cloud leaves the ground's detail in x: bring it back around the local level, not around the cloud's.
        detail = x.optical - _enlarge(average_over_cells(x.optical, CELL), CELL)
        ground = base + gain * detail + 0.1 * offset
        return Translation((ground * x.present[:, :, None, None]).float(), torch.sigmoid(logit.float()))

    def forward(self, x: Observation, z: Tensor) -> Translation:
        """Clear a patch that is its own scene: any H, W of at least one pixel; `z` is (B, Z)."""
        height, width = x.optical.shape[-2:]
        x = pad_to_cells(x)
        statistics = self.summarise(x)
        context = self.spread(statistics, self.context(statistics, x.known))
        ground, opacity = self.translate(x, context, z)
        return Translation(ground[..., :height, :width], opacity[..., :height, :width])

    def _standardise(self, x: Observation) -> Tensor:
        return (x.guides - _RADAR_CENTRE) / _RADAR_SPREAD * x.guided[:, :, None, None]


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


def _enlarge(x: Tensor, factor: int) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
