"""Land-cover classifiers: how probable each class is in an image, and the features that Fréchet distances are taken in.

ResNet-18 (He et al. 2016, table 1) takes any subset of the bands; S-CNN-All (Sumbul et al. 2019, BigEarthNet: A
Large-Scale Benchmark Archive for Remote Sensing Image Understanding) is the baseline to beat.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unclouded.bands import INDEX, L2A, NAMES
from unclouded.errors import InputError
from unclouded.models.observation import Observation

SIDE = 120
"""Side in pixels of the images that the classifiers are trained on. ResNet-18 takes any, S-CNN-All only this."""

_CONDITIONING = len(NAMES) + 1


@dataclass(frozen=True)
class ClassifierSettings:
    """What a classifier is; stored in the header of its weights.

    Attributes:
        classes: names in the order of the outputs.
        network: "resnet18" or "s_cnn_all".
        output: "softmax" (one distribution over all classes) or "sigmoid" (each class for itself).
        bands: the optical bands that it looks at; others are treated as absent.
        subsets: whether it was shown subsets of its bands in training, and so may be given one.
    """

    classes: tuple[str, ...]
    network: str = "resnet18"
    output: str = "softmax"
    bands: tuple[str, ...] = L2A
    subsets: bool = False


class LandCover(nn.Module):
    """A classifier: standardises the bands, then a network to features, then one linear layer to the classes."""

    centre: Tensor
    spread: Tensor
    looked_at: Tensor

    def __init__(self, settings: ClassifierSettings) -> None:
        super().__init__()
        self.settings = settings
        self.trunk: ResNet18 | ShallowNetwork = NETWORKS[settings.network]()
        self.head = nn.Linear(self.trunk.width, len(settings.classes))
        looked_at = torch.zeros(len(NAMES))
        looked_at[[INDEX[band] for band in settings.bands]] = 1
        self.register_buffer("looked_at", looked_at, persistent=False)
        self.register_buffer("centre", torch.zeros(len(NAMES)))
        self.register_buffer("spread", torch.ones(len(NAMES)))

    def standardise_by(self, centre: Tensor, spread: Tensor) -> None:
        """Take mean and standard deviation (13,) of each band's reflectance, which are kept with the weights."""
        self.centre.copy_(centre)
        self.spread.copy_(spread)

    def features(self, x: Observation) -> Tensor:
        """(B, D) features of images, D = 512 for ResNet-18 (its pooled vector), float32."""
        present = x.present * self.looked_at
        standard = (x.optical - self.centre[:, None, None]) / self.spread[:, None, None]
        standard = standard * (present[:, :, None, None] * x.valid)
        conditioning = torch.cat([present, x.level[:, None]], dim=1)
        vector: Tensor = self.trunk(standard.contiguous(memory_format=torch.channels_last), conditioning)
        return vector.float()

    def forward(self, x: Observation) -> Tensor:
        """(B, K) logits of images, float32."""
        return self.classify(self.features(x))

    def classify(self, features: Tensor) -> Tensor:
        """(B, K) logits of features, float32."""
        logits: Tensor = self.head(features)
        return logits.float()

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B, K): a distribution over the classes for softmax outputs, one probability per class for sigmoid ones."""
        return logits.softmax(dim=1) if self.settings.output == "softmax" else logits.sigmoid()


class ResNet18(nn.Module):
    """ResNet-18 up to its pooled vector (B, 512); which bands are there shifts the output of the first convolution."""

    width = 512

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(len(NAMES), 64, 7, stride=2, padding=3, bias=False)
        self.shift = nn.Linear(_CONDITIONING, 64)
        self.norm = nn.BatchNorm2d(64)
        self.blocks = nn.Sequential(
            *(ResidualBlock(64, 64, 1), ResidualBlock(64, 64, 1)),
            *(ResidualBlock(64, 128, 2), ResidualBlock(128, 128, 1)),
            *(ResidualBlock(128, 256, 2), ResidualBlock(256, 256, 1)),
            *(ResidualBlock(256, 512, 2), ResidualBlock(512, 512, 1)),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor, conditioning: Tensor) -> Tensor:
        """Features (B, 512) of `image` (B, 13, H, W), standardised, under `conditioning` (B, 14): bands, level."""
        h = self.enter(image) + self.shift(conditioning)[:, :, None, None]
        h = F.max_pool2d(F.relu(self.norm(h)), 3, stride=2, padding=1)
        pooled: Tensor = self.blocks(h).mean(dim=(2, 3))
        return pooled


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions whose output is added to the input (He et al. 2016, fig. 2; projection where it shrinks).

    The last normalisation begins at zero, so that every block begins as the identity (Goyal et al. 2017, section 5.1).
    """

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(out)
        self.second = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(out)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))
        nn.init.zeros_(self.second_norm.weight)

    def forward(self, h: Tensor) -> Tensor:
        """Return (B, out, H / stride, W / stride) of `h` (B, channels, H, W)."""
        u = F.relu(self.first_norm(self.first(h)))
        return F.relu(self.second_norm(self.second(u)) + self.shortcut(h))


class ShallowNetwork(nn.Module):
    """S-CNN-All up to its fully connected layer (B, 128).

    Three convolutions with 32, 32 and 64 filters of 5 x 5, 5 x 5 and 3 x 3, zero padding, max-pooling between them, one
    fully connected layer, one of classification (Sumbul et al. 2019). The width of the fully connected layer is our
    choice: the one that is reported for the branches of the same authors' K-Branch CNN.
    """

    width = 128

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(len(NAMES), 32, 5, padding=2)
        self.second = nn.Conv2d(32, 32, 5, padding=2)
        self.third = nn.Conv2d(32, 64, 3, padding=1)
        self.connect = nn.Linear(64 * (SIDE // 4) ** 2, self.width)
        for layer in (self.first, self.second, self.third, self.connect):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor, conditioning: Tensor) -> Tensor:
        """Features (B, 128) of `image` (B, 13, 120, 120), standardised; `conditioning` is not used.

        Raises:
            InputError: the images are of another size.
        """
        if image.shape[-2:] != (SIDE, SIDE):
            height, width = image.shape[-2:]
            raise InputError(f"images of {height} x {width} pixels: S-CNN-All takes {SIDE} x {SIDE}; use ResNet-18.")
        h = F.max_pool2d(F.relu(self.first(image)), 2)
        h = F.max_pool2d(F.relu(self.second(h)), 2)
        h = F.relu(self.third(h))
        return F.relu(self.connect(h.flatten(1)))


NETWORKS: dict[str, type[ResNet18] | type[ShallowNetwork]] = {"resnet18": ResNet18, "s_cnn_all": ShallowNetwork}
"""The networks to features, by the name that settings give."""
