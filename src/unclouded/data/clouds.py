"""Simulated clouds, cirrus, haze and their shadows over real clear ground, with the truth kept.

The image is x = (s y' (1 - a) + c a)(1 - v) + w v: ground y' darkened where a cloud stands between it and the sun, seen
through a cloud of opacity a = 1 - exp(-d) and through a veil of haze or cirrus of opacity v. The share of the light
that a cloud sends up grows as d / (d + 2.5), by the form of the two-stream solution (Bohren 1987): edges that hide the
ground are still grey. The finest detail fades, because light wanders inside a cloud (Davis et al. 1997), so that edges
are soft over several pixels. Opacity falls with wavelength for haze and not for cloud.

One sun and one height belong to each sky. Shadows fall away from the sun, farther the higher the cloud, as far for all
clouds of an image, but for the tops of thick ones. And the higher the cloud, the farther apart along the track the
bands see it, because the detectors look one after the other (the coloured fringes of real Sentinel-2 clouds, widest
for cirrus). `benchmarks/skies.py` compares these skies with real ones.
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
"""Pixels of sky simulated around the image; shadows fall into it from twice as far, since the sky is periodic."""

# Reflectance of opaque cloud relative to its mean over B02-B04, lowest and highest: the brightest third of twelve
# overcast or partly overcast images of central Italy (SEN12MS-CR-TS, ROI 146), widened to what clouds of the twenty
# places of `benchmarks/skies.py` show in B03, B04, B08, B11 and B12.
_CLOUD_LOW = (1.00, 0.98, 0.94, 0.98, 1.00, 1.02, 1.04, 1.02, 1.05, 0.29, 0.003, 0.35, 0.30)
_CLOUD_HIGH = (1.12, 1.05, 0.99, 1.07, 1.12, 1.22, 1.29, 1.29, 1.33, 0.85, 0.31, 1.20, 0.95)
# Share of direct light in each band: shadows are bluish because the sky lights them (Rayleigh scattering).
_DIRECT = (0.62, 0.70, 0.78, 0.84, 0.86, 0.88, 0.90, 0.91, 0.92, 0.92, 0.92, 0.96, 0.98)
# Order in which the detectors see a point, 0 to 1 (Sentinel-2 MSI focal plane; ESA, Sentinel-2 User Handbook).
_DETECTION = (0.95, 0.0, 0.2, 0.4, 0.45, 0.55, 0.65, 0.1, 0.75, 1.0, 0.3, 0.5, 0.85)
_REFERENCE = 0.4
"""Where in that order the truth lies: where B04 sees the cloud."""
_PARALLAX = 0.022
"""Metres between first and last band per metre of a cloud's height: 2.6 s of flight at 786 km."""
_HALF_BRIGHT = 2.5
"""Depth at which a cloud sends up half of the light."""
_TOPS = (0.0, 0.4, 1.0)
"""Levels between base and top of which the shadow is made."""


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
    batch: int,
    size: int,
    roughness: Tensor,
    stretch: Tensor,
    rng: torch.Generator,
    largest: Tensor | None = None,
    smallest: Tensor | None = None,
) -> Tensor:
    """Gaussian noise with power-law spectrum f^-roughness, stretched along a random direction: (batch, 1, size, size).

    Args:
        batch: number of fields.
        size: side in pixels.
        roughness: (batch,) exponent; 2 is broken, 4 smooth.
        stretch: (batch,) ratio of lengths along and across the direction; 1 for none.
        rng: source of randomness.
        largest: (batch,) length in pixels beyond which nothing is larger; the whole field unless given.
        smallest: (batch,) length in pixels below which detail fades; none unless given.

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
    if smallest is not None:
        amplitude = amplitude / (1 + (frequency * smallest[:, None, None]) ** 2)
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
    depth = _opaque_cloud(batch, size, rng)
    thin, exponent = _thin_cloud(batch, size, rng)
    kind = torch.rand(batch, generator=rng)
    depth *= ((kind > 0.12) & (kind < 0.80))[:, None, None, None]
    thin *= (kind > 0.45)[:, None, None, None]
    lent = {index: draw(cutouts, size, rng) for index in _some(batch, 1 / 3, rng)} if cutouts else {}
    for index in lent:
        depth[index] = 0
    geometry = sun_geometry(batch, rng, sun)

    spectrum = _cloud_spectrum(batch, rng)
    brightness = _uniform(batch, 0.45, 1.0, rng)
    relief = 1 + _uniform(batch, 0.0, 0.25, rng) * _inside(_slope(depth, geometry))
    texture = brightness * relief * spectrum
    if overcast is not None:
        texture = _borrow(texture, overcast, rng)
    hides = 1 - torch.exp(-depth)
    texture = texture * _inside(depth / (depth + _HALF_BRIGHT) / hides.clamp(min=1e-6))

    shading = depth
    for index, cut in lent.items():
        shading[index] = -torch.log1p(-cut.opacity.clamp(max=0.9999))
    shadow = cast_shadow(shading, geometry, rng, list(lent))
    lit = 1 - shadow * torch.tensor(_DIRECT)[None, :, None, None]
    dark = path[:, :, None, None] + (ground - path[:, :, None, None]) * lit

    wavelength = torch.tensor([band.wavelength for band in BANDS])[None, :, None, None] / 550.0
    veil = torch.tensor([1.0 if band.name != "B10" else 0.3 for band in BANDS])[None, :, None, None]
    halo = _uniform(batch, 0.0, 0.06, rng) * _glow(hides)
    seen = _native_resolution(_parallax(hides, geometry.height, geometry.track))
    cloudy = torch.lerp(dark, texture, seen)
    above = _parallax(thin, _uniform(batch, 2_000, 11_000, rng).flatten(), geometry.track) + _inside(halo)
    above = _native_resolution(1 - torch.exp(-above * wavelength ** (-exponent) * veil))
    cloudy = torch.lerp(cloudy, _uniform(batch, 0.35, 0.8, rng) * spectrum, above)
    cloud = 1 - (1 - _inside(hides)) * torch.exp(-_inside(thin + halo))
    for index, cut in lent.items():
        covers = _inside(cut.opacity)
        cloudy[index] = cloudy[index] * (1 - covers) + _inside(cut.light)
        cloud[index] = 1 - (1 - cloud[index]) * (1 - covers)
    return Sky(cloudy, cloud, shadow * (1 - cloud))


class SunGeometry(NamedTuple):
    """Of each sky (batch,): where its shadows fall per metre of height, in pixels along rows and columns (batch, 2).

    The track's direction is (batch, 2) likewise, of unit length; heights are those of cloud bases, in metres.
    """

    height: Tensor
    shadow: Tensor
    track: Tensor


def sun_geometry(batch: int, rng: torch.Generator, sun: tuple[float, float] | None) -> SunGeometry:
    """Draw height and sun; the image lies in any direction unless the sun is given, for then north is up."""
    height = torch.exp(math.log(800) + 0.55 * torch.randn(batch, generator=rng)).clamp(200, 3_500)
    turn = 2 * math.pi * torch.rand(batch, generator=rng)
    if sun is None:
        elevation = math.radians(20) + math.radians(48) * torch.rand(batch, generator=rng)
        # The overpass is at half past ten: the sun is in the south-east, or in the north-east south of the equator.
        azimuth = math.radians(130) + math.radians(45) * torch.rand(batch, generator=rng)
        azimuth = torch.where(torch.rand(batch, generator=rng) < 0.25, math.pi - azimuth, azimuth)
    else:
        elevation, azimuth, turn = torch.full((batch,), sun[0]), torch.full((batch,), sun[1]), 0 * turn
    # Rows run south, and a shadow falls away from the sun.
    angle = math.pi / 2 + azimuth + turn
    away = torch.stack([torch.sin(angle), torch.cos(angle)], dim=1) / (10 * torch.tan(elevation))[:, None]
    # Neighbouring detectors look forward and back in turn.
    track = turn + math.radians(12) + math.pi * (torch.rand(batch, generator=rng) < 0.5)
    return SunGeometry(height, away, torch.stack([torch.cos(track), torch.sin(track)], dim=1))


def _some(batch: int, share: float, rng: torch.Generator) -> list[int]:
    """Positions of a random `share` of the batch."""
    return torch.nonzero(torch.rand(batch, generator=rng) < share).flatten().tolist()


def _uniform(batch: int, low: float, high: float, rng: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(batch, 1, 1, 1, generator=rng)


def _log_uniform(batch: int, low: float, high: float, rng: torch.Generator) -> Tensor:
    return torch.exp(_uniform(batch, math.log(low), math.log(high), rng))


def _opaque_cloud(batch: int, size: int, rng: torch.Generator) -> Tensor:
    """Depth of cumulus and stratus, (batch, 1, size, size)."""
    # Half of the skies are of cumulus, 300 m to 1.5 km across: bright spots that are not ground.
    small = torch.rand(batch, generator=rng) < 0.5
    largest = torch.where(small, _log_uniform(batch, 40.0, 160.0, rng).flatten(), torch.tensor(float(size)))
    roughness = _uniform(batch, 3.4, 4.1, rng).flatten()
    smallest = _log_uniform(batch, 0.5, 4.0, rng).flatten()
    stretch = _log_uniform(batch, 1.0, 1.6, rng).flatten()
    field = fractal_noise(batch, size, roughness, stretch, rng, largest, smallest)
    covered = torch.rand(batch, generator=rng) ** torch.where(small, 1.5, 0.8) * torch.where(small, 0.7, 0.95)
    inside = _inside(field)[..., ::4, ::4].flatten(1)
    threshold = torch.stack([torch.quantile(f, 1 - c) for f, c in zip(inside, covered, strict=True)])
    depth = F.relu(field - threshold[:, None, None, None]) ** _uniform(batch, 1.2, 2.4, rng)
    depth = depth * _log_uniform(batch, 0.8, 10.0, rng)
    # Depths vary by factors: turbulence makes billows and shreds of what would be smooth.
    billows = _log_uniform(batch, 20.0, 120.0, rng).flatten()
    turbulence = fractal_noise(batch, size, roughness - 0.3, torch.ones(batch), rng, billows, smallest)
    return depth * torch.exp(_uniform(batch, 0.1, 0.6, rng) * turbulence)


def _thin_cloud(batch: int, size: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Optical depth of haze and cirrus at 550 nm with its Angstrom exponent, (B, 1, 1, 1)."""
    roughness = _uniform(batch, 3.2, 4.8, rng).flatten()
    stretch = _log_uniform(batch, 1.0, 4.0, rng).flatten()
    field = fractal_noise(batch, size, roughness, stretch, rng, smallest=_log_uniform(batch, 6.0, 40.0, rng).flatten())
    depth = _log_uniform(batch, 0.04, 1.0, rng) * torch.sigmoid(1.6 * field + _uniform(batch, -1.5, 2.5, rng))
    return depth, _uniform(batch, -0.2, 1.4, rng)


