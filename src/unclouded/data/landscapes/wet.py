"""How simulated bogs, marshes, salines, shores, bare ground and open water are painted."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from unclouded.bands import BANDS
from unclouded.data.landscapes.canvas import Canvas, Mask
from unclouded.data.landscapes.shapes import line, noise, parcels


def bog(canvas: Canvas, where: Mask) -> None:
    """A raised bog: hummocks, strings along the slope, dark pools, dwarf trees at the rim."""
    rng = canvas.rng
    canvas.lay("bog", where)
    canvas.lay("heath", where, np.clip(0.5 + 0.6 * noise(rng, 2.4, 50.0)[0], 0, 1))
    slope = noise(rng, 4.4, 90.0)[0]
    strings = np.sin(slope * rng.uniform(14, 30) + noise(rng, 2.4, 30.0)[0] * 1.3)
    wet = strings * np.clip(noise(rng, 3.0, 60.0)[0] + 0.3, 0, 1)
    canvas.lay("reed", where, np.clip(0.5 * wet, 0, 0.6))
    pools = np.clip((wet - 0.82) * 5, 0, 1) * (rng.random() < 0.7)
    canvas.lay("bog water", where, pools.astype(np.float32))
    rim = np.clip(noise(rng, 2.0, 50.0)[0] - 0.9, 0, 0.8)
    canvas.lay("conifer", where, rim.astype(np.float32))
    canvas.height[where] += (4 * rim)[where]
    if rng.random() < 0.35:
        cut = parcels(rng, 7.0, 3.5, 0.5, 1)
        worked = where & (noise(rng, 3.6, 90.0)[0] > 0.4)
        canvas.lay("dark soil", worked, 0.75)
        canvas.lay("bog water", worked, 0.8 * line(cut.edge, 0.6))


def marsh(canvas: Canvas, where: Mask, *, ground: tuple[str, str], creeks: str, wetness: float) -> None:
    """Reeds, salt marsh or tidal flat with winding creeks."""
    rng = canvas.rng
    canvas.lay(ground[0], where)
    canvas.lay(ground[1], where, np.clip(0.4 + 0.6 * noise(rng, 2.2, 50.0)[0], 0, 1))
    field = noise(rng, 3.0, 60.0)[0]
    steep = np.hypot(*np.gradient(field))
    canvas.lay(creeks, where, line(np.abs(field) / np.maximum(steep, 0.03), 1.1))
    standing = np.clip((noise(rng, 2.8, 40.0)[0] - 1.4 + wetness) * 3, 0, 1)
    canvas.lay(creeks, where, standing.astype(np.float32))
    canvas.shade(where, (1 + 0.08 * noise(rng, 1.4, 20.0)[0]).astype(np.float32))


def ponds(canvas: Canvas, where: Mask) -> None:
    """Salines: rectangular ponds at all stages between sea water and salt, with dams."""
    rng = canvas.rng
    land = parcels(rng, float(rng.uniform(7, 12)), 2.2, 0.6, int(rng.integers(1, 3)))
    stage = rng.random(land.count)[land.index]
    for material, low, high in (("turbid water", 0, 0.35), ("brine", 0.35, 0.75), ("mud", 0.75, 0.9), ("salt", 0.9, 1)):
        canvas.lay(material, where & (stage >= low) & (stage < high), 0.95)
    canvas.shade(where, np.exp(rng.normal(0, 0.2, land.count))[land.index].astype(np.float32))
    canvas.lay("gravel", where, 0.8 * line(land.edge, 0.9))


def bare(canvas: Canvas, where: Mask, *, ground: str, other: str, plants: str, cover: float) -> None:
    """Rock, scree, sand or burnt ground with what grows on it."""
    rng = canvas.rng
    canvas.lay(ground, where)
    canvas.lay(other, where, np.clip(0.3 + 0.5 * noise(rng, 2.2, 40.0)[0], 0, 1))
    canvas.lay(plants, where, np.clip(noise(rng, 1.8, 40.0)[0] * 0.7 + cover * 2 - 0.7, 0, 0.9))
    canvas.shade(where, (1 + 0.10 * noise(rng, 1.4, 25.0)[0]).astype(np.float32))


def beach(canvas: Canvas, where: Mask) -> None:
    """Sand that is bright inland and wet at the water, with tufts of grass behind."""
    rng = canvas.rng
    canvas.lay("sand", where, 0.95)
    inland = (
        distance_transform_edt(~canvas.water).astype(np.float32)
        if canvas.water.any()
        else np.full_like(canvas.height, 9)
    )
    canvas.lay("mud", where, np.clip(1 - inland / 2.5, 0, 0.6))
    tufts = np.clip(noise(rng, 1.8, 20.0)[0] - 0.4, 0, 1) * np.clip(inland / 12 - 0.5, 0, 0.8)
    canvas.lay("dry grass", where, tufts.astype(np.float32))
    canvas.shade(where, (1 + 0.05 * noise(rng, 1.5, 30.0)[0]).astype(np.float32))


def water(canvas: Canvas, where: Mask, *, kinds: tuple[str, ...], silt: float) -> None:
    """Open water: one kind, clouded by silt in plumes and along the shore, with waves."""
    rng = canvas.rng
    kind = kinds[int(rng.integers(len(kinds)))]
    canvas.lay(kind, where)
    canvas.water |= where
    plume = np.clip(silt * (0.35 + 0.5 * noise(rng, 3.6)[0]) * rng.random(), 0, 0.9)
    if (~where).any():
        shore = gaussian_filter((~where).astype(np.float32), 4.0)
        plume = plume + silt * 0.5 * shore
    canvas.lay("turbid water", where, np.clip(plume, 0, 0.95).astype(np.float32))
    # Waves and sky light: the same in every band, and never dark enough to reach the bottom of the scale.
    waves = rng.uniform(0.0, 0.10) * noise(rng, 1.4, 12.0)[0] + 0.04 * noise(rng, 3.4)[0]
    canvas.shade(where, (1 + waves).astype(np.float32))
    glint = np.zeros(canvas.image.shape[-1], np.float32)
    glint[: len(BANDS)] = max(0.0, rng.normal(0.0015, 0.003))
    canvas.image[where] += glint
    rough = 10 ** (rng.normal(0, 2.0) / 10)
    canvas.image[where, len(BANDS) :] *= rough
