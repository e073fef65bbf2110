"""Real sample images of a folder, read into two unpaired domains as a listing in `settings` assigns them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
import yaml
from numpy.typing import NDArray
from torch.nn import functional as F

from unclouded import bands
from unclouded.data.patch import Patch
from unclouded.data.places import DOMAINS, read_places
from unclouded.errors import FileError, SettingsError

_TWENTY_METRE = ("B05", "B06", "B07", "B8A", "B11", "B12")
_SIXTY_METRE = ("B01", "B09")


@dataclass(frozen=True)
class Collection:
    """Unpaired real images.

    Attributes:
        clear: domain Y.
        cloudy: domain X.
        overcast: images that are covered by cloud entirely, for the texture of simulated clouds.
        broken: images of broken cloud over dark ground, whose clouds can be cut out.
    """

    clear: list[Patch]
    cloudy: list[Patch]
    overcast: list[Patch]
    broken: list[Patch]


def load_collection(folder: Path, listing: Path, *, held_out: bool = False) -> Collection:
    """Read the images of `folder` that `listing` names, and those of the listing that its entry `also` includes.

    Args:
        folder: of the images.
        listing: YAML: source file, domain and positions or names of the images.
        held_out: read the images of the places that the listing holds out of training, instead of the others.

    Raises:
        FileError: an image named in the listing is not in the folder.
        SettingsError: the listing names an unknown source, or holds out a place of which it names no image.
    """
    sources = yaml.safe_load(listing.read_text())
    readers: dict[str, Callable[[Path, Any], dict[str, list[Patch]]]] = {
        "sen12mscr_ts_roi146.npz": _time_series,
        "sen12mscr_triplets.npz": _triplets,
        "sen12mscr": _pairs,
        "bigearthnet_patches.npz": _bigearthnet,
        "places": _places,
    }
    found: dict[str, list[Patch]] = {domain: [] for domain in DOMAINS}
    if also := sources.pop("also", None):
        found |= vars(load_collection(folder, listing.parent / also, held_out=held_out))
    kept_out = set(sources.pop("held_out", []))
    read: dict[str, list[Patch]] = {domain: [] for domain in DOMAINS}
    for source, selection in sources.items():
        archive = source.startswith("places/") and source.endswith(".npz")
        if source not in readers and not archive:
            raise SettingsError(f"{listing}: unknown source {source!r}; known are {', '.join(readers)}, places/*.npz.")
        path = folder / source
        if not path.exists():
            raise FileError(f"{path}: not found, but {listing} names it; point --data at the folder that holds it.")
        reader = read_places if archive else readers[source]
        for domain, patches in reader(path, selection).items():
            read[domain].extend(patches)
    places = {patch.place for patches in read.values() for patch in patches}
    if unknown := sorted(kept_out - places):
        raise SettingsError(f"{listing}: `held_out` names {', '.join(unknown)}, of which it names no image.")
    for domain, patches in read.items():
        found[domain].extend(patch for patch in patches if (patch.place in kept_out) == held_out)
    return Collection(**found)


def _time_series(path: Path, selection: dict[str, Any]) -> dict[str, list[Patch]]:
    with np.load(path) as arrays:
        images, dates, places = arrays["s2"], arrays["date"], arrays["patch"]
    return {
        domain: [
            Patch(f"roi146_{places[i]}_{dates[i]}", "roi146", "L1C", _reflectance(images[i]), bands.L1C)
            for i in positions
        ]
        for domain, positions in selection.items()
    }


def _triplets(path: Path, selection: dict[str, Any]) -> dict[str, list[Patch]]:
    with np.load(path) as arrays:
        images = {domain: arrays[domain] for domain in selection}
        names, radar = [str(name) for name in arrays["name"]], arrays["s1"]
    return {
        domain: [
            Patch(
                f"triplet_{name}_{domain}",
                f"triplet_{name}",
                "L1C",
                _reflectance(images[domain][names.index(name)]),
                bands.L1C,
                radar[names.index(name)],
            )
            for name in chosen
        ]
        for domain, chosen in selection.items()
    }


def _pairs(path: Path, selection: dict[str, Any]) -> dict[str, list[Patch]]:
    patches: dict[str, list[Patch]] = {}
    for domain, chosen in selection.items():
        side = "s2" if domain == "clear" else "s2_cloudy"
        patches[domain] = []
        for name in chosen:
            roi, patch = name.split("/")
            matches = sorted(path.glob(f"ROIs*_{side}/{side}_{roi}/*_{roi}_{patch}.tif"))
            if not matches:
                raise FileError(f"{path}: no {side} image of ROI {roi}, patch {patch}.")
            with rasterio.open(matches[0]) as file:
                patches[domain].append(
                    Patch(f"{side}_{roi}_{patch}", f"roi{roi}", "L1C", _reflectance(file.read()), bands.L1C)
                )
    return patches


def _bigearthnet(path: Path, selection: dict[str, Any]) -> dict[str, list[Patch]]:
    with np.load(path) as arrays:
        ten, twenty, sixty = arrays["b10"], arrays["b20"], arrays["b60"]
        radar, names = arrays["s1"], arrays["name"]
    patches: dict[str, list[Patch]] = {"clear": [], "cloudy": []}
    for i, name in enumerate(names):
        if i in selection["left_out"]:
            continue
        optical = np.zeros((len(bands.NAMES), *ten.shape[-2:]), np.float32)
        for group, images in ((bands.TEN_METRES, ten), (_TWENTY_METRE, twenty), (_SIXTY_METRE, sixty)):
            optical[[bands.INDEX[band] for band in group]] = _to_ten_metres(_reflectance(images[i]), ten.shape[-1])
        domain = "cloudy" if i in selection["cloudy"] else "clear"
        # A v1 and a v2 patch of one place differ in name only after the tile; the acquisition is the same.
        patches[domain].append(Patch(str(name), str(name), "L2A", optical, bands.L2A, radar[i].astype(np.float32)))
    return patches


def _places(path: Path, selection: dict[str, Any]) -> dict[str, list[Patch]]:
    """Images of `scripts/gather_places.py`; an image that is named twice is drawn twice as often."""

    def read(name: str) -> Patch:
        file = path / f"{name}.tif"
        if not file.exists():
            raise FileError(f"{file}: not found; scripts/gather_places.py makes it.")
        with rasterio.open(file) as image:
            optical = np.zeros((len(bands.NAMES), image.height, image.width), np.float32)
            optical[[bands.INDEX[band] for band in image.descriptions]] = _reflectance(image.read())
            return Patch(name, name, image.tags()["level"], optical, tuple(image.descriptions))

    return {domain: [read(name) for name in chosen] for domain, chosen in selection.items()}


def _reflectance(dn: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Reflectance of DN; all images here are older than processing baseline 04.00: 10,000 DN per 1.0, no offset."""
    return dn.astype(np.float32) / np.float32(10_000)


def _to_ten_metres(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    enlarged = F.interpolate(torch.from_numpy(image)[None], size=(side, side), mode="bilinear", align_corners=False)
    return enlarged[0].numpy()
