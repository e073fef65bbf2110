"""How scenes are cleared: the one set of options that commands, plugins and Python share.

A field of `ClearOptions` is an option of `unclouded clear` and `rio unclouded` by being here; `unclouded.clear` takes
it as a parameter of the same name, which a test checks. Neither torch nor GDAL is imported.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NamedTuple

from unclouded.errors import InputError
from unclouded.precision import PRECISIONS
from unclouded.seeds import LARGEST_SEED

if TYPE_CHECKING:
    from unclouded.inference import InferenceConfig

DEVICES = ("auto", "cpu", "cuda")

MASK_AUTO, MASK_NONE = "auto", "none"
"""Instead of the path of a mask: what comes with the scene is joined with what is found; no mask is looked for."""

UNTOLD_ERROR = (
    "the weights never learnt which error to expect: the uncertainty of what was guessed is how samples differ, and 0 "
    "with one of them; the weights default tell it"
)
"""Said of results of weights whose `Generator.error_learnt` is false."""

UNFIT = (
    "is {level}, and of images of that level these weights are of no use, as their card says; the weights "
    "default are made for it"
)
"""Said of results of weights that are `InferenceConfig.unfit` for their level."""

OWN_DETECTION = "our own detection"
"""What cloud and shadow are told by, in words, if no mask has a say."""

MAX_REFERENCES = 4
"""Other dates that help to clear one of a series: more of them cost time, and add little to the nearest."""


MOST_SAMPLES = 1000
"""Latent samples of which the mean no longer changes with more; each takes the time of the first."""


class ReferenceLimits(NamedTuple):
    """Which other dates of a series may help to clear one.

    Attributes:
        only_earlier: dates before it alone, as in near-real time.
        max_references: how many, at most.
    """

    only_earlier: bool = False
    max_references: int = MAX_REFERENCES

    @classmethod
    def checked(cls, only_earlier: bool, max_references: int) -> ReferenceLimits:
        """Those that a program gives.

        Raises:
            InputError: if `max_references` is no whole number of 1 or more.
        """
        check_number("--max-references", max_references, whole=True, minimum=1)
        return cls(only_earlier, max_references)


OF_ONE_SCENE = ("radar", "references", "mask", "mask_classes", "mask_only")
"""Fields of `ClearOptions` that a series has no option for: what they name belongs to one scene."""


def option(
    default: Any,  # noqa: ANN401 (of the field's own type)
    explanation: str,
    *,
    name: str | None = None,
    metavar: str | None = None,
    choices: tuple[str, ...] = (),
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:  # noqa: ANN401 (like `dataclasses.field`)
    """A field with help, name and accepted values of its command-line option; a tuple is a repeatable option."""
    metadata = {
        "help": explanation,
        "name": name,
        "metavar": metavar,
        "choices": choices,
        "minimum": minimum,
        "maximum": maximum,
    }
    return field(default=default, metadata=metadata)


def option_name(field_: Field[Any]) -> str:
    """Name of a field's option on the command line."""
    name: str | None = field_.metadata["name"]
    return name or f"--{field_.name.replace('_', '-')}"


def check_number(
    name: str,
    value: Any,  # noqa: ANN401 (whatever a program gives)
    *,
    whole: bool,
    minimum: float | None = None,
    maximum: float | None = None,
) -> None:
    """Refuse what is given for an option and is no number, no whole one where that is wanted, or out of range.

    Raises:
        InputError: if it is.
    """
    fits = not isinstance(value, bool) and isinstance(value, Integral if whole else Real)
    if not fits:
        raise InputError(f"{name} {value!r}: a {'whole ' * whole}number is accepted")
    if minimum is not None and maximum is not None and not minimum <= value <= maximum:
        raise InputError(f"{name} {value}: {minimum} to {maximum} is accepted")
    if minimum is not None and maximum is None and not minimum <= value:
        raise InputError(f"{name} {value}: at least {minimum} is accepted")


