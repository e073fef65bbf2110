"""Which input goes where; all is known and checked before any work is done."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from unclouded.errors import FileError, InputError, OutputExistsError, UncloudedError
from unclouded.files import clear_away, mask_path, quality_path
from unclouded.reading.files.raster import is_remote
from unclouded.reading.info import SceneInfo, grouped_notes
from unclouded.reading.products.folder import refuse_single_bands
from unclouded.reading.reader import ReadOptions
from unclouded.reading.results import refuse_result
from unclouded.reading.source import safe_stem
from unclouded.writing.journal import refuse_foreign
from unclouded.writing.stac_item import item_path

_GEOTIFF = (".tif", ".tiff")
_ends_as_file = re.compile(r"\.(?:tiff?|png|jpe?g|jp2|nc|vrt|zip|json|zarr)$", re.IGNORECASE).search


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        outputs: the output of each input that can be read.
        failed: the error of each other one.
        notes: what was assumed of the inputs that have an output, to be said to the user.
        skipped: the output of each input that was cleared before and is to stay.
        infos: of each input that can be read.
    """

    outputs: dict[str, Path] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    skipped: dict[str, Path] = field(default_factory=dict)
    infos: dict[str, SceneInfo] = field(default_factory=dict)


Written = Callable[[Path], tuple[Path, ...]]
"""All files that are written for an output."""


def cleared_files(output: Path) -> tuple[Path, ...]:
    """What is written for a cleared scene."""
    return output, quality_path(output), item_path(output)


def cleared_and_mask(output: Path) -> tuple[Path, ...]:
    """What is written for a cleared scene with its mask."""
    return *cleared_files(output), mask_path(output)


def mask_files(output: Path) -> tuple[Path, ...]:
    """What is written for a mask alone."""
    return output, item_path(output)


def bundled_patches() -> list[Path]:
    """Folders of the real patches that come with the package."""
    return sorted(path for path in Path(str(files("unclouded") / "sample")).iterdir() if path.is_dir())


def plan(
    inputs: Sequence[str],
    output: str,
    options: ReadOptions,
    *,
    overwrite: bool,
    skip_existing: bool | None = False,
    written: Written = cleared_files,
    beside: Sequence[str] = (),
) -> Plan:
    """Open every input, name its output and check that it may be written, before any work is done.

    Args:
        inputs: paths or addresses.
        output: a file for one input; a folder for several, or where one is there, or where it ends with a slash.
        options: how to read the inputs.
        overwrite: whether outputs may be there already.
        skip_existing: whether inputs whose outputs are all there are left out; None where that is no option.
        written: what is written for an output.
        beside: what is read beside the inputs, as references and masks.

    Raises:
        InputError: two inputs would get the same output, or one a file that is read, or several inputs one file; or
            the output's name is not that of a GeoTIFF; or the inputs are bands of one scene.
    """
    folder = output_folder(len(inputs), output)
    made = Plan()
    inputs, made_notes = each_once(inputs)
    refuse_single_bands(inputs)
    made.notes.extend(made_notes)
    for source in inputs:
        try:
            if written is not mask_files:
                refuse_result(source)
            with options.open(source) as scene:
                made.infos[source] = scene.info
        except Exception as error:  # whatever it is, it is this input's alone
            made.failed[source] = error
    for source, stem in _unique_names({source: info.stem for source, info in made.infos.items()}).items():
        made.outputs[source] = Path(output) if folder is None else folder / f"{stem}.tif"
    refuse_collisions(made.outputs, written, beside)
    for source, name in list(made.outputs.items()):
        try:
            if skip_existing and all(path.exists() for path in written(name)):
                clear_away(name)
                made.skipped[source] = made.outputs.pop(source)
                continue
            if not overwrite:
                _refuse_existing(written(name), skippable=skip_existing is not None and len(inputs) > 1)
            _make_folder(name.parent, wanted=folder is not None)
        except UncloudedError as error:
            made.failed[source] = error
            del made.outputs[source]
        except OSError as error:  # such as a folder that may not be looked into
            made.failed[source] = FileError(f"{name}: {error.strerror or error}; give another --output")
            del made.outputs[source]
    made.notes.extend(grouped_notes([made.infos[source] for source in made.outputs]))
    return made


def _unique_names(stems: Mapping[str, str]) -> dict[str, str]:
    """Names of outputs by input: equal ones are prefixed with the names of their folders."""
    names = dict(stems)
    around = {source: iter(Path(source.partition("?")[0]).parents) for source in stems}
    while repeated := [name for name, count in Counter(names.values()).items() if count > 1]:
        before = {source: next(around[source], Path()).name for source, name in names.items() if name in repeated}
        if not any(before.values()):
            break
        names |= {source: safe_stem(f"{folder}_{names[source]}") for source, folder in before.items() if folder}
    return names


