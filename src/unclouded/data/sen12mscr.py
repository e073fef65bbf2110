"""SEN12MS-CR in its own folder layout: pairs of a cloudy and a clear image of the same ground, kept for validation.

    ROIs1158_spring_s2_cloudy/s2_cloudy_26/ROIs1158_spring_s2_cloudy_26_p500.tif     13 bands, L1C, DN, uint16
    ROIs1158_spring_s2/s2_26/ROIs1158_spring_s2_26_p500.tif                          the same ground, clear
    ROIs1158_spring_s1/s1_26/ROIs1158_spring_s1_26_p500.tif                          VV, VH in dB, float32

All 13 bands lie on the 10 m grid, as published (Ebel et al. 2021, IEEE TGRS 59), and are archived unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from unclouded.bands import L1C
from unclouded.data.archive import table_row
from unclouded.data.packing import Job, PatchRecord
from unclouded.errors import FileError, InputError
from unclouded.reading.files.raster import open_raster, read_window

SIDE = 256
"""Side of a patch in pixels of 10 m."""

_CHANNELS = ("VV", "VH")
_NAME = re.compile(r"(ROIs\d+_[a-z]+)_(s1|s2|s2_cloudy)_(\d+)_(p\d+)")
_DOMAINS = {"s2_cloudy": "X", "s2": "Y"}
_SPLITS = ("train", "validation", "test")


class _Files(NamedTuple):
    """The files of one patch."""

    optical: str
    radar: str | None


def jobs(source: Path, *, split: str = "validation") -> list[Job]:
    """List the cloudy and the clear images of the data set in folder `source`, each with the radar beside it.

    Every cloudy image names its clear one as `clear_id`. The files do not state the acquisition time, so the region of
    interest with its season serves as acquisition. The pairs are for validation: all are in one `split`.

    Raises:
        FileError: no such folder.
        InputError: the folder does not hold the data set, or there is no such split.
    """
    if split not in _SPLITS:
        raise InputError(f"{split}: no such split; accepted: {', '.join(_SPLITS)}")
    if not source.is_dir():
        raise FileError(f"{source}: no such folder; give the one that holds the data set's ROIs… folders")
    files = {kind: _files(source, kind) for kind in ("s1", *_DOMAINS)}
    found = [
        Job(
            patch_id=path.stem,
            row=_row(kind, key, files, split),
            source=_Files(str(path), str(files["s1"][key]) if key in files["s1"] else None),
        )
        for kind in _DOMAINS
        for key, path in files[kind].items()
    ]
    if not found:
        raise InputError(
            f"{source}: holds no file like ROIs1158_spring_s2_cloudy/s2_cloudy_26/ROIs1158_spring_s2_cloudy_26_p500.tif"
            "; give the folder that holds the data set's ROIs… folders"
        )
    return sorted(found, key=lambda job: job.patch_id)


def load(job: Job) -> PatchRecord:
    """Read one image and its radar.

    Raises:
        FileError: a file is damaged or cut short.
        InputError: a file differs from the data set's in bands, size or type, or the radar is of another place.
    """
    files: _Files = job.source
    optical, place = _read(files.optical, L1C, np.uint16)
    values = {job.patch_id: optical}
    if files.radar is not None:
        radar, radar_place = _read(files.radar, _CHANNELS, np.float32)
        if radar_place != place:
            raise InputError(f"{files.radar}: is not on the grid of {files.optical}; take both from the same release")
        values[str(job.row["s1_name"])] = radar
    return PatchRecord(values, dict(job.row))


def _files(source: Path, kind: str) -> dict[tuple[str, str, str], Path]:
    """Find the files of one kind by season, region and patch."""
    found = {}
    for path in source.glob(f"ROIs*_{kind}/{kind}_*/*.tif"):
        name = _NAME.fullmatch(path.stem)
        if name is not None and name[2] == kind:
            found[name[1], name[3], name[4]] = path
    return found


def _row(
    kind: str, key: tuple[str, str, str], files: Mapping[str, Mapping[tuple[str, str, str], Path]], split: str
) -> dict[str, Any]:
    season, region, _ = key
    cloudy = kind == "s2_cloudy"
    return table_row(
        files[kind][key].stem,
        split=split,
        s1_name=files["s1"][key].stem if key in files["s1"] else None,
        contains_cloud_or_shadow=cloudy,
        domain=_DOMAINS[kind],
        acquisition=f"{season}_{region}",
        level="L1C",
        clear_id=files["s2"][key].stem if cloudy and key in files["s2"] else None,
    )


def _read(path: str, names: tuple[str, ...], dtype: type) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """Read a file's bands by name, and its grid: CRS and transform as text."""
    with open_raster(path) as file:
        found = f"{file.count} bands of {file.width} x {file.height} {file.dtypes[0]}"
        wanted = f"{len(names)} bands of {SIDE} x {SIDE} {np.dtype(dtype).name}"
        if found != wanted or len(set(file.dtypes)) > 1:
            raise InputError(f"{path}: holds {found}, SEN12MS-CR's files hold {wanted}; copy or download it again")
        pixels = read_window(file, range(1, file.count + 1), Window(0, 0, SIDE, SIDE))
        place = (str(file.crs), *(f"{number:.3f}" for number in file.transform))
    return dict(zip(names, pixels, strict=True)), place
