"""Images of known colours on the map, and a server that shows them."""

import threading
from contextlib import contextmanager

import numpy as np
import rasterio
from rasterio.transform import from_origin

from unclouded.files import QUALITY_BANDS
from unclouded.reading.reader import ReadOptions

BANDS = ("B02", "B03", "B04", "B08")
DN = ReadOptions(level="L2A", offset=0)
"""What the files do not say of themselves."""

SIDE = 400
WEST, NORTH, PIXEL = 500000, 5400000, 10


def write(path, pixels, names=BANDS, **changes):
    """Write a COG (bands, height, width) in UTM zone 33."""
    profile = {"crs": "EPSG:32633", "transform": from_origin(WEST, NORTH, PIXEL, PIXEL), "nodata": 0} | changes
    with rasterio.open(
        path,
        "w",
        driver="COG",
        count=len(pixels),
        height=pixels.shape[1],
        width=pixels.shape[2],
        dtype=pixels.dtype,
        **profile,
    ) as file:
        file.write(pixels)
        if names:
            file.descriptions = names
    return path


def ground():
    """DN from 1000 (west) to 3000 (east) in B04, from 1000 (north) to 3000 (south) in the others."""
    ramp = np.broadcast_to(np.linspace(1000, 3000, SIDE), (SIDE, SIDE))
    return np.stack([ramp if name == "B04" else ramp.T for name in BANDS]).round().astype(np.uint16)


def quality(opacity=0.75, uncertainty=0.02, source=1):
    """Opacity, uncertainty and source in the northern half; 0 in the southern."""
    layers = np.zeros((3, SIDE, SIDE), np.float32)
    layers[:, : SIDE // 2] = np.array([opacity, uncertainty, source])[:, None, None]
    return layers


def write_scene(folder):
    """Write before.tif (white clouds in the north), clear.tif and clear_quality.tif."""
    cloudy = ground()
    cloudy[:, : SIDE // 2] = 9000
    write(folder / "before.tif", cloudy)
    write(folder / "clear.tif", ground())
    write(folder / "clear_quality.tif", quality(), QUALITY_BANDS, nodata=float("nan"))
    return folder


@contextmanager
def serving(*arguments):
    """Serve the scenes that the arguments name."""
    from unclouded.view.scenes import open_map_scene
    from unclouded.view.server import MapServer

    with MapServer([open_map_scene(str(argument), DN) for argument in arguments]) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
