"""Images of which something tells where cloud and shadow are, and those that show neither, for `detection.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from comparison import ROOT
from detected import Mask
from numpy.typing import NDArray
from pairs import load_pairs, place, truly_clear
from pairs_l2a import Site, load_scl, load_site
from places import Image, images

from unclouded.bands import INDEX, L1C, TEN
from unclouded.data.clouds import simulate
from unclouded.data.collection import load_collection
from unclouded.data.seasons import path_reflectance

LISTING = ROOT / "settings" / "collection.yaml"
CUMULUS, SURE = "csmask's test image", "SCL where it is sure"

SMALLEST = 46
"""Pixels along the shorter side of the images that are looked at."""

EACH = 3
"""Images of a place that are looked at, spread over all there are: more tell little more of it."""

_BRIGHTER, _DARKER, _ALIKE = 0.04, 0.08, (0.015, 0.05)
"""Reflectance by which cloud outshines clear ground in the visible, by which shadow darkens the near infrared, and up
to which visible and near infrared are those of clear ground."""


class Reference(NamedTuple):
    """An image with what is known of it.

    Attributes:
        kind: of the reference.
        image: what is looked at.
        cloud: (h, w).
        shadow: (h, w); None if the reference tells of cloud alone.
        known: (h, w) where it tells.
        scl: (h, w) the product's own scene classification; None without one.
    """

    kind: str
    image: Image
    cloud: Mask
    shadow: Mask | None
    known: Mask
    scl: NDArray[np.uint8] | None = None


def references(data: Path, clear_images: list[Image]) -> Iterator[Reference]:
    """All images that something is known of."""
    with np.load(data / "sen12mscr_triplets.npz") as z:
        for name, dn, mask in zip(z["name"], z["cloudy"], z["mask"], strict=True):
            image = Image(f"triplet {name}", f"triplet {name}", dn / np.float32(1e4), L1C, "L1C", state="partly")
            yield Reference("masks of the triplets, cloud alone", image, mask > 0, None, np.ones(mask.shape, bool))
    for pair in load_pairs(data, "validation"):
        if pair.name in truly_clear():
            image = Image(pair.name, place(pair), pair.cloudy, L1C, "L1C", state="partly")
            yield _by_difference("pairs, difference from the clear date", image, pair.clear, None)
    for image in images(data / "places"):
        if image.classes is not None and image.place == "csmask_cumulus":
            every = np.ones(image.classes.shape, bool)
            yield Reference(CUMULUS, image, image.classes == 4, image.classes == 0, every)
        elif image.classes is not None and image.state != "clear":
            yield _by_scl(image, image.classes)
    yield from _belgian_days(data)
    rng = torch.Generator().manual_seed(0)
    large = (one for one in clear_images if one.bands == L1C and min(one.reflectance.shape[1:]) >= 256)
    for image in {one.place: one for one in large}.values():
        ground = torch.from_numpy(image.reflectance)[None, :, :256, :256]
        sky = simulate(ground, path_reflectance(torch.zeros(1), rng), rng)
        cloud, shadow = sky.cloud[0, 0].numpy() > 0.3, sky.shadow[0, 0].numpy() > 0.3
        made = Image(image.name, image.place, sky.cloudy[0].numpy(), L1C, image.level)
        yield Reference("simulated skies", made, cloud, shadow & ~cloud, np.ones(cloud.shape, bool))


def _belgian_days(data: Path) -> Iterator[Reference]:
    site, scl = load_site(data / "worldcereal"), load_scl(data / "worldcereal")
    for day in site.partly[:: max(1, len(site.partly) // 16)]:
        image = Image(f"{site.days[day]}", "worldcereal", site.reflectance[day], TEN, "L2A", state="partly")
        yield _by_difference("Belgian days, difference from clear days", image, ground_of(site, int(day)), scl[day])


def ground_of(site: Site, day: int) -> NDArray[np.float32]:
    """The ground of a day: the median of the five nearest clear days, (C, h, w)."""
    near = sorted((other for other in site.clear if other != day), key=lambda other: site.apart(day, int(other)))[:5]
    return np.median(site.reflectance[near], axis=0).astype(np.float32)


def _by_difference(kind: str, image: Image, ground: NDArray[np.float32], scl: NDArray[np.uint8] | None) -> Reference:
    """Cloud and shadow where an image departs from the clear ground as they do; not known where it departs a little."""
    visible = [image.bands.index(name) for name in ("B02", "B03", "B04")]
    brighter = (image.reflectance - ground)[visible].mean(axis=0)
    infrared = (image.reflectance - ground)[image.bands.index("B08")]
    cloud = brighter > _BRIGHTER
    shadow = ~cloud & (infrared < -_DARKER) & (brighter < -0.005)
    clear = (np.abs(brighter) < _ALIKE[0]) & (np.abs(infrared) < _ALIKE[1])
    return Reference(kind, image, cloud, shadow, cloud | shadow | clear, scl)


def _by_scl(image: Image, scl: NDArray[np.uint8]) -> Reference:
    """What SCL is seldom wrong of: cloud of middle and high probability, shadow, plants and bare soil."""
    cloud, shadow = np.isin(scl, (8, 9)), scl == 3
    return Reference(SURE, image, cloud, shadow, cloud | shadow | np.isin(scl, (4, 5)), scl)


def clear_images(data: Path) -> list[Image]:
    """The clear images that settings/collection.yaml lists, those held out too, and those of the validation pairs."""
    found: dict[str, list[Image]] = {}
    for held_out in (False, True):
        for patch in load_collection(data, LISTING, held_out=held_out).clear:
            if min(patch.optical.shape[1:]) >= SMALLEST and {"B02", "B03", "B04", "B08"} <= set(patch.bands):
                bands = tuple(sorted(patch.bands, key=INDEX.__getitem__))
                metres = 20 if patch.name.startswith("california") else 10
                optical = patch.optical[[INDEX[name] for name in bands]]
                image = Image(patch.name, patch.place, optical, bands, patch.level, metres)
                found.setdefault(patch.place, []).append(image)
    for pair in load_pairs(data, "validation"):
        if pair.name in truly_clear():
            found.setdefault(place(pair), []).append(Image(pair.name, place(pair), pair.clear, L1C, "L1C"))
    return [one for many in found.values() for one in many[:: -(-len(many) // EACH)]]


def snowy(data: Path) -> set[str]:
    """Names of the clear images that show snow."""
    with np.load(data / "bigearthnet_patches.npz") as z:
        flagged = {str(name) for name, snow in zip(z["name"], z["snow"], strict=True) if snow}
    return flagged | {"r4openeo_alps_snow_dn_0"}
