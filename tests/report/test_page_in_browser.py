"""The page in headless Chromium: the swipe moves by keyboard, layers toggle, and nothing is complained of."""

# ruff: noqa: E402 (what drives the browser is imported once it is known to be there)

import io
import re
import time
from collections.abc import Iterator
from pathlib import Path

import made_pages
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from unclouded.cli import app

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
if not (CHROMIUM.exists() and DRIVER.exists()):
    pytest.skip("no Chromium is there (apt-get install chromium chromium-driver)", allow_module_level=True)
pytest.importorskip("selenium", reason="selenium, which drives the browser, is not installed")

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --window-size=1200,900"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    inputs = [made_pages.write_scene(folder), str(made_pages.write_run(folder / "run"))]
    output = folder / "page.html"
    given = ["--output", str(output), "--level", "L2A", "--offset", "0"]
    result = CliRunner().invoke(app, ["report", *inputs, *given])
    assert result.exit_code == 0, result.output
    return output


@pytest.fixture(scope="module")
def chromium(tmp_path_factory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def opened(chromium, page) -> Iterator[webdriver.Chrome]:
    chromium.get(page.as_uri())
    yield chromium
    assert chromium.get_log("browser") == []


def look(driver) -> np.ndarray:
    """The frame as it is once nothing moves any more, however busy the machine is."""
    frame = driver.find_element(By.CSS_SELECTOR, ".frame")
    # All of it, whatever was scrolled to before.
    driver.execute_script("arguments[0].scrollIntoView({ behavior: 'instant' })", frame)
    shots = [_shot(frame)]
    for _ in range(20):
        time.sleep(0.1)
        shots.append(_shot(frame))
        if len(shots) > 2 and np.array_equal(shots[-1], shots[-2]) and np.array_equal(shots[-2], shots[-3]):
            break
    return shots[-1]


def _shot(frame) -> np.ndarray:
    try:
        shown = frame.screenshot_as_png
    except (
        TimeoutException
    ):  # On a busy machine Chromium may miss the one frame that it was to draw; then it is asked again.
        shown = frame.screenshot_as_png
    return np.asarray(Image.open(io.BytesIO(shown)).convert("RGB")).astype(int)


def corner(image: np.ndarray) -> np.ndarray:
    """Colour of the cloudy quarter's inside, away from the labels, the handle and the edges."""
    height, width, _ = image.shape
    return image[height // 4 : height * 2 // 5, width // 8 : width * 3 // 8].mean((0, 1))


def test_the_swipe_moves_by_keyboard(opened) -> None:
    swipe = opened.find_element(By.CSS_SELECTOR, ".swipe")
    assert swipe.get_attribute("aria-valuetext") == "50% before"
    swipe.send_keys(Keys.END)
    assert swipe.get_attribute("aria-valuetext") == "100% before"
    cloudy = corner(look(opened))
    swipe.send_keys(Keys.HOME)
    cleared = corner(look(opened))
    assert cloudy.mean() > 250
    assert cleared.mean() < 220
    swipe.send_keys(Keys.ARROW_RIGHT)
    assert swipe.get_attribute("value") == "1"


def test_layers_toggle(opened) -> None:
    opened.find_element(By.CSS_SELECTOR, ".swipe").send_keys(Keys.HOME)
    bare = corner(look(opened))
    seen = {}
    for key in ("opacity", "uncertainty"):
        box = opened.find_element(By.CSS_SELECTOR, f"[data-shows={key}]")
        box.send_keys(Keys.SPACE)
        seen[key] = corner(look(opened))
        assert np.abs(seen[key] - bare).mean() > 20
        box.send_keys(Keys.SPACE)
        assert np.abs(corner(look(opened)) - bare).mean() < 5
    # Opaque everywhere here: the colour of the layer; green is what it lacks.
    assert seen["opacity"][1] < 60
    assert np.abs(seen["opacity"] - seen["uncertainty"]).mean() > 20


def test_bands_are_chosen_for_before_and_after(opened) -> None:
    choice = opened.find_element(By.CSS_SELECTOR, "[data-composites]")
    for key in (Keys.HOME, Keys.END):
        opened.find_element(By.CSS_SELECTOR, ".swipe").send_keys(key)
        # Once there and back first: the first drawing of a page may lie a fraction of a pixel beside the later ones.
        choice.send_keys(Keys.DOWN)
        look(opened)
        choice.send_keys(Keys.UP)
        bare = look(opened)
        choice.send_keys(Keys.DOWN)
        other = look(opened)
        choice.send_keys(Keys.UP)
        assert other.shape == bare.shape
        height, width, _ = bare.shape
        # Clear ground, away from the labels.
        east = (slice(height // 4, height * 2 // 5), slice(width * 5 // 8, width * 7 // 8))
        assert np.abs(other[east] - bare[east]).mean() > 20
        assert np.abs(look(opened)[east] - bare[east]).mean() < 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_colour_scheme(opened, scheme: str) -> None:
    features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    colours = "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]"
    paper, ink = (
        np.mean([int(part) for part in re.findall(r"\d+", colour)[:3]]) for colour in opened.execute_script(colours)
    )
    assert (paper > 220 and ink < 60) if scheme == "light" else (paper < 60 and ink > 200)


def test_rows_are_cards_on_a_phone_and_nothing_sticks_out(opened) -> None:
    size = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth") == 360
        table = opened.find_element(By.CSS_SELECTOR, "#provenance .scroll")
        assert opened.execute_script("return arguments[0].scrollWidth <= arguments[0].clientWidth", table)
        cells = table.find_elements(By.CSS_SELECTOR, "tbody tr:first-child td")
        tops = [cell.rect["y"] for cell in cells]
        assert len(tops) == 5 and tops == sorted(set(tops))
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
