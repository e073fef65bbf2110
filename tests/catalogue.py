"""A catalogue on this machine: a real STAC API (`rustac serve`) and an HTTP server with ranges for its files.

The one server stands before the other, so that requests to both are counted and either can fail.
"""

from __future__ import annotations

import http.client
import http.server
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds, transform_geom
from scenes import fields

COLLECTION = "sentinel-2-l2a"
CRS = "EPSG:32632"
LEFT, TOP = 600000, 5400000
SIDE = 672
BANDS = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "swir16": "B11", "swir22": "B12"}
_COARSE = {"B11": 2, "B12": 2}


class Front(http.server.ThreadingHTTPServer):
    """Serves a folder under /files, and all else from the API behind it.

    Attributes:
        requests: path and bytes sent of each request.
        fail_every: of so many requests for files or the API one is answered with HTTP 503; 0 for none.
        away_after: after so many more requests the connections are closed without an answer; None for never.
        query: that addresses of files must have, else HTTP 403; empty for none.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.api = folder, 0
        self.lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self.requests: list[tuple[str, int]] = []
        self.fail_every, self.away_after, self.query, self.count = 0, None, "", 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def of_files(self) -> list[tuple[str, int]]:
        return [(path, size) for path, size in self.requests if path.startswith("/files/")]

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that are killed leave connections


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Front
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with server.lock:
            server.count += 1
            number = server.count
            if server.away_after is not None:
                server.away_after -= 1
            away = server.away_after is not None and server.away_after < 0
        if away:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if server.fail_every and number % server.fail_every == 0:
            self._answer(503, b"busy")
        elif self.path.startswith("/files/"):
            self._file()
        else:
            self._api(body)

    do_POST = do_HEAD = do_GET

    def _file(self) -> None:
        path, _, query = self.path.partition("?")
        file = self.server.folder / path.removeprefix("/files/")
        if self.server.query and query != self.server.query:
            self._answer(403, b"signature")
        elif not file.is_file():
            self._answer(404, b"nothing")
        else:
            size, found = file.stat().st_size, re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
            first, last = (int(found[1]), min(int(found[2] or size), size - 1)) if found else (0, size - 1)
            with file.open("rb") as stream:
                stream.seek(first)
                part = stream.read(max(0, last - first + 1))
            headers = {"Accept-Ranges": "bytes"} | ({"Content-Range": f"bytes {first}-{last}/{size}"} if found else {})
            self._answer(206 if found else 200, part, headers)

    def _api(self, body: bytes) -> None:
        behind = http.client.HTTPConnection("127.0.0.1", self.server.api, timeout=30)
        headers = {"Content-Type": self.headers.get("Content-Type") or "application/json"}
        behind.request(self.command, self.path, body or None, headers)
        answer = behind.getresponse()
        kind = answer.getheader("Content-Type") or "application/json"
        self._answer(answer.status, answer.read(), {"Content-Type": kind})
        behind.close()

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        sent = len(body) if self.command != "HEAD" else 0
        with self.server.lock:
            self.server.requests.append((self.path, sent))
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if sent:
            self.wfile.write(body)


@contextmanager
def serving(folder: Path):
    """The files of a folder, without an API."""
    front = Front(folder)
    thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield front
    finally:
        front.shutdown()
        front.server_close()


@contextmanager
def listed(front: Front, items: list[dict], workplace: Path):
    """Start the API behind a server, with some items."""
    program = shutil.which("rustac", path=str(Path(sys.executable).parent)) or shutil.which("rustac")
    if program is None:
        pytest.skip("no STAC API server: rustac (pip install rustac) is not here")
    workplace.mkdir(exist_ok=True)
    files = {"collection.json": _collection(), "items.json": {"type": "FeatureCollection", "features": items}}
    for name, content in files.items():
        (workplace / name).write_text(json.dumps(content))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        front.api = free.getsockname()[1]
    words = [program, "serve", "-a", f"{front.address}/", "-b", f"127.0.0.1:{front.api}"]
    with (workplace / "log").open("w") as log:
        server = subprocess.Popen([*words, *(str(workplace / name) for name in files)], stdout=log, stderr=log)
    try:
        _wait_for(front.api, server, workplace / "log")
        yield front
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(port: int, server: subprocess.Popen, log: Path) -> None:
    for _ in range(200):
        if server.poll() is not None:
            pytest.skip(f"no STAC API server: rustac ended with {server.returncode}: {log.read_text()[:200]}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.05)  # tests that are not to wait take `time.sleep` away
    pytest.fail(f"rustac does not answer: {log.read_text()[:500]}")


def _collection() -> dict:
    extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2015-06-23T00:00:00Z", None]]}}
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": COLLECTION,
        "description": "Dates of a place, made for tests.",
        "license": "other",
        "extent": extent,
        "links": [],
    }


def item(front_address: str, name: str, time: str, assets: dict, outline: dict, **properties) -> dict:
    """An item as catalogues of Sentinel-2 have it."""
    defaults = {
        "datetime": time,
        "platform": "sentinel-2a",
        "eo:cloud_cover": 20.0,
        "proj:code": CRS,
        "s2:processing_baseline": "05.10",
    }
    corners = np.array(outline["coordinates"][0])
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": COLLECTION,
        "geometry": outline,
        "bbox": [*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()],
        "properties": defaults | properties,
        "links": [{"rel": "self", "href": f"{front_address}/collections/{COLLECTION}/items/{name}"}],
        "assets": assets,
    }


def outline_of(left: float, top: float, right: float, bottom: float) -> dict:
    """A rectangle of the reference system of the tests in longitude and latitude."""
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    outline = transform_geom(CRS, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]})
    return {"type": "Polygon", "coordinates": [[list(corner) for corner in outline["coordinates"][0]]]}


def bbox_of(row: int, column: int, height: int, width: int) -> str:
    """`--bbox` of pixels counted from the corner of the first tile."""
    bounds = LEFT + 10 * column, TOP - 10 * (row + height), LEFT + 10 * (column + width), TOP - 10 * row
    return ",".join(map(str, transform_bounds(CRS, "EPSG:4326", *bounds)))


def write_tile(folder: Path, dn: Iterable[np.ndarray], row: int, column: int, block: int = 256) -> dict[str, Path]:
    """Write a COG of each band of a tile, DN (h, w) at 10 m, with its corner at a pixel of the first tile's grid."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for (key, band), pixels in zip(BANDS.items(), dn, strict=True):
        step = _COARSE.get(band, 1)
        coarse = pixels[::step, ::step]
        place = from_origin(LEFT + 10 * column, TOP - 10 * row, 10 * step, 10 * step)
        profile = {"driver": "COG", "count": 1, "height": coarse.shape[0], "width": coarse.shape[1], "dtype": "uint16"}
        options = {"BLOCKSIZE": block, "COMPRESS": "DEFLATE", "LEVEL": 1}
        with rasterio.open(
            folder / f"{band}.tif", "w", crs=CRS, transform=place, nodata=0, **profile, **options
        ) as file:
            file.write(coarse, 1)
        files[key] = folder / f"{band}.tif"
    return files


