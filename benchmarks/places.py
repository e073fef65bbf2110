"""Images of the folder ../shared/data/places (see its README) for the benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unclouded.bands import L2A

_STATES = {0: "clear", 1: "partly", 2: "overcast"}
_SMOKE = ("5-4_POTTERS", "4-8_", "1-12_", "5-6_CASCADE_CREEK", "CAMPBELL", "FRENCH")


@dataclass(frozen=True)
class Image:
    """One image.

    Attributes:
        name: of the image.
        place: where it is of.
        reflectance: (C, h, w).
        bands: the name of each.
        level: "L1C" or "L2A".
        metres: along a pixel.
        state: "clear", "partly", "overcast" or "haze", by eye.
        classes: (h, w) of another program, of the scheme that its place says, or None.
    """

    name: str
    place: str
    reflectance: NDArray[np.float32]
    bands: tuple[str, ...]
    level: str
    metres: float = 10
    state: str = "clear"
    classes: NDArray[np.uint8] | None = None

    def of_bands(self, names: tuple[str, ...]) -> Image:
        """The image in some of its bands."""
        chosen = self.reflectance[[self.bands.index(name) for name in names]]
        return replace(self, reflectance=chosen, bands=names)


def images(folder: Path) -> Iterator[Image]:
    """All images of at least 46 pixels whose bands allow detection."""
    with np.load(folder / "wright_stack.npz") as z:
        bands = _names(z)
        for i, (dn, state) in enumerate(zip(z["dn"], z["state"], strict=True)):
            yield Image(f"wright {i}", "wright", _scaled(z, dn), bands, "L1C", state=_STATES[int(state)])
        yield Image("wright around", "wright", _scaled(z, z["clear_20160101"]), bands, "L1C")
    with np.load(folder / "california_fires.npz") as z:
        for key in (key for key in z if "__" in key and z[key].ndim == 3):
            hazy = "post" in key and key.startswith(_SMOKE)
            image = _scaled(z, z[key])
            bands = ("B02", "B03", "B04", "B08", "B12")
            place = "california " + key.split("__")[0].rsplit("_", 1)[0]
            yield Image(f"california {key}", place, image, bands, "L2A", 20, "haze" if hazy else "clear")
    for name, level, state in (
        ("copernicusfm_new_zealand", "L1C", "clear"),
        ("r4openeo_alps_snow", "L2A", "clear"),
        ("rsgislib_aberystwyth", "L2A", "clear"),
        ("csmask_cumulus", "L1C", "partly"),
        ("geotrellis_mol", "L1C", "partly"),
    ):
        with np.load(folder / f"{name}.npz") as z:
            classes = z.get("mask")
            yield Image(name, name, _scaled(z, z["dn"]), _names(z), level, state=state, classes=classes)
    with np.load(folder / "gadomski_pyrenees.npz") as z:
        layers = {
            str(name): ndimage.zoom(_scaled(z, dn), int(metres) // 10, order=1, mode="nearest", grid_mode=True)
            for metres in ("10", "20", "60")
            for name, dn in zip(z[f"bands{metres}"], z[f"b{metres}"], strict=True)
        }
        yield Image("gadomski_pyrenees", "gadomski", np.stack(list(layers.values())), tuple(layers), "L1C", 10, "haze")
    with np.load(folder / "bark_beetle_czechia.npz") as z:
        for key in (key for key in z if z[key].ndim == 4):
            for i, dn in enumerate(z[key]):
                yield Image(f"bark beetle {key} {i}", f"bark beetle {key}", _scaled(z, dn), L2A, "L2A")
    with np.load(folder / "worldcereal_monthly.npz") as z:
        for date, dn in zip(z["presto_12_dates"], z["presto_12"], strict=True):
            if "03" <= str(date)[5:7] <= "10":  # the winter months hold gaps and cloud
                yield Image(f"worldcereal {date}", "worldcereal monthly", _scaled(z, dn), _names(z), "L2A")
    for name in ("gfmap_mol", "gfmap_antwerp"):
        with np.load(folder / f"{name}.npz") as z:
            for i, (dn, state, scl) in enumerate(zip(z["dn"], z["state"], z["scl"], strict=True)):
                if state >= 0 and (dn > 0).mean() > 0.99:
                    found = _STATES[int(state)]
                    yield Image(f"{name} {i}", name, _scaled(z, dn), _names(z), "L2A", state=found, classes=scl)


def _names(arrays: np.lib.npyio.NpzFile) -> tuple[str, ...]:
    return tuple(str(name) for name in arrays["bands"])


def _scaled(arrays: np.lib.npyio.NpzFile, dn: NDArray[np.uint16]) -> NDArray[np.float32]:
    return dn * np.float32(arrays["scale"]) + np.float32(arrays["offset"])
