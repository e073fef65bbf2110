"""The eight networks of the Augmented CycleGAN, and the one place that lists them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from unclouded.inference import InferenceConfig
from unclouded.models.cloud_generator import CloudGenerator
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.discriminator import ImageDiscriminator, LatentDiscriminator
from unclouded.models.encoder import Encoder, latent_shape
from unclouded.models.generator import Generator, Translation, compose
from unclouded.models.observation import Observation
from unclouded.models.published import PublishedGenerator, PublishedNetwork
from unclouded.sizes import CloudSettings, GeneratorSettings, PublishedSettings


@dataclass(frozen=True)
class TranslatorSizes:
    """Sizes of the eight networks.

    Attributes:
        ground: of G_XY; its class decides between our networks and the published ones.
        cloud: of our G_YX; the published one is of the size of its G_XY.
        discriminator_scales: at which they look, see `discriminator.ImageDiscriminator`.
    """

    ground: GeneratorSettings | PublishedSettings = field(default_factory=GeneratorSettings)
    cloud: CloudSettings = field(default_factory=CloudSettings)
    discriminator_scales: int = 1


def build_generator(
    settings: GeneratorSettings | PublishedSettings, inference: InferenceConfig | None = None
) -> Generator:
    """Build the G_XY that settings are of, to be used as `inference` says."""
    if isinstance(settings, PublishedSettings):
        return PublishedGenerator(settings, inference)
    return ContextGenerator(settings, inference)


class Translator(nn.Module):
    """Two generators, two encoders, and a discriminator for each of the four (Almahairi et al. 2018, figure 2).

    | network | takes | gives |
    |---|---|---|
    | `g_xy` | cloudy x, z_y | clear y |
    | `g_yx` | clear y, z_x | cloudy x |
    | `e_y` | x, y | z_y: which ground lies under the cloud |
    | `e_x` | x, y | z_x: where and how the sky is covered |
    | `d_y`, `d_x` | an image | whether it is real |
    | `d_zy`, `d_zx` | a latent | whether it is of the prior N(0, I) |

    z_x of our networks is a map of vectors, z_y and both published latents are one vector.

    Attributes:
        sizes: with which the networks can be built again.
    """

    GENERATORS_AND_ENCODERS = ("g_xy", "g_yx", "e_y", "e_x")
    DISCRIMINATORS = ("d_y", "d_x", "d_zy", "d_zx")

    def __init__(self, sizes: TranslatorSizes, inference: InferenceConfig | None = None) -> None:
        """Build networks of these sizes; `inference` is of G_XY."""
        super().__init__()
        self.sizes = sizes
        published = isinstance(sizes.ground, PublishedSettings)
        z_y, z_x = sizes.ground.latent, sizes.ground.latent if published else sizes.cloud.latent
        self.spatial = not published
        # Our norms take the channels of a pixel together, those of the published networks the pixels of a channel.
        self.memory_format = torch.contiguous_format if published else torch.channels_last
        self.g_xy = build_generator(sizes.ground, inference)
        self.g_yx: CloudGenerator | PublishedNetwork = CloudGenerator(sizes.cloud)
        if isinstance(sizes.ground, PublishedSettings):
            self.g_yx = PublishedNetwork(sizes.ground)
        self.e_y = Encoder(z_y, spatial=False)
        self.e_x = Encoder(z_x, spatial=self.spatial)
        self.d_y = ImageDiscriminator(sizes.discriminator_scales)
        self.d_x = ImageDiscriminator(sizes.discriminator_scales)
        self.d_zy = LatentDiscriminator(z_y, spatial=False)
        self.d_zx = LatentDiscriminator(z_x, spatial=self.spatial)
        self._z_y, self._z_x = z_y, z_x

    def clear(self, x: Observation, z: Tensor) -> tuple[Tensor, Translation]:
        """Translate X to Y under `z` (B, Z): the clear images (B, 13, H, W), and what they were composed of."""
        made: Translation = self.g_xy(x, z)
        return compose(x.optical, made), made

    def cloud(self, y: Observation, z: Tensor) -> Tensor:
        """Translate Y to X under `z`: the cloudy images (B, 13, H, W)."""
        image: Tensor = self.g_yx(y, z)
        return image

    def draw_y(self, x: Observation, rng: torch.Generator) -> Tensor:
        """Draw z_y of the prior N(0, I) for a batch: (B, Z_y)."""
        return torch.randn(len(x.level), self._z_y, generator=rng).to(x.optical.device)

    def draw_x(self, y: Observation, rng: torch.Generator) -> Tensor:
        """Draw z_x of the prior N(0, I) for a batch: a map (B, Z_x, H / 8, W / 8), or vectors (B, Z_x).

        H and W are multiples of 8.
        """
        shape = latent_shape(self._z_x, self.spatial, *y.optical.shape[-2:])
        return torch.randn(len(y.level), *shape, generator=rng).to(y.optical.device)

    def parameters_of(self, names: tuple[str, ...]) -> list[Any]:
        """Parameters of some of the networks."""
        return [parameter for name in names for parameter in getattr(self, name).parameters()]
