"""Images of one or several places in NumPy archives, in the layout that the README of the data folder describes.

An archive holds images as DN (reflectance = DN x `scale` + `offset`), (C, h, w) or (T, C, h, w) by date, the names of
their `bands`, and other metadata. An array `<name>_dn` may have `<name>_bands` of its own. Where bands are stored at
their native sizes, as `b10`, `b20` and `b60` with `bands10` and so on, the key of the image is `b10`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from unclouded.bands import INDEX, NAMES
from unclouded.data.patch import Patch
from unclouded.errors import FileError, SettingsError

DOMAINS = ("clear", "cloudy", "overcast", "broken")
"""The lists of images in a `data.collection.Collection`, by which a listing chooses."""

_LARGEST_GAP = 0.01
"""Largest share of an image without data; a few pixels of DN 0 may be very dark ground."""


def read_places(path: Path, listed: Mapping[str, Any]) -> dict[str, list[Patch]]:
    """Read the images that a listing chooses from one archive.

    Args:
        path: of the archive.
        listed: its `level`, its `bands`, and for each of its `places` the positions (or `all`), by key, of the images
            that are clear, cloudy and so on.

    Raises:
        FileError: the archive lacks the key, the position or the bands, or an image has gaps.
        SettingsError: the listing lacks an entry, or names an unknown domain.
    """
    for needed in ("level", "bands", "places"):
        if needed not in listed:
            raise SettingsError(f"{path.name}: the listing states no `{needed}` of it.")
    found: dict[str, list[Patch]] = {}
    with np.load(path) as arrays:
        for place, domains in listed["places"].items():
            for domain, chosen in domains.items():
                if domain not in DOMAINS:
                    raise SettingsError(f"{path.name}, {place}: {domain!r} is not one of {', '.join(DOMAINS)}.")
                for key, positions in chosen.items():
                    found.setdefault(domain, []).extend(_patches(path, arrays, listed, place, key, positions))
    return found


def _patches(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    listed: Mapping[str, Any],
    place: str,
    key: str,
    positions: Iterable[int] | str,
) -> Iterator[Patch]:
    if key not in arrays:
        raise FileError(
            f"{path}: holds no {key!r}, but the listing names it for {place}; it holds {', '.join(arrays)}."
        )
    bands, images = _native_sizes(arrays) if "bands10" in arrays else _one_size(arrays, key)
    unknown = set(bands) - set(listed["bands"].split())
    if unknown:
        raise FileError(f"{path}: {key} shows {', '.join(sorted(unknown))}, which the listing does not state.")
    for position in range(len(images)) if positions == "all" else map(int, positions):
        if not 0 <= position < len(images):
            raise FileError(f"{path}: {key} holds {len(images)} images; the listing names number {position}.")
        dn = images[position]
        if (gap := float((dn == 0).all(axis=0).mean())) > _LARGEST_GAP:
            raise FileError(f"{path}: {100 * gap:.0f}% of {key}, number {position}, is without data; choose others.")
        optical = np.zeros((len(NAMES), *dn.shape[1:]), np.float32)
        scale, offset = (np.float32(arrays[name]) for name in ("scale", "offset"))
        optical[[INDEX[band] for band in bands]] = (dn * scale + offset).clip(min=0)
        yield Patch(f"{path.stem}_{key}_{position}", place, listed["level"], optical, bands)


def _one_size(arrays: Mapping[str, NDArray[Any]], key: str) -> tuple[tuple[str, ...], NDArray[Any]]:
    own = f"{key.removesuffix('dn')}bands"
    bands = arrays[own if own in arrays else "bands"]
    images = arrays[key]
    return tuple(str(band) for band in bands), images if images.ndim == 4 else images[None]


def _native_sizes(arrays: Mapping[str, NDArray[Any]]) -> tuple[tuple[str, ...], NDArray[Any]]:
    bands, layers = [], []
    for metres in (10, 20, 60):
        image = torch.from_numpy(arrays[f"b{metres}"].astype(np.float32))[None]
        side = arrays["b10"].shape[1:]
        layers.append(F.interpolate(image, size=side, mode="bilinear", align_corners=False)[0].numpy())
        bands += [str(band) for band in arrays[f"bands{metres}"]]
    return tuple(bands), np.concatenate(layers)[None]
