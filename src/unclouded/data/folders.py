"""Any folder with `cloudy/` and `clear/` GeoTIFFs, and optionally `radar/`, cut into patches.

An image's radar has its name: `radar/<stem>.tif`, or a folder `radar/<stem>/` with a file for VV and one for VH. An
image that is in both folders under the same name and on the same grid is a pair: its clear patches are the truth of
its cloudy ones. Patches hold reflectance x 10,000 as uint16, 0 where there is no data: DN that already are that stay
as they are, others (offsets, other scales, floats) are converted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unclouded.data.archive import table_row
from unclouded.data.packing import Job, PatchRecord
from unclouded.errors import FileError, InputError
from unclouded.reading.info import SceneInfo, grouped_notes
from unclouded.reading.radar import Radar, open_radar
from unclouded.reading.reader import ReadOptions
from unclouded.reading.scene import Scene
from unclouded.reflectance import Encoding, to_dn, to_reflectance, valid_pixels

SCALE = 10_000.0
_DOMAINS = {"cloudy": "X", "clear": "Y"}
_ENDINGS = (".tif", ".tiff")
_SPLITS = ("train", "validation", "test")
_CHANNELS = ("VV", "VH")


class _Window(NamedTuple):
    """A square window of an image, and the path of its radar."""

    image: str
    radar: str | None
    row: int
    column: int
    size: int
    reading: ReadOptions


def jobs(
    source: Path,
    *,
    size: int = 120,
    reading: ReadOptions | None = None,
    split: str | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> list[Job]:
    """List the patches of `size` x `size` pixels of all images; incomplete ones at the right and bottom are left out.

    Patches without any data are left out, too. All patches of an image are in one split: of the images in both folders,
    and of those in one only, ordered by a hash of their names, one in seven (but at least one of two) is for
    validation, as many (but at least one of three) for test, and the rest for training.

    Args:
        source: folder with `cloudy/` and `clear/`, one of which may be missing.
        size: side of a patch in pixels.
        reading: level, scale and so on of images that do not state them.
        split: one split for all.
        note: called with each assumption about the images.

    Raises:
        FileError: no such folder, or an image that is damaged.
        InputError: no image, one smaller than a patch or of unknown level, two of one name, or no such split.
    """
    if split is not None and split not in _SPLITS:
        raise InputError(f"{split}: no such split; accepted: {', '.join(_SPLITS)}")
    if not source.is_dir():
        raise FileError(f"{source}: no such folder; give one that holds cloudy/ and clear/ with GeoTIFFs")
    reading = reading or ReadOptions()
    images = {folder: _images(source / folder) for folder in _DOMAINS}
    if not any(images.values()):
        raise InputError(f"{source}: holds no GeoTIFF in cloudy/ or clear/; put .tif files there")
    splits = _splits(*(set(found) for found in images.values()))
    grids: dict[tuple[str, str], object] = {}
    found: list[Job] = []
    infos: list[SceneInfo] = []
    for folder in ("clear", "cloudy"):
        for stem, path in images[folder].items():
            with reading.open(str(path)) as scene:
                _check(scene.info, size, reading)
                infos.append(scene.info)
                grids[folder, stem] = (scene.info.crs, scene.info.transform, scene.info.width, scene.info.height)
                paired = folder == "cloudy" and grids.get(("clear", stem)) == grids[folder, stem]
                radar = _radar_of(source, stem)
                for row, column in _squares(scene, size):
                    window = _Window(str(path), radar, row, column, size, reading)
                    known = {"split": split or splits[stem], "level": scene.info.level}
                    found.append(_job(folder, stem, window, paired, known))
    for text in grouped_notes(infos):
        note(text)
    return found


def load(job: Job) -> PatchRecord:
    """Read one patch and its radar.

    Raises:
        FileError: a block is damaged.
        InputError: the radar is not one.
    """
    window: _Window = job.source
    scene = _open(window.image, window.reading)
    square = (window.row, window.column, window.size, window.size)
    dn = _as_reflectance_dn(scene.read(*square), scene.info.encoding)
    values = {job.patch_id: dict(zip(scene.info.bands, dn, strict=True))}
    row = dict(job.row)
    if window.radar is not None:
        decibels = _open_radar(window.radar, window.image, window.reading).read(*square)
        if np.isfinite(decibels).any():
            row["s1_name"] = f"{job.patch_id}_radar"
            values[row["s1_name"]] = dict(zip(_CHANNELS, decibels, strict=True))
    return PatchRecord(values, row)


# Jobs are sorted by image, and opening an image takes longer than reading a patch, so each process keeps the last.
@lru_cache(maxsize=2)
def _open(image: str, reading: ReadOptions) -> Scene:
    return reading.open(image)


@lru_cache(maxsize=2)
def _open_radar(radar: str, image: str, reading: ReadOptions) -> Radar:
    return open_radar(radar, _open(image, reading).info)


def _images(folder: Path) -> dict[str, Path]:
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    found: dict[str, Path] = {}
    for file in files:
        if file.suffix.lower() not in _ENDINGS:
            continue
        if file.stem in found:
            raise InputError(f"{file}: {found[file.stem].name} has the same name; rename one of them")
        found[file.stem] = file
    return found


def _check(info: SceneInfo, size: int, reading: ReadOptions) -> None:
    if min(info.width, info.height) < size:
        raise InputError(
            f"{info.source}: {info.width} x {info.height} pixels, smaller than a patch of {size}; give a smaller --size"
        )
    if any(text.startswith("level assumed") for text in info.notes) and reading.level is None:
        # L1C and L2A differ strongly in the blue; a wrong guess would mix them unnoticed.
        raise InputError(f"{info.source}: nothing says whether it is L1C or L2A; give --level")


def _squares(scene: Scene, size: int) -> list[tuple[int, int]]:
    """Row and column of each patch with data; one row of patches is in memory at a time."""
    info = scene.info
    found = []
    for row in range(0, info.height - size + 1, size):
        valid = valid_pixels(scene.read(row, 0, size, info.width), info.encoding)
        found += [(row, column) for column in range(0, info.width - size + 1, size) if _any(valid, column, size)]
    return found


def _any(valid: NDArray[np.bool_], column: int, size: int) -> bool:
    return bool(valid[:, column : column + size].any())


def _radar_of(source: Path, stem: str) -> str | None:
    for path in (source / "radar" / stem, *(source / "radar" / f"{stem}{ending}" for ending in _ENDINGS)):
        if path.exists():
            return str(path)
    return None


def _job(folder: str, stem: str, window: _Window, paired: bool, known: dict[str, Any]) -> Job:
    place = f"{stem}_{window.row}_{window.column}"
    row = table_row(
        f"{folder}_{place}",
        contains_cloud_or_shadow=folder == "cloudy",
        domain=_DOMAINS[folder],
        acquisition=stem,
        clear_id=f"clear_{place}" if paired else None,
        **known,
    )
    return Job(patch_id=row["patch_id"], row=row, source=window)


def _splits(cloudy: set[str], clear: set[str]) -> dict[str, str]:
    """Assign image names to splits; images in both folders, cloudy ones and clear ones are each in every split."""
    splits: dict[str, str] = {}
    for kind in (cloudy & clear, cloudy - clear, clear - cloudy):
        names = sorted(kind, key=lambda name: hashlib.sha256(name.encode()).digest())
        held = max(1, round(len(names) / 7))
        ends = {"validation": held if len(names) > 1 else 0, "test": held if len(names) > 2 else 0}
        order: Sequence[str] = [part for part, count in ends.items() for _ in range(count)]
        splits |= dict(zip(names, [*order, *["train"] * (len(names) - len(order))], strict=True))
    return splits


def _as_reflectance_dn(dn: NDArray[Any], encoding: Encoding) -> NDArray[np.uint16]:
    plain = Encoding(SCALE, (0.0,) * dn.shape[0], 0.0)
    if dn.dtype == np.uint16 and encoding == plain:
        return dn
    reflectance, valid = to_reflectance(dn, encoding)
    converted = to_dn(reflectance, plain, np.uint16)
    converted[:, ~valid] = 0
    return converted.astype(np.uint16)
