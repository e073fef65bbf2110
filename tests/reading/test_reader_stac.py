"""STAC items: which asset is which band, level, scale and offset, local and remote."""

import functools
import http.server
import json
import threading

import pytest
from rasters import item, pixels, write

from unclouded.errors import FileError, InputError
from unclouded.reading.reader import open_scene

RASTER = {"nodata": 0, "scale": 0.0001, "offset": -0.1, "spatial_resolution": 10}


@pytest.fixture
def bands(tmp_path):
    """DN of B02 and B08 (2, 60, 60), in files beside the item."""
    dn = pixels(2, 60, 60, low=1100)
    write(tmp_path / "B02.tif", dn[:1])
    write(tmp_path / "B08.tif", dn[1:])
    write(tmp_path / "other.tif", pixels(1, 60, 60))
    return dn


def test_assets_named_after_bands(tmp_path, bands):
    path = item(
        tmp_path / "item.json",
        {
            "B08": {"href": str(tmp_path / "B08.tif"), "type": "image/tiff"},
            "B02": {"href": "./B02.tif", "type": "image/tiff"},
            "AOT": {"href": "./other.tif", "type": "image/tiff"},
            "SCL": {"href": "./other.tif", "type": "image/tiff"},
            "thumbnail": {"href": "./other.tif", "roles": ["thumbnail"]},
            "metadata": {"href": "./B02.xml", "type": "application/xml"},
        },
        **{"s2:processing_baseline": "05.09"},
    )
    with open_scene(path) as scene:
        assert scene.info.bands == ("B02", "B08")
        assert scene.info.level == "L2A"
        assert scene.info.stem == "S2A_T32UNU_20220510T101031_L2A"
        assert scene.info.encoding.offsets == (-1000, -1000)
        assert scene.info.encoding.scale == 10000
        assert scene.info.notes == ("left out: AOT, not of the 13 bands",)
        assert scene.info.classification == str(tmp_path / "other.tif")
        assert (scene.read(0, 0, 60, 60) == bands).all()
    with open_scene(path, bands=["B08"], offset=0) as scene:
        assert scene.info.bands == ("B08",)
        assert scene.info.encoding.offsets == (0,)


@pytest.mark.parametrize(
    "asset",
    [
        {"eo:bands": [{"name": "B02", "common_name": "blue"}]},
        {"eo:bands": [{"name": "whatever", "common_name": "blue"}]},
        {"bands": [{"name": "B02", "eo:common_name": "blue"}]},
        {"bands": [{"eo:common_name": "blue"}]},
    ],
)
def test_assets_described_by_their_bands(tmp_path, bands, asset):
    path = item(tmp_path / "item.json", {"image-1": {"href": "B02.tif"} | asset}, **{"processing:version": "02.06"})
    with open_scene(path) as scene:
        assert scene.info.bands == ("B02",)
        assert scene.info.encoding.offsets == (0,)


def test_of_a_bands_assets_the_finest_and_the_tiff_are_taken(tmp_path, bands):
    write(tmp_path / "coarse.tif", pixels(1, 30, 30), metres=20)
    write(tmp_path / "B02.jp2", bands[:1])
    path = item(
        tmp_path / "item.json",
        {
            "B02_20m": {"href": "coarse.tif", "gsd": 10},
            "B02_10m": {"href": "B02.tif", "gsd": 10},
            "blue-jp2": {"href": "B02.jp2", "gsd": 10, "eo:bands": [{"common_name": "blue"}]},
            "visual": {"href": "other.tif", "eo:bands": [{"name": "B04"}, {"name": "B03"}, {"name": "B02"}]},
        },
        **{"s2:processing_baseline": "02.06"},
    )
    with open_scene(path) as scene:
        assert scene.info.bands == ("B02",)
        assert (scene.read(0, 0, 60, 60) == bands[:1]).all()


@pytest.mark.parametrize(
    ("raster", "properties", "offset"),
    [
        (RASTER, {"earthsearch:boa_offset_applied": True, "s2:processing_baseline": "04.00"}, 0),
        (RASTER, {"earthsearch:boa_offset_applied": False, "s2:processing_baseline": "05.00"}, -1000),
        (RASTER, {}, -1000),
        (RASTER | {"offset": 0}, {"s2:processing_baseline": "02.06"}, 0),
        ({}, {"s2:processing_baseline": "04.00"}, -1000),
        ({}, {"s2:product_uri": "S2A_MSIL2A_20220510T101031_N0400_R022_T32UNU_20220510T120000.SAFE"}, -1000),
    ],
)
@pytest.mark.parametrize("style", ["raster:bands", "bands", "asset"])
def test_offsets(tmp_path, bands, raster, properties, offset, style):
    if style == "raster:bands":
        described = {"raster:bands": [raster]}
    else:
        fields = {f"raster:{key}": raster[key] for key in ("scale", "offset") if key in raster}
        described = {"bands": [{"name": "B02"} | fields]} if style == "bands" else fields
    path = item(tmp_path / "item.json", {"B02": {"href": "B02.tif"} | described}, **properties)
    with open_scene(path) as scene:
        assert scene.info.encoding.offsets == (offset,)
        assert scene.info.encoding.scale == pytest.approx(10000)


