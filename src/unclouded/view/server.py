"""HTTP server of the map on the loopback interface: the page's files, the list of scenes, tiles and pixel values."""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from unclouded.colour import STRETCH_DESCRIPTIONS
from unclouded.errors import FileError, UncloudedError
from unclouded.view.scenes import MapScene, places
from unclouded.view.tiles import DEEPEST, SIDE, tile
from unclouded.view.values import values_at

HOST = "127.0.0.1"

_HOSTS = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?", re.IGNORECASE)
"""Accepted Host headers, against DNS rebinding; the port may differ, for tunnels to this machine."""

_TILE = re.compile(r"/(\d{1,4})/([a-z-]+)/(\d{1,2})/(\d{1,8})/(\d{1,8})\.png")
_VALUES = re.compile(r"/(\d{1,4})/values\.json")
_AT = re.compile(r"at=(-?\d{1,3}(?:\.\d{1,9})?),(-?\d{1,2}(?:\.\d{1,9})?)")

_JSON = "application/json"

_HEADERS = {
    # MapLibre runs its worker from a blob, and its style sheet holds its icons.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class MapServer(ThreadingHTTPServer):
    """Serves a map of `scenes` on the loopback interface.

    Args:
        scenes: in the order of the list on the page.
        port: to listen on; 0 for a free one.

    Raises:
        FileError: the port cannot be opened.
    """

    daemon_threads = True

    def __init__(self, scenes: Sequence[MapScene], port: int = 0) -> None:
        self.scenes = scenes
        self.assets = _assets()
        # Part of the addresses of tiles, since a browser caches them, and another run has other scenes.
        self._run = secrets.token_hex(4)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise FileError(f"port {port}: {error.strerror}; give another --port, or none for a free one") from error

    @property
    def address(self) -> str:
        """Address of the map."""
        return f"http://{HOST}:{self.server_address[1]}/"

    def index(self) -> list[dict[str, Any]]:
        """Description of the scenes for the page, as JSON."""
        found = places([scene.bounds for scene in self.scenes])
        return [
            {
                "name": scene.name,
                "date": scene.acquired and f"{scene.acquired:%Y-%m-%d}",
                "level": scene.level,
                "replaced": scene.quality.replaced,
                "place": place,
                "bounds": scene.bounds,
                "zoom": scene.zoom,
                "side": SIDE,
                "notes": list(scene.notes),
                "before": bool(scene.images.before),
                "composites": {name: scene.images.describe(name) for name in scene.images.composites},
                "stretches": {kind: STRETCH_DESCRIPTIONS[kind] for kind in scene.images.stretches},
                "layers": dict(scene.quality.legends),
                "tiles": f"/{number}/LAYER/{{z}}/{{x}}/{{y}}.png?{self._run}",
                "values": f"/{number}/values.json?at=",
            }
            for number, (scene, place) in enumerate(zip(self.scenes, found, strict=True))
        ]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (as its base has it)
        """Ignore connections that the browser closed."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: MapServer
    protocol_version = "HTTP/1.1"
    # Buffered, so that headers and body are sent together.
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 120

    def do_GET(self) -> None:
        """Respond with a tile, a file of the page, or an error in one line."""
        try:
            self._answer()
        except UncloudedError as error:
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, str(error).encode(), "text/plain; charset=utf-8")

    do_HEAD = do_GET

    def _answer(self) -> None:
        if not _HOSTS.fullmatch(self.headers.get("Host", "")):
            self._refuse(HTTPStatus.FORBIDDEN, f"this map is served under {self.server.address} only")
            return
        path, _, query = self.path.partition("?")
        if path in self.server.assets:
            file, kind = self.server.assets[path]
            self._send(HTTPStatus.OK, file.read_bytes(), kind)
        elif path == "/scenes.json":
            self._send(HTTPStatus.OK, json.dumps(self.server.index()).encode(), _JSON)
        elif found := _TILE.fullmatch(path):
            self._answer_tile(int(found[1]), found[2], int(found[3]), int(found[4]), int(found[5]))
        elif (found := _VALUES.fullmatch(path)) and int(found[1]) < len(self.server.scenes):
            self._answer_values(self.server.scenes[int(found[1])], query)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "no such page")

    def _answer_tile(self, scene: int, name: str, z: int, x: int, y: int) -> None:
        try:
            layer = self.server.scenes[scene].layer(name)
        except LookupError:
            layer = None
        if layer is not None and z <= DEEPEST and max(x, y) < 2**z:
            self._send(HTTPStatus.OK, tile(layer, z, x, y), "image/png", "private, max-age=86400")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "no such tile")

    def _answer_values(self, scene: MapScene, query: str) -> None:
        if at := _AT.fullmatch(query):
            values = values_at(scene, float(at[1]), float(at[2]))
            self._send(HTTPStatus.OK, json.dumps(values).encode(), _JSON)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "no such place; at=LONGITUDE,LATITUDE is accepted")

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self._send(status, text.encode(), "text/plain; charset=utf-8")

    def _send(self, status: HTTPStatus, body: bytes, kind: str, keep: str = "no-store") -> None:
        self.send_response(status)
        for name, value in (_HEADERS | {"Content-Type": kind, "Cache-Control": keep}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        """Name of the program, without versions."""
        return "unclouded"

    def log_message(self, format: str, *args: object) -> None:
        """Do not log requests."""


def _assets() -> dict[str, tuple[Path, str]]:
    """The files of the page by address, with their content types."""
    page = Path(str(files("unclouded.view") / "page"))
    # The package is not imported, since only its copy of MapLibre GL JS is needed.
    spec = find_spec("maplibre")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'maplibre'", name="maplibre")
    maplibre = Path(spec.submodule_search_locations[0]) / "srcjs"
    html, script, style = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8"
    return {
        "/": (page / "index.html", html),
        **{f"/{name}.js": (page / f"{name}.js", script) for name in ("panel", "view")},
        **{f"/{name}.css": (page / f"{name}.css", style) for name in ("panel", "view")},
        "/maplibre-gl.js": (maplibre / "maplibre-gl.js", script),
        "/maplibre-gl.css": (maplibre / "maplibre-gl.css", style),
    }
