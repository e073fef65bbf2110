"""Simulated clouds, cirrus, haze and their shadows over real clear ground, with the truth.

The image is x = (s y' (1 - a) + c a)(1 - v) + w v: ground y' darkened in the shadow of clouds, seen through a cloud of
opacity a = 1 - exp(-d), d the optical depth, and through haze or cirrus of opacity v. The reflectance of a cloud grows
as d / (d + 2.5), the form of the two-stream solution (Bohren 1987), so that edges that hide the ground are still grey.
The finest detail fades by scattering inside the cloud (Davis et al. 1997), so that edges are soft over several pixels.
Opacity falls with wavelength for haze and not for cloud.

Each sky has one sun and one height of cloud bases. Shadows are displaced in proportion to height, and so is the
parallax between bands, whose detectors look one after the other along the track (the coloured fringes of real
Sentinel-2 clouds, widest for cirrus). `benchmarks/skies.py` compares these skies with real ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.bands import BANDS, INDEX
from unclouded.data.cloud_fields import BORDER, blur, inside, thick_cloud, thin_cloud, uniform
from unclouded.data.cutouts import CutOut, draw
from unclouded.data.sky_geometry import cast_shadow, parallax, slope, sun_geometry

# Reflectance of opaque cloud relative to its mean over B02-B04, lowest and highest: the brightest third of twelve
# overcast or partly overcast images of central Italy (SEN12MS-CR-TS, ROI 146), widened to what clouds of the twenty
# places of `benchmarks/skies.py` show in B03, B04, B08, B11 and B12.
_CLOUD_LOW = (1.00, 0.98, 0.94, 0.98, 1.00, 1.02, 1.04, 1.02, 1.05, 0.29, 0.003, 0.35, 0.30)
_CLOUD_HIGH = (1.12, 1.05, 0.99, 1.07, 1.12, 1.22, 1.29, 1.29, 1.33, 0.85, 0.31, 1.20, 0.95)
# Share of direct light in each band: shadows are bluish because the sky lights them (Rayleigh scattering).
_DIRECT = (0.62, 0.70, 0.78, 0.84, 0.86, 0.88, 0.90, 0.91, 0.92, 0.92, 0.92, 0.96, 0.98)
_HALF_BRIGHT = 2.5
"""Optical depth at which a cloud reflects half of the light."""


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
        """(B, 1, H, W) how far cloud or shadow hide a pixel, 0 to 1; a full shadow counts 0.8."""
        return 1 - (1 - self.cloud) * (1 - 0.8 * self.shadow)


def simulate(
    ground: Tensor,
    path: Tensor,
    rng: torch.Generator,
    overcast: Tensor | None = None,
    cutouts: Sequence[CutOut] = (),
    sun: tuple[float, float] | None = None,
) -> Sky:
    """Put random skies over clear images.

    Args:
        ground: (B, 13, H, W) clear reflectance, H = W.
        path: (B, 13) path reflectance, which a shadow does not darken (0 for L2A).
        rng: random generator.
        overcast: (N, 13, h, w) real images covered by cloud entirely, h, w >= H; a third of the skies take their
            texture from them.
        cutouts: real clouds; a third of the skies show one of them in place of simulated thick cloud.
        sun: elevation and azimuth in radians; random for each image by default.

    Returns:
        The cloudy images and their truth.
    """
    batch, _, height, _ = ground.shape
    size = height + 2 * BORDER
    depth = thick_cloud(batch, size, rng)
    thin, exponent = thin_cloud(batch, size, rng)
    kind = torch.rand(batch, generator=rng)
    depth *= ((kind > 0.12) & (kind < 0.80))[:, None, None, None]
    thin *= (kind > 0.45)[:, None, None, None]
    real_clouds = {index: draw(cutouts, size, rng) for index in _some(batch, 1 / 3, rng)} if cutouts else {}
    for index in real_clouds:
        depth[index] = 0
    geometry = sun_geometry(batch, rng, sun)

    spectrum = _cloud_spectrum(batch, rng)
    brightness = uniform(batch, 0.45, 1.0, rng)
    relief = 1 + uniform(batch, 0.0, 0.25, rng) * inside(slope(depth, geometry))
    texture = brightness * relief * spectrum
    if overcast is not None:
        texture = _borrow(texture, overcast, rng)
    opacity = 1 - torch.exp(-depth)
    texture = texture * inside(depth / (depth + _HALF_BRIGHT) / opacity.clamp(min=1e-6))

    shading = depth
    for index, cut in real_clouds.items():
        shading[index] = -torch.log1p(-cut.opacity.clamp(max=0.9999))
    shadow = cast_shadow(shading, geometry, rng, list(real_clouds))
    lit = 1 - shadow * torch.tensor(_DIRECT)[None, :, None, None]
    dark = path[:, :, None, None] + (ground - path[:, :, None, None]) * lit

    halo = uniform(batch, 0.0, 0.06, rng) * _glow(opacity)
    band_opacity = _native_resolution(parallax(opacity, geometry.height, geometry.track))
    cloudy = torch.lerp(dark, texture, band_opacity)
    thin_depth = parallax(thin, uniform(batch, 2_000, 11_000, rng).flatten(), geometry.track) + inside(halo)
    thin_opacity = _thin_cloud_opacity(thin_depth, exponent)
    cloudy = torch.lerp(cloudy, uniform(batch, 0.35, 0.8, rng) * spectrum, thin_opacity)
    cloud = 1 - (1 - inside(opacity)) * torch.exp(-inside(thin + halo))
    _composite(cloudy, cloud, real_clouds)
    return Sky(cloudy, cloud, shadow * (1 - cloud))


def _thin_cloud_opacity(depth: Tensor, exponent: Tensor) -> Tensor:
    """Opacity (B, 13, H, W) of thin cloud of an optical depth (B, 1, H, W) at 550 nm, by its Ångström exponent."""
    wavelength = torch.tensor([band.wavelength for band in BANDS])[None, :, None, None] / 550.0
    veil = torch.tensor([1.0 if band.name != "B10" else 0.3 for band in BANDS])[None, :, None, None]
    return _native_resolution(1 - torch.exp(-depth * wavelength ** (-exponent) * veil))


def _composite(cloudy: Tensor, cloud: Tensor, real_clouds: Mapping[int, CutOut]) -> None:
    """Lay real clouds over the images and clouds of a batch, (B, 13, H, W) and (B, 1, H, W), in place."""
    for index, cut in real_clouds.items():
        covers = inside(cut.opacity)
        cloudy[index] = cloudy[index] * (1 - covers) + inside(cut.light)
        cloud[index] = 1 - (1 - cloud[index]) * (1 - covers)


def _some(batch: int, share: float, rng: torch.Generator) -> list[int]:
    """Positions of a random `share` of the batch."""
    return torch.nonzero(torch.rand(batch, generator=rng) < share).flatten().tolist()


def _cloud_spectrum(batch: int, rng: torch.Generator) -> Tensor:
    """Draw spectra (B, 13, 1, 1) within the measured range; common factors correlate neighbouring bands."""
    low, high = torch.tensor(_CLOUD_LOW), torch.tensor(_CLOUD_HIGH)
    share = 0.5 * torch.rand(batch, len(BANDS), generator=rng) + 0.5 * torch.rand(batch, 1, generator=rng) ** 0.6
    share[:, INDEX["B09"]] = torch.rand(batch, generator=rng)
    share[:, INDEX["B10"]] = torch.rand(batch, generator=rng) ** 4
    # Ice is dark in the short-wave infrared; most clouds are of water.
    water = 1 - torch.rand(batch, generator=rng) ** 3
    share[:, INDEX["B11"]] = water
    share[:, INDEX["B12"]] = (water + 0.15 * torch.randn(batch, generator=rng)).clamp(0, 1)
    return (low + (high - low) * share)[:, :, None, None]


def _borrow(texture: Tensor, overcast: Tensor, rng: torch.Generator) -> Tensor:
    """Replace a third of the simulated cloud tops by real ones, rotated and scaled in brightness."""
    height, width = texture.shape[-2:]
    texture = texture.clone()
    for index in _some(texture.shape[0], 1 / 3, rng):
        real = overcast[int(torch.randint(len(overcast), (), generator=rng))][:, :height, :width]
        real = torch.rot90(real, int(torch.randint(4, (), generator=rng)), (1, 2))
        texture[index] = real * (0.6 + 0.6 * torch.rand((), generator=rng))
    return texture


def _glow(field: Tensor) -> Tensor:
    """Mean over about 300 m around each pixel, computed at a quarter of the size since it is smooth."""
    coarse = F.avg_pool2d(field, 4, ceil_mode=True)
    fine = F.interpolate(blur(blur(coarse, 7), 11), scale_factor=4, mode="bilinear", align_corners=False)
    return fine[..., : field.shape[2], : field.shape[3]]


def _native_resolution(opacity: Tensor) -> Tensor:
    """Blur each band to its native pixel size; 20 and 60 m bands reach the 10 m grid by interpolation."""
    height, width = opacity.shape[-2:]
    out = opacity.clone()
    for resolution in (20, 60):
        index = [INDEX[band.name] for band in BANDS if band.resolution == resolution]
        coarse = F.avg_pool2d(opacity[:, index], resolution // 10, ceil_mode=True)
        out[:, index] = F.interpolate(coarse, scale_factor=resolution // 10, mode="bilinear", align_corners=False)[
            ..., :height, :width
        ]
    return out
