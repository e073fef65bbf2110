"""Take the pictures of the map, the report and the page of a series, for the documentation.

    python scripts/draw_pages.py [--data ../shared/data] [--output docs] [--all DIR]

The scenes are dates of SEN12MS-CR-TS ROI 146. `--all` takes every page in both themes, on a screen and on a phone, to
be looked at. Needs the extras `report` and `view`, selenium, Chromium and its driver; with --all also `make docs`.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import from_origin
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from unclouded.bands import L1C

_DAYS = ("2018-01-21", "2018-05-31", "2018-06-10", "2018-06-25", "2018-07-05", "2018-07-20", "2018-07-30", "2018-08-24")
_SHOWN = "2018-07-05"
_SIZES = {"screen": (1400, 900), "phone": (400, 800)}
_THEMES = ("light", "dark")
_QUALITY = 88
_FLAGS = (
    "--headless --no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --hide-scrollbars --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader"
)
_WAIT = 2.0
"""Seconds until a page has drawn what a script has changed."""

_WAITS = """
const maps = typeof before === "object" ? [before, after] : [];
return maps.some((map) => map?.loaded && !map.loaded());
"""
"""Whether maps still wait for images, which takes longer where other work is done."""

_MAP = f"""
const dates = sameplace(0);
show(dates.find((scene) => scene.date === "{_SHOWN}"));
document.querySelector("[value=opacity]").click();
const strength = document.querySelector("[data-overlay=opacity] [type=range]");
strength.value = 45;
strength.dispatchEvent(new Event("input"));
const {{ lng, lat }} = after.getCenter();
ask({{ lng: lng - 0.0038, lat: lat - 0.0038 }});
"""
_REPORT = """
document.querySelector("#scene-1 [data-shows=source]").click();
if (innerWidth > 500) document.querySelector("#scene-1").scrollIntoView();
"""
_SERIES = f"show(dates.findIndex(({{ label }}) => label === '{_SHOWN}')); choose(0.7, 0.2);"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=Path("docs"))
    parser.add_argument("--all", type=Path, help="also every page in both themes, on a screen and on a phone")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        cleared = clear_dates(args.data, folder)
        run("report", *(f"{cleared}/{day}.tif" for day in (_SHOWN, _DAYS[0])), "--output", f"{folder}/report.html")
        with serving(cleared) as address, browser() as chromium:
            pages = {
                "view": (address, _MAP),
                "report": (f"file://{folder}/report.html", _REPORT),
                "series": (f"file://{cleared}/series.html", _SERIES),
            }
            for name, (page, script) in pages.items():
                shot = taken(chromium, page, script, (1200, 780), "light")
                shot.save(args.output / f"{name}.webp", quality=_QUALITY, method=6)
            if args.all:
                args.all.mkdir(parents=True, exist_ok=True)
                pages["docs"] = (f"file://{Path('build/site/index.html').resolve()}", "")
                for name, (page, script) in pages.items():
                    for size, pixels in _SIZES.items():
                        for theme in _THEMES:
                            shot = taken(chromium, page, script, pixels, theme)
                            shot.save(args.all / f"{name}_{size}_{theme}.png")


def clear_dates(data: Path, folder: Path) -> Path:
    """Clear the dates of the place, and return the folder of the results."""
    with np.load(data / "sen12mscr_ts_roi146.npz") as arrays:
        images = {str(arrays["date"][n]): arrays["s2"][n] for n in np.flatnonzero(arrays["patch"] == 0)}
    scenes = [folder / f"{day}.tif" for day in _DAYS]
    place = {"crs": "EPSG:32633", "transform": from_origin(310000, 4600000, 10, 10)}
    for scene in scenes:
        count, height, width = images[scene.stem].shape
        with rasterio.open(scene, "w", count=count, height=height, width=width, dtype="uint16", **place) as file:
            file.write(images[scene.stem])
            file.descriptions = L1C
    run("series", *map(str, scenes), "--output", f"{folder}/cleared", "--level", "L1C", "--offset", "0")
    return folder / "cleared"


def run(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "unclouded", *arguments], check=True, capture_output=True)


@contextmanager
def serving(scenes: Path) -> Iterator[str]:
    """The address of a map of the scenes."""
    command = [sys.executable, "-m", "unclouded", "view", str(scenes), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().split()[0]
        finally:
            server.terminate()


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """A browser that draws without a graphics card."""
    options = webdriver.ChromeOptions()
    for flag in _FLAGS.split():
        options.add_argument(flag)
    chromium = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        yield chromium
    finally:
        chromium.quit()


def taken(chromium: webdriver.Chrome, page: str, script: str, size: tuple[int, int], theme: str) -> Image.Image:
    """A page as it looks once it is loaded and a script has run."""
    width, height = size
    features = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < height}
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    chromium.get("about:blank")
    chromium.get(page)
    while chromium.execute_script("return document.querySelector('[aria-busy=true]') !== null"):
        time.sleep(0.2)
    chromium.execute_script(script)
    time.sleep(_WAIT)
    while chromium.execute_script(_WAITS):
        time.sleep(_WAIT)
    return Image.open(io.BytesIO(chromium.get_screenshot_as_png())).convert("RGB")


if __name__ == "__main__":
    main()
