"""How simulated towns, industry, airports, roads and pits are painted."""

from __future__ import annotations

import numpy as np

from unclouded.data.landscapes.canvas import Canvas, Mask
from unclouded.data.landscapes.shapes import SIZE, cells, curve, line, noise, parcels
from unclouded.data.landscapes.vegetation import fields, scrub, wood


def town(
    canvas: Canvas, where: Mask, *, built: float, pitch: float = 1.7, block: float = 10.0, big: float = 0.05
) -> None:
    """Streets, buildings with roofs of several kinds, gardens and trees; `built` is the share under roofs."""
    rng = canvas.rng
    land = parcels(rng, block * float(np.exp(rng.normal(0, 0.15))), 1.5, 2.0, int(rng.integers(1, 4)))
    garden = np.clip(0.95 - 0.75 * built + 0.2 * noise(rng, 1.0, 20.0)[0], 0, 1)
    canvas.lay("gravel", where)
    canvas.lay("grass", where, garden.astype(np.float32))
    lot, kind, gloss, tree = cells(rng, land, pitch, 4)
    wood(canvas, where & (tree < 0.45 - 0.35 * built), np.full_like(tree, 0.8), 7.0)
    empty = (rng.random(land.count) < 0.10)[land.index]
    density = np.clip(built * (1 + 0.55 * noise(rng, 3.2, 60.0)[0]), 0.02, 0.95)
    roof = where & (lot < density) & ~empty & (land.edge > 0.9)
    large = (rng.random(land.count) < big)[land.index] & (land.edge > 1.6)
    roof |= where & large
    reds = 0.62 if canvas.season.zone in ("pannonian", "mediterranean", "alpine") else 0.4
    storeys = 5.0 + 6.0 * built
    for material, low, high in (("red roof", 0.0, reds), ("grey roof", reds, 0.93), ("white roof", 0.93, 1.0)):
        canvas.lay(material, roof & ~large & (kind >= low) & (kind < high), 0.85, storeys)
    hall = rng.random(land.count)[land.index]
    canvas.lay("white roof", roof & large & (hall < 0.4), 0.8, 9.0)
    canvas.lay("grey roof", roof & large & (hall >= 0.4), 0.95, 9.0)
    canvas.shade(roof, (0.75 + 0.5 * gloss).astype(np.float32))
    street = line(land.edge, 1.1)
    canvas.lay("asphalt" if rng.random() < 0.5 else "gravel", where, (0.85 * street).astype(np.float32))
    canvas.height[where & (street > 0.6)] = 0


def paved(canvas: Canvas, where: Mask, *, ground: str, halls: float) -> None:
    """Industry, ports and yards: paved ground with large roofs."""
    rng = canvas.rng
    land = parcels(rng, float(rng.uniform(9, 16)), 1.7, 0.8, int(rng.integers(1, 4)))
    canvas.lay(ground, where)
    canvas.lay("asphalt", where, np.clip(0.4 + 0.5 * noise(rng, 2.4, 30.0)[0], 0, 1))
    canvas.lay("grass", where & (rng.random(land.count) < 0.3)[land.index], 0.85)
    tone = np.exp(rng.normal(0, 0.2, land.count))[land.index]
    canvas.shade(where, tone.astype(np.float32))
    chosen = (
        (rng.random(land.count) < halls)[land.index] & (land.edge > rng.uniform(1, 4, land.count)[land.index]) & where
    )
    kind = rng.random(land.count)[land.index]
    canvas.lay("white roof", chosen & (kind < 0.4), 0.85, 9.0)
    canvas.lay("grey roof", chosen & (kind >= 0.4), 0.95, 9.0)
    canvas.lay("grass", where, np.clip(0.9 * noise(rng, 2.2, 18.0)[0] - 0.5, 0, 0.8) * ~chosen)
    canvas.lay("asphalt", where, (0.8 * line(land.edge, 0.9)).astype(np.float32))


def airport(canvas: Canvas, where: Mask) -> None:
    """Grass with a runway, a taxiway and an apron."""
    rng = canvas.rng
    scrub(canvas, where, ground=("grass", "dry grass"), plants=("grass",), cover=0.3, height=0.0)
    middle = np.argwhere(where).mean(0) - SIZE / 2
    runway = curve(rng, 0.0, (float(middle[0]), float(middle[1])))
    canvas.lay("asphalt", where, line(runway, 5.0))
    canvas.lay("white roof", where, 0.3 * line(runway, 0.6))
    canvas.lay("asphalt", where, line(np.abs(runway - 13), 2.0))
    apron = where & (runway > 15) & (noise(rng, 3.5, 50.0)[0] > 0.7)
    canvas.lay("gravel", apron)
    canvas.lay("white roof", apron & (cells(rng, parcels(rng, 8.0), 5.0)[0] < 0.25), 0.8, 10.0)


def transport(canvas: Canvas, where: Mask) -> None:
    """A motorway or railway junction among grass and fields."""
    fields(canvas, where, side=12, grass=0.7)
    for _ in range(3):
        way = curve(canvas.rng, float(canvas.rng.uniform(1, 12)))
        canvas.lay("gravel", where, 0.8 * line(way, 4.5))
        canvas.lay("asphalt", where, line(way, 2.5))
        canvas.height[where & (way < 3)] = 0


def pits(canvas: Canvas, where: Mask, *, ground: str, other: str, ponds: float) -> None:
    """Quarries, dumps and building sites: bare terraces, tracks, now and then a pond."""
    rng = canvas.rng
    canvas.lay(ground, where)
    level = noise(rng, 3.4, 50.0)[0]
    canvas.lay(other, where, np.clip(0.5 + 0.8 * noise(rng, 2.6, 30.0)[0], 0, 1))
    canvas.shade(where, (1 + 0.12 * np.sin(level * 9) + 0.08 * noise(rng, 1.5, 15.0)[0]).astype(np.float32))
    canvas.height[where] += (4 * np.round(level * 3) / 3)[where].astype(np.float32)
    canvas.lay("shrub", where, np.clip(1.5 * noise(rng, 2.4, 30.0)[0] - 1.6, 0, 0.9))
    pond = where & (level < -1.9 + ponds)
    canvas.lay("turbid water", pond)
    canvas.water |= pond
