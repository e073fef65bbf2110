"""What clearing reads of a scene, window by window on its grid: its DN, and what helps to clear it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unclouded.bands import ASSUMED_ORDER
from unclouded.clearing.ambiguous_mask import is_ambiguous, refuse_implausible, samples
from unclouded.clearing.detector.detection_cache import DetectionCache
from unclouded.clearing.options import MASK_AUTO, ClearOptions
from unclouded.detection.classes import NO_DATA, BitScheme, Scheme, guess_scheme, parse_scheme, read_classes
from unclouded.detection.csmask import FOUR_BANDS, SIX_BANDS, usable_bands
from unclouded.errors import FileError, InputError, UncloudedError, UnknownRadiometryError, UnreadableReferenceError
from unclouded.reading.array_classification import NO_VALUE
from unclouded.reading.classification import open_classification
from unclouded.reading.find_source import find_source
from unclouded.reading.grids.aligned import AlignedImage
from unclouded.reading.info import Raster, SceneInfo
from unclouded.reading.mask import open_mask
from unclouded.reading.names.dates import acquired
from unclouded.reading.radar import open_radar
from unclouded.reading.radiometry.fallback import ABOUT_SCALE, ASSUMED_FROM_SCENE, FallbackRadiometry
from unclouded.reading.reader import ReadOptions
from unclouded.reading.results import refuse_result
from unclouded.reading.scene import Scene
from unclouded.reading.source import Wanted
from unclouded.tiles import Box

_MOST_BEYOND = 0.01
"""Share of a scene beyond the edge of a mask up to which the two are called alike, as where one was resampled."""

_ASSUMED = (ASSUMED_FROM_SCENE, "level assumed")
"""How notes begin that say what a reference was taken for."""


_OF_REFERENCE = (
    "of a reference that is not as the scene is, it has to say it itself: value = DN x scale + offset, as written by "
    "gdal_edit.py -scale 0.0001 -offset -0.1"
)
"""What to do about numbers of a reference: options are the scene's."""


class RadarRaster(Protocol):
    """Radar on the grid of a scene: windows (2, height, width) of VV and VH in dB, NaN where there is none."""

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.float32]:
        """Read a window inside the grid."""


class MaskReader(Protocol):
    """A mask on the grid of a scene: windows (height, width) of the classes of `detection.classes`."""

    @property
    def name(self) -> str:
        """What it is called."""

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.uint8]:
        """Read a window inside the grid."""


class ClassificationReader(Protocol):
    """A scene classification (SCL) on the grid of a scene: windows (height, width) of its own values."""

    @property
    def name(self) -> str:
        """What it is called."""

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.int32]:
        """Read a window inside the grid; `NO_VALUE` where it says nothing."""


class ClassValues(ClassificationReader, Protocol):
    """Values of classes on the grid of a scene, and which there are."""

    @property
    def label(self) -> str:
        """By what a scheme of classes may be known."""

    @property
    def values(self) -> tuple[int, ...]:
        """The values that it holds in the scene's area, without `NO_VALUE`."""

    @property
    def values_of_whole(self) -> tuple[int, ...]:
        """The same of the whole scene, of which the area may be a part."""


class UserMask:
    """A mask that was given, on the grid of a scene, as the classes of `detection.classes`.

    Attributes:
        name: of its file.
        raster: its values.
        scheme: what they mean.
        ambiguous: whether, by the mask alone, its values may mean something else.
    """

    def __init__(self, raster: ClassValues, scheme: str | Scheme | BitScheme | None = None) -> None:
        """Understand the values of `raster`: by `scheme`, see `detection.classes`, or as the scheme that they fit.

        Raises:
            InputError: if it holds values without a class.
        """
        self.name, self.raster, self.ambiguous = raster.name, raster, False
        found = np.array(raster.values_of_whole if scheme is None else raster.values, np.int32)
        self.scheme = guess_scheme(found, raster.name, raster.label) if scheme is None else scheme
        # All of its values, so that an unknown value is refused before any work is done.
        read_classes(found[None], self.scheme, raster.name)

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.uint8]:
        """Read the classes of a window (height, width); `NO_DATA` where the mask says nothing.

        Raises:
            FileError: if it cannot be read.
        """
        values = self.raster.read(row, column, height, width)
        silent = values == NO_VALUE
        classes = np.full(values.shape, NO_DATA, np.uint8)
        classes[~silent] = read_classes(values[~silent], self.scheme, self.name)
        return classes


