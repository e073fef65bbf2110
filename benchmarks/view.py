"""Time from page load until `unclouded view` shows a whole scene of the size of a Sentinel-2 tile, before and after.

    python benchmarks/view.py [--size 10980] [--runs 5] [--folder DIR] [--json FILE]

The scene has 12 bands: the bundled real patches and what clearing makes of them, turned and mirrored at random, written
as `unclouded clear` writes. Each run has a server and a headless Chromium of its own (drawn by the processor: a
graphics card is faster). The page marks the moment when both maps show all tiles of the first view. Needs the extra
`view`, selenium, Chromium and its driver.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait
from tqdm import tqdm

import unclouded
from unclouded.clearing.plan import bundled_patches
from unclouded.files import QUALITY_BANDS, quality_path
from unclouded.reading.reader import open_scene
from unclouded.tiles import Box
from unclouded.writing.writer import BLOCK, Profile, StripWriter, write_cog

_SIDE = 120
_FLAGS = (
    "--headless --no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --window-size=1280,800"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10980, help="side of the scene in pixels")
    parser.add_argument("--runs", type=int, default=5, help="first views, each of a new server and browser")
    parser.add_argument("--folder", type=Path, help="where the scene is kept, or is from another time")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        before, after = folder / "before.tif", folder / "clear.tif"
        if not after.exists():
            write_scenes(before, after, args.size)
        views = [first_view(before, after) for _ in tqdm(range(args.runs), desc="first views")]
    seconds = [view["shown"] for view in views]
    figures = {
        "size": args.size,
        "first_view_seconds": seconds,
        "first_view_median": round(statistics.median(seconds), 2),
        "last_tile_seconds": [view["last_tile"] for view in views],
        "tiles": views[0]["tiles"],
        "server_start_seconds": [view["server_start"] for view in views],
        "cores": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[0], 1),
    }
    for name, value in figures.items():
        print(f"{name:24} {value}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


def write_scenes(before: Path, after: Path, size: int) -> None:
    """Write a scene before and after clearing, and its quality, `size` x `size` pixels each."""
    with tempfile.TemporaryDirectory() as temporary:
        found: dict[Path, list[NDArray[np.generic]]] = {before: [], after: [], quality_path(after): []}
        for patch in bundled_patches():
            cleared = Path(temporary) / f"{patch.name}.tif"
            unclouded.clear(patch, cleared, samples=4)
            with open_scene(patch) as scene:
                bands = scene.info.bands
                found[before].append(scene.read(0, 0, _SIDE, _SIDE))
            for path, name in ((after, cleared), (quality_path(after), quality_path(cleared))):
                with rasterio.open(name) as file:
                    found[path].append(file.read())
    for path, patches in found.items():
        quality = path == quality_path(after)
        names = QUALITY_BANDS if quality else bands
        profile = Profile(
            width=size,
            height=size,
            crs=rasterio.CRS.from_epsg(32633),
            transform=from_origin(300000, 5400000, 10, 10),
            dtype=patches[0].dtype,
            nodata=float("nan") if quality else 0,
            descriptions=names,
        )
        with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
            strips = []
            for row in tqdm(range(0, size, BLOCK), desc=path.name):
                box = Box(row, 0, min(BLOCK, size - row), size)
                writer = StripWriter(Path(temporary) / f"{row}.tif", profile, box, str(path))
                writer.write(box, rows(patches, row, box.height, size))
                strips.append(writer.finish())
            part = Path(temporary) / "cog.tif"
            write_cog(part, profile, strips, str(path))
            part.replace(path)


def rows(patches: list[NDArray[np.generic]], row: int, height: int, width: int) -> NDArray[np.generic]:
    """Return rows of the mosaic (bands, height, width), the same for every list of patches."""
    strips = []
    first = row // _SIDE
    for strip in range(first, -(-(row + height) // _SIDE)):
        random = np.random.default_rng(strip)
        drawn = [
            np.rot90(patches[random.integers(len(patches))], random.integers(4), axes=(1, 2))[
                :, :, :: random.choice([-1, 1])
            ]
            for _ in range(-(-width // _SIDE))
        ]
        strips.append(np.concatenate(drawn, axis=2)[:, :, :width])
    start = row - first * _SIDE
    return np.concatenate(strips, axis=1)[:, start : start + height]


def first_view(before: Path, after: Path) -> dict[str, float]:
    """Start a server and a browser; return seconds until the server listens, and what the page measured."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "unclouded", "view", f"{before}={after}", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = server.stdout.readline().split()[0]
            server_start = time.perf_counter() - start
            options = webdriver.ChromeOptions()
            for flag in _FLAGS.split():
                options.add_argument(flag)
            browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
            try:
                browser.get(address)
                WebDriverWait(browser, 60, poll_frequency=0.2).until(
                    lambda page: page.execute_script("return performance.getEntriesByName('shown').length")
                )
                shown, ends = browser.execute_script(
                    "return [performance.getEntriesByName('shown')[0].startTime, performance.getEntriesByType("
                    "'resource').filter(entry => entry.name.includes('.png')).map(entry => entry.responseEnd)]"
                )
            finally:
                browser.quit()
        finally:
            server.terminate()
    return {
        "server_start": round(server_start, 2),
        "shown": round(shown / 1000, 2),
        "last_tile": round(max(ends) / 1000, 2),
        "tiles": len(ends),
    }


if __name__ == "__main__":
    main()
