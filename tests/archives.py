"""Small archives for the tests of what reads them."""

from __future__ import annotations

import zlib

import numpy as np

from unclouded.bands import BANDS, L2A
from unclouded.data.archive import encode
from unclouded.data.archive_writer import ArchiveWriter

SIDE = 24
LABELS = ("Mixed forest", "Pastures", "Sea and ocean")


def pixels(patch_id, names=L2A):
    """The DN of a patch, which follow from its id; a corner of B02 is no-data."""
    rng = np.random.default_rng(zlib.crc32(patch_id.encode()))
    sides = {band.name: SIDE * 10 // band.resolution for band in BANDS}
    bands = {name: rng.integers(1, 9000, (sides[name], sides[name])).astype(np.uint16) for name in names}
    bands["B02"][0, 0] = 0
    return bands


def decibels(patch_id):
    """The radar of a patch, which follows from its id."""
    rng = np.random.default_rng(zlib.crc32(patch_id.encode()) + 1)
    return {name: rng.normal(-15, 3, (SIDE, SIDE)).astype(np.float32) for name in ("VV", "VH")}


def row(patch_id, **known):
    """One row of the table: a clear L2A patch of the training split unless told otherwise."""
    return {
        "patch_id": patch_id,
        "labels": ["Mixed forest"],
        "split": "train",
        "country": "",
        "s1_name": None,
        "s2v1_name": None,
        "contains_seasonal_snow": False,
        "contains_cloud_or_shadow": False,
        "domain": "Y",
        "acquisition": "A",
        "level": "L2A",
        "clear_id": None,
    } | known


def write(path, rows, names=L2A, half_radar=()):
    """Write an archive of `rows`, with radar where a row names it, and return its path.

    The radar of the patches in `half_radar` ends at half width.
    """
    with ArchiveWriter(path) as writer:
        values = {known["patch_id"]: encode(pixels(known["patch_id"], names)) for known in rows}
        for known in rows:
            if known["s1_name"]:
                radar = decibels(known["patch_id"])
                for channel in radar.values():
                    channel[:, SIDE // 2 :] = np.nan if known["patch_id"] in half_radar else channel[:, SIDE // 2 :]
                values[known["s1_name"]] = encode(radar)
        writer.put(values, rows)
        writer.finish()
    return path


def made(path, *, clear=40, cloudy=0, truth=0, split="train", radar=True):
    """Write an archive of clear and cloudy patches of four acquisitions; the first `truth` cloudy ones have a twin."""
    rows = []
    for domain, count in (("Y", clear), ("X", cloudy)):
        for number in range(count):
            name = f"{domain}_{split}_{number:03d}"
            twin = f"{name}_clear" if domain == "X" and number < truth else None
            known = {"split": split, "domain": domain, "acquisition": f"A{number % 4}", "clear_id": twin}
            rows.append(
                row(
                    name,
                    **known,
                    labels=[LABELS[0 if number else 1]],
                    s1_name=f"{name}_S1" if radar and number % 2 == 0 else None,
                    contains_cloud_or_shadow=domain == "X",
                )
            )
            if twin:
                rows.append(row(twin, split=split, domain=""))
    return write(path, rows)