def output_folder(count: int, output: str) -> Path | None:
    """The folder that the results of so many inputs go to; None if `output` is the file of the one input.

    Raises:
        InputError: it names a file, and there are several inputs; or it is empty, or not the name of a GeoTIFF.
        FileError: no file can have that name.
    """
    _refuse_empty(output)
    path = Path(output)
    slashed = output.endswith(("/", os.sep))
    try:
        is_folder = path.is_dir()
        output.encode()
    except OSError as error:
        raise FileError(f"{output}: {error.strerror or error}; give another --output") from error
    except UnicodeEncodeError as error:
        raise InputError(
            f"{output!a}: holds bytes that are no UTF-8, which alone GDAL accepts; give another --output, or set "
            "LC_ALL to a locale with UTF-8"
        ) from error
    if count < 2 and not slashed and not is_folder:
        check_output_name(path)
        return None
    if path.exists() and not is_folder:
        raise InputError(f"{output}: is a file; several results go into a folder: give another --output")
    if count > 1 and not is_folder and not slashed and _ends_as_file(output):
        raise InputError(f"{output}: is the name of a file; for {count} inputs give a folder: --output {output}/")
    return path


def each_once(inputs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the inputs without those that name a file again, and what to say of these."""
    found: dict[str | Path, str] = {}
    notes = []
    for source in inputs:
        file = source if is_remote(source) else Path(source).resolve()
        if file in found:
            notes.append(f"{source}: is given more than once, and taken once")
        found.setdefault(file, source)
    return list(found.values()), list(dict.fromkeys(notes))


def folder_named(output: str) -> Path:
    """The folder of a name.

    Raises:
        InputError: it is that of a file, or empty.
    """
    _refuse_empty(output)
    folder = Path(output)
    if _ends_as_file(folder.name) and not folder.is_dir():
        raise InputError(f"{folder}: is the name of a file; give a folder, such as --output {folder.stem}/")
    return folder


def _refuse_empty(output: str) -> None:
    """Refuse a name of nothing, as of a variable that is not set: it is no wish for the folder that one is in."""
    if not output.strip():
        raise InputError("--output is empty; give the name of a file or folder, or . for this folder")


def check_output_name(output: Path) -> None:
    """Check that a cleared scene may have this name.

    Raises:
        InputError: it is not that of a GeoTIFF.
    """
    if output.suffix.lower() not in _GEOTIFF:
        raise InputError(
            f"{output}: is not the name of a GeoTIFF; accepted are names that end in {' or '.join(_GEOTIFF)}, "
            "or a folder, which ends in /"
        )


def _refuse_existing(files: tuple[Path, ...], *, skippable: bool) -> None:
    try:
        refuse_foreign(*files)
    except OutputExistsError as error:
        if not skippable:
            raise
        raise OutputExistsError(f"{error}, or --skip-existing to go on with what is missing") from error


def refuse_collisions(
    outputs: Mapping[str, Path], written: Written = cleared_files, beside: Sequence[str] = ()
) -> None:
    """Check that no output is also a file that is read, lies in one, or is that of another input.

    Args:
        outputs: the output of each input.
        written: what is written for an output.
        beside: what is read beside the inputs, as references and masks.

    Raises:
        InputError: naming the first input for which that is so.
    """
    read = {Path(source).resolve(): source for source in (*beside, *outputs) if not is_remote(source)}
    counts = Counter(path.resolve() for name in outputs.values() for path in written(name))
    for source, name in outputs.items():
        if any(counts[path.resolve()] > 1 for path in written(name)):
            own = set(written(name))
            others = [other for other in outputs if other != source and not own.isdisjoint(written(outputs[other]))]
            raise InputError(
                f"{source}: would be written to {name}, as would {', '.join(others)}; clear them in separate folders"
            )
        for path in written(name):
            place = path.resolve()
            if hit := next((read[file] for file in (place, *place.parents) if file in read), None):
                raise InputError(f"{hit}: {path} would be written over or into it; give another --output")


def _make_folder(folder: Path, *, wanted: bool) -> None:
    try:
        if wanted:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: cannot be created ({error.strerror}); give another --output") from error
    if not folder.is_dir():
        raise FileError(f"{folder}: there is no such folder; make it first, or give another --output")
