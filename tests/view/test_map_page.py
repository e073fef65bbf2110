"""The page in a real browser: headless Chromium, drawing without a graphics card."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from map_scene import ground, serving, write, write_scene
from rasterio.io import MemoryFile

pytest.importorskip("rio_tiler", reason="the extra `view` is not installed")
pytest.importorskip("maplibre", reason="the extra `view` is not installed")
pytest.importorskip("selenium", reason="selenium, which drives the browser, is not installed")

from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

FLAGS = (
    "--headless --no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --window-size=1100,800"
)
PATIENCE = 60
WHITE = 250


@pytest.fixture(scope="module")
def browser():
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("Chromium and its driver (Debian: chromium, chromium-driver) are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in FLAGS.split():
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = write_scene(tmp_path_factory.mktemp("scene"))
    alone = write(tmp_path_factory.mktemp("alone") / "alone.tif", ground())
    with serving(f"{folder}/before.tif={folder}/clear.tif", alone) as server:
        yield server


@pytest.fixture
def page(browser, server):
    browser.get_log("browser")
    browser.get(server.address)
    wait_until_shown(browser)
    yield browser
    assert browser.get_log("browser") == []


def wait_until_shown(page):
    WebDriverWait(page, PATIENCE).until(
        lambda page: page.find_element(By.ID, "map").get_attribute("aria-busy") == "false",
        message="the map was not shown",
    )


def colours(page):
    """Return red, green, blue at eight points of the map: north and south, from west to east."""
    with MemoryFile(page.get_screenshot_as_png()) as memory, memory.open() as image:
        pixels = image.read()[:3]
    area = page.find_element(By.ID, "map").rect
    middle, centre = int(area["y"] + area["height"] / 2), int(area["x"] + area["width"] / 2)
    rows, columns = [middle - 150, middle + 150], [centre + step for step in (-200, -80, 80, 200)]
    return pixels[:, rows][:, :, columns].transpose(1, 2, 0).astype(int)


def clouds(page):
    """Tell at which of the eight points the map is white."""
    return (colours(page) > WHITE).all(axis=-1).tolist()


def eventually(page, condition):
    WebDriverWait(page, PATIENCE).until(condition)


def test_before_is_left_of_the_bar_and_after_right_of_it(page):
    assert clouds(page) == [[True, True, False, False], [False] * 4]
    assert "clear.tif" in page.title


def test_the_page_asks_this_server_alone(page, server):
    asked = page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert len(asked) > 8
    assert all(address.startswith((server.address, f"blob:{server.address}", "data:")) for address in asked)


def test_the_bar_is_moved_by_keys(page):
    bar = page.find_element(By.ID, "swipe")
    bar.send_keys(Keys.HOME)
    eventually(page, lambda page: clouds(page)[0] == [False] * 4)
    assert bar.get_attribute("aria-valuetext") == "before 0 %, after 100 %"
    bar.send_keys(Keys.END)
    eventually(page, lambda page: clouds(page)[0] == [True] * 4)
    bar.send_keys(*[Keys.ARROW_LEFT] * 3)
    assert bar.get_attribute("aria-valuetext") == "before 97 %, after 3 %"


def test_the_bar_is_dragged_and_the_map_beside_it_too(page):
    bar = page.find_element(By.ID, "swipe")
    ActionChains(page).drag_and_drop_by_offset(bar, 140, 0).perform()
    eventually(page, lambda page: clouds(page)[0] == [True, True, True, False])
    north_west = colours(page)[1, 0]
    # Left of the bar lies the clipped part of the map above, which has to take the pointer all the same.
    ActionChains(page).move_to_element_with_offset(bar, -200, 0).click_and_hold().move_by_offset(
        60, 60
    ).release().perform()
    eventually(page, lambda page: abs(colours(page)[1, 0] - north_west).max() > 5)


def test_both_maps_move_together(page):
    page.find_element(By.CSS_SELECTOR, ".maplibregl-ctrl-zoom-in").click()
    same = "return before.getZoom() === after.getZoom() && before.getCenter().lng === after.getCenter().lng"
    start = page.execute_script("return after.getZoom()")
    eventually(page, lambda page: page.execute_script("return !after.isMoving() && before.loaded() && after.loaded()"))
    assert page.execute_script("return after.getZoom()") >= start and page.execute_script(same)


@pytest.mark.parametrize("layer", ["opacity", "uncertainty"])
def test_quality_layers_are_laid_over_both_images_and_taken_away(page, layer):
    bare = colours(page)
    page.find_element(By.CSS_SELECTOR, f"[value={layer}]").click()
    eventually(page, lambda page: (abs(colours(page) - bare)[0].max(axis=-1) > 30).all())
    assert abs(colours(page) - bare)[1].max() <= 1
    legend = page.find_element(By.ID, "legend")
    assert legend.is_displayed()
    assert legend.text.split()[1] == {"opacity": "1", "uncertainty": "0.02"}[layer]
    page.find_element(By.CSS_SELECTOR, "[value=none]").click()
    eventually(page, lambda page: abs(colours(page) - bare).max() <= 1)
    assert not legend.is_displayed()


def test_another_scene_is_chosen_from_the_list(page):
    choice = page.find_element(By.ID, "scene")
    assert [option.text for option in choice.find_elements(By.TAG_NAME, "option")] == ["clear.tif", "alone.tif"]
    choice.send_keys(Keys.ARROW_DOWN)
    wait_until_shown(page)
    assert not page.find_element(By.ID, "swipe").is_displayed()
    assert clouds(page) == [[False] * 4] * 2
    assert "No image before clearing" in page.find_element(By.ID, "notes").text
    assert not page.find_element(By.CSS_SELECTOR, "[value=opacity]").is_enabled()


def test_every_control_has_a_role_and_a_name(page):
    nodes = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"] and any(entry["name"] == "focusable" for entry in node.get("properties", []))
    ]
    assert all(name for role, name in named if role not in ("RootWebArea", "generic"))
    roles = [role for role, _ in named]
    assert roles.count("radio") == 3 and {"slider", "combobox", "button", "region"} <= set(roles)


def test_the_page_says_which_file_went_away(browser, tmp_path):
    folder = write_scene(tmp_path)
    with serving(f"{folder}/clear.tif") as server:
        (folder / "clear.tif").unlink()
        browser.get(server.address)
        status = browser.find_element(By.ID, "status")
        wait_until_shown(browser)
        eventually(browser, lambda page: "clear.tif: no such file" in status.text)


def test_dark_and_light_follow_the_system(page):
    seen = []
    for scheme in ("light", "dark"):
        page.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        rgb = page.find_element(By.TAG_NAME, "aside").value_of_css_property("background-color")
        seen.append(np.mean([int(part.strip(" a)").split(".")[0]) for part in rgb.split("(")[1].split(",")[:3]]))
    assert seen[0] > 200 > 80 > seen[1]
