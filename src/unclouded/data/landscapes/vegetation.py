"""How simulated fields, rows of trees, woods and scrub are painted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unclouded.data.landscapes.canvas import Canvas, Mask
from unclouded.data.landscapes.shapes import SIZE, Field, Parcels, cells, curve, line, noise, parcels
from unclouded.data.landscapes.spectra import MATERIALS


def fields(
    canvas: Canvas,
    where: Mask,
    *,
    side: float,
    aspect: float = 2.0,
    grass: float = 0.2,
    summer: float = 0.35,
    hedges: float = 0.1,
    tracks: float = 0.5,
    copses: float = 0.0,
    watered: bool = False,
    bend: float = 2.0,
) -> None:
    """Parcels of crops, each at its own stage, some of grass, with hedges, tracks and copses."""
    rng = canvas.rng
    size = float(side * np.exp(rng.normal(0, 0.25)))
    land = parcels(rng, size, float(aspect * np.exp(rng.normal(0, 0.3))), bend, int(rng.integers(1, 5)))
    spectra = _parcel_spectra(canvas, land.count, grass=grass, summer=summer, watered=watered)
    canvas.lay_spectrum(spectra[land.index][where], where)

    # Within a parcel: wetter and drier ground, and the lines of the tractor.
    ground = noise(rng, 2.6, 40.0)[0] * 0.05
    striped = (rng.random(land.count) < 0.5) * rng.uniform(0.0, 0.06, land.count)
    wave = np.sin(2 * np.pi * land.across / rng.uniform(2.2, 4.5)) * striped[land.index]
    canvas.shade(where, (1 + ground + wave).astype(np.float32))

    patchy = noise(rng, 3.6, 60.0)[0]
    if tracks:
        beaten = line(land.edge, 0.8) * (0.75 * (patchy > 1.4 - 1.2 * tracks))
        canvas.lay("gravel", where, beaten.astype(np.float32))
    if hedges:
        planted = line(land.edge, rng.uniform(0.9, 1.9)) * (noise(rng, 2.6, 30.0)[0] > 1.6 - 3.2 * hedges)
        wood(canvas, where, planted.astype(np.float32), height=6.0)
    if copses:
        chosen = rng.random(land.count) < copses
        clump = chosen[land.index] | (noise(rng, 2.8, 35.0)[0] > 2.5 - 2.5 * copses)
        wood(canvas, where, clump.astype(np.float32), height=11.0)
    if rng.random() < 0.5:
        farms(canvas, where, land)


def _parcel_spectra(canvas: Canvas, count: int, *, grass: float, summer: float, watered: bool) -> NDArray[np.float32]:
    """Draw the mean reflectance of parcels, (count, C): crops at their stage, or grass."""
    rng, season, table = canvas.rng, canvas.season, canvas.surface
    late = rng.random(count) < summer
    green, dry = season.crop_cover(late, rng.normal(0, 9, count))
    if watered and 100 < season.day < 290:
        green = np.where(rng.random(count) < 0.7, rng.uniform(0.6, 0.95, count), green)
        dry = np.minimum(dry, 1 - green)
    vigour = rng.normal(1, 0.16, count)
    green = np.clip(green * vigour, 0, 0.97)
    dry = np.clip(dry * rng.uniform(0.5, 1.1, count), 0, 1 - green)
    meadow = rng.random(count) < grass
    mown = rng.random(count) < 0.3
    soil = table[MATERIALS[canvas.soil]] * np.exp(rng.normal(0, 0.16, (count, 1))).astype(np.float32)
    straw = np.where(rng.random((count, 1)) < 0.5, table[MATERIALS["ripe crop"]], table[MATERIALS["stubble"]])
    colour = green[:, None] * table[MATERIALS["crop"]] + dry[:, None] * straw + (1 - green - dry)[:, None] * soil
    hay = np.where(mown, 0.55, 0.92) * np.clip(rng.normal(1, 0.06, count), 0, 1.05)
    turf = hay[:, None] * table[MATERIALS["grass"]] + (1 - hay)[:, None] * table[MATERIALS["dry grass"]]
    colour = np.where(meadow[:, None], turf, colour)
    tone = np.exp(rng.normal(0, 0.11, (count, 1)) + 0.03 * rng.standard_normal((count, colour.shape[1])))
    spectra: NDArray[np.float32] = (colour * tone).astype(np.float32)
    return spectra


def wood(canvas: Canvas, where: Mask, cover: Field, height: float, conifers: float = 0.1) -> None:
    """Trees over a share of each pixel."""
    kind = "evergreen oak" if canvas.season.zone == "mediterranean" else "broadleaf"
    grain = canvas.rng.standard_normal(cover.shape, dtype=np.float32)
    canvas.lay(kind, where, (cover * 0.9).astype(np.float32), height)
    if conifers:
        canvas.lay("conifer", where, cover * (grain > 1 - 1.5 * conifers))
    tall = where & (cover > 0.5)
    canvas.height[tall] += 1.5 * grain[tall]


def farms(canvas: Canvas, where: Mask, land: Parcels) -> None:
    """A few farmsteads: roofs, yards and trees at the corners of parcels."""
    for _ in range(int(canvas.rng.integers(1, 4))):
        row, column = canvas.rng.integers(0, SIZE, 2)
        near = where.copy()
        near[:] = False
        near[max(0, row - 3) : row + 4, max(0, column - 3) : column + 4] = True
        lot = cells(canvas.rng, land, 1.6)[0]
        canvas.lay("grass", where & near, 0.4)
        wood(canvas, where & near & (lot > 0.75), np.ones_like(lot), 7.0)
        canvas.lay("red roof" if canvas.rng.random() < 0.6 else "grey roof", where & near & (lot < 0.28), 0.75, 6.0)
        canvas.lay("gravel", where & near & (lot > 0.28) & (lot < 0.42), 0.5)


def rows(
    canvas: Canvas, where: Mask, *, plant: str, pitch: float, side: float, cover: float, dots: bool = True
) -> None:
    """Parcels of trees or vines in rows over soil and grass."""
    rng = canvas.rng
    land = parcels(rng, side, 1.5, 2.5, int(rng.integers(1, 4)))
    share = rng.uniform(0.1, 0.8, land.count).astype(np.float32)[land.index]
    canvas.lay(canvas.soil, where)
    canvas.lay("dry grass" if canvas.season.green < 0.5 else "grass", where, share)
    across = np.cos(2 * np.pi * land.across / pitch)
    pattern = np.minimum(across, np.cos(2 * np.pi * land.along / pitch)) if dots else across
    planted = np.clip(pattern * 0.8 + 0.5, 0, 1) * cover * rng.uniform(0.5, 1.3, land.count)[land.index]
    young = rng.random(land.count)[land.index] < 0.15
    canvas.lay(plant, where & ~young, np.clip(planted, 0, 0.95).astype(np.float32))
    canvas.shade(where, (1 + 0.05 * noise(rng, 2.2, 30.0)[0] + 0.05 * (share - 0.5)).astype(np.float32))
    canvas.lay("gravel", where, (line(land.edge, 0.9) * 0.6).astype(np.float32))
    canvas.height[where] += (2.0 * planted[where]).astype(np.float32)


def forest(canvas: Canvas, where: Mask, *, conifers: float, clearings: float, open_: float = 0.0) -> None:
    """Stands of differing kind and age with crowns, clearings and rides; `open_` is the share between thin trees."""
    rng, season = canvas.rng, canvas.season
    stands = parcels(rng, float(rng.uniform(13, 34)), 1.3, float(rng.uniform(5, 11)), int(rng.integers(1, 4)))
    mixing = noise(rng, 2.4, 50.0)[0] + 0.8 * noise(rng, 0.6)[0]
    share = np.clip(conifers + rng.normal(0, 0.16, stands.count), 0, 1)
    age = np.clip(rng.normal(0.8, 0.3, stands.count), 0.15, 1.3)
    cut = rng.random(stands.count) < clearings
    thin = np.clip(open_ + 0.25 * noise(rng, 2.6, 45.0)[0], 0, 0.95) if open_ else np.zeros_like(mixing)

    floor = ("shrub", "dry grass") if season.zone == "mediterranean" else ("grass", "shrub")
    canvas.lay(floor[1], where)
    canvas.lay(floor[0], where, np.clip(0.25 + 0.25 * noise(rng, 1.8, 40.0)[0], 0, 1))
    canvas.lay("dry grass", where, np.clip(0.05 + 0.15 * noise(rng, 2.2, 30.0)[0], 0, 0.5))
    canvas.lay("broadleaf" if season.zone != "mediterranean" else "evergreen oak", where, (1 - thin).astype(np.float32))
    needles = np.clip((share[stands.index] - 0.5) * 2.2 + 0.5 + 0.35 * mixing, 0, 1) * (1 - thin)
    canvas.lay("conifer", where, (needles * min(1.0, conifers * 3)).astype(np.float32))

    fresh = cut[stands.index]
    cleared = where & fresh & (noise(rng, 1.2, 40.0)[0] > -1.1)
    if cleared.any():
        regrowth = rng.random(stands.count)[stands.index].astype(np.float32)
        canvas.lay("grass", cleared, 0.5)
        canvas.lay("dry grass", cleared, (0.45 * rng.random(stands.count))[stands.index].astype(np.float32))
        canvas.lay("shrub" if season.zone != "boreal" else "bog", cleared, np.clip(regrowth, 0.25, 0.8))
        canvas.lay("heath", cleared, np.clip(0.4 * (1 - regrowth) + 0.1 * mixing, 0, 0.6).astype(np.float32))
    tone = np.exp(rng.normal(0, 0.09, stands.count))[stands.index] + 0.07 * mixing
    canvas.shade(where, tone.astype(np.float32))

    crowns = noise(rng, 1.0, 12.0)[0] * 2.0 + noise(rng, 2.2, 40.0)[0] * 1.4
    tall = where & ~cleared & (thin < 0.55)
    canvas.height[tall] = (12 * age[stands.index] + 2 + crowns)[tall]
    if rng.random() < 0.75:
        ride = line(stands.edge, float(rng.uniform(0.5, 1.0))) * (noise(rng, 3.6, 60.0)[0] > rng.uniform(0.2, 1.8))
        canvas.lay("gravel" if rng.random() < 0.5 else "dry grass", where, (0.5 * ride).astype(np.float32))
        canvas.height[where & (ride > 0.4)] = 2.0


def scrub(
    canvas: Canvas,
    where: Mask,
    *,
    ground: tuple[str, ...],
    plants: tuple[str, ...],
    cover: float,
    clump: float = 1.6,
    dotted: bool = False,
    height: float = 1.0,
) -> None:
    """Wild ground: one material fading into the next, with plants in clumps or as single crowns."""
    rng = canvas.rng
    canvas.lay(ground[0], where)
    for other in ground[1:]:
        canvas.lay(other, where, np.clip(0.35 + 0.4 * noise(rng, 2.3, 60.0)[0], 0, 1))
    wanted = noise(rng, clump, 40.0)[0] + 0.6 * noise(rng, 2.8, 90.0)[0]
    threshold = np.quantile(wanted[::3, ::3], 1 - cover)
    density = np.clip((wanted - threshold) * 1.6 + 0.5, 0, 1)
    if dotted:
        density = np.clip(density, 0.15, 1) * np.clip((noise(rng, 0.2)[0] - 0.6) * 1.6, 0, 1)
    for index, plant in enumerate(plants):
        part = density if index == 0 else density * (noise(rng, 1.8, 30.0)[0] > 0.5)
        canvas.lay(plant, where, (0.9 * part).astype(np.float32))
    canvas.shade(where, (1 + 0.07 * noise(rng, 1.6, 40.0)[0]).astype(np.float32))
    canvas.height[where] += (height * density * (1 + 0.3 * rng.standard_normal(density.shape)))[where].astype(
        np.float32
    )
    if rng.random() < 0.5:
        path = curve(rng, 10.0)
        canvas.lay("gravel", where, 0.7 * line(path, 0.8))
