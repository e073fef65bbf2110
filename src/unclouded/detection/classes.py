"""The classes of a mask, and schemes that map the values of other programs' masks to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError

CLEAR, THICK_CLOUD, THIN_CLOUD, SHADOW, NO_DATA = 0, 1, 2, 3, 255

CLOUDS = (THICK_CLOUD, THIN_CLOUD)

CLASS_NAMES: dict[int, str] = {
    CLEAR: "clear",
    THICK_CLOUD: "thick cloud",
    THIN_CLOUD: "thin cloud or haze",
    SHADOW: "shadow",
    NO_DATA: "no data",
}

CLASS_COLOURS: dict[int, tuple[int, int, int, int]] = {
    CLEAR: (0, 0, 0, 0),
    THICK_CLOUD: (255, 255, 255, 255),
    THIN_CLOUD: (140, 200, 255, 255),
    SHADOW: (110, 60, 160, 255),
    NO_DATA: (0, 0, 0, 0),
}
"""Red, green, blue and alpha of each class, for a GeoTIFF's colour table."""

Scheme = Mapping[int, int]
"""The class of each value of a mask."""

SCL: Scheme = {
    0: NO_DATA,
    1: NO_DATA,
    2: CLEAR,
    3: SHADOW,
    4: CLEAR,
    5: CLEAR,
    6: CLEAR,
    7: CLEAR,
    8: THICK_CLOUD,
    9: THICK_CLOUD,
    10: THIN_CLOUD,
    11: CLEAR,
}
"""Sen2Cor's scene classification. Snow (11), dark areas, which may be terrain shadow (2), and unclassified pixels (7)
are clear."""

OMNICLOUDMASK: Scheme = {0: CLEAR, 1: THICK_CLOUD, 2: THIN_CLOUD, 3: SHADOW}
"""OmniCloudMask's classes (Wright et al. 2025), and those that this package writes."""

BOOLEAN: Scheme = {0: CLEAR, 1: THICK_CLOUD}


@dataclass(frozen=True)
class BitScheme:
    """The classes that the bits of a mask mean.

    Attributes:
        classes: values of bits, and the class of a pixel that has them set; the first that is set counts.
        fill: value of pixels without a class; None if there is no such value.
    """

    classes: tuple[tuple[int, int], ...]
    fill: int | None = None


QA60 = BitScheme(((1 << 10, THICK_CLOUD), (1 << 11, THIN_CLOUD)))
"""Opaque cloud and cirrus of Sentinel-2's quality band of 60 m."""

HLS_FMASK = BitScheme(((1 << 1, THICK_CLOUD), (1 << 3, SHADOW)), fill=255)
"""Fmask of NASA's HLS, by the user guide of version 2.0. Pixels adjacent to cloud and shadow (bit 2), snow (4) and
water (5) are clear; bits 6 and 7 hold the aerosol level."""

SCHEMES: dict[str, Scheme | BitScheme] = {
    "boolean": BOOLEAN,
    "scl": SCL,
    "qa60": QA60,
    "omnicloudmask": OMNICLOUDMASK,
    "hls": HLS_FMASK,
}
"""Schemes by name."""

_BY_NAME = {"SCL": "scl", "QA60": "qa60", "OCM": "omnicloudmask", "OMNICLOUDMASK": "omnicloudmask"}
"""Words in the name of a mask, in capitals, that tell its scheme, whatever values occur."""

_OTHER_PROGRAMS = {"FMASK": "Fmask", "FMASK4": "Fmask", "QAI": "QAI", "MG2": "MG2", "EDG": "EDG", "DFP": "DFP"}
"""Words in the names of masks of other programs, whose bits or classes may be confused with those of a scheme: 1 is
water, or the edge of the image."""

_PROBABILITIES = ("CLDPRB", "SNWPRB", "CLP", "PROBABILITY", "PROB", "CLD", "SNW")
"""Words in the names of probabilities in per cent, which are 0 to 11, as SCL's classes, where there is little cloud."""

_PRODUCT_PROBABILITIES = ("CLDPRB", "SNWPRB")
"""Those of products' files, which name nothing else."""

_BITS_OR_BOOLEAN = {"CLM": "CLM"}
"""As `_OTHER_PROGRAMS`, for names that boolean cloud masks have, too."""

_AMBIGUOUS_SCL = set(range(6))
"""Values of SCL that occur in other programs' masks, too."""

