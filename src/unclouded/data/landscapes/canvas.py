"""A patch of simulated ground, composed of materials layer by layer, and its reflectance and radar backscatter."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from unclouded.bands import BANDS
from unclouded.data.landscapes.shapes import SIZE, Field, grid, noise
from unclouded.data.landscapes.spectra import CHANNELS, MATERIALS, RADAR, Season

Mask = NDArray[np.bool_]

_OPTICAL = len(BANDS)
# Share of the sky's light in each band: what lights a shadow (Rayleigh scattering falls with wavelength).
_SKY = np.array([0.42, 0.34, 0.25, 0.18, 0.15, 0.13, 0.12, 0.11, 0.10, 0.10, 0.10, 0.06, 0.05], np.float32)


class Canvas:
    """Reflectance, backscatter and height of a patch, to which materials are added layer by layer.

    Attributes:
        rng: random generator of this patch.
        season: of its acquisition.
        surface: (materials, 15) spectra by `landscapes.spectra.surface`.
        soil: material of bare fields here.
        image: (120, 120, 15) reflectance in 13 bands, then linear VV and VH.
        height: (120, 120) metres of trees and buildings above the ground.
        water: (120, 120) True for open water.
    """

    def __init__(
        self, rng: np.random.Generator, season: Season, surface: NDArray[np.float32], soil: str, relief: float
    ) -> None:
        self.rng = rng
        self.season = season
        self.surface = surface
        self.soil = soil
        self.image = np.zeros((SIZE, SIZE, CHANNELS), np.float32)
        self.height = np.zeros((SIZE, SIZE), np.float32)
        self.water = np.zeros((SIZE, SIZE), np.bool_)
        self.terrain = relief * (noise(rng, 5.0)[0] + 0.12 * noise(rng, 4.4, 70.0)[0])

    def lay(self, material: str, where: Mask, cover: Field | float = 1.0, height: float | None = None) -> None:
        """Add a material to the pixels `where`, over a share of each: (120, 120) or one number.

        With a `height` in metres, pixels that are covered by more than half also rise above the ground.
        """
        self.lay_spectrum(self.surface[MATERIALS[material]], where, cover)
        if height is not None:
            over = where & (np.broadcast_to(cover, where.shape) > 0.5)
            self.height[over] = height

    def lay_spectrum(self, spectrum: NDArray[np.float32], where: Mask, cover: Field | float = 1.0) -> None:
        """Add a spectrum (15,), or one for each pixel `where` (n, 15), as `lay` adds a material."""
        share = cover[where][:, None] if isinstance(cover, np.ndarray) else np.float32(cover)
        under = self.image[where]
        self.image[where] = under + share * (spectrum - under)

    def shade(self, where: Mask, gain: Field) -> None:
        """Multiply the reflectance of the pixels `where` by `gain` (120, 120)."""
        self.image[where, :_OPTICAL] *= gain[where][:, None]

    def illuminate(self, elevation: float, azimuth: float) -> None:
        """Illuminate terrain, trees and buildings by a sun at `elevation` and `azimuth` in radians, with shadows."""
        surface = self.terrain + self.height
        toward_y, toward_x = -math.cos(azimuth), math.sin(azimuth)
        low = min(1 / math.tan(elevation), 2.4)
        slope_y, slope_x = np.gradient(self.terrain, 10.0)
        normal = 1 / np.sqrt(1 + slope_y**2 + slope_x**2)
        direct = normal * (1 - low * (slope_y * toward_y + slope_x * toward_x))
        # Multiple scattering between branches and walls reduces the effect of the slopes of crowns and roofs.
        slope_y, slope_x = np.gradient(gaussian_filter(self.height, 0.5), 10.0)
        direct *= 1 - np.clip(0.4 * low * (slope_y * toward_y + slope_x * toward_x), -0.4, 0.45)
        rows, columns = grid()
        centre = (SIZE - 1) / 2
        rise = 10 * math.tan(elevation)
        shadow = np.zeros_like(surface)
        for step in (1.0, 2.0, 3.5):
            if 28 / rise < step - 0.5:
                break
            towards_sun = np.array([rows + centre + step * toward_y, columns + centre + step * toward_x])
            blocking = map_coordinates(surface, towards_sun, order=1, mode="nearest") - surface - step * rise
            shadow = np.maximum(shadow, np.clip(blocking / 8, 0, 1))
        direct = np.clip(direct, 0.12, 1.7) * (1 - 0.7 * shadow)
        direct[self.water] = 1 - 0.4 * shadow[self.water]
        light = _SKY + (1 - _SKY) * direct[..., None].astype(np.float32)
        self.image[..., :_OPTICAL] *= light

    def reflectance(self) -> NDArray[np.float32]:
        """Reflectance (13, 120, 120) with the point spread function and the noise of the sensor, on the 10 m grid."""
        sharp = np.moveaxis(self.image[..., :_OPTICAL], -1, 0)
        blurred = gaussian_filter(sharp, (0, 0.55, 0.55), truncate=3.0, mode="nearest")
        noise = self.rng.standard_normal(blurred.shape, dtype=np.float32)
        # Averaged to native pixels, the noise of every band is about 12 DN.
        noise *= np.array([band.resolution / 10 * 0.0012 for band in BANDS], np.float32)[:, None, None]
        return np.asarray(blurred + noise, np.float32)

    def backscatter(self) -> NDArray[np.float32]:
        """VV and VH (2, 120, 120) in dB with the speckle of Sentinel-1's ground range product (4.4 looks)."""
        power = np.moveaxis(self.image[..., _OPTICAL:], -1, 0)
        # Slopes that face the side-looking radar are brighter.
        slope = np.gradient(gaussian_filter(self.terrain + 0.3 * self.height, 1.0), 10.0, axis=1)
        power = power * np.exp(np.clip(2.2 * slope, -1.2, 1.2))
        speckle = self.rng.standard_gamma(0.75, (len(RADAR), SIZE, SIZE), dtype=np.float32) / 0.75
        looks = gaussian_filter(power * speckle, (0, 0.75, 0.75), truncate=3.0, mode="nearest")
        decibel: NDArray[np.float32] = 10 * np.log10(np.maximum(looks, 1e-5))
        return decibel.astype(np.float32)
