"""Tiles over HTTP, and what the server refuses."""

from __future__ import annotations

import http.client
import json
import re

import numpy as np
import pytest
from map_scene import NORTH, PIXEL, SIDE, WEST, serving
from pyproj import Transformer
from rasterio.io import MemoryFile

pytest.importorskip("rio_tiler", reason="the extra `view` is not installed")
pytest.importorskip("maplibre", reason="the extra `view` is not installed")

TILE = 512


@pytest.fixture
def server(scene):
    with serving(f"{scene}/before.tif={scene}/clear.tif") as server:
        yield server


def ask(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def colour(server, layer, row, column, zoom=13):
    """Return red, green, blue and alpha shown where the image's pixel (row, column) lies."""
    east, north = Transformer.from_crs(32633, 3857, always_xy=True).transform(
        WEST + (column + 0.5) * PIXEL, NORTH - (row + 0.5) * PIXEL
    )
    world = 20037508.342789244
    x, y = ((east + world) / (2 * world) * 2**zoom, (world - north) / (2 * world) * 2**zoom)
    status, headers, body = ask(server, f"/0/{layer}/{zoom}/{int(x)}/{int(y)}.png")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    with MemoryFile(body) as memory, memory.open() as image:
        assert image.shape == (TILE, TILE)
        return image.read()[:, int(y % 1 * TILE), int(x % 1 * TILE)]


@pytest.mark.parametrize("zoom", [12, 13, 15])
@pytest.mark.parametrize(("row", "column"), [(100, 100), (300, 100), (250, 350)])
def test_a_pixel_has_its_colour_at_its_place(server, zoom, row, column):
    stretch = server.scenes[0].layer("after-natural-scene").stretch
    dn = np.float32([1000 + 2000 * position / (SIDE - 1) for position in (column, row, row)])
    expected = 255 * stretch.colours(dn[:, None, None])[0, 0]
    red, green, blue, alpha = colour(server, "after-natural-scene", row, column, zoom)
    # A nearest neighbour may lie two pixels away at the lower zoom.
    assert (red, green, blue) == pytest.approx(tuple(expected), abs=3.5)
    assert alpha == 255


def test_clouds_are_white_before_and_the_same_ground_looks_the_same(server):
    np.testing.assert_array_equal(colour(server, "before-natural-scene", 50, 200), [255, 255, 255, 255])
    np.testing.assert_array_equal(
        colour(server, "before-natural-scene", 300, 200), colour(server, "after-natural-scene", 300, 200)
    )


def test_outside_of_the_scene_is_transparent(server):
    assert colour(server, "after-natural-scene", -40, 100)[-1] == 0
    assert colour(server, "after-natural-scene", 100, 4000)[-1] == 0


def test_quality_has_the_legends_colours_and_none_where_it_is_0(server):
    [scene] = json.loads(ask(server, "/scenes.json")[2])
    legend = scene["layers"]["opacity"]
    assert (legend["low"], legend["high"]) == ("0, kept", "1, replaced") and legend["colours"][0][3] == 0
    np.testing.assert_allclose(colour(server, "opacity", 100, 200), legend["colours"][12], atol=1)
    assert colour(server, "opacity", 300, 200)[-1] == 0
    assert scene["layers"]["uncertainty"]["high"] == "0.02 reflectance or more"
    [guessed] = scene["layers"]["source"]["entries"]
    assert (guessed["label"], guessed["share"]) == ("guessed by the network", 0.5)
    np.testing.assert_array_equal(colour(server, "source", 100, 200), [*guessed["colour"], 255])
    assert scene["tiles"].startswith("/0/LAYER/{z}/{x}/{y}.png")


def test_the_page_gets_the_available_choices(server):
    [scene] = json.loads(ask(server, "/scenes.json")[2])
    assert list(scene["composites"]) == ["natural", "infrared"]
    assert scene["composites"]["infrared"] == "near infrared: B08 B04 B03; vegetation is red"
    assert list(scene["stretches"]) == ["scene", "bands", "fixed"]
    assert (scene["level"], scene["date"], scene["replaced"], scene["before"]) == ("L2A", None, 0.5, True)
    seen = {
        colour(server, f"after-{name}", 100, 300).tobytes()
        for name in ("natural-scene", "natural-fixed", "infrared-scene")
    }
    assert len(seen) == 3


def test_values_of_a_place_are_given(server):
    status, headers, body = ask(server, "/0/values.json?at=15.01,48.74")
    assert status == 200 and headers["Content-Type"] == "application/json"
    assert [name for name, *_ in json.loads(body)["bands"]] == ["B02", "B03", "B04", "B08"]
    for query in ("", "?at=15", "?at=15.01,48.74;", "?at=nan,inf", "?at=1e9,0"):
        assert ask(server, f"/0/values.json{query}")[0] == 404
    assert ask(server, "/1/values.json?at=15.01,48.74")[0] == 404


def test_it_listens_on_the_loopback_interface_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_address[1]}/"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", "", "[::1"])
@pytest.mark.parametrize("path", ["/", "/scenes.json", "/0/after-natural-scene/13/4437/2827.png"])
def test_requests_for_another_host_are_refused(server, host, path):
    status, _, body = ask(server, path, Host=host)
    assert status == 403 and body.count(b"\n") == 0


def test_a_tunnel_may_have_another_port(server):
    assert ask(server, "/scenes.json", Host="localhost:9999")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/clear.tif",
        "/../clear.tif",
        "/0/../clear.tif",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/view.py",
        "/page/index.html",
        "/1/after-natural-scene/13/4437/2827.png",
        "/0/nothing/13/4437/2827.png",
        "/0/after/13/4437/2827.png",
        "/0/after-natural-/13/4437/2827.png",
        "/0/after-infrared-loud/13/4437/2827.png",
        "/0/after-natural-scene/25/0/0.png",
        "/0/after-natural-scene/1/2/0.png",
        "/0/after-natural-scene/1/-1/0.png",
        "/0/after-natural-scene/13/4437/2827.tif",
    ],
)
def test_nothing_else_is_served(server, path):
    status, _, body = ask(server, path)
    assert status == 404 and b"root:" not in body and len(body) < 100


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(server, method):
    assert ask(server, "/", method)[0] == 501


def test_the_page_loads_nothing_from_elsewhere(server):
    status, headers, body = ask(server, "/")
    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert (
        "default-src 'none'" in headers["Content-Security-Policy"] and "http" not in headers["Content-Security-Policy"]
    )
    addresses = re.findall(r'(?:src|href)="([^"]+)"', body.decode())
    assert len(addresses) == 7
    for address in addresses:
        if address != "data:,":
            assert ask(server, f"/{address}")[0] == 200


def test_head_gives_the_length_and_no_body(server):
    status, headers, body = ask(server, "/maplibre-gl.js", "HEAD")
    assert (status, body) == (200, b"") and int(headers["Content-Length"]) > 500_000


def test_a_file_that_goes_away_is_an_error_in_one_line(server, scene):
    (scene / "clear.tif").unlink()
    status, _, body = ask(server, "/0/after-natural-scene/13/4437/2827.png")
    assert status == 500 and b"clear.tif: no such file" in body and b"\n" not in body
