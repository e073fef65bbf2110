"""A folder of single-band files: BigEarthNet patches, v1 and v2, and any other with the band in each file's name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from unclouded.bands import INDEX
from unclouded.errors import InputError, UncloudedError
from unclouded.reading.files.other_files import other_folder
from unclouded.reading.files.raster import open_raster
from unclouded.reading.names.dates import refuse_several_days, time_of_files
from unclouded.reading.names.missions import refuse_others
from unclouded.reading.names.naming import band_named, bands_named, check_bands, unnamed
from unclouded.reading.names.product_name import ProductName, product_name, tile_name
from unclouded.reading.radiometry.offsets import offset_of_name
from unclouded.reading.source import Layer, Source, Wanted, safe_stem

ENDINGS: tuple[str, ...] = (".tif", ".tiff", ".jp2")
VARIANTS: tuple[str, ...] = ("FRE", "SRE")
"""MAJA's two kinds of reflectance: with slopes corrected, which is taken unless something else is said, and without."""

_CLASSES = re.compile(r"(?:.*_)?SCL(?:_\d{2}m)?", re.IGNORECASE)
"""Names of the file of the scene classification."""

_TILE_FOLDER = re.compile(r"/(\d{1,2})/([A-Z])/([A-Z]{2})/(20\d\d)/(\d{1,2})/(\d{1,2})/(\d+)(?:/R[126]0m)?$")
"""Of a tile in the archive on Amazon: tiles/32/T/QM/2018/4/1/0."""

_TILE_METADATA = ("metadata.xml", "MTD_TL.xml")
_TILE_ID = re.compile(r"<TILE_ID[^>]*>\s*([^<\s]+)")
_LARGEST_METADATA = 2**20
"""Characters of a tile's metadata that are looked at; what it is stands at their beginning."""

_RESOLUTION = re.compile(r"_(\d{2})m$", re.IGNORECASE)


def folder_source(path: str, wanted: Wanted) -> Source:
    """Find the band files in the folder at `path`; of a band that is there at several resolutions, the finest.

    Raises:
        InputError: no file is named after a band, two are named after the same one, or one that is wanted is missing.
    """
    folder = Path(path)
    requested = check_bands(path, wanted.bands) if wanted.bands is not None else None
    files, notes = _variant(path, _rasters(folder), wanted.variant)
    found: dict[str, list[Path]] = {}
    others, classes = [], []
    for file, band in zip(files, bands_named([file.stem for file in files]), strict=True):
        if band is None and _CLASSES.fullmatch(file.stem):
            classes.append(file)
        elif band is None:
            others.append(file.name)
        else:
            found.setdefault(band, []).append(file)
    if not found:
        raise _no_bands(path, files)
    counted = sorted(
        (file.stem for candidates in found.values() for file in candidates), key=lambda stem: (len(stem), stem)
    )
    if len(counted) > 1 and unnamed(counted):
        raise InputError(
            f"{path}: its files {counted[0]}, {counted[1]}, … count bands and do not name them; call them after "
            "theirs, such as B02, B03, B04 and B08, or B01, B02, … if their numbers are Sentinel-2's"
        )
    refuse_others(path, (folder.resolve().name, *(file.name for file in files)))
    chosen = {band: _finest(path, band, candidates) for band, candidates in found.items()}
    layers = pick_layers(path, {band: str(file) for band, file in chosen.items()}, requested)
    refuse_several_days(path, {layer.band: Path(layer.path).name for layer in layers})
    name = _folder_name(folder, chosen.values())
    offset = None if wanted.offset_given else offset_of_name(path, name)
    if others:
        notes.append(f"left out: {', '.join(others)}, not named after a band")
    return Source(
        name=path,
        stem=_stem(folder.resolve()),
        layers=layers,
        level=name.level,
        offsets=None if offset is None else (offset,) * len(layers),
        offsets_uncertain=not name.bigearthnet,
        others=frozenset(chosen) - {layer.band for layer in layers},
        notes=notes,
        acquired=time_of_files(file.stem for file in chosen.values()),
        classification=str(min(classes, key=_metres)) if classes else "",
    )


def _no_bands(path: str, files: Sequence[Path]) -> InputError:
    """The error for a folder without band files, which says what it is instead; `files` are its rasters."""
    folder = Path(path)
    entries = sorted(entry.name for entry in folder.iterdir())
    if known := other_folder(entries):
        return InputError(f"{path}: is {known}")
    if (folder / "IMG_DATA").is_dir():
        return InputError(f"{path}: is the folder of a tile in a product; give the product, or IMG_DATA in it")
    stacks = sorted({file.suffix for file in files})
    scenes = f"its files, if they are scenes ({path.rstrip('/')}/*{stacks[0]})" if stacks else "one file"
    return InputError(
        f"{path}: a folder without band files (found {', '.join(entries[:3]) or 'nothing'}); give a folder with files "
        f"named …_B02.tif or .jp2, a .SAFE product, or {scenes}"
    )


