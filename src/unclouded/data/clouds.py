"""Simulated clouds, cirrus, haze and their shadows over real clear ground, with the truth kept.

The image is x = s y' (1 - a) + c a: ground y' darkened where a cloud stands between it and the sun, seen through a
cloud of opacity a = 1 - exp(-tau) and reflectance c. Opacity falls with wavelength for haze and not for cloud; the
cloud is displaced a little from band to band, because the instrument's detectors see it one after the other and it
is nearer than the ground (the coloured fringes of real Sentinel-2 clouds).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.bands import BANDS, INDEX
from unclouded.data.cutouts import CutOut, draw

BORDER = 96
"""Pixels of sky simulated around the image, from where shadows fall into it."""

# Reflectance of opaque cloud relative to its mean over B02-B04: lowest and highest of twelve overcast or partly
# overcast Sentinel-2 L1C images of central Italy in 2018 (SEN12MS-CR-TS, ROI 146), brightest third of each.
_CLOUD_LOW = (1.01, 1.01, 0.95, 0.99, 1.01, 1.03, 1.06, 1.01, 1.06, 0.29, 0.003, 0.25, 0.27)
_CLOUD_HIGH = (1.12, 1.05, 0.97, 1.04, 1.09, 1.18, 1.25, 1.21, 1.30, 0.85, 0.31, 1.05, 0.80)
# Share of direct light in each band: shadows are bluish because the sky lights them (Rayleigh scattering).
_DIRECT = (0.62, 0.70, 0.78, 0.84, 0.86, 0.88, 0.90, 0.91, 0.92, 0.92, 0.92, 0.96, 0.98)
# Order in which the detectors see a point, 0 to 1 (Sentinel-2 MSI focal plane; ESA, Sentinel-2 User Handbook).
_DETECTION = (0.95, 0.0, 0.2, 0.4, 0.45, 0.55, 0.65, 0.1, 0.75, 1.0, 0.3, 0.5, 0.85)


class Sky(NamedTuple):
    """A cloudy image made from a clear one.

    Attributes:
        cloudy: (B, 13, H, W) reflectance.
        cloud: (B, 1, H, W) opacity of cloud and haze at 550 nm, 0 to 1.
        shadow: (B, 1, H, W) share of the direct sunlight taken away, 0 to 1.
    """

    cloudy: Tensor
    cloud: Tensor
    shadow: Tensor

    @property
    def cloud_shadow_fraction(self) -> Tensor:
        """(B, 1, H, W) how far cloud or shadow spoil a pixel, 0 to 1."""
        return 1 - (1 - self.cloud) * (1 - 0.8 * self.shadow)


def fractal_noise(
    batch: int, size: int, roughness: Tensor, stretch: Tensor, rng: torch.Generator, largest: Tensor | None = None
) -> Tensor:
    """Gaussian noise with power-law spectrum f^-roughness, stretched along a random direction: (batch, 1, size, size).

    Args:
        batch: number of fields.
        size: side in pixels.
        roughness: (batch,) exponent; 2 is broken, 4 smooth.
        stretch: (batch,) ratio of lengths along and across the direction; 1 for none.
        rng: source of randomness.
        largest: (batch,) length in pixels beyond which nothing is larger; the whole field unless given.

    Returns:
        Fields of zero mean and unit variance, periodic at their edges.
    """
    angle = torch.rand(batch, generator=rng) * math.pi
    fy = torch.fft.fftfreq(size)[:, None]
    fx = torch.fft.rfftfreq(size)[None, :]
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    along, across = fx * cos + fy * sin, fy * cos - fx * sin
    frequency = ((along * stretch[:, None, None]) ** 2 + across**2).sqrt()
    lowest = torch.full((batch,), 1 / size) if largest is None else 1 / largest
    frequency = frequency.maximum(lowest[:, None, None])
    amplitude = frequency ** (-roughness[:, None, None] / 2)
    amplitude[:, 0, 0] = 0
    white = torch.fft.rfft2(torch.randn(batch, size, size, generator=rng))
    field = torch.fft.irfft2(white * amplitude, s=(size, size))
    standardised: Tensor = field / field.std(dim=(1, 2), keepdim=True)
    return standardised[:, None]


def simulate(
    ground: Tensor,
    path: Tensor,
    rng: torch.Generator,
    overcast: Tensor | None = None,
    cutouts: Sequence[CutOut] = (),
    sun: tuple[float, float] | None = None,
) -> Sky:
    """Put a random sky over clear images.

    Args:
        ground: (B, 13, H, W) clear reflectance, H = W.
        path: (B, 13) reflectance of the air alone, which a shadow does not darken (0 for L2A).
        rng: source of randomness.
        overcast: (N, 13, h, w) real images of unbroken cloud, h, w >= H; a third of the skies take
            their texture from them.
        cutouts: real clouds; a third of the skies show one of them in place of simulated cloud.
        sun: elevation and azimuth in radians, to which the shadows keep; random for each image unless given.

    Returns:
        The cloudy images and their truth.
    """
    batch, _, height, _ = ground.shape
    size = height + 2 * BORDER
    opaque, base = _opaque_cloud(batch, size, rng)
    thin, exponent = _thin_cloud(batch, size, rng)
    kind = torch.rand(batch, generator=rng)
    opaque *= ((kind > 0.20) & (kind < 0.87))[:, None, None, None]
    thin *= ((kind > 0.20) & ((kind < 0.50) | (kind > 0.82)))[:, None, None, None]
    lent = {index: draw(cutouts, size, rng) for index in _some(batch, 1 / 3, rng)} if cutouts else {}
    for index in lent:
        opaque[index] = 0

    spectrum = _cloud_spectrum(batch, rng)
    brightness = _uniform(batch, 0.35, 1.05, rng) * (0.55 + 0.45 * (1 - torch.exp(-opaque / 6)))
    brightness = brightness * (1 + _uniform(batch, 0.0, 0.25, rng) * _slope(base, rng))
    texture = _inside(brightness) * spectrum
    if overcast is not None:
        texture = _borrow(texture, overcast, rng)

    shading = 1 - torch.exp(-opaque - 0.5 * thin)
    for index, cut in lent.items():
        shading[index] = torch.maximum(shading[index], cut.opacity)
    shadow = _cast_shadow(shading, rng, sun)
    lit = 1 - shadow * torch.tensor(_DIRECT)[None, :, None, None]
    dark = path[:, :, None, None] + (ground - path[:, :, None, None]) * lit

    wavelength = torch.tensor([band.wavelength for band in BANDS])[None, :, None, None] / 550.0
    veil = torch.tensor([1.0 if band.name != "B10" else 0.3 for band in BANDS])[None, :, None, None]
    tau = _parallax(opaque, rng) + _parallax(thin, rng) * wavelength ** (-exponent) * veil
    opacity = _native_resolution(1 - torch.exp(-tau))
    cloudy = torch.lerp(dark, texture, opacity)
    cloud = 1 - torch.exp(-_inside(opaque + thin))
    for index, cut in lent.items():
        hides = _inside(cut.opacity)
        cloudy[index] = cloudy[index] * (1 - hides) + _inside(cut.light)
        cloud[index] = 1 - (1 - cloud[index]) * (1 - hides)
    return Sky(cloudy, cloud, shadow * (1 - cloud))


def _some(batch: int, share: float, rng: torch.Generator) -> list[int]:
    """Positions of a random `share` of the batch."""
    return torch.nonzero(torch.rand(batch, generator=rng) < share).flatten().tolist()


def _uniform(batch: int, low: float, high: float, rng: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(batch, 1, 1, 1, generator=rng)


def _log_uniform(batch: int, low: float, high: float, rng: torch.Generator) -> Tensor:
    return torch.exp(_uniform(batch, math.log(low), math.log(high), rng))


def _opaque_cloud(batch: int, size: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Optical depth of cumulus and stratus with the field that shaped it."""
    # Half of the skies are of small cumulus, 300 m to 1 km across: bright spots that are not ground.
    small = torch.rand(batch, generator=rng) < 0.5
    roughness = _uniform(batch, 2.4, 4.2, rng).flatten() + 0.8 * small
    largest = torch.where(small, _log_uniform(batch, 30.0, 120.0, rng).flatten(), torch.tensor(float(size)))
    field = fractal_noise(batch, size, roughness, _uniform(batch, 1.0, 2.0, rng).flatten(), rng, largest)
    field = field + 0.15 * fractal_noise(batch, size, torch.full((batch,), 2.0), torch.ones(batch), rng)
    covered = torch.rand(batch, generator=rng) ** torch.where(small, 2.5, 0.8) * torch.where(small, 0.6, 0.95)
    inside = _inside(field)[..., ::4, ::4].flatten(1)
    threshold = torch.stack([torch.quantile(f, 1 - c) for f, c in zip(inside, covered, strict=True)])
    # Real clouds fray: many have soft edges, and light scattered from their sides makes a halo.
    above = F.relu(field - threshold[:, None, None, None]) ** _uniform(batch, 1.0, 2.2, rng)
    depth = above * _log_uniform(batch, 0.8, 80.0, rng)
    halo = _blur(_blur(1 - torch.exp(-depth), 9), 13)
    return depth + _uniform(batch, 0.0, 0.4, rng) * halo, field