def _cloud_spectrum(batch: int, rng: torch.Generator) -> Tensor:
    """(B, 13, 1, 1) within the measured range; a few common factors keep neighbouring bands together."""
    low, high = torch.tensor(_CLOUD_LOW), torch.tensor(_CLOUD_HIGH)
    share = 0.5 * torch.rand(batch, len(BANDS), generator=rng) + 0.5 * torch.rand(batch, 1, generator=rng) ** 0.6
    share[:, INDEX["B09"]] = torch.rand(batch, generator=rng)
    share[:, INDEX["B10"]] = torch.rand(batch, generator=rng) ** 4
    # Ice is dark in the short-wave infrared; most clouds are of water.
    water = 1 - torch.rand(batch, generator=rng) ** 3
    share[:, INDEX["B11"]] = water
    share[:, INDEX["B12"]] = (water + 0.15 * torch.randn(batch, generator=rng)).clamp(0, 1)
    return (low + (high - low) * share)[:, :, None, None]


def _slope(depth: Tensor, geometry: SunGeometry) -> Tensor:
    """How far the cloud's top slopes towards the sun, -1 to 1: its bright and its shaded sides."""
    top = _blur(torch.log1p(depth), 5)
    dy, dx = torch.gradient(top, dim=(2, 3))
    towards = F.normalize(-geometry.shadow, dim=1)[:, :, None, None, None]
    # Depth grows inwards, so a side that faces the sun falls towards it.
    slope = -(dy * towards[:, 0] + dx * towards[:, 1])
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