@pytest.mark.parametrize(
    ("raster", "properties", "found"),
    [
        ({}, {}, "neither a processing baseline nor raster:offset"),
        (RASTER | {"offset": 0}, {"s2:processing_baseline": "04.00"}, "raster:offset 0 DN, its processing baseline"),
        (RASTER, {"s2:processing_baseline": "02.06"}, "raster:offset -1000 DN, its processing baseline means 0"),
    ],
)
def test_offsets_that_cannot_be_known_must_be_given(tmp_path, bands, raster, properties, found):
    path = item(tmp_path / "item.json", {"B02": {"href": "B02.tif", "raster:bands": [raster]}}, **properties)
    with pytest.raises(InputError, match=f"{found}.*give --offset"):
        open_scene(path)


def test_a_catalogue_that_lists_an_offset_which_is_no_longer_in_the_pixels(tmp_path):
    write(tmp_path / "B02.tif", pixels(1, 60, 60) // 8)
    asset = {"href": "B02.tif", "raster:bands": [RASTER]}
    properties = {"earthsearch:boa_offset_applied": False, "s2:processing_baseline": "05.11"}
    with pytest.raises(InputError, match="100% of B02 would then lie below"):
        open_scene(item(tmp_path / "item.json", {"B02": asset}, **properties))


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({"name": "S2A_MSIL1C_20180510T101031_N0206_R022_T32UNU_20180510T120000"}, "L1C"),
        ({"name": "S2B_32UNU_20220510_0_L2A", "collection": None}, "L2A"),
        ({"name": "x", "collection": "sentinel-2-l1c"}, "L1C"),
        ({"name": "x", "collection": None, "s2:product_type": "S2MSI1C"}, "L1C"),
    ],
)
def test_level(tmp_path, bands, given, level):
    path = item(tmp_path / "item.json", {"B02": {"href": "B02.tif"}}, **given)
    with open_scene(path, offset=0) as scene:
        assert scene.info.level == level
        assert scene.info.notes == ()


def test_a_remote_item_with_its_assets_beside_it(tmp_path, bands, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    item(tmp_path / "item.json", {"B02": {"href": "./B02.tif"}}, **{"s2:processing_baseline": "02.06"})
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        with open_scene(f"{address}/item.json?token=secret") as scene:
            assert scene.info.source == f"{address}/item.json"
            assert (scene.read(3, 4, 20, 30) == bands[:1, 3:23, 4:34]).all()
        with pytest.raises(FileError, match=r"nothing\.json: is not there") as caught:
            open_scene(f"{address}/nothing.json?token=secret")
        assert "secret" not in str(caught.value)
        with pytest.raises(FileError, match=r"nothing\.tif: is not there"):
            open_scene(f"{address}/nothing.tif")
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


def test_items_cannot_name_outputs_elsewhere(tmp_path, bands):
    path = item(tmp_path / "item.json", {"B02": {"href": "B02.tif"}}, name="../../x/y")
    with open_scene(path, offset=0) as scene:
        assert "/" not in scene.info.stem
        assert not scene.info.stem.startswith(".")


@pytest.mark.parametrize(
    ("text", "error", "found"),
    [
        ("", FileError, "is not JSON"),
        ("[1]", InputError, "is not a STAC item .found list."),
        ('{"type": "Collection"}', InputError, "found Collection"),
        ("[" * 100000, FileError, "is not JSON"),
        ("\x00\xff", FileError, "is not JSON"),
    ],
)
def test_files_that_are_no_items_are_refused(tmp_path, text, error, found):
    path = tmp_path / "item.json"
    path.write_text(text)
    with pytest.raises(error, match=found) as caught:
        open_scene(path)
    assert "\n" not in str(caught.value)


def test_items_without_bands_or_of_another_mission_are_refused(tmp_path, bands):
    with pytest.raises(InputError, match=r"no asset of a Sentinel-2 band .assets: SCL."):
        open_scene(item(tmp_path / "item.json", {"SCL": {"href": "other.tif"}}))
    with pytest.raises(InputError, match="is of landsat-8"):
        open_scene(item(tmp_path / "item.json", {"B02": {"href": "B02.tif"}}, platform="landsat-8"))
    with pytest.raises(FileError, match=r"item\.json: its asset B02 leads to .*missing\.tif: no such file"):
        open_scene(item(tmp_path / "item.json", {"B02": {"href": "missing.tif"}}), offset=0)
    with pytest.raises(InputError, match="ftp://"):
        open_scene(item(tmp_path / "item.json", {"B02": {"href": "ftp://example.org/B02.tif"}}), offset=0)
    broken = json.loads((tmp_path / "item.json").read_text()) | {"assets": {"B02": 5, "B03": {"href": 7}}}
    (tmp_path / "item.json").write_text(json.dumps(broken))
    with pytest.raises(InputError, match="no asset of a Sentinel-2 band"):
        open_scene(tmp_path / "item.json")


@pytest.mark.parametrize(
    ("assets", "found"),
    [
        ({"scl-jp2": "other.jp2", "scl": "other.tif"}, "other.tif"),
        ({"SCL_60m": "coarse.tif", "SCL_20m": "other.tif"}, "other.tif"),
        ({"scl": "https://example.org/scl.tif"}, "https://example.org/scl.tif"),
        ({"scl": "missing.tif"}, ""),
        ({}, ""),
    ],
)
def test_the_scene_classification(tmp_path, bands, assets, found):
    for name in ("other.jp2", "coarse.tif"):
        (tmp_path / name).touch()
    held = {key: {"href": href} for key, href in {"B02": "B02.tif", **assets}.items()}
    with open_scene(item(tmp_path / "item.json", held, **{"s2:processing_baseline": "05.09"})) as scene:
        assert scene.info.classification == (str(tmp_path / found) if found.startswith("other") else found)
        missing = ("its scene classification missing.tif is not there",) if "missing.tif" in assets.values() else ()
        assert scene.info.notes == missing
