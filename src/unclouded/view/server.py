"""The map's server: the page's own files, what there is to see, and tiles; for this machine alone."""

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

from unclouded.errors import FileError, UncloudedError
from unclouded.view.scenes import MapScene
from unclouded.view.tiles import DEEPEST, SIDE, MapLayer, tile

HOST = "127.0.0.1"

_HOSTS = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?", re.IGNORECASE)
"""Hosts that requests may be for: under any other name (DNS rebinding) a foreign page could read the tiles.

The port may be another one, that of a tunnel to this machine.
"""

_TILE = re.compile(r"/(\d{1,4})/([a-z]+)/(\d{1,2})/(\d{1,8})/(\d{1,8})\.png")
_LEGEND_STEPS = 16

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
        scenes: in the order of the list to choose from.
        port: to listen on; 0 takes a free one.

    Raises:
        FileError: the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, scenes: Sequence[MapScene], port: int = 0) -> None:
        self.scenes = scenes
        self.assets = _assets()
        # In the addresses of tiles, which a browser may keep: another run may show other files under the same numbers.
        self._run = secrets.token_hex(4)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise FileError(f"port {port}: {error.strerror}; give another --port, or none for a free one") from error

    @property
    def address(self) -> str:
        """Where the map is."""
        return f"http://{HOST}:{self.server_address[1]}/"

    def index(self) -> list[dict[str, Any]]:
        """Say what the page can show."""
        return [
            {
                "name": scene.name,
                "bounds": scene.bounds,
                "zoom": scene.zoom,
                "side": SIDE,
                "notes": list(scene.notes),
                "layers": {
                    name: {"tiles": f"/{number}/{name}/{{z}}/{{x}}/{{y}}.png?{self._run}", **_legend(layer)}
                    for name, layer in scene.layers.items()
                },
            }
            for number, scene in enumerate(self.scenes)
        ]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (as its base has it)
        """Pass over a browser that has gone away."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: MapServer
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one piece, at once.
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 120

    def do_GET(self) -> None:
        """Answer with a tile, a file of the page, or an error in one line."""
        try:
            self._answer()
        except UncloudedError as error:
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, str(error).encode(), "text/plain; charset=utf-8")

    do_HEAD = do_GET

    def _answer(self) -> None:
        if not _HOSTS.fullmatch(self.headers.get("Host", "")):
            self._refuse(HTTPStatus.FORBIDDEN, f"this map is served under {self.server.address} only")
            return
        path = self.path.partition("?")[0]
        if path in self.server.assets:
            file, kind = self.server.assets[path]
            self._send(HTTPStatus.OK, file.read_bytes(), kind)
        elif path == "/scenes.json":
            self._send(HTTPStatus.OK, json.dumps(self.server.index()).encode(), "application/json")
        elif found := _TILE.fullmatch(path):
            scene, name, z, x, y = int(found[1]), found[2], int(found[3]), int(found[4]), int(found[5])
            layers = self.server.scenes[scene].layers if scene < len(self.server.scenes) else {}
            if name in layers and z <= DEEPEST and max(x, y) < 2**z:
                self._send(HTTPStatus.OK, tile(layers[name], z, x, y), "image/png", "private, max-age=86400")
            else:
                self._refuse(HTTPStatus.NOT_FOUND, "no such tile")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "no such page")

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
        """Name the program, and no versions."""
        return "unclouded"

    def log_message(self, format: str, *args: object) -> None:
        """Keep requests off the terminal."""


def _assets() -> dict[str, tuple[Path, str]]:
    """Return all files that are served, by their addresses, with their types."""
    page = Path(str(files("unclouded.view") / "page"))
    # The package is looked up, not imported: of all that it holds MapLibre GL JS alone is wanted.
    spec = find_spec("maplibre")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'maplibre'", name="maplibre")
    maplibre = Path(spec.submodule_search_locations[0]) / "srcjs"
    html, script, style = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8"
    return {
        "/": (page / "index.html", html),
        "/view.js": (page / "view.js", script),
        "/view.css": (page / "view.css", style),
        "/maplibre-gl.js": (maplibre / "maplibre-gl.js", script),
        "/maplibre-gl.css": (maplibre / "maplibre-gl.css", style),
    }


def _legend(layer: MapLayer) -> dict[str, Any]:
    if layer.colours is None:
        return {}
    values = [round(255 * step / _LEGEND_STEPS) for step in range(_LEGEND_STEPS + 1)]
    return {"full": layer.ranges[0][1], "colours": [layer.colours[value] for value in values]}