def assets_of(front: Front, files: dict[str, Path]) -> dict:
    """Assets as Earth Search has them, of which the offset is said."""
    return {
        key: {
            "href": f"{front.address}/files/{file.relative_to(front.folder)}",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "eo:bands": [{"name": key, "common_name": key}],
            "raster:bands": [{"scale": 0.0001, "offset": -0.1}],
            "roles": ["data", "reflectance"],
        }
        for key, file in files.items()
    }


def dn_of(number: int, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """DN (C, h, w) of a date: the same fields each time, under clouds that go from the west to the east."""
    clouds = [(320, 280 + 45 * number, 30), (450, 150 + 100 * number, 45)]
    seen = fields(tuple(BANDS.values()), height, width, clouds, field=32) * (1 + 0.04 * number)
    seen += np.random.default_rng(number).normal(0, 20, seen.shape)
    return (seen + 1000).clip(1, 16000).astype(np.uint16)


def write_dates(front: Front, days: list[str]) -> list[dict]:
    """Dates of one tile, whose items are returned."""
    items = []
    for number, day in enumerate(days):
        name = f"S2A_32UPU_{day.replace('-', '')}_0_L2A"
        files = write_tile(front.folder / name, dn_of(number), 0, 0)
        outline = outline_of(LEFT, TOP, LEFT + 10 * SIDE, TOP - 10 * SIDE)
        cloud = 10.0 * (number + 1)
        items.append(
            item(front.address, name, f"{day}T10:10:31Z", assets_of(front, files), outline, **{"eo:cloud_cover": cloud})
        )
    return items