_CLEARNESS = ("CS", "DATAMASK", "VALID")
"""Words in the names of layers that are high where the ground is visible, such as Cloud Score+."""

_WORD = re.compile(r"[A-Za-z]+\d*")

_WORDS = {"clear": CLEAR, "cloud": THICK_CLOUD, "thick": THICK_CLOUD, "thin": THIN_CLOUD, "haze": THIN_CLOUD}
_WORDS |= {"shadow": SHADOW, "nodata": NO_DATA}


def covered(classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where (h, w) the classes of a mask are cloud, haze or shadow."""
    hidden: NDArray[np.bool_] = (classes != CLEAR) & (classes != NO_DATA)
    return hidden


def parse_scheme(text: str) -> Scheme | BitScheme:
    """Parse the user's scheme of a mask: the name of one of `SCHEMES`, or a mapping.

    A mapping is written as "0=clear,1=cloud,2=thin,3=shadow,255=nodata".

    Raises:
        InputError: if it cannot be read.
    """
    if text.strip().lower() in SCHEMES:
        return SCHEMES[text.strip().lower()]
    scheme: dict[int, int] = {}
    for item in text.split(","):
        value, _, word = (part.strip() for part in item.partition("="))
        if not value.removeprefix("-").isdigit() or word.lower() not in _WORDS:
            raise InputError(
                f"{item.strip()!r} in the classes of the mask {text!r}: accepted are a whole number, =, and one of "
                f"{', '.join(_WORDS)}, for example 0=clear,1=cloud,2=thin,3=shadow,255=nodata; or one of "
                f"{', '.join(SCHEMES)}"
            )
        if scheme.setdefault(int(value), _WORDS[word.lower()]) != _WORDS[word.lower()]:
            raise InputError(f"the classes of the mask {text!r} name {value} twice; give each value one class")
    return scheme


def guess_scheme(values: NDArray[Any], source: str, label: str = "") -> str:
    """Name the scheme of a mask by its name, data type and values.

    Args:
        values: of the whole mask, or all that occur in it.
        source: name of the mask, for errors.
        label: names of its file and band.

    Raises:
        InputError: if no scheme fits, or the name says that the values may mean something else.
    """
    words = {word.upper() for word in _WORD.findall(label)}
    boolean = values.dtype == np.bool_ or set(np.unique(values[np.isfinite(values)])) <= set(BOOLEAN)
    if boolean and (word := next((word for word in _CLEARNESS if word in words), None)):
        raise InputError(
            f"{source}: its name ({word}) is that of what is high where the ground is seen, and masks are true where "
            "it is covered; say what its values mean, for example --mask-classes 0=cloud,1=clear"
        )
    if {"HLS", "FMASK"} <= words and not (boolean and (values == 1).any()):
        _whole_numbers(values, source)
        return "hls"
    probabilities = _PRODUCT_PROBABILITIES if boolean else _PROBABILITIES
    if word := next((word for word in probabilities if word in words), None):
        raise InputError(
            f"{source}: its name ({word}) is that of a probability; cut it at a threshold, to 0 and 1, and give that, "
            "or say what its values mean, for example --mask-classes 0=clear,1=cloud"
        )
    others = _OTHER_PROGRAMS if boolean else _OTHER_PROGRAMS | _BITS_OR_BOOLEAN
    if word := next((word for word in others if word in words), None):
        raise InputError(
            f"{source}: its name says that it is a mask of other bits or classes ({others[word]}); say what its "
            "values mean, for example --mask-classes 0=clear,2=cloud,8=shadow,255=nodata"
        )
    if values.dtype == np.bool_:
        return "boolean"
    found = _whole_numbers(values, source)
    if not boolean and (word := next((word for word in _BY_NAME if word in words), None)):
        return _BY_NAME[word]
    return _scheme_of_values(found, source)


def _scheme_of_values(found: list[int], source: str) -> str:
    """Name the scheme of a mask by the values that occur; errors as of `guess_scheme`."""
    if set(found) <= set(BOOLEAN):
        return "boolean"
    if set(found) <= set(OMNICLOUDMASK):
        if 0 in found:
            return "omnicloudmask"
        raise _ambiguous(source, found, "nothing would be clear if they are OmniCloudMask's; python-fmask's 1 is clear")
    if not any(value & ~sum(bit for bit, _ in QA60.classes) for value in found):
        return "qa60"
    if set(found) <= set(SCL):
        if len(set(found) - {0}) < 2:
            raise _ambiguous(source, found, "one value beside 0 is often that of cloud, whichever it is")
        if set(found) - _AMBIGUOUS_SCL:
            return "scl"
        raise _ambiguous(source, found, "SCL has these, and Fmask, whose cloud is SCL's ground")
    raise InputError(
        f"{source}: a mask with the values {_listed(found)}; known are true and false, OmniCloudMask (0 to 3), "
        "SCL (0 to 11) and QA60 (bits 10 and 11); say what its values mean with --mask-classes, for example "
        "0=clear,1=cloud,2=thin,3=shadow,255=nodata"
    )


def declares_scheme(scheme: str, label: str, tags: Mapping[str, str]) -> bool:
    """Whether a mask declares the scheme that was guessed by its values: by its name, or by the tags of `class_tag`.

    Args:
        scheme: that was guessed.
        label: names of its file and band.
        tags: of its file.
    """
    words = {word.upper() for word in _WORD.findall(label)}
    declared = {name for word, name in _BY_NAME.items() if word in words}
    if scheme == "scl":
        return scheme in declared
    return "omnicloudmask" in declared or all(tags.get(class_tag(value)) == name for value, name in CLASS_NAMES.items())


def class_tag(value: int) -> str:
    """The key of a file's tag that holds the name of a class."""
    return f"CLASS_{value}"


def read_classes(
    values: NDArray[Any], scheme: str | Scheme | BitScheme, source: str, nodata: float | None = None
) -> NDArray[np.uint8]:
    """Map the values (h, w) of a mask to classes.

    Args:
        values: boolean, integers, or floats that are whole numbers; NaN is no data.
        scheme: one of `SCHEMES`, or its name, or a mapping.
        source: name of the mask, for errors.
        nodata: the no-data value, unless the scheme has a class for it.

    Returns:
        (h, w) the classes of this module; `NO_DATA` where the mask has none.

    Raises:
        InputError: if a value occurs that the scheme does not contain, or there is no such scheme.
    """
    if isinstance(scheme, str) and scheme not in SCHEMES:
        raise InputError(f"{scheme!r}: no such classes of a mask; accepted: {', '.join(SCHEMES)}, or your own mapping")
    mapping = SCHEMES[scheme] if isinstance(scheme, str) else scheme
    empty = ~np.isfinite(values)
    if isinstance(mapping, BitScheme):
        empty |= values == mapping.fill
        bits = np.where(empty, 0, values).astype(np.int64)
        classes = np.select(
            [bits & bit > 0 for bit, _ in mapping.classes], [kind for _, kind in mapping.classes], CLEAR
        )
    else:
        if nodata is not None and not (float(nodata).is_integer() and int(nodata) in mapping):
            empty |= values == nodata
        found = _whole_numbers(values[~empty], source)
        unknown = [value for value in found if value not in mapping]
        if unknown:
            known = ", ".join(f"{value}={CLASS_NAMES[kind]}" for value, kind in mapping.items())
            raise InputError(
                f"{source}: the mask holds the values {_listed(unknown)}, which have no class (known: {known}); "
                "say what all its values mean with --mask-classes"
            )
        numbers = np.array(found or [0])
        kinds = np.array([mapping.get(int(value), NO_DATA) for value in numbers])
        classes = kinds[np.searchsorted(numbers, np.where(empty, numbers[0], values)).clip(max=len(numbers) - 1)]
    return np.where(empty, NO_DATA, classes).astype(np.uint8)


def _ambiguous(source: str, found: list[int], reason: str) -> InputError:
    return InputError(
        f"{source}: a mask with the values {_listed(found)}, which may mean several things ({reason}); say what they "
        "mean, for example --mask-classes scl, omnicloudmask, or 0=clear,1=clear,2=shadow,4=cloud"
    )


def _whole_numbers(values: NDArray[Any], source: str) -> list[int]:
    """The values that occur, sorted."""
    found = np.unique(values[np.isfinite(values)])
    if not np.equal(found, np.floor(found)).all():
        broken = found[found != np.floor(found)][0]
        raise InputError(
            f"{source}: a mask with the value {broken:g}, accepted are whole numbers or true and false; "
            "if it holds probabilities, cut them at a threshold first"
        )
    return [int(value) for value in found]


def _listed(values: list[int]) -> str:
    return ", ".join(map(str, values[:8])) + (f" and {len(values) - 8} more" if len(values) > 8 else "")