def refuse_single_bands(inputs: Sequence[str]) -> None:
    """Refuse single-band files named after different bands, each given as if it were a scene; InputError."""
    files = [Path(name) for name in inputs]
    names = bands_named([file.stem for file in files])
    if len(files) < 2 or None in names or len(set(names)) < len(names):
        return
    try:
        for file in files:
            with open_raster(str(file)) as dataset:
                if dataset.count != 1:
                    return
    except UncloudedError:
        return  # which is said where it is read
    raise InputError(
        f"{inputs[0]} and the {len(inputs) - 1} others: are single bands ({', '.join(map(str, names))}); "
        "give the folder that holds the bands of a scene"
    )


def _stem(folder: Path) -> str:
    """What outputs are called after: the folder, or tile and day of one as on Amazon, whose own name is a number."""
    if found := _TILE_FOLDER.search(folder.as_posix()):
        zone, latitude, square, year, month, day, number = found.groups()
        return f"T{int(zone):02}{latitude}{square}_{year}{int(month):02}{int(day):02}_{number}"
    return safe_stem(folder.name)


def _rasters(folder: Path) -> list[Path]:
    """The files of a folder, or, as in the IMG_DATA of L2A, those of its folders R10m, R20m and R60m."""
    found = sorted(file for file in folder.iterdir() if file.suffix.lower() in ENDINGS)
    if any(band_named(file.stem) for file in found):
        return found
    return found + sorted(file for file in folder.glob("R[126]0m/*") if file.suffix.lower() in ENDINGS)


def _variant(path: str, files: list[Path], wanted: str | None) -> tuple[list[Path], list[str]]:
    """Of MAJA's two kinds of reflectance take that which is wanted, else that with slopes corrected."""
    kinds = {kind: [file for file in files if f"_{kind}_" in file.name] for kind in VARIANTS}
    present = [kind for kind, found in kinds.items() if found]
    if wanted is not None and wanted not in present:
        raise InputError(
            f"{path}: has no files of the variant {wanted}, which have _{wanted}_ in their names "
            f"(found {', '.join(present) or 'none of ' + ' and '.join(VARIANTS)}); leave --variant out"
        )
    if len(present) < len(VARIANTS):
        return files, []
    taken = wanted or VARIANTS[0]
    kept = [file for file in files if file in kinds[taken] or not any(file in found for found in kinds.values())]
    return kept, ["slope-corrected reflectance (FRE) is taken; --variant SRE takes the other"] if wanted is None else []


def no_variants(source: str) -> InputError:
    """Make the error for a variant of what can have none."""
    return InputError(f"{source}: is no folder of band files, and --variant is about those of MAJA; leave it out")


def pick_layers(source: str, paths: Mapping[str, str], requested: Sequence[str] | None) -> tuple[Layer, ...]:
    """Return single-band files in the order of `bands.NAMES`, all or those `requested` for; InputError if absent."""
    missing = [band for band in requested or () if band not in paths]
    if missing:
        raise InputError(
            f"{source}: has no {', '.join(missing)}; it holds {', '.join(sorted(paths, key=INDEX.__getitem__))}; "
            "choose among them with --bands"
        )
    return tuple(Layer(band, paths[band]) for band in sorted(requested or paths, key=INDEX.__getitem__))


def _finest(path: str, band: str, files: list[Path]) -> Path:
    if len(files) == 1:
        return files[0]
    metres = [_metres(file) for file in files]
    best = min(metres)
    if best == 0 or metres.count(best) > 1:
        names = ", ".join(file.name for file in files)
        raise InputError(f"{path}: band {band} is there more than once ({names}); keep one file of each band")
    return files[metres.index(best)]


def _metres(file: Path) -> int:
    """Pixel size that a file's name or folder says, 0 if none."""
    found = _RESOLUTION.search(file.stem) or re.fullmatch(r"R(\d{2})m", file.parent.name)
    return int(found[1]) if found else 0


def _tile_names(folder: Path) -> list[ProductName]:
    """What the metadata of a tile say that lies by itself, as in the archive on Amazon, or around its R10m."""
    names = []
    for file in (place / name for place in (folder, folder.parent) for name in _TILE_METADATA):
        if not file.is_file():
            continue
        with file.open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(_LARGEST_METADATA)
        if found := _TILE_ID.search(text):
            names.append(tile_name(found[1]))
    return names


def _folder_name(folder: Path, files: Iterable[Path]) -> ProductName:
    """Read what the names of the folder, its files and the folders around it say; the nearest that says more wins."""
    names = [product_name(name) for name in (folder.resolve().name, *(file.stem for file in files))]
    if not any(name.bigearthnet for name in names):
        names += _tile_names(folder)
        names += [product_name(parent.name) for parent in folder.resolve().parents]
    for name in names:
        if name.bigearthnet or name.baseline is not None:
            return name
    return next((name for name in names if name.level or name.date), ProductName())
