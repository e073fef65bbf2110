"""Colour augmentation of clear images: other seasons, other soils, the other processing level.

Trained on few places, a network reproduces their land under every cloud. Scaling groups of bands (visible, near
infrared, short-wave infrared) together, as seasons and soils do, makes it take the colour from the image's own clear
ground instead.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unclouded.bands import BANDS, INDEX, NAMES

# A simple atmosphere, top of atmosphere = path + transmittance x surface, for a clear mid-latitude day:
# path from the darkest percentile of clear L1C images (SEN12MS-CR-TS, ROI 146), transmittance from the ratio of
# L1C to L2A band means there and in BigEarthNet. Good enough to vary training images, not to correct real ones.
_PATH = (0.105, 0.075, 0.045, 0.025, 0.022, 0.014, 0.012, 0.011, 0.010, 0.005, 0.0015, 0.003, 0.002)
_TRANSMITTANCE = (0.80, 0.85, 0.88, 0.91, 0.92, 0.94, 0.95, 0.94, 0.96, 0.28, 0.0, 0.97, 0.97)

_GROUPS = {
    "visible": (("B01", "B02", "B03", "B04", "B05"), 0.25),
    "near infrared": (("B06", "B07", "B08", "B8A", "B09"), 0.22),
    "short-wave infrared": (("B11", "B12"), 0.25),
}
_GAINS = (0.33, 3.0)
"""Limits of the gain by which an image takes another's spectrum, since noise and texture are scaled with it."""


def path_reflectance(level: Tensor, rng: torch.Generator) -> Tensor:
    """Path reflectance (B, 13) of the air for images of `level` (B,): random about its mean for L1C, 0 for L2A."""
    haze = torch.exp(0.2 * torch.randn(level.shape[0], 1, generator=rng))
    return torch.tensor(_PATH) * haze * (1 - level[:, None])


def change_level(image: Tensor, level: Tensor, target: Tensor, rng: torch.Generator) -> Tensor:
    """Convert clear images (B, 13, H, W) approximately from `level` (B,) to `target` (B,); 0 is L1C, 1 is L2A."""
    batch = image.shape[0]
    path = torch.tensor(_PATH) * torch.exp(0.2 * torch.randn(batch, 1, generator=rng))
    transmittance = torch.tensor(_TRANSMITTANCE) * torch.exp(0.04 * torch.randn(batch, len(NAMES), generator=rng))
    path, transmittance = path[:, :, None, None], transmittance[:, :, None, None]
    to_top = path + transmittance * image
    to_surface = ((image - path) / transmittance.clamp(min=0.2)).clamp(min=0.0)
    raise_, lower = (level > target)[:, None, None, None], (level < target)[:, None, None, None]
    out = torch.where(raise_, to_top, torch.where(lower, to_surface, image))
    out[:, INDEX["B10"]] *= (1 - target)[:, None, None]
    return out


def change_season(image: Tensor, path: Tensor, rng: torch.Generator) -> Tensor:
    """Recolour clear images (B, 13, H, W) above their `path` reflectance (B, 13), each by random smooth gains."""
    batch = image.shape[0]
    common = 0.18 * torch.randn(batch, 1, generator=rng)
    gain = torch.zeros(batch, len(NAMES)) + common
    for bands, spread in _GROUPS.values():
        index = [INDEX[name] for name in bands]
        slope = torch.linspace(-1, 1, len(index)) * torch.randn(batch, 1, generator=rng) * 0.1
        gain[:, index] += spread * torch.randn(batch, 1, generator=rng) + slope
    gain += 0.03 * torch.randn(batch, len(NAMES), generator=rng)
    some = (torch.rand(batch, 1, generator=rng) < 0.8).float()
    base = path[:, :, None, None].minimum(image)
    return base + (image - base) * torch.exp(gain * some)[:, :, None, None]


def take_spectrum(image: Tensor, path: Tensor, spectrum: Tensor, known: Tensor) -> Tensor:
    """Recolour a clear image (13, H, W) above its `path` reflectance (13,) so that its mean becomes `spectrum` (13,).

    The gains of bands that are not `known` (13,) are interpolated over wavelength.
    """
    base = path[:, None, None].minimum(image)
    mean, wanted = (image - base).mean(dim=(1, 2)), (spectrum - path).clamp(min=1e-3)
    use = (known > 0) & (mean > 1e-3)
    if not use.any():
        return image
    gain = (wanted[use] / mean[use]).clamp(*_GAINS).log().numpy()
    wavelength = np.array([band.wavelength for band in BANDS])
    order = np.argsort(wavelength[use.numpy()])
    everywhere = np.interp(wavelength, wavelength[use.numpy()][order], gain[order])
    return base + (image - base) * torch.from_numpy(everywhere).float().exp()[:, None, None]
