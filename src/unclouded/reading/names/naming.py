"""Names in files and products: which band a text means, and what a Sentinel-2 product's name says."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from unclouded.bands import ASSUMED_ORDER, BANDS, INDEX, NAMES
from unclouded.errors import InputError

COMMON_NAMES: dict[str, str] = {
    "coastal": "B01",
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "rededge071": "B05",
    "rededge1": "B05",
    "rededge075": "B06",
    "rededge2": "B06",
    "rededge078": "B07",
    "rededge3": "B07",
    "nir": "B08",
    "broadnir": "B08",
    "nir08": "B8A",
    "nir09": "B09",
    "cirrus": "B10",
    "swir16": "B11",
    "swir1": "B11",
    "swir22": "B12",
    "swir2": "B12",
}
"""Common names of the STAC electro-optical extension, with the red-edge keys of Earth Search, for Sentinel-2; and those
of FORCE."""

COMMON_NAMES |= {
    "coastal_aerosol": "B01",
    "red_edge_1": "B05",
    "red_edge_2": "B06",
    "red_edge_3": "B07",
    "nir_1": "B08",
    "nir_2": "B8A",
    "nir_narrow": "B8A",
    "water_vapour": "B09",
    "swir_1": "B11",
    "swir_16": "B11",
    "swir_2": "B12",
    "swir_22": "B12",
}
"""Those of Open Data Cubes, as of Digital Earth Africa."""

_OF_ARD = {name: COMMON_NAMES[name] for name in ("blue", "green", "red", "nir_1", "nir_2", "coastal_aerosol")}
_OF_ARD |= {f"red_edge_{number}": f"B0{number + 4}" for number in (1, 2, 3)} | {"swir_2": "B11", "swir_3": "B12"}
COMMON_NAMES |= {f"{kind}_{name}": band for kind in ("nbart", "nbar") for name, band in _OF_ARD.items()}
"""And of Digital Earth Australia, which counts the short-wave infrared from 2."""

_MIDDLES = (*((band.wavelength, band.name) for band in BANDS), (842.0, "B08"))
"""Wavelengths in nanometres of the middles of the bands; B08 has one by its satellites, and the other by habit."""

_NEAR = 0.008
"""Share of it by which one that a text tells differs from them at most: satellites and roundings do by less, and the
blue and green of others by more."""

NOT_BANDS: tuple[str, ...] = (
    "SCL", "AOT", "WVP", "TCI", "CLD", "CLDPRB", "SNW", "SNWPRB", "DDV", "PVI", "CLM", "CLP", "QA10", "QA20", "QA60",
    "MSK", "MASK", "DATAMASK", "FMASK", "VISUAL", "THUMBNAIL", "PREVIEW", "ALPHA", "QUALITY", "CLOUD", "SNOW",
    "CS", "PROBABILITY", "NDVI", "NDWI", "EVI", "VV", "VH", "CLOUDS", "SHADOWS", "SHADOW", "CLOUDMASK", "ELEVATION",
    "DEM", "SLOPE", "ASPECT", "ZENITH", "AZIMUTH", "LAT", "LON", "LATITUDE", "LONGITUDE",
)  # fmt: skip
"""Layers that often travel with the bands and are not bands."""


_BAND = re.compile(r"(?<![A-Za-z0-9])B(?:and)?[ _-]?0?(1[0-2]|8A|[1-9])(?![A-Za-z0-9])", re.IGNORECASE)
_COUNTED = re.compile(r"(\D*?)([1-9]\d*)")
_NUMBERED = tuple(
    re.compile(rf"(?<![A-Za-z0-9]){word}[ _-]?(\d+)(?![0-9A-Za-z])", re.IGNORECASE) for word in ("(?:band|layer)", "b")
)
"""Numbers of bands, the surer kind first: which of Sentinel-2's, or at which place."""
_NANOMETRES = re.compile(r"^(\d{3,4}(?:\.\d+)?)$|(?<![\w.])(\d{3,4}(?:\.\d+)?) ?(?:nm|nanomet\w+)(?!\w)", re.IGNORECASE)
_MICROMETRES = re.compile(r"(?<![\w.])(\d\.\d+) ?(?:[µμu]m|micromet\w+)(?!\w)", re.IGNORECASE)
"""Wavelengths in texts, as headers of ENVI have them."""
_WORD = re.compile(r"[A-Za-z]+\d*")


def band_named(text: str) -> str | None:
    """Find the band that `text` names, as "B02", "T32TQM_20210101T101031_B02_10m", "blue", or by its wavelength."""
    return _named(text) or _at_wavelength(text)


def _named(text: str) -> str | None:
    found = {match.upper() for match in _BAND.findall(text.replace("_", " "))}
    if len(found) == 1:
        name = "B" + found.pop().zfill(2)
        return name if name in INDEX else None
    return None if found else COMMON_NAMES.get(text.strip().lower())


def _at_wavelength(text: str) -> str | None:
    """The band in whose middle the only wavelength of a text lies; None if there is none."""
    wavelengths = {float(alone or with_unit) for alone, with_unit in _NANOMETRES.findall(text.strip())}
    wavelengths |= {1000 * float(number) for number in _MICROMETRES.findall(text)}
    near = {band for middle, band in _MIDDLES if any(abs(nm - middle) <= _NEAR * middle for nm in wavelengths)}
    return near.pop() if len(wavelengths) == len(near) == 1 else None


