"""Gather clear and cloudy Sentinel-2 images that public repositories carry as examples, of places all over the world.

    git clone https://github.com/lanha/DSen2 clones/DSen2     # and so on, each repository in `SOURCES`
    .venv/bin/python scripts/gather_places.py --clones clones --output ../shared/data/places

Each becomes a GeoTIFF of DN = reflectance x 10,000 with named bands, all brought to 10 m, for
`settings/collection_places.yaml`. The images are for training only and are not part of this repository.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from unclouded.bands import L1C

Image = NDArray[np.float32]

_TEN_TO_TWELVE = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
_DSEN2 = ("B04", "B03", "B02", "B08", "B05", "B06", "B07", "B8A", "B11", "B12", "B01", "B09")
_SIX = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir", "B11": "swir1", "B12": "swir2"}


@dataclass(frozen=True)
class Source:
    """Where an image is from: `file` of `repository`, read there at `commit`; what it shows; how to read its DN."""

    repository: str
    commit: str
    file: str
    level: str
    bands: tuple[str, ...]
    read: Callable[[Path], Image]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--clones", type=Path, required=True, help="folder of the clones, each under its repository's name"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    for name, source in SOURCES.items():
        path = args.clones / source.repository.split("/")[1] / source.file
        if not path.exists():
            raise SystemExit(f"{path}: not found; clone https://github.com/{source.repository} ({source.commit}) there")
        dn = source.read(path)
        profile = {"driver": "GTiff", "count": len(dn), "height": dn.shape[1], "width": dn.shape[2], "dtype": "uint16"}
        with rasterio.open(args.output / f"{name}.tif", "w", compress="deflate", **profile) as file:
            file.write(np.rint(dn.clip(0, 2**16 - 1)).astype(np.uint16))
            file.descriptions = source.bands
            file.update_tags(level=source.level, source=f"github.com/{source.repository} {source.commit} {source.file}")
        print(f"{name:14} {source.level} {len(dn):2} bands {dn.shape[1]} x {dn.shape[2]}")


def _raster(path: Path | str) -> Image:
    with rasterio.open(path) as file:
        return file.read(out_dtype=np.float32)


def _date(first: int) -> Callable[[Path], Image]:
    """One date of a file of two, four bands each."""
    return lambda path: _raster(path)[first : first + 4]


def _times(factor: float, read: Callable[[Path], Image]) -> Callable[[Path], Image]:
    return lambda path: read(path) * np.float32(factor)


def _scene(number: int) -> Callable[[Path], Image]:
    """One date of an array of (dates, rows, columns, bands)."""
    return lambda path: np.load(path)[number].transpose(2, 0, 1).astype(np.float32)


def _folder(path: Path) -> Image:
    """A file for each band of L1C, named B1 to B12."""
    files = [path / f"B{band[1:].lstrip('0')}.tif" for band in L1C]
    size = (264, 264)
    return np.concatenate([_enlarge(_raster(file), size) for file in files])


def _dsen2(path: Path) -> Image:
    """MATLAB's HDF5: rows and columns stand the other way round, and each resolution is an array of its own."""
    parts = [_raster(f"HDF5:{path}://{array}").transpose(0, 2, 1) for array in ("im10", "im20", "im60")]
    return np.concatenate([_enlarge(part, parts[0].shape[1:]) for part in parts])


def _xrspatial(folder: Path) -> Image:
    """The short-wave infrared has as many pixels, of 20 m: it covers four times the ground, from the same corner."""
    bands = [_raster(folder / f"{colour}_band.nc") for colour in _SIX.values()]
    height, width = bands[0].shape[1:]
    coarse = [_enlarge(band[:, : height // 2, : width // 2], (height, width)) for band in bands[4:]]
    return np.concatenate([*bands[:4], *coarse])


def _enlarge(image: Image, size: tuple[int, ...]) -> Image:
    if image.shape[1:] == size:
        return image
    return F.interpolate(torch.from_numpy(image)[None], size=size, mode="bilinear", align_corners=False)[0].numpy()


_EO_LEARN = ("sentinel-hub/eo-learn", "303e7585", "example_data/REFERENCE_SCENES.npy", "L1C", L1C)
_FTW = ("fieldsoftheworld/ftw-baselines", "0bc7a853", "tests/data-files/inference-img.tif", "L2A")
_FTW_BANDS = ("B04", "B03", "B02", "B08")

SOURCES = {
    # Shark Bay, Western Australia: red desert, salt pans, sea; clear
    "shark_bay": Source("lanha/DSen2", "38d7209d", "data/S2B_MSIL1C_20171022_T49JGM.mat", "L1C", _DSEN2, _dsen2),
    # Santa Cruz, Argentina: bare steppe; clear
    "patagonia": Source(
        "xarray-contrib/xarray-spatial", "97e28c4a", "xrspatial/datasets/sentinel-2", "L1C", tuple(_SIX), _xrspatial
    ),
    # Vega Baja, Spain: dry fields, villages; clear
    "spain": Source(
        "cloudtostreet/Sen1Floods11", "b9e460da", "sample/S2/Spain_7370579_S2Hand.tif", "L1C", L1C, _raster
    ),
    # North-west Nigeria: broken cumulus over savanna
    "nigeria": Source(
        "zhangcy23/Mamba-SCR", "730566bf", "img/ROIs1868_summer_s2_cloudy_19_p30.tif", "L1C", L1C, _raster
    ),
    # The river Inn, two dates: fields, bright silt; clear
    "inn_summer": Source(*_FTW, _FTW_BANDS, _date(0)),
    "inn_spring": Source(*_FTW, _FTW_BANDS, _date(4)),
    # Near Wroclaw, Poland: a town and fields; clear
    "wroclaw": Source(
        "stolarinhoo/Sentinel-2-Satellite-Images-Semantic-Segmentation-with-U-NET_Deep-Learning-approach",
        "d6fa615b",
        "data/images/000000000699.tif",
        "L2A",
        _TEN_TO_TWELVE,
        _raster,
    ),
    # Place not stated: brown hills and woodland; clear
    "brown_hills": Source(
        "awesome-spectral-indices/spyndex",
        "0.12.0",
        "spyndex/data/S2_10m.json",
        "L2A",
        ("B02", "B03", "B04", "B08"),
        lambda path: np.array(json.loads(path.read_text()), np.float32),
    ),
    # The rest is never trained on. North-east Germany: fields, villages; clear
    "germany": Source("lanha/DSen2", "38d7209d", "data/S2A_MSIL1C_20170527_T33UUB.mat", "L1C", _DSEN2, _dsen2),
    # Minas Gerais, Brazil: fields, eucalyptus; clear
    "minas": Source(
        "sig-gis/sig-ssl4eo",
        "e55effef",
        "fao_models/tests/data/imgs/000001/20180302T125301_20180302T125304_T24KUF",
        "L1C",
        L1C,
        _folder,
    ),
    # Moravia; clear; stored as DN / 2,000
    "moravia": Source(
        "strath-ai/SatelliteCloudGenerator", "d0787cbd", "imgs/clean.tif", "L1C", _TEN_TO_TWELVE, _times(2000, _raster)
    ),
    # Slovenia: forest; three clear dates of five; stored as reflectance
    "slovenia_2": Source(*_EO_LEARN, _times(10_000, _scene(2))),
    "slovenia_3": Source(*_EO_LEARN, _times(10_000, _scene(3))),
    "slovenia_4": Source(*_EO_LEARN, _times(10_000, _scene(4))),
}

if __name__ == "__main__":
    main()