def _thin_cloud(batch: int, size: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Optical depth of haze and cirrus at 550 nm with its Angstrom exponent, (B, 1, 1, 1)."""
    roughness = _uniform(batch, 3.0, 4.6, rng).flatten()
    field = fractal_noise(batch, size, roughness, _log_uniform(batch, 1.0, 6.0, rng).flatten(), rng)
    depth = _log_uniform(batch, 0.03, 1.2, rng) * torch.sigmoid(1.6 * field + _uniform(batch, -1.5, 1.5, rng))
    return depth, _uniform(batch, -0.2, 1.4, rng)


def _cloud_spectrum(batch: int, rng: torch.Generator) -> Tensor:
    """(B, 13, 1, 1) within the measured range; a few common factors keep neighbouring bands together."""
    low, high = torch.tensor(_CLOUD_LOW), torch.tensor(_CLOUD_HIGH)
    share = torch.rand(batch, len(BANDS), generator=rng) * 0.3 + 0.7 * torch.rand(batch, 1, generator=rng)
    share[:, INDEX["B09"]] = torch.rand(batch, generator=rng)
    share[:, INDEX["B10"]] = torch.rand(batch, generator=rng) ** 4
    ice = torch.rand(batch, generator=rng)
    share[:, INDEX["B11"]] = ice
    share[:, INDEX["B12"]] = (ice + 0.15 * torch.randn(batch, generator=rng)).clamp(0, 1)
    return (low + (high - low) * share)[:, :, None, None]


def _slope(field: Tensor, rng: torch.Generator) -> Tensor:
    """Directional slope of the cloud top, about -1 to 1: its sunlit and shaded sides."""
    smooth = _blur(field, 9)
    dy, dx = torch.gradient(smooth, dim=(2, 3))
    angle = _uniform(field.shape[0], 0, 2 * math.pi, rng)
    slope = dy * torch.sin(angle) + dx * torch.cos(angle)
    return torch.tanh(slope / slope.std(dim=(2, 3), keepdim=True).clamp(min=1e-6))


def _borrow(texture: Tensor, overcast: Tensor, rng: torch.Generator) -> Tensor:
    """Replace a third of the simulated cloud tops by real ones, turned and scaled in brightness."""
    height, width = texture.shape[-2:]
    texture = texture.clone()
    for index in _some(texture.shape[0], 1 / 3, rng):
        real = overcast[int(torch.randint(len(overcast), (), generator=rng))][:, :height, :width]
        real = torch.rot90(real, int(torch.randint(4, (), generator=rng)), (1, 2))
        texture[index] = real * (0.6 + 0.6 * torch.rand((), generator=rng))
    return texture


def _cast_shadow(opacity: Tensor, rng: torch.Generator, sun: tuple[float, float] | None) -> Tensor:
    """Displace each cloud by a random height and sun, blur its edge, and take away part of the light: (B, 1, H, W)."""
    shadows = []
    for field in opacity[:, None]:
        if sun is None:
            distance = 4 + (BORDER - 6) * float(torch.rand((), generator=rng)) ** 1.5
            angle = 2 * math.pi * float(torch.rand((), generator=rng))
        else:
            # Bases of 300 m to 3.3 km; rows run south, and a shadow falls away from the sun.
            height = 300 + 3000 * float(torch.rand((), generator=rng)) ** 2
            distance = min(height / (10 * math.tan(sun[0])), BORDER - 2)
            angle = math.pi / 2 + sun[1]
        shift = (round(distance * math.sin(angle)), round(distance * math.cos(angle)))
        blur = 2 * int(torch.randint(0, 5, (), generator=rng)) + 1
        moved = _blur(torch.roll(field, shift, dims=(2, 3)), blur)
        shadows.append(moved)
    strength = _uniform(opacity.shape[0], 0.25, 0.85, rng)
    return _inside(torch.cat(shadows)) * strength


def _parallax(depth: Tensor, rng: torch.Generator) -> Tensor:
    """The cloud as each band sees it, up to three pixels apart: (B, 13, H, W)."""
    seen = []
    for field in depth:
        reach = torch.randn(2, generator=rng) * 1.2 * (torch.rand((), generator=rng) < 0.7)
        shifts = [tuple((reach.clamp(-3, 3) * delay).round().int().tolist()) for delay in _DETECTION]
        moved = {shift: _inside(torch.roll(field, shift, dims=(1, 2))) for shift in set(shifts)}
        seen.append(torch.cat([moved[shift] for shift in shifts]))
    return torch.stack(seen)


def _native_resolution(opacity: Tensor) -> Tensor:
    """Blur each band as its own pixel size does: 20 and 60 m bands reach the 10 m grid interpolated."""
    height, width = opacity.shape[-2:]
    out = opacity.clone()
    for resolution in (20, 60):
        index = [INDEX[band.name] for band in BANDS if band.resolution == resolution]
        coarse = F.avg_pool2d(opacity[:, index], resolution // 10, ceil_mode=True)
        out[:, index] = F.interpolate(coarse, scale_factor=resolution // 10, mode="bilinear", align_corners=False)[
            ..., :height, :width
        ]
    return out


def _blur(field: Tensor, width: int) -> Tensor:
    """Mean over a square of odd `width`, one direction after the other."""
    rows = F.avg_pool2d(field, (width, 1), stride=1, padding=(width // 2, 0))
    return F.avg_pool2d(rows, (1, width), stride=1, padding=(0, width // 2))


def _inside(field: Tensor) -> Tensor:
    return field[..., BORDER:-BORDER, BORDER:-BORDER]