def bands_named(texts: Sequence[str | None]) -> list[str | None]:
    """Find the band that each text of a stack names, see `band_named`; beside a broad infrared, "nir" is B8A.

    Of a text with a number and a name that contradict each other, such as "Band 1 - Blue", QGIS's "Band 9: B8A" or
    ENVI's "Band 1 (490 nm)", the number is the band's place and the name holds, if the numbers of all are their places.
    """
    words = [(text or "").strip().lower() for text in texts]
    narrow = "B8A" if "broadnir" in words else "B08"
    own = [narrow if word == "nir" else band_named(word) if word else None for word in words]
    parted = [_number_and_rest(word) for word in words]
    placed = all(number in (None, place) for place, (number, _) in enumerate(parted, start=1))
    names = [_named(rest) or (_at_wavelength(rest) if placed else None) for _, rest in parted]
    wrong = [bool(name and band_named(f"b{number}") != name) for name, (number, _) in zip(names, parted, strict=True)]
    if not any(wrong):
        return own
    return [
        (name if placed else None) if apart or (placed and number) else band
        for name, (number, _), apart, band in zip(names, parted, wrong, own, strict=True)
    ]


def _number_and_rest(text: str) -> tuple[int | None, str]:
    """The number of a band in a text, and what stands beside it; None and nothing where there is none."""
    for number in _NUMBERED:
        if found := number.search(text.replace("_", " ")):
            rest = f"{text[: found.start()]} {text[found.end() :]}".replace("_", " ")
            return int(found[1]), re.sub(r"^\W+|\W+$", "", rest)
    return None, ""


def is_not_a_band(text: str) -> bool:
    """Tell whether `text` names a layer that is known not to be a band, such as the scene classification "SCL"."""
    words = {word.upper() for word in _WORD.findall(text.replace("_", " "))}
    return bool(words & set(NOT_BANDS))


def nearest_name(text: str) -> str:
    """Return a hint such as " (did you mean B08?)" for an unknown band name, or nothing."""
    # The letter O for the digit is the usual slip.
    near = difflib.get_close_matches(text.strip().upper().replace("O", "0"), NAMES, n=1, cutoff=0.5)
    return f" (did you mean {near[0]}?)" if near else ""


def check_bands(source: str, bands: Sequence[str], option: str = "--bands") -> tuple[str, ...]:
    """Bring the names that an `option` gives to those of `bands.NAMES`; InputError for unknown or repeated ones."""
    names = []
    for text in bands:
        name = band_named(text)
        if name is None:
            raise InputError(
                f"{source}: unknown band {text!r} in {option}{nearest_name(text)}; accepted: {', '.join(NAMES)}"
            )
        names.append(name)
    if not names:
        raise InputError(f"{source}: {option} is empty; name the bands, for example {option} B02,B03,B04,B08")
    refuse_repeats(source, names, option)
    return tuple(names)


def order_of_bands(source: str, bands: Sequence[str], option: str) -> tuple[str | None, ...]:
    """Read an `option` that may name a file's bands one by one; None for one that is none of the 13.

    Those are written "-", or by a name such as QA60.

    Raises:
        InputError: for unknown or repeated ones, or where there are no others.
    """
    left_out = [text.strip() == "-" or (band_named(text) is None and is_not_a_band(text)) for text in bands]
    named = iter(check_bands(source, [text for text, left in zip(bands, left_out, strict=True) if not left], option))
    return tuple(None if left else next(named) for left in left_out)


def refuse_repeats(source: str, names: Iterable[str], where: str) -> None:
    """Raise InputError when a band is there more than once."""
    counts = Counter(names)
    name, most = next(iter(counts.most_common(1)), ("", 0))
    if most < 2:
        return
    found = f"{source}: band {name} is there more than once in {where}"
    if len(counts) > 1 and set(counts.values()) == {most}:
        raise InputError(
            f"{found}, as is each other: these look like {most} dates, of which one is accepted; write each to a file "
            "of its own, for example with gdal_translate -b"
        )
    raise InputError(f"{found}; each band may come once")


def unnamed(descriptions: Sequence[str | None]) -> bool:
    """Tell whether the descriptions name nothing: all empty, or they count alone, as "Band 1", "Band 2" … do.

    "b1", "b2", "b3", "b4" do, too, as programs call layers that have no names. (B1 to B8 of Sentinel-2 do as well.)
    """
    if not any(descriptions):
        return True
    texts = [(text or "").strip().lower() for text in descriptions]
    if any(text in COMMON_NAMES for text in texts):
        return False
    counted = [_COUNTED.fullmatch(text) for text in texts]
    if not all(found is not None and int(found[2]) == place for place, found in enumerate(counted, start=1)):
        return False
    before = {found[1] for found in counted if found is not None}
    # One alone counts nothing, unless it says no more than that.
    return len(before) == 1 and (len(texts) > 1 or before.pop().strip(" _-.") in ("band", "layer"))


def assumed_bands(source: str, texts: Sequence[str | None]) -> tuple[str, ...]:
    """Return the order assumed for a stack whose `texts` name nothing; InputError when there is none for so many."""
    if (count := len(texts)) not in ASSUMED_ORDER:
        names = f"names (but {texts[0]}, {texts[1]}, …)" if count > 1 and texts[0] else "names"
        if dates := [f"{count // n} dates of {n}" for n in ASSUMED_ORDER if count % n == 0]:
            raise InputError(
                f"{source}: {count} bands without {names}, as many as {' or '.join(dates)} bands; one date is "
                "accepted: write each to a file of its own, for example with gdal_translate -b, or name the bands of "
                "one with --band-names, with - for each of the others"
            )
        accepted = ", ".join(f"{n}" for n in ASSUMED_ORDER)
        raise InputError(
            f"{source}: {count} bands without {names}; only stacks of {accepted} unnamed bands have a known order; "
            "name them in the file's order, for example --band-names B02,B03,B04,B08, with - for each that is none of "
            f"the 13{' (red, green and blue are B04,B03,B02)' if count == 3 else ''}"
        )
    return ASSUMED_ORDER[count]
