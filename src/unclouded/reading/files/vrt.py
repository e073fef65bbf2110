"""Virtual rasters (VRT), whose XML names the files that they are made of: of the accepted kinds, and no others."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

from unclouded.errors import FileError, InputError

_LARGEST = 2**24
_SOURCE = re.compile(r"<SourceFilename([^>]*)>([^<]+)</SourceFilename>")
_OTHER_KINDS = ("<SourceDataset", "VRTDerivedRasterBand", "VRTRawRasterBand", "PixelFunction", "GDALWarp")


def vrt_sources(path: str) -> list[list[str]]:
    """The local files that each band of a VRT is made of.

    Raises:
        FileError: it cannot be read.
        InputError: it computes its pixels, or reads addresses.
    """
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as stream:
            xml = stream.read(_LARGEST)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
    if any(kind in xml for kind in _OTHER_KINDS):
        raise InputError(
            f"{path}: a VRT that computes its pixels; one of files side by side is accepted; run gdal_translate on it"
        )
    found = []
    for band in xml.split("<VRTRasterBand")[1:]:
        files = []
        for attributes, text in _SOURCE.findall(band):
            name = unescape(text.strip())
            if ":" in name or name.startswith("/vsi"):
                raise InputError(f"{path}: a VRT of {name}; one of local files is accepted; run gdal_translate")
            files.append(str(Path(path).parent / name) if 'relativeToVRT="1"' in attributes else name)
        found.append(files)
    return found
