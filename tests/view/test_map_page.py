"""The page in a real browser: headless Chromium, drawing without a graphics card."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from map_scene import NORTH, PIXEL, WEST, ground, quality, serving, write, write_scene
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from unclouded.files import QUALITY_BANDS

pytest.importorskip("rio_tiler", reason="the extra `view` is not installed")
pytest.importorskip("maplibre", reason="the extra `view` is not installed")
pytest.importorskip("selenium", reason="selenium, which drives the browser, is not installed")

from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

FLAGS = (
    "--headless --no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --window-size=1100,800"
)
PATIENCE = 60
THRESHOLD = {"unclouded:threshold": 0.2}
LONG_NAME = "S2A_MSIL2A_20240602T100029_N0510_R122_T33UUP_20240602T132345_cleared.tif"
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
    # Of two dates, and elsewhere a scene alone.
    (folder / "clear.json").write_text(json.dumps({"properties": {"datetime": "2024-05-11T10:00:00Z"} | THRESHOLD}))
    write(folder / "earlier.tif", ground())
    write(folder / "earlier_quality.tif", quality(0, 0, 0), QUALITY_BANDS, nodata=float("nan"))
    (folder / "earlier.json").write_text(json.dumps({"properties": {"datetime": "2024-05-01T10:00:00Z"} | THRESHOLD}))
    elsewhere = from_origin(WEST + 50_000, NORTH, PIXEL, PIXEL)
    alone = write(tmp_path_factory.mktemp("alone") / LONG_NAME, ground(), transform=elsewhere)
    pairs = [f"{folder}/before.tif={folder}/{name}.tif" for name in ("clear", "earlier")]
    with serving(*pairs, alone) as server:
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
    assert page.title.startswith("2024-05-11")


def test_the_page_requests_from_this_server_only(page, server):
    asked = page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert len(asked) > 8
    assert all(address.startswith((server.address, f"blob:{server.address}", "data:")) for address in asked)


def test_the_bar_is_moved_by_keys(page):
    bar = page.find_element(By.ID, "swipe")
    bar.send_keys(Keys.HOME)
    eventually(page, lambda page: clouds(page)[0] == [False] * 4)
    assert bar.get_attribute("aria-valuetext") == "before 0%, after 100%"
    bar.send_keys(Keys.END)
    eventually(page, lambda page: clouds(page)[0] == [True] * 4)
    bar.send_keys(*[Keys.ARROW_LEFT] * 3)
    assert bar.get_attribute("aria-valuetext") == "before 97%, after 3%"


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


@pytest.mark.parametrize("layer", ["opacity", "uncertainty", "source"])
def test_quality_layers_are_laid_over_both_images_and_taken_away(page, layer):
    bare = colours(page)
    box = page.find_element(By.CSS_SELECTOR, f"[value={layer}]")
    box.click()
    eventually(page, lambda page: (abs(colours(page) - bare)[0].max(axis=-1) > 30).all())
    assert abs(colours(page) - bare)[1].max() <= 1
    legend = page.find_element(By.CSS_SELECTOR, f"[data-overlay={layer}] .legend")
    assert legend.is_displayed()
    assert {
        "opacity": "1, replaced",
        "uncertainty": "0.02 reflectance or more",
        "source": "guessed by the network, 50.0%",
    }[layer] in legend.text
    box.click()
    eventually(page, lambda page: abs(colours(page) - bare).max() <= 1)
    assert not legend.is_displayed()


def test_layers_lie_over_one_another_each_as_strong_as_is_wanted(page):
    page.find_element(By.CSS_SELECTOR, "[value=opacity]").click()
    page.find_element(By.CSS_SELECTOR, "[value=source]").click()
    strength = page.find_element(By.CSS_SELECTOR, "[data-overlay=source] .strength input")
    strength.send_keys(Keys.END)
    eventually(page, lambda page: abs(colours(page)[0] - [226, 0, 122]).max() <= 1)
    strength.send_keys(Keys.HOME)
    eventually(page, lambda page: abs(colours(page)[0] - [226, 0, 122]).max() > 20)


def test_the_threshold_is_marked_on_the_bar_of_the_opacity(page):
    page.find_element(By.CSS_SELECTOR, "[value=opacity]").click()
    bar, mark = (
        page.find_element(By.CSS_SELECTOR, f"[data-overlay=opacity] .{name}").rect for name in ("colours", "mark")
    )
    assert (mark["x"] + mark["width"] / 2 - bar["x"]) / bar["width"] == pytest.approx(0.2, abs=0.02)


def test_the_values_under_the_pointer_are_shown(page):
    canvas = page.find_element(By.ID, "map")
    values = page.find_element(By.ID, "values")
    # Right of the bar, in the north: replaced.
    ActionChains(page).move_to_element_with_offset(canvas, 150, -150).perform()
    eventually(page, lambda page: "B02" in values.text)
    rows = [row.text.split() for row in values.find_elements(By.CSS_SELECTOR, "tbody tr")]
    assert [row[0] for row in rows] == ["B02", "B03", "B04", "B08"]
    assert all(row[1] == "0.9000" and 0.1 <= float(row[2]) <= 0.3 for row in rows)
    assert values.text.endswith("opacity\n0.75\nuncertainty\n0.0200\nsource\nguessed by the network")
    ActionChains(page).move_to_element_with_offset(canvas, 150, 150).perform()
    eventually(page, lambda page: values.text.endswith("source\nobserved"))


def test_the_values_in_the_middle_are_shown_by_the_keyboard(page):
    page.find_element(By.CSS_SELECTOR, "#after canvas").send_keys(Keys.ENTER)
    values = page.find_element(By.ID, "values")
    eventually(page, lambda page: "B08" in values.text)


def test_dates_of_a_place_stand_behind_a_slider(page):
    text = {name: page.find_element(By.ID, name) for name in ("title", "facts")}
    assert (text["title"].text, text["facts"].text) == ("2024-05-11", "L2A, 50.0% replaced")
    page.find_element(By.CSS_SELECTOR, "#after canvas").send_keys(Keys.ENTER)
    page.find_element(By.ID, "date").send_keys(Keys.ARROW_LEFT)
    wait_until_shown(page)
    assert (text["title"].text, text["facts"].text) == ("2024-05-01", "L2A, nothing replaced")
    assert not page.find_element(By.ID, "earlier").is_enabled()
    assert not page.find_element(By.CSS_SELECTOR, "[value=source]").is_enabled()
    # The place that was asked for stays.
    eventually(page, lambda page: "observed" in page.find_element(By.ID, "values").text)
    page.find_element(By.ID, "later").click()
    wait_until_shown(page)
    assert text["title"].text == "2024-05-11"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("composite", "infrared", "B08 B04 B03; vegetation is red"),
        ("stretch", "fixed", "the same for every scene"),
    ],
)
def test_bands_and_stretch_are_chosen(page, name, value, words):
    bare = colours(page)
    Select(page.find_element(By.ID, name)).select_by_value(value)
    eventually(page, lambda page: abs(colours(page) - bare)[1].max() > 8)
    assert page.find_element(By.ID, f"{name}-words").text == words


def test_another_place_is_chosen_from_the_list(page):
    choice = page.find_element(By.ID, "place")
    options = [option.text for option in choice.find_elements(By.TAG_NAME, "option")]
    assert options == ["48.74° N 15.03° E", "S2A_MSIL2A_2…cleared.tif"]
    choice.send_keys(Keys.ARROW_DOWN)
    wait_until_shown(page)
    assert not page.find_element(By.ID, "swipe").is_displayed()
    assert not page.find_element(By.ID, "dates").is_displayed()
    assert clouds(page) == [[False] * 4] * 2
    assert page.find_element(By.ID, "title").text == "2024-06-02"
    assert page.find_element(By.ID, "file").text == LONG_NAME
    assert "No image before clearing" in page.find_element(By.ID, "notes").text
    assert not page.find_element(By.CSS_SELECTOR, "[value=opacity]").is_enabled()


def test_nothing_collides_on_a_phone(page):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        page.refresh()
        wait_until_shown(page)
        page.find_element(By.CSS_SELECTOR, "[value=opacity]").click()
        assert page.execute_script("return document.documentElement.scrollWidth") == 400
        shown = "#before-label, #after-label, .maplibregl-ctrl-group, .maplibregl-ctrl-scale, aside"
        boxes = [found.rect for found in page.find_elements(By.CSS_SELECTOR, shown)]
        assert len(boxes) == 5
        for number, one in enumerate(boxes):
            assert one["x"] >= 0 and one["x"] + one["width"] <= 400
            for other in boxes[number + 1 :]:
                apart = [
                    one[start] + one[size] <= other[start] or other[start] + other[size] <= one[start]
                    for start, size in (("x", "width"), ("y", "height"))
                ]
                assert any(apart), (one, other)
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_control_has_a_role_and_a_name(page):
    nodes = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"] and any(entry["name"] == "focusable" for entry in node.get("properties", []))
    ]
    assert all(name for role, name in named if role not in ("RootWebArea", "generic"))
    roles = [role for role, _ in named]
    assert roles.count("checkbox") == 3 and {"slider", "combobox", "button", "region"} <= set(roles)


def test_the_page_names_the_missing_file(browser, tmp_path):
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
