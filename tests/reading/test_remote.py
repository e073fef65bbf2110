"""Files and items that are far away: what is said where one cannot be read."""

import functools
import http.server
import threading

import pytest
from catalogue import serving
from rasterio.windows import Window
from rasters import pixels, write

from unclouded.errors import UncloudedError
from unclouded.reading.files.raster import open_raster, read_window
from unclouded.reading.reader import open_scene


@pytest.fixture
def front(tmp_path, monkeypatch):
    """A server of B02.tif, larger than what is asked for first, and of two web pages."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    write(tmp_path / "B02.tif", pixels(1, 600, 600))
    (tmp_path / "page.tif").write_text("<!DOCTYPE html><title>Sign in</title>")
    (tmp_path / "page").write_text("\n<html>Sign in</html>")
    with serving(tmp_path) as front:
        yield front


def said_of(address, read=open_raster):
    with pytest.raises(UncloudedError) as caught:
        read(f"{address}?signature=secret")
    assert str(caught.value).startswith(f"{address}: ") and "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{address}: ")


@pytest.mark.parametrize("read", [open_raster, open_scene])
def test_what_keeps_an_address_from_being_read(front, read):
    name = "B02.tif" if read is open_raster else "item.json"
    address = f"{front.address}/files/{name}"
    assert said_of(f"{front.address}/files/nothing", read).startswith("is not there (HTTP 404); check the address")
    front.query = "another"
    assert said_of(address, read).startswith("may not be read (HTTP 403): it needs signing in, or its signature has")
    front.reset()
    front.fail_every = 1
    assert said_of(address, read) == "cannot be read at the moment (HTTP 503); run the same command again"
    front.reset()
    front.away_after = 0
    assert said_of(address, read).startswith("cannot be reached (")
    assert "Connection refused" in said_of(
        "http://127.0.0.1:9/B02.tif" if read is open_raster else "http://127.0.0.1:9/i"
    )


def test_web_pages_are_called_so(front):
    assert "but a web page" in said_of(f"{front.address}/files/page.tif")
    assert said_of(f"{front.address}/files/page", open_scene).startswith("is a web page; give the address of the item")


def test_a_server_that_gives_no_parts_of_files(front, tmp_path):
    handler = functools.partial(_Whole, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        message = said_of(f"http://127.0.0.1:{server.server_port}/B02.tif")
        server.shutdown()
    assert message.startswith("its server gives files as a whole alone, not parts of them (HTTP ranges); download it")


def test_a_server_that_goes_away_while_it_is_read(front):
    with open_raster(f"{front.address}/files/B02.tif?signature=secret") as dataset:
        front.away_after = 0
        message = said_of(
            f"{front.address}/files/B02.tif", lambda _: read_window(dataset, [1], Window(0, 400, 600, 200))
        )
    assert message.startswith("cannot be reached (")


class _Whole(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""
