"""The networks as published: ResNet generators with conditional instance normalisation (Almahairi et al. 2018).

Every convolution is spectrally normalised (Miyato et al. 2018), as the cloud-removal paper has it. These networks have
a receptive field of 43 pixels, normalise over the whole image, and replace every pixel, unlike `context_generator`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from unclouded.bands import NAMES
from unclouded.guides import CHANNELS
from unclouded.inference import InferenceConfig
from unclouded.models.generator import Generator, ReadChannel, SceneContext, Translation, compress
from unclouded.models.observation import CELL, Observation, standardised_guides
from unclouded.sizes import PublishedSettings

_BANDS = len(NAMES)
_RANGE = 1.75
"""Half of the range of compressed reflectance that tanh covers: 0 to 1.65."""


class ConditionalInstanceNorm(nn.Module):
    """Instance normalisation whose scale and shift come from the latent (Dumoulin et al. 2017, eq. 5)."""

    def __init__(self, channels: int, latent: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(latent, 2 * channels)
        nn.init.normal_(self.modulation.weight, std=0.02)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        """Normalise each channel of each image `h` (B, C, H, W) under `z` (B, Z)."""
        scale, shift = self.modulation(z)[:, :, None, None].chunk(2, dim=1)
        modulated: Tensor = F.instance_norm(h) * (1 + scale) + shift
        return modulated


class PublishedBlock(nn.Module):
    """Residual block of two 3 x 3 convolutions, the first under the latent."""

    def __init__(self, channels: int, latent: int) -> None:
        super().__init__()
        self.first = spectral_norm(nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"))
        self.first_norm = ConditionalInstanceNorm(channels, latent)
        self.second = spectral_norm(nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"))

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        """Return `h` (B, C, H, W) plus its update under `z` (B, Z)."""
        return h + F.instance_norm(self.second(F.relu(self.first_norm(self.first(h), z))))


class PublishedNetwork(nn.Module):
    """One generator, of either direction: an image and a vector latent to an image; any even H and W."""

    def __init__(self, settings: PublishedSettings) -> None:
        super().__init__()
        w, latent = settings.width, settings.latent
        self.enter = spectral_norm(nn.Conv2d(_BANDS + len(CHANNELS), w, 7, padding=3, padding_mode="reflect"))
        self.enter_norm = ConditionalInstanceNorm(w, latent)
        self.widen = spectral_norm(nn.Conv2d(w, 2 * w, 3, padding=1))
        self.widen_norm = ConditionalInstanceNorm(2 * w, latent)
        self.down = spectral_norm(nn.Conv2d(2 * w, 4 * w, 3, stride=2, padding=1))
        self.down_norm = ConditionalInstanceNorm(4 * w, latent)
        self.blocks = nn.ModuleList(PublishedBlock(4 * w, latent) for _ in range(settings.blocks))
        self.up = spectral_norm(nn.ConvTranspose2d(4 * w, 2 * w, 3, stride=2, padding=1, output_padding=1))
        self.up_norm = ConditionalInstanceNorm(2 * w, latent)
        self.leave = spectral_norm(nn.Conv2d(2 * w, _BANDS, 7, padding=3, padding_mode="reflect"))
        # A kernel of norm 1 over 49 x 64 normalised inputs gives values of about 40, where tanh has no gradient.
        self.gain = nn.Parameter(torch.full((_BANDS, 1, 1), 0.02))

    def forward(self, x: Observation, z: Tensor) -> Tensor:
        """Translate the optical bands of `x` under `z` (B, Z): (B, 13, H, W) reflectance, 0 where a band is absent."""
        present = x.present[:, :, None, None]
        scaled = (compress(x.optical) / _RANGE - 1) * present * x.valid
        h = torch.cat([scaled, *(guide * x.valid for guide in standardised_guides(x))], dim=1)
        h = F.relu(self.enter_norm(self.enter(h), z))
        h = F.relu(self.widen_norm(self.widen(h), z))
        h = F.relu(self.down_norm(self.down(h), z))
        for block in self.blocks:
            h = block(h, z)
        h = F.relu(self.up_norm(self.up(h), z))
        made = torch.tanh(self.leave(h) * self.gain)
        return 0.1 * torch.sinh(_RANGE * (made.float() + 1)) * present


class PublishedGenerator(Generator):
    """G_XY as published, with the interface that scenes are cleared by: no context, and an opacity of 1 everywhere.

    Instance normalisation makes neighbouring tiles differ: it is here for patches, and clears no larger scene.
    """

    margin = 24
    context_channel_count = 0

    def __init__(self, settings: PublishedSettings | None = None, inference: InferenceConfig | None = None) -> None:
        super().__init__(inference)
        self.settings = settings or PublishedSettings()
        self.largest = self.settings.side
        self.context = NoContext()
        self.network = PublishedNetwork(self.settings)

    def context_channels(self, statistic: ReadChannel, trust: Tensor, feature: ReadChannel) -> Iterator[Tensor]:
        """There is no context."""
        yield from ()

    def translate(
        self, x: Observation, context: Tensor, z: Tensor, crop: tuple[slice, slice] | None = None
    ) -> Translation:
        """Redraw a tile (H, W multiples of `CELL`) under z (B, Z), see `Generator.translate`."""
        ground = self.network(x, z)
        if crop is not None:
            rows, columns = (slice(cells.start * CELL, cells.stop * CELL) for cells in crop)
            ground = ground[:, :, rows, columns]
        opacity = torch.ones_like(ground[:, :1])
        return Translation(ground, opacity, torch.zeros_like(opacity), torch.zeros_like(ground), ground)


class NoContext(nn.Module):
    """Stands where a generator with a context has its encoder."""

    margin = CELL

    def forward(self, statistics: Tensor, conditioning: Tensor) -> SceneContext:
        """Trust no cell of `statistics` (B, S, h, w); `conditioning` is not used."""
        return SceneContext(torch.zeros_like(statistics[:, :1]), statistics[:, :0])