def cast_shadow(depth: Tensor, geometry: SunGeometry, rng: torch.Generator, bounded: Sequence[int] = ()) -> Tensor:
    """Share of the direct light that clouds of `depth` take away from the ground, (B, 1, H, W).

    Each level of a cloud throws its own shadow, the higher the farther: together the cloud's shape, drawn out.
    Skies of `bounded` are not periodic: their shadows must come from within the border.
    """
    thickness = 700 * torch.rand(len(depth), generator=rng) ** 2
    shadows = []
    for index, field in enumerate(depth[:, None]):
        reach = BORDER if index in bounded else 2 * BORDER
        top = float(field.max()) / 2
        parts = []
        for level in _TOPS:
            at = geometry.height[index] + level * thickness[index]
            shift = (at * geometry.shadow[index]).clamp(-reach, reach).round().int().tolist()
            # Light that the cloud lets through downwards is what it does not send up.
            higher = 2.5 * F.relu(field - level * top)
            parts.append(torch.roll(higher / (higher + 2), shift, dims=(2, 3)))
        shadows.append(_inside(_blur(_blur(torch.stack(parts).amax(0), 3), 3)))
    return torch.cat(shadows) * _uniform(len(depth), 0.7, 1.0, rng)


def _parallax(field: Tensor, height: Tensor, track: Tensor) -> Tensor:
    """A field (B, 1, size, size) at `height` in metres as each band sees it: (B, 13, H, W)."""
    seen = []
    reach = _PARALLAX / 10 * height[:, None] * track
    for image, apart in zip(field, reach, strict=True):
        shifts = [tuple(((delay - _REFERENCE) * apart).round().int().tolist()) for delay in _DETECTION]
        moved = {shift: _inside(torch.roll(image, shift, dims=(1, 2))) for shift in set(shifts)}
        seen.append(torch.cat([moved[shift] for shift in shifts]))
    return torch.stack(seen)


def _glow(field: Tensor) -> Tensor:
    """Mean over some 300 m around: at a quarter of the size, since it is smooth."""
    coarse = F.avg_pool2d(field, 4, ceil_mode=True)
    fine = F.interpolate(_blur(_blur(coarse, 7), 11), scale_factor=4, mode="bilinear", align_corners=False)
    return fine[..., : field.shape[2], : field.shape[3]]


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