class OpenReference:
    """Another date of the place, open and on the scene's grid.

    Attributes:
        info: of the image, on its own grid.
        name: what it is called.
        bands: names of its bands.
        level: "L1C" or "L2A".
        acquired: when it was taken, in UTC; None where nothing says it.
        files: that hold its pixels; empty if that is not known.
        assumed: what it was taken for where it does not say it, a sentence each.
        unsure: those of them that say what its numbers mean.
    """

    def __init__(self, image: Raster, scene: SceneInfo, *, assumptions_reported: bool = False) -> None:
        """Bring `image` to the grid of `scene`; with `assumptions_reported` its own assumptions are not noted again.

        Raises:
            InputError: if they have no area in common.
        """
        self._aligned = AlignedImage(image, scene)
        self.info, self.files = image.info, files_of(image)
        self.name, self.bands, self.level = image.info.source, image.info.bands, image.info.level
        self.acquired = acquired(image.info)
        prefixes = ASSUMED_FROM_SCENE if assumptions_reported else _ASSUMED
        self.assumed = tuple(note for note in image.info.notes if note.startswith(prefixes))
        self.unsure = tuple(note for note in self.assumed if note.startswith(f"{ASSUMED_FROM_SCENE} {ABOUT_SCALE}"))

    def read(self, box: Box, bands: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Read a box of the scene's grid, (C, h, w): reflectance, NaN where nothing is shown.

        Args:
            box: that is wanted.
            bands: numbers of those that are wanted, all unless given; see `AlignedImage.read`.

        Raises:
            UnreadableReferenceError: if it cannot be read.
        """
        with _as_reference(self.name):
            return self._aligned.read(box.row, box.column, box.height, box.width, bands)


@contextmanager
def _as_reference(name: str, faults: type[UncloudedError] = FileError) -> Iterator[None]:
    """Say of an image that cannot be read, or has other faults, that it is another date, which may be left out."""
    try:
        yield
    except faults as error:
        raise UnreadableReferenceError(f"{error}, or leave this reference out", name) from error


def assumptions(references: Sequence[OpenReference]) -> list[str]:
    """What references were taken for where they do not say it: a sentence for all of whom the same was assumed."""
    names: dict[str, list[str]] = {}
    for reference in references:
        for note in reference.assumed:
            names.setdefault(note, []).append(reference.name)
    return [
        f"{first}: {note}" if not others else f"{first} and {len(others)} other references: {note}"
        for note, (first, *others) in names.items()
    ]


@dataclass(frozen=True)
class SceneInputs:
    """A scene and all that is read beside it, open and on its grid.

    Attributes:
        scene: what is to be cleared.
        radar: VV and VH, if there are.
        mask: what is covered, if a mask was given.
        references: other dates of the place.
        detection: the same scene in the bands by which clouds can be told, if those of `scene` do not do.
        detection_cache: where the detector's answers are kept for other scenes; None where nothing is.
        classification: the scene classification that comes with the scene, if there is one and it is wanted.
        notes: what is to be known of them besides, a sentence each.
    """

    scene: Raster
    radar: RadarRaster | None = None
    mask: MaskReader | None = None
    references: tuple[OpenReference, ...] = ()
    detection: Raster | None = None
    detection_cache: DetectionCache | None = None
    classification: ClassificationReader | None = None
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Files that hold the scene's pixels; empty if that is not known."""
        return files_of(self.scene)


@dataclass(frozen=True)
class ReferenceOpener:
    """Opens the references that options name.

    Attributes:
        images: those that are open already, by their names there.
        reading: options with which the others are read that are dates of a series, those of its own clearing; None
            where they are none, and nothing is known of them.
        detection_cache: see `SceneInputs`.
        assumptions_reported: whether assumptions about each are reported elsewhere, as for dates to be cleared.
    """

    images: Mapping[str, Raster] = field(default_factory=dict)
    reading: ReadOptions | None = None
    detection_cache: DetectionCache | None = None
    assumptions_reported: bool = False

    @contextmanager
    def open(self, name: str, scene: SceneInfo) -> Iterator[Raster]:
        """Open a reference of a scene.

        Raises:
            InputError: if it is the scene itself, or not understood.
            UnreadableReferenceError: if it cannot be read.
        """
        if name == scene.source:
            raise InputError(f"{name}: is the scene itself; give another date of the place as --reference")
        if name in self.images:
            yield self.images[name]
            return
        refuse_result(name)
        # A date of a series was understood already, and fails by itself.
        with _as_reference(name, FileError if self.reading is None else UncloudedError):
            opened = open_alike(name, scene) if self.reading is None else _open_date(name, self.reading)
        with opened:
            yield opened


def files_of(image: Raster) -> tuple[str, ...]:
    """The files that hold the pixels of an image; none if that is not known."""
    return image.files if isinstance(image, Scene) else ()


@contextmanager
def open_inputs(
    scene: Raster, options: ClearOptions, opener: ReferenceOpener | None = None, *, whole: bool = True
) -> Iterator[SceneInputs]:
    """Open what the options name beside a scene, on its grid.

    Args:
        scene: to be cleared.
        options: that name radar, mask and references.
        opener: what of the references is known already.
        whole: whether all of the scene can be read, so that a mask is held against it.

    Raises:
        InputError: if it does not fit the scene.
        FileError: if it cannot be read.
    """
    opener = opener or ReferenceOpener()
    with ExitStack() as stack:
        radar = None if options.radar is None else stack.enter_context(open_radar(options.radar, scene.info))
        detection = None if options.mask_only else _detectable(scene)
        if detection is not None:
            stack.enter_context(detection)
        mask = classification = None
        mask_alone = options.mask_only or not usable_bands((detection or scene).info.bands)
        notes: tuple[str, ...] = ()
        if options.mask_file is not None:
            scheme = parse_scheme(options.mask_classes) if options.mask_classes else None
            raster = stack.enter_context(open_mask(options.mask_file, scene.info))
            mask = UserMask(raster, scheme)
            mask.ambiguous = scheme is None and is_ambiguous(mask.scheme, raster.label, raster.tags)
            if mask_alone and raster.beyond > _MOST_BEYOND:
                notes = (
                    f"{raster.name}: {raster.beyond:.0%} of {scene.info.source} lies beyond its edge and stays as it "
                    "is; give a mask of all of it",
                )
            if mask.ambiguous and whole:
                refuse_implausible(
                    mask.name, mask.scheme, scene.info.level, list(samples(raster, scene.info, scene.read))
                )
        elif options.mask == MASK_AUTO and scene.info.classification:
            classification = _open_classification(scene.info, stack)
            if mask_alone:
                mask = UserMask(classification, "scl")
        elif options.mask_only:
            raise InputError(f"{scene.info.source}: no scene classification (SCL) comes with it; give --mask a file")
        references = [
            OpenReference(
                stack.enter_context(opener.open(name, scene.info)),
                scene.info,
                assumptions_reported=opener.assumptions_reported,
            )
            for name in options.references
        ]
        cache = opener.detection_cache
        yield SceneInputs(scene, radar, mask, tuple(references), detection, cache, classification, notes)


def _open_classification(info: SceneInfo, stack: ExitStack) -> ClassValues:
    try:
        return stack.enter_context(open_classification(info))
    except UncloudedError as error:
        raise type(error)(f"{error}; or do without it: --mask none") from error


def _detectable(scene: Raster) -> Scene | None:
    """Open the source of a scene in bands by which clouds can be told, if those of the scene do not do."""
    if usable_bands(scene.info.bands) or not isinstance(scene, Scene):
        return None
    opened = (scene.with_bands(bands) for bands in (SIX_BANDS, FOUR_BANDS))
    return next((found for found in opened if found is not None), None)


def open_alike(path: str, scene: SceneInfo) -> Scene:
    """Open another date of the place of a scene, with all bands that it names itself.

    What it does not say of itself is taken as it is in the scene, which a note of its own says, as far as its pixels
    bear that out.

    Raises:
        InputError: if it is not understood.
        FileError: if it cannot be read.
    """
    reading = ReadOptions(fallback=FallbackRadiometry.of(scene))
    try:
        return reading.open(path)
    except UnknownRadiometryError as error:
        raise UnknownRadiometryError(f"{error}; {_OF_REFERENCE}") from error
    except InputError:
        if scene.bands == ASSUMED_ORDER.get(len(scene.bands)):
            raise
        # Without names of bands it may have those of the scene, which somebody named.
        with suppress(InputError):
            return replace(reading, bands=scene.bands).open(path)
        raise


def _open_date(path: str, reading: ReadOptions) -> Scene:
    """Open a date of a series to help another one, with all bands that it names itself."""
    return _all_bands(path, reading).open(path)


def _all_bands(path: str, reading: ReadOptions) -> ReadOptions:
    """The same, but with all bands of a source that names them itself: more of them say more."""
    if reading.bands is reading.band_names is reading.variant is None:
        return reading
    source = None
    for variant in dict.fromkeys((reading.variant, None)):
        # What is said of the scene need not hold of other dates, such as a product beside a stack.
        with suppress(UncloudedError):
            source = find_source(path, Wanted(variant=variant, offset_given=True))
            break
    if source is None or source.order_assumed:
        return reading
    own = reading.bands is None or set(reading.bands) <= set(source.bands)
    return replace(reading, bands=None if own else reading.bands, band_names=None, variant=variant)
