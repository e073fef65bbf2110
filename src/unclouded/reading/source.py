"""What a reader of one kind of product finds: where each band lies, and what the product says about its DN."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

_CUBE = re.compile(r"(.+\.(?:nc4?|zarr))/?(?:@(.+))?", re.IGNORECASE)


@dataclass(frozen=True)
class Wanted:
    """What a user says of the bands of a source.

    Attributes:
        bands: those to take, all unless given; of a stack without names also the names of all its layers.
        band_names: name of each layer of a stack in its order, "-" for one that is none of the 13.
        variant: which of two kinds of reflectance in a folder, "FRE" (slopes corrected) or "SRE"; FRE unless given.
        offset_given: whether the user says the offset, so that it need not be found.
    """

    bands: Sequence[str] | None = None
    band_names: Sequence[str] | None = None
    variant: str | None = None
    offset_given: bool = False


@dataclass(frozen=True)
class Layer:
    """One band: its name, and the file and 1-based index where it lies."""

    band: str
    path: str
    index: int = 1


@dataclass(frozen=True)
class Source:
    """A scene before its files are opened for reading. None and empty mean "the product does not say".

    Attributes:
        name: how errors call it.
        stem: for naming outputs.
        layers: the bands, in the order in which they are handed out.
        level: "L1C" or "L2A".
        scale: DN per 1.0 reflectance.
        offsets: DN to add before dividing, one per layer.
        offsets_uncertain: whether the offsets come from a name or a catalogue, which may mean other pixels.
        order_assumed: whether the layers have no names, and their usual order was taken.
        taken: of layers without names, the bands that are handed out; the others are there to be looked at.
        others: bands that are there and are no layers, because they are not wanted.
        own_metadata: whether descriptions, scale, offset and tags of the one file are kept as they are.
        notes: what was left out or assumed.
        acquired: when the image was taken, as a time in ISO 8601.
        classification: path or address of the scene classification (SCL) that comes with it.
        classification_band: where that is one of several bands of a file, its number, from 1.
    """

    name: str
    stem: str
    layers: tuple[Layer, ...]
    level: str | None = None
    scale: float | None = None
    offsets: tuple[float, ...] | None = None
    offsets_uncertain: bool = False
    order_assumed: bool = False
    taken: frozenset[str] | None = None
    others: frozenset[str] = frozenset()
    own_metadata: bool = False
    notes: list[str] = field(default_factory=list)
    acquired: str = ""
    classification: str = ""
    classification_band: int | None = None

    @property
    def bands(self) -> tuple[str, ...]:
        """The names of the layers' bands."""
        return tuple(layer.band for layer in self.layers)

    def only(self, bands: Collection[str]) -> Source:
        """The same with some of its bands."""
        kept = [number for number, band in enumerate(self.bands) if band in bands]
        return replace(
            self,
            layers=tuple(self.layers[number] for number in kept),
            offsets=self.offsets and tuple(self.offsets[number] for number in kept),
            others=self.others | (set(self.bands) - set(bands)),
        )


def cube_and_date(path: str) -> tuple[str, str | None] | None:
    """Path of a NetCDF file or Zarr store, and the date in it that "PATH@DATE" names; None for any other path."""
    found = _CUBE.fullmatch(path)
    return found and (found[1], found[2])


def stem_of(path: str) -> str:
    """Return the last part of a path or address without its ending, safe as a file name."""
    return safe_stem(Path(path.partition("?")[0]).stem if "://" in path else Path(path).stem)


def safe_stem(text: str) -> str:
    """Return `text` as a file name: nothing in it that leads to another folder."""
    return re.sub(r"[^\w.-]+", "_", text).lstrip(".") or "scene"
