"""Random fields of simulated clouds: fractal noise, and the optical depth of thick and thin cloud.

Fields extend by `BORDER` pixels beyond the image on all sides, and are periodic.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

BORDER = 96
"""Pixels of sky around the image; since fields are periodic, shadows may fall into it from twice as far."""


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
        roughness: (batch,) exponent; 2 is rough, 4 smooth.
        stretch: (batch,) ratio of lengths along and across the direction; 1 is isotropic.
        rng: random generator.
        largest: (batch,) outer scale in pixels, beyond which the spectrum is flat; by default the field's size.
        smallest: (batch,) inner scale in pixels, below which detail fades; none by default.

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


def uniform(batch: int, low: float, high: float, rng: torch.Generator) -> Tensor:
    """Uniform random numbers between two bounds, (batch, 1, 1, 1)."""
    return low + (high - low) * torch.rand(batch, 1, 1, 1, generator=rng)


def log_uniform(batch: int, low: float, high: float, rng: torch.Generator) -> Tensor:
    """Log-uniform random numbers between two bounds, (batch, 1, 1, 1)."""
    return torch.exp(uniform(batch, math.log(low), math.log(high), rng))


def thick_cloud(batch: int, size: int, rng: torch.Generator) -> Tensor:
    """Optical depth of cumulus and stratus, (batch, 1, size, size)."""
    # Half of the skies are of cumulus 300 m to 1.5 km across, so that small bright objects are not always ground.
    small = torch.rand(batch, generator=rng) < 0.5
    largest = torch.where(small, log_uniform(batch, 40.0, 160.0, rng).flatten(), torch.tensor(float(size)))
    roughness = uniform(batch, 3.4, 4.1, rng).flatten()
    smallest = log_uniform(batch, 0.5, 4.0, rng).flatten()
    stretch = log_uniform(batch, 1.0, 1.6, rng).flatten()
    field = fractal_noise(batch, size, roughness, stretch, rng, largest, smallest)
    covered = torch.rand(batch, generator=rng) ** torch.where(small, 1.5, 0.8) * torch.where(small, 0.7, 0.95)
    sampled = inside(field)[..., ::4, ::4].flatten(1)
    threshold = torch.stack([torch.quantile(f, 1 - c) for f, c in zip(sampled, covered, strict=True)])
    depth = F.relu(field - threshold[:, None, None, None]) ** uniform(batch, 1.2, 2.4, rng)
    depth = depth * log_uniform(batch, 0.8, 10.0, rng)
    # Turbulence multiplies the depth, and breaks smooth clouds up into billows.
    billows = log_uniform(batch, 20.0, 120.0, rng).flatten()
    turbulence = fractal_noise(batch, size, roughness - 0.3, torch.ones(batch), rng, billows, smallest)
    return depth * torch.exp(uniform(batch, 0.1, 0.6, rng) * turbulence)


def thin_cloud(batch: int, size: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Optical depth of haze and cirrus at 550 nm, (batch, 1, size, size), and Ångström exponent, (batch, 1, 1, 1)."""
    roughness = uniform(batch, 3.2, 4.8, rng).flatten()
    stretch = log_uniform(batch, 1.0, 4.0, rng).flatten()
    field = fractal_noise(batch, size, roughness, stretch, rng, smallest=log_uniform(batch, 6.0, 40.0, rng).flatten())
    depth = log_uniform(batch, 0.04, 1.0, rng) * torch.sigmoid(1.6 * field + uniform(batch, -1.5, 2.5, rng))
    return depth, uniform(batch, -0.2, 1.4, rng)


def blur(field: Tensor, width: int) -> Tensor:
    """Mean over a square of odd `width`, as two one-dimensional means."""
    rows = F.avg_pool2d(field, (width, 1), stride=1, padding=(width // 2, 0))
    return F.avg_pool2d(rows, (1, width), stride=1, padding=(0, width // 2))


def inside(field: Tensor) -> Tensor:
    """The part of a field that lies over the image, without its border."""
    return field[..., BORDER:-BORDER, BORDER:-BORDER]
