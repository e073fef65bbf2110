"""The guides: co-registered channels that help to see the ground and are not translated. One table for all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Guide:
    """A stack of channels on the image's grid, valid pixel by pixel: with all its channels, or with none.

    Attributes:
        name: of the guide.
        channels: their names, in their order.
        centre: what is taken off each channel, in its unit.
        spread: what it is then divided by: so that networks see about zero mean and unit spread.
    """

    name: str
    channels: tuple[str, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]


RADAR = Guide("radar", ("VV", "VH"), centre=(-16.0, -16.0), spread=(6.0, 6.0))
"""Sentinel-1 backscatter in dB."""

GUIDES: tuple[Guide, ...] = (RADAR,)
"""In the order of the networks' channels. A new one goes to the end; `scripts/convert_weights.py` adapts weights."""

CHANNELS: tuple[str, ...] = tuple(channel for guide in GUIDES for channel in guide.channels)
"""Of all guides, one after the other."""