@dataclass(frozen=True)
class ClearOptions:
    """How scenes are cleared.

    Attributes:
        model: name of bundled weights, or path of others.
        radar: path of VV and VH in dB, of the same area.
        references: paths of other dates of the place, in any form that a scene may have; what they show is transferred
            to where the scene is covered.
        mask: path of a mask of what is covered: true and false, the classes of OmniCloudMask, SCL, QA60 or HLS' Fmask.
            What it covers is replaced wholly. With `MASK_AUTO` the scene classification (SCL) that comes with a scene
            is joined with what is found, see `detection.scl`; with `MASK_NONE` none is looked for.
        mask_classes: what its values mean, if that is not known: one of `detection.classes.SCHEMES`, or others as
            "0=clear,1=cloud,2=thin,3=shadow,255=nodata".
        mask_only: replace what the mask covers, and nothing that is found besides.
        samples: latent samples; with one the latent is zero, with more the result is their mean.
        seed: of the latent samples.
        device: one of `DEVICES`.
        precision: one of `PRECISIONS`; bfloat16 moves the results by less than 0.0001 of reflectance on average, see
            `benchmarks/runtimes.py`.
        threshold: opacity under which pixels stay as they are; that of the weights unless given.
        crs: reference system that the finished result is brought to, see `reading.grids.output_grid`.
        resolution: size of its pixels, in units of that.
        write_mask: write the classes of `detection.classes` to a file of their own beside the result.
        overwrite: replace outputs that are already there, and what an interrupted run with other options left.

    Raises:
        InputError: if a value is not accepted.
    """

    model: str = option("default", "Bundled weights, or a weights file.", metavar="NAME|PATH")
    radar: str | None = option(None, "Sentinel-1 VV and VH in dB, of the same area.", metavar="PATH")
    references: tuple[str, ...] = option(
        (),
        "Another date of the place, before or after, in any form and on any grid that is read; may be repeated.",
        name="--reference",
        metavar="PATH",
    )
    mask: str = option(
        MASK_AUTO,
        "What is covered, on any grid: true and false, SCL, QA60, HLS' Fmask, or 0 clear, 1 thick cloud, 2 thin cloud, "
        "3 shadow; auto: the SCL of a product or item helps to find it.",
        metavar="auto|none|PATH",
    )
    mask_classes: str | None = option(
        None,
        "What the values of --mask mean, if that is not known: boolean, scl, qa60, omnicloudmask, hls, or "
        "0=clear,1=cloud,2=thin,3=shadow,255=nodata.",
    )
    mask_only: bool = option(False, "Replace what --mask covers, and nothing that is found besides.")
    samples: int = option(1, "Latent samples: their mean is the result.", minimum=1, maximum=MOST_SAMPLES)
    seed: int = option(0, "Seed of the latent samples.", minimum=0, maximum=LARGEST_SEED)
    device: str = option("auto", "Where the network runs.", choices=DEVICES)
    precision: str = option(
        "auto", "What it computes in; auto is the fastest, which may differ between machines.", choices=PRECISIONS
    )
    threshold: float | None = option(
        None,
        "Opacity under which pixels stay as they are, byte for byte.  [default: the weights']",
        minimum=0,
        maximum=1,
    )
    crs: str | None = option(
        None, "Bring the result to this reference system when it is finished.", metavar="EPSG:3035"
    )
    resolution: float | None = option(
        None, "Size of its pixels then, in the units of --crs.  [default: the scene's]", minimum=0
    )
    write_mask: bool = option(False, "Write the mask of cloud, haze and shadow too, as `unclouded mask` does.")
    overwrite: bool = option(False, "Replace outputs that are already there.")

    def __post_init__(self) -> None:
        for field_ in fields(self):
            name, value, known = option_name(field_), getattr(self, field_.name), field_.metadata
            if known["choices"] and value not in known["choices"]:
                raise InputError(f"{name} {value}: is not known; {', '.join(known['choices'])} are accepted")
            if field_.type == "int" or (field_.type == "float | None" and value is not None):
                limits = {limit: known[limit] for limit in ("minimum", "maximum")}
                check_number(name, value, whole=field_.type == "int", **limits)
        if (self.mask == MASK_NONE and self.mask_only) or (self.mask_file is None and self.mask_classes):
            raise InputError("--mask-only and --mask-classes are about --mask; give that a file")

    @property
    def mask_file(self) -> str | None:
        """Path of the mask that was given; None if none was."""
        return None if self.mask in (MASK_AUTO, MASK_NONE) else self.mask

    @property
    def read_beside(self) -> tuple[str, ...]:
        """Paths and addresses of images that are read beside a scene."""
        return tuple(path for path in (self.radar, self.mask_file, *self.references) if path is not None)

    def threshold_for(self, inference: InferenceConfig) -> float:
        """The opacity under which the input is kept: what was asked for, else what the weights are made for."""
        return inference.threshold if self.threshold is None else self.threshold


@dataclass(frozen=True)
class TileOptions:
    """How a scene is cut for the network, which decides no more than the last bits of the result.

    Attributes:
        size: side of the tiles in pixels, a multiple of 32.
        batch: tiles that the network takes at once.
        offset: rows and columns by which the tiles start before the scene's corner, multiples of 32.
        crop: the network sees no more of a tile than has to be looked at, in rectangles whose sides are multiples of so
            many pixels.
    """

    size: int = 512
    batch: int = 1
    offset: tuple[int, int] = (0, 0)
    crop: int = 32
