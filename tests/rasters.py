"""Small real files for the tests of reading: stacks, band folders, SAFE products and STAC items."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

from unclouded.bands import BANDS, INDEX, L1C, L2A, TEN_METRES

CRS = "EPSG:32632"
EAST, NORTH = 600000, 5400000
OLD = "S2A_MSI{level}_20180510T101031_N0206_R022_T32UNU_20180510T120000"
NEW = "S2A_MSI{level}_20220510T101031_N0400_R022_T32UNU_20220510T120000"

GRASS = np.array([0.02, 0.03, 0.06, 0.04, 0.1, 0.25, 0.31, 0.33, 0.35, 0.12, 0.002, 0.21, 0.11])
"""Reflectance of grass, in the order of `bands.NAMES`."""


def spectra(bands, dtype="uint16", factor=10000, seed=0):
    """Grass of changing brightness, (C, 48, 36)."""
    shade = np.random.default_rng(seed).uniform(0.6, 1.4, (48, 36))
    return (GRASS[[INDEX[band] for band in bands], None, None] * shade * factor).astype(dtype)


def blurred_spectra(bands):
    """`spectra` with bands of 20 and 60 m averaged to 20 m, as where they were resampled to 10 m, (C, 48, 36)."""
    sharp = spectra(bands)
    coarse = sharp.reshape(len(bands), 24, 2, 18, 2).mean((2, 4)).astype("uint16").repeat(2, 1).repeat(2, 2)
    return np.where(np.isin(bands, TEN_METRES)[:, None, None], sharp, coarse)


def pixels(count, height=48, width=36, dtype="uint16", low=200, seed=0):
    """Random DN (count, height, width), none of them 0."""
    return np.random.default_rng(seed).integers(low, low + 3000, (count, height, width)).astype(dtype)


def write(path, dn, *, metres=10, names=None, scales=None, offsets=None, **options):
    """Write DN (C, h, w) with its corner at (EAST, NORTH) and return the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "JP2OpenJPEG" if path.suffix == ".jp2" else "GTiff",
        "count": dn.shape[0],
        "height": dn.shape[1],
        "width": dn.shape[2],
        "dtype": dn.dtype,
        "crs": CRS,
        "transform": from_origin(EAST, NORTH, metres, metres),
    }
    if path.suffix == ".jp2":
        profile |= {"QUALITY": "100", "REVERSIBLE": "YES"}
    with rasterio.open(path, "w", **(profile | options)) as file:
        file.write(dn)
        if names is not None:
            file.descriptions = tuple(names)
        if scales is not None:
            file.scales = tuple(scales)
        if offsets is not None:
            file.offsets = tuple(offsets)
    return path


def native(name, side=60, **options):
    """Random DN (1, h, w) of one band at its own pixel size, on an area of `side` pixels of 10 m, and that size."""
    metres = BANDS[INDEX[name]].resolution
    small = side * 10 // metres
    return pixels(1, small, small, seed=INDEX[name], **options), metres


def metadata(level, baseline="04.00", offsets=True, scale=10000):
    """Product metadata with the element names of the real one, without what is not read."""
    tag, quantity = (
        ("BOA_ADD_OFFSET", "BOA_QUANTIFICATION_VALUE")
        if level == "L2A"
        else ("RADIO_ADD_OFFSET", "QUANTIFICATION_VALUE")
    )
    added = "".join(f'<{tag} band_id="{n}">{-1000 - n}</{tag}>' for n in range(13)) if offsets else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><n1:Level-{level[1:]}_User_Product xmlns:n1="https://example.org/product">'
        f"<n1:General_Info><Product_Info><PROCESSING_LEVEL>Level-{level[1:]}</PROCESSING_LEVEL>"
        f"<PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE></Product_Info><Product_Image_Characteristics>"
        f'<{quantity} unit="none">{scale}</{quantity}><{tag}_VALUES_LIST>{added}</{tag}_VALUES_LIST>'
        f"</Product_Image_Characteristics></n1:General_Info></n1:Level-{level[1:]}_User_Product>"
    )


def safe(folder, level="L2A", name=None, bands=None, ending=".jp2", **xml):
    """Write a SAFE product of 600 m side into `folder` and return its path; L2A with coarser copies of its bands."""
    root = Path(folder) / f"{name or NEW.format(level=level)}.SAFE"
    images = root / "GRANULE" / f"{level}_T32UNU_A000001_20220510T101031" / "IMG_DATA"
    images.mkdir(parents=True)
    (root / f"MTD_MSI{level}.xml").write_text(metadata(level, **xml))
    for band in bands or (L1C if level == "L1C" else L2A):
        dn, metres = native(band)
        stem = f"T32UNU_20220510T101031_{band}"
        if level == "L1C":
            write(images / f"{stem}{ending}", dn, metres=metres)
            continue
        write(images / f"R{metres}m" / f"{stem}_{metres}m{ending}", dn, metres=metres)
        if metres < 60 and band != "B08":
            write(images / "R60m" / f"{stem}_60m{ending}", pixels(1, 10, 10), metres=60)
    return root


def item(path, assets, *, name="S2A_T32UNU_20220510T101031_L2A", collection="sentinel-2-l2a", **properties):
    """Write a STAC item and return its path."""
    given = {"platform": "sentinel-2a", "datetime": "2022-05-10T10:10:31Z"} | properties
    body = {"type": "Feature", "stac_version": "1.0.0", "id": name, "collection": collection, "properties": given}
    path.write_text(json.dumps(body | {"assets": assets}))
    return path
