"""Small inputs of `unclouded report` for its tests: scenes with their quality, records, a run."""

import json
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

BANDS = ("B02", "B03", "B04", "B08")


def write_scene(folder: Path, name: str = "clear", side: int = 96, seed: int = 0) -> str:
    """Write an input, its cleared image and the quality; return the argument that names both."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(300, 1500, (4, side, side)).astype(np.uint16)
    cloudy = ground.copy()
    cloudy[:, : side // 2, : side // 2] = 9000
    opacity = np.zeros((side, side), np.float32)
    opacity[: side // 2, : side // 2] = 1
    _write(folder / f"{name}_input.tif", cloudy, BANDS, 0)
    _write(folder / f"{name}.tif", ground, BANDS, 0)
    _write(folder / f"{name}_quality.tif", np.stack([opacity, 0.05 * opacity]), ("opacity", "uncertainty"), np.nan)
    return f"{folder / name}_input.tif={folder / name}.tif"


def write_run(folder: Path, measurings: int = 3) -> Path:
    """Write the log of a run of so many measurings, of up to three, the last of which is the worst."""
    folder.mkdir()
    lines = [
        {"step": step, "seconds": step, "cycle": 1 / step, "frechet": distance, "frechet_cloudy": 200.0, "floor": 3.0}
        | {"coverage": 0.5, "coverage_cloudy": 0.2, "alarm": 0.0}
        for step, distance in ((100, 90.0), (200, 40.0), (300, 120.0))[:measurings]
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 4')
    return folder


def pairs_record(images: int = 12) -> dict:
    """What `evaluate pairs` writes, of images whose errors rise with their number."""

    def scores(error: float) -> dict:
        regions = {name: {"share": 0.5, "mae": error, "rmse": error} for name in ("all", "cloud", "shadow", "clear")}
        bands = {"B02": {"mae": error, "rmse": error}}
        return {"psnr": 30 - error, "ssim": 0.9, "angle": 3.0, "regions": regions, "bands": bands}

    made = {f"image{number:02}": scores(number / 100) for number in range(images)}
    sums = {name: {"cloudy": "a", "clear": "b", "predicted": name} for name in made}
    return {"n": images, "bands": ["B02"], "mean": scores(0.05), "sha256": sums, "images": made}


def land_cover_record(name: str = "mine") -> dict:
    """What `evaluate land-cover` writes."""
    scores = {"precision": 0.61, "recall": 0.62, "f1": 0.63, "f2": 0.64}
    classes = {
        "Pastures": scores | {"support": 40, "predicted": 30},
        "Airports": dict.fromkeys(scores, 0.0) | {"support": 0},
    }
    return {
        "weights": {"name": name, "sha256": "w" * 64, "steps": 5},
        "archive": {"sha256": "d" * 64, "split": "test", "seed": 7, "limit": None},
        "threshold": 0.1,
        "images": 1234,
        **dict.fromkeys(("samples", "micro", "macro"), scores),
        "per_class": classes,
    }


def _write(path: Path, pixels: np.ndarray, bands: tuple[str, ...], nodata: float) -> None:
    count, height, width = pixels.shape
    place = {"crs": "EPSG:32632", "transform": from_origin(600000, 5400000, 10, 10)}
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=pixels.dtype, nodata=nodata, **place
    ) as file:
        file.write(pixels)
        file.descriptions = bands
