"""Files that cannot be read as they should: each gives one line with the file, what was found, and what to do."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.shutil import copy
from rasterio.transform import from_origin
from rasters import item, pixels, safe, write

from unclouded.errors import FileError, InputError, UncloudedError
from unclouded.reading.radar import open_radar
from unclouded.reading.reader import open_scene


def read_all(path, **options):
    """Open a scene and read every block."""
    with open_scene(path, **options) as scene:
        for row in range(0, scene.info.height, 32):
            scene.read(row, 0, min(32, scene.info.height - row), scene.info.width)


def refused(path, error=UncloudedError, **options):
    """Return the one-line message with which reading `path` is refused."""
    with pytest.raises(error) as caught:
        read_all(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert ";" in message or ":" in message.removeprefix(str(path))
    return message


def test_missing_empty_and_text_files(tmp_path):
    assert "no such file" in refused(tmp_path / "missing.tif", FileError)
    (tmp_path / "empty.tif").touch()
    assert "is empty (0 bytes)" in refused(tmp_path / "empty.tif", FileError)
    (tmp_path / "text.tif").write_text("no raster at all")
    assert "is not a GeoTIFF, COG, JPEG 2000 or VRT file (it starts with b'no raste')" in refused(tmp_path / "text.tif")
    (tmp_path / "start.tif").write_bytes(b"II*\0")
    assert "cut short or damaged" in refused(tmp_path / "start.tif", FileError)


def test_other_formats_are_never_opened(tmp_path):
    """A virtual raster could point GDAL anywhere."""
    path = tmp_path / "scene.tif"
    path.write_text('<VRTDataset rasterXSize="1" rasterYSize="1"></VRTDataset>')
    assert "is not a GeoTIFF" in refused(path, FileError)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("layout", ["cog", "tiled", "strips", "pixel", "jp2"])
def test_a_file_cut_short_is_found(tmp_path, layout, share):
    dn = pixels(1 if layout == "jp2" else 4, 300, 280)
    names = None if layout == "jp2" else ["B02", "B03", "B04", "B08"]
    path = tmp_path / ("L2A_B02.jp2" if layout == "jp2" else "stack.tif")
    if layout == "cog":
        copy(write(tmp_path / "plain.tif", dn, names=names), path, driver="COG", BLOCKSIZE=128, COMPRESS="DEFLATE")
    else:
        tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "zstd"}
        options = {"tiled": tiles, "pixel": tiles | {"interleave": "pixel"}, "strips": {}, "jp2": {}}
        write(path, dn, names=names, **options[layout])
    read_all(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "cut short" in refused(path, FileError)


def test_a_damaged_block_is_found(tmp_path):
    path = write(tmp_path / "a.tif", pixels(1, 200, 200), names=["B02"], compress="deflate")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = b"\xa5" * 2000
    path.write_bytes(content)
    assert "cannot be read: cut short or damaged" in refused(path, FileError)


@given(st.data())
def test_whatever_is_damaged_is_read_or_refused(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    whole = folder / data.draw(st.sampled_from(["B02.jp2", "whole.tif"]))
    if not whole.exists():
        write(whole, pixels(1, 40, 40), **({} if whole.suffix == ".jp2" else {"compress": "lzw", "names": ["B02 é"]}))
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, min(len(content), 600) - 1))] = data.draw(st.integers(0, 255))
    path = folder / f"damaged_{whole.name}"
    path.write_bytes(content)
    try:
        with open_scene(path, offset=0) as scene:
            read = scene.read(0, 0, min(40, scene.info.height), min(40, scene.info.width))
            assert read.shape[0] == len(scene.info.bands)
    except UncloudedError as error:
        assert "\n" not in str(error)


def test_a_size_that_cannot_be_handled_or_is_not_there(tmp_path):
    huge = tmp_path / "huge.tif"
    profile = {"driver": "GTiff", "dtype": "uint16", "crs": "EPSG:32632", "SPARSE_OK": True, "BIGTIFF": "YES"}
    profile |= {"transform": Affine(10, 0, 6e5, 0, -10, 5e6), "tiled": True, "blockxsize": 4096, "blockysize": 4096}
    with rasterio.open(huge, "w", count=13, height=200_000, width=200_000, **profile):
        pass
    message = refused(huge, InputError)
    assert "200000 x 200000 pixels x 13 bands" in message
    assert "up to 1,073,741,824 pixels" in message
    hollow = tmp_path / "hollow.tif"
    with rasterio.open(hollow, "w", count=13, height=20_000, width=20_000, **profile):
        pass
    assert "cannot hold the 20000 x 20000 pixels x 13 bands it claims" in refused(hollow, FileError)


def test_grids_that_are_not_north_up_or_nowhere(tmp_path):
    dn = pixels(1)
    assert "has no coordinate reference system" in refused(write(tmp_path / "a.tif", dn, names=["B02"], crs=None))
    corners = [GroundControlPoint(row, column, column, -row) for row in (0, 9) for column in (0, 9)]
    path = write(tmp_path / "g.tif", dn, names=["B02"], transform=None, gcps=corners)
    assert "says its place by 4 ground control points; a north-up grid is accepted; bring it" in refused(path)
    nowhere = write(tmp_path / "b.tif", dn, names=["B02"], transform=None)
    assert "has no position on the ground" in refused(nowhere, InputError)
    turned = Affine.translation(6e5, 5e6) @ Affine.rotation(20) @ Affine.scale(10, -10)
    assert "rotated or flipped" in refused(write(tmp_path / "c.tif", dn, names=["B02"], transform=turned), InputError)
    flipped = Affine(10, 0, 6e5, 0, 10, 5e6)
    assert "rotated or flipped" in refused(write(tmp_path / "d.tif", dn, names=["B02"], transform=flipped), InputError)
    for number in (float("nan"), float("inf")):
        lost = Affine(10, 0, number, 0, -10, 5e6)
        assert "is not finite" in refused(write(tmp_path / "e.tif", dn, names=["B02"], transform=lost), InputError)


@pytest.mark.parametrize(
    ("options", "found"),
    [({"scale": 0}, "--scale 0"), ({"scale": float("nan")}, "--scale nan"), ({"offset": float("inf")}, "--offset inf")],
)
def test_arguments_that_mean_nothing(tmp_path, options, found):
    path = write(tmp_path / "a.tif", pixels(1), names=["B02"])
    assert found in refused(path, InputError, **options)


def test_float_without_data_cannot_be_judged(tmp_path):
    path = write(tmp_path / "a.tif", np.full((1, 30, 30), np.nan, np.float32), names=["B02"])
    assert "without data in the pixels sampled" in refused(path, InputError)


def test_gdal_scales_that_differ(tmp_path):
    path = write(tmp_path / "a.tif", pixels(2), names=["B02", "B03"], scales=(1e-4, 1e-3), offsets=(0, 0))
    assert "one positive scale for all bands is accepted; set it, if their" in refused(path, InputError)


def test_a_damaged_band_inside_a_product_or_item_is_named(tmp_path):
    root = safe(tmp_path)
    (file,) = root.rglob("*_B03_10m.jp2")
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(FileError, match=r"_B03_10m\.jp2: "):
        read_all(root)
    path = item(tmp_path / "item.json", {"B03": {"href": str(file)}}, **{"s2:processing_baseline": "04.00"})
    with pytest.raises(FileError, match=r"_B03_10m\.jp2: "):
        read_all(path)


def test_radar_that_is_cut_short(tmp_path):
    scene = write(tmp_path / "a.tif", pixels(1, 200, 200), names=["B02"])
    path = write(tmp_path / "radar.tif", -pixels(2, 200, 200, dtype="float32") / 200, compress="deflate")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with open_scene(scene) as opened, pytest.raises(FileError, match="cut short"):
        open_radar(path, opened.info)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({"crs": "EPSG:4326"}, r"lies at 600000, 5.4e\+06, which are no degrees"),
        ({"transform": from_origin(15, 49, 1e-4, 1e-4)}, r"pixels have a size of 0\.0001 .*\(EPSG:32632\)"),
    ],
)
def test_a_position_that_is_not_of_its_reference_system_is_refused(tmp_path, place, message):
    path = write(tmp_path / "a_L2A.tif", pixels(1), names=["B02"], **place)
    with pytest.raises(InputError, match=rf"a_L2A\.tif: .*{message}.*gdal_edit\.py -a_srs"):
        open_scene(path, offset=0)
