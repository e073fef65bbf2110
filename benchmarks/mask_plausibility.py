"""How often masks of values 0 to 3 are called implausible, for masks whose meaning is guessed rightly and wrongly.

Scene classifications (SCL) of real days, and the masks of csmask's test image and of SEN12MS-CR triplets, are encoded
as OmniCloudMask's classes and as true where it is covered, which is what is guessed; and as python-fmask's classes, as
true where it is clear, and as true wherever there are data. Each has a pixel without data, which is 0 in all of them,
as at the edge of a swath.

    .venv/bin/python benchmarks/mask_plausibility.py --data shared/data
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unclouded.detection.classes import guess_scheme
from unclouded.detection.mask_plausibility import implausibility
from unclouded.errors import InputError

# Of SCL's classes 0 to 11: OmniCloudMask's and python-fmask's.
OMNI = np.array([0, 0, 0, 3, 0, 0, 0, 0, 1, 1, 2, 0])
PYTHON_FMASK = np.array([0, 0, 1, 3, 1, 1, 5, 1, 2, 2, 2, 4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    counts: dict[str, list[int]] = {}
    for classes, blue, level in days(parser.parse_args().data):
        omni = OMNI[classes]
        ways = {
            "true: OmniCloudMask": omni,
            "true: covered": (omni > 0).astype(int),
            "other: python-fmask": PYTHON_FMASK[classes],
            "other: clear": (omni == 0).astype(int),
            "other: valid": np.ones_like(omni),
        }
        for way, values in ways.items():
            row = counts.setdefault(way, [0, 0, 0])
            row[0] += 1
            try:
                guessed = guess_scheme(np.append(values, 0), way)
            except InputError:
                row[1] += 1
                continue
            row[2] += guessed in ("boolean", "omnicloudmask") and implausibility(values, blue, level) is not None
    for way, (total, by_values, by_pixels) in counts.items():
        print(f"{way:22} {total:4} masks, {by_values:4} refused by their values, {by_pixels:4} by the pixels")


def days(data: Path) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64], str]]:
    """SCL (n,) and blue reflectance (n,) of the pixels with data of each day, and the level."""
    for name, parts in {
        "gfmap_mol": [("dn", "scl")],
        "gfmap_antwerp": [("dn", "scl")],
        "small_icos_16px": [(f"{site}_dn", f"{site}_scl") for site in ("BE_Lcr", "CZ-Lnz", "DE-Hai")],
    }.items():
        with np.load(data / "places" / f"{name}.npz") as file:
            for dn, scl in parts:
                scale, offset = float(file["scale"]), float(file["offset"]) if "offset" in file else 0.0
                for image, classes in zip(file[dn], file[scl], strict=True):
                    there = (image > 0).all(axis=0)
                    if there.any():
                        yield classes[there].astype(int), image[0][there] * scale + offset, "L2A"
    with np.load(data / "places" / "csmask_cumulus.npz") as file:
        to_scl = np.array([3, 6, 11, 4, 9])
        yield to_scl[file["mask"].ravel()], file["dn"][0].ravel() / 10_000, "L1C"
    with np.load(data / "sen12mscr_triplets.npz") as file:
        for image, mask in zip(file["cloudy"], file["mask"], strict=True):
            yield np.where(mask.ravel() > 0, 9, 4), image[1].ravel() / 10_000, "L1C"


if __name__ == "__main__":
    main()
