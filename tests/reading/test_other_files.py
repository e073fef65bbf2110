"""What people bring that is not read: what it is, and what to do, in one line."""

from __future__ import annotations

import importlib.util
import zipfile

import numpy as np
import pytest
from rasterio.transform import from_origin
from rasters import CRS, EAST, NEW, NORTH, pixels, safe, write

from unclouded.bands import TEN
from unclouded.errors import FileError, InputError, UncloudedError
from unclouded.reading.mask import open_mask
from unclouded.reading.radar import open_radar
from unclouded.reading.reader import open_scene
from unclouded.reading.results import refuse_result

FOUR = ("B02", "B03", "B04", "B08")
DN = pixels(4)


def refusal(path):
    with pytest.raises(UncloudedError) as caught:
        open_scene(path)
    message = str(caught.value)
    assert message.startswith((f"{path}: ", repr(str(path)))) and "\n" not in message
    return message


@pytest.mark.parametrize(
    ("driver", "name", "message"),
    [
        ("ENVI", "scene.img", "but an ENVI file; run gdal_translate scene.img scene.tif"),
        ("ENVI", "scene.hdr", "but the header of an ENVI file; run gdal_translate scene.img scene.tif"),
        ("ENVI", "scene", "but an ENVI file; run gdal_translate scene scene.tif"),
        ("HFA", "scene.img", "but an ERDAS IMAGINE file; run gdal_translate scene.img scene.tif"),
        ("PNG", "scene.png", "but a picture, whose values are no reflectance"),
        ("JPEG", "scene.jpg", "but a picture, whose values are no reflectance"),
        ("GPKG", "scene.gpkg", "but a GeoPackage; run gdal_translate scene.gpkg scene.tif"),
    ],
)
def test_other_formats(tmp_path, driver, name, message):
    dn = pixels(3, dtype="uint8") if driver in ("PNG", "JPEG", "GPKG") else DN
    write(tmp_path / name.replace(".hdr", ".img"), dn, driver=driver)
    assert message in refusal(tmp_path / name)


def test_the_header_of_an_envi_file_names_the_data_beside_it(tmp_path):
    write(tmp_path / "scene.dat", DN, driver="ENVI")
    assert "run gdal_translate scene.dat scene.tif" in refusal(tmp_path / "scene.hdr")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.dim", b'<?xml version="1.0"?><Dimap_Document>', "a BEAM-DIMAP product of SNAP; export it there as GeoTIFF"),
        ("INSPIRE.xml", b'<?xml version="1.0"?><x/>', "XML; give the folder of the product, or its MTD_MSIL1C.xml"),
        ("a.tif", b"<!doctype HTML><title>Log in</title>", "a web page, so the download went wrong"),
        ("a.tif", b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS; run git lfs pull"),
        ("a.tar.gz", b"\x1f\x8b\x08", "compressed by gzip; unpack it"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "an HDF5 file; name it .nc if"),
        ("product", b"PK\x03\x04", "a zip; name it .zip if it is a SAFE product"),
        ("item", b'{"type": "Feature"}', "JSON; name it .json if it is a STAC item"),
        ("clouds.shp", b"\0\0\x27\x0a", "outlines and no image; make a mask of them with gdal_rasterize"),
        ("a.csv", b"B02,B03\r\n", "a table or a text; give the image itself"),
    ],
)
def test_other_contents(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    assert f"is not a GeoTIFF, COG, JPEG 2000 or VRT file but {message}" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["T32TQM_20200101T101031_TCI_10m.tif", "T32TQM_TCI_10m.jp2", "rgb.tif"])
def test_pictures_of_8_bits(tmp_path, name):
    message = refusal(write(tmp_path / name, pixels(3, dtype="uint8")))
    assert "an 8-bit picture such as TCI is not reflectance; give the 16-bit bands" in message


@pytest.mark.parametrize(
    ("count", "message"), [(24, "2 dates of 12"), (20, "2 dates of 10"), (60, "5 dates of 12 or 6 dates of 10")]
)
def test_unnamed_bands_of_several_dates(tmp_path, count, message):
    found = refusal(write(tmp_path / "a.tif", pixels(count)))
    assert f"{count} bands without names, as many as {message} bands; one date is accepted" in found


def test_named_bands_of_several_dates(tmp_path):
    path = write(tmp_path / "a.tif", np.concatenate([DN, DN]), names=[f"{n}_{band}" for n in (0, 1) for band in FOUR])
    assert "these look like 2 dates, of which one is accepted" in refusal(path)
    path = write(tmp_path / "b.tif", DN, names=["B02", "B03", "B04", "B04"])
    assert "B04 is there more than once in its descriptions; each band may come once" in refusal(path)
    with open_scene(path, level="L2A", band_names=["B02", "B03", "B04", "-"]) as scene:
        assert scene.info.bands == FOUR[:3]


@pytest.mark.parametrize(
    ("name", "mission"),
    [
        ("20210101_101031_1003_3B_AnalyticMS_SR.tif", "PlanetScope"),
        ("PSScene_20210101.tif", "PlanetScope"),
        ("global_monthly_2023_05_mosaic_L15-1053E-1150N.tif", "PlanetScope"),
        ("MOD09GA.A2021001.h18v04.tif", "MODIS"),
        ("S1A_IW_GRDH_1SDV_20210101T053000.tif", "Sentinel-1"),
        ("S3A_OL_1_EFR____20210101.tif", "Sentinel-3"),
    ],
)
def test_other_satellites(tmp_path, name, mission):
    with pytest.raises(InputError, match=rf"is of {mission} \({name}\), .*scenes of Sentinel-2 are accepted; give"):
        open_scene(write(tmp_path / name, DN, names=["blue", "green", "red", "nir"]))


def test_zips_without_a_product(tmp_path):
    def zipped(*names):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for name in names:
                archive.writestr(name, b"x")
        return refusal(tmp_path / "a.zip")

    assert "a zip of zips (x/S2A.zip); unpack it, and give each" in zipped("x/S2A.zip")
    assert "a zip of scene.tif; unpack it, and give that" in zipped("scene.tif")
    assert "a zip of images (x_B2.tif, x_B3.tif); unpack it, and give the folder" in zipped("x_B2.tif", "x_B3.tif")
    assert "a zip without images (found a.txt)" in zipped("a.txt")


def test_folders_without_bands(tmp_path):
    product = safe(tmp_path / "download")
    assert f"a folder with a SAFE product in it; give {product.name} itself" in refusal(product.parent)
    write(tmp_path / "S2A.data" / "B2.img", DN[:1], driver="ENVI")
    (tmp_path / "S2A.data" / "B2.img.aux.xml").unlink(missing_ok=True)
    assert "is the data of a BEAM-DIMAP product of SNAP" in refusal(tmp_path / "S2A.data")
    (tmp_path / "zips").mkdir()
    (tmp_path / "zips" / "a.zip").touch()
    assert "a folder of zips; give each" in refusal(tmp_path / "zips")
    (tile,) = (product / "GRANULE").iterdir()
    assert "is the folder of a tile in a product; give the product, or IMG_DATA in it" in refusal(tile)


@pytest.mark.parametrize("around", ["{}\r", "'{}'", '"{}"'])
def test_names_from_lists_of_other_systems(tmp_path, around):
    path = write(tmp_path / "a.tif", DN)
    with pytest.raises(FileError) as caught:
        open_scene(around.format(path))
    assert f"no such file or folder; give {path}, without the line break or quotes" in str(caught.value)
    assert "\r" not in str(caught.value)


def test_an_address_of_a_file_here_leads_to_its_path(tmp_path):
    path = write(tmp_path / "a b.tif", DN)
    with pytest.raises(FileError, match="no such file or folder; give the path alone, ") as caught:
        open_scene(path.as_uri())
    assert str(caught.value).endswith(str(path))


def test_an_empty_path_is_not_the_folder_one_is_in(tmp_path, monkeypatch):
    for band in FOUR:
        write(tmp_path / f"{band}.tif", DN[:1])
    monkeypatch.chdir(tmp_path)
    with open_scene(write(tmp_path / "scene.tif", DN, names=FOUR), level="L2A") as scene:
        for opened in (lambda: open_scene(""), lambda: open_mask("", scene.info), lambda: open_radar("", scene.info)):
            with pytest.raises(FileError, match="'': no such file or folder; it is empty, as a variable that is not"):
                opened()


def test_a_result_is_looked_for_beside_a_name_of_any_length(tmp_path):
    path = write(tmp_path / f"{'n' * 250}.tif", DN, names=FOUR)
    refuse_result(str(path))
    refuse_result(str(path.with_name("n" * 300)))


def test_tiles_of_one_export_are_reported_as_one_image(tmp_path):
    tiles = [write(tmp_path / f"field-{n:010}-0000000000.tif", DN, names=FOUR) for n in (0, 48)]
    write(tmp_path / "other-0000000000-0000000000.tif", DN, names=FOUR)
    with open_scene(tiles[1], level="L2A") as scene:
        (note,) = (note for note in scene.info.notes if "tile" in note)
    assert note == (
        "is one of 2 tiles of one export, which belong together: clear them as one scene, made by "
        "gdalbuildvrt field.vrt field-*.tif"
    )
    with open_scene(tmp_path / "other-0000000000-0000000000.tif", level="L2A") as scene:
        assert not any("tile" in note for note in scene.info.notes)


@pytest.mark.parametrize("level", ["L1C", "L2A"])
@pytest.mark.parametrize(("baseline", "offset"), [("_N05.09", -1000), ("_N02.06", 0)])
def test_the_folder_of_a_tile_is_read_by_its_metadata(tmp_path, level, baseline, offset):
    folder = tmp_path / "32" / "T" / "QM" / "2023" / "1" / "3" / "0"
    images = folder if level == "L1C" else folder / "R10m"
    for band in FOUR:
        write(images / f"{band}.jp2", pixels(1, 60, 60, low=1200))
    tile = f"S2A_OPER_MSI_{level}_TL_2APS_20230103T120101_A039347_T32TQM{baseline}"
    (folder / "metadata.xml").write_text(
        f'<n1:Level-1C_Tile_ID><L1C_TILE_ID>S2B_OPER_MSI_L1C_TL</L1C_TILE_ID>\n<TILE_ID metadataLevel="Brief">{tile}'
        "</TILE_ID></n1:Level-1C_Tile_ID>"
    )
    for given in (folder, images):
        with open_scene(given) as scene:
            assert scene.info.level == level
            assert set(scene.info.encoding.offsets) == {offset}


@pytest.mark.parametrize("words", ["Sentinel-2 {}", "{}, central wavelength 490 nm", "{}_20m", "SRE_{}"])
def test_descriptions_of_other_programs(tmp_path, words):
    names = [words.format(band) for band in ("B2", "B3", "B4", "B8")]
    path = write(tmp_path / f"{NEW.format(level='L2A')}.tif", pixels(4, low=1200), names=names)
    with open_scene(path) as scene:
        assert scene.info.bands == FOUR and scene.info.descriptions == tuple(names)


@pytest.mark.parametrize(("factor", "scale"), [(1, 10000), (1e-4, 1)])
def test_floats_with_nan_for_no_data(tmp_path, factor, scale):
    dn = (DN * factor).astype("float32")
    dn[:, :20] = np.nan
    with open_scene(write(tmp_path / "a.tif", dn, names=FOUR, nodata=float("nan")), level="L2A") as scene:
        assert scene.info.encoding.scale == scale
        assert np.isnan(scene.read(0, 0, 48, 36)[:, :20]).all()


def test_one_jpeg_2000_file_by_itself(tmp_path):
    path = write(tmp_path / f"{NEW.format(level='L2A')}_B04.jp2", pixels(1, 60, 60, low=1200))
    with open_scene(path) as scene:
        assert (scene.info.bands, scene.info.level, scene.info.encoding.offsets) == (("B04",), "L2A", (-1000,))


def test_a_boa_of_force(tmp_path):
    names = ["BLUE", "GREEN", "RED", "REDEDGE1", "REDEDGE2", "REDEDGE3", "BROADNIR", "NIR", "SWIR1", "SWIR2"]
    dn = pixels(10, dtype="int16")
    dn[:, :5] = -9999
    path = write(tmp_path / "20230501_LEVEL2_SEN2A_BOA.tif", dn, names=names, nodata=-9999)
    with open_scene(path) as scene:
        assert (scene.info.bands, scene.info.level, set(scene.info.encoding.offsets)) == (TEN, "L2A", {0})
    with open_scene(write(tmp_path / "a.tif", DN, names=["blue", "green", "red", "nir"]), level="L2A") as scene:
        assert scene.info.bands == FOUR


def test_an_ard_of_geoscience_australia_counts_its_infrared_in_its_own_way(tmp_path):
    names = ["blue", "green", "red", "red_edge_1", "red_edge_2", "red_edge_3", "nir_1", "nir_2", "swir_2", "swir_3"]
    path = tmp_path / "ga_s2am_ard_3-2-1_55HFA_2023-05-10_final.tif"
    write(path, pixels(10, dtype="int16"), names=[f"nbart_{name}" for name in names], nodata=-999)
    with open_scene(path) as scene:
        assert (scene.info.bands, scene.info.level, set(scene.info.encoding.offsets)) == (TEN, "L2A", {0})
    with pytest.raises(InputError, match="nbart_nir"):  # as of their Landsat
        open_scene(write(tmp_path / "l.tif", DN, names=[f"nbart_{n}" for n in ("blue", "green", "red", "nir")]))
    africa = [*names[:8], "swir_1", "swir_2"]
    with open_scene(write(tmp_path / "a.tif", pixels(10), names=africa), level="L2A", offset=0) as scene:
        assert scene.info.bands == TEN


def test_layers_left_out_of_a_stack_are_reported_in_one_line(tmp_path):
    dn = np.concatenate([DN, DN[:3]])
    path = write(tmp_path / "a.tif", dn, names=["B2", "B3", "B4", "B8", "SCL", "TCI_R", "QA60"])
    with open_scene(path, level="L2A", offset=0) as scene:
        left = [note for note in scene.info.notes if note.startswith("left out")]
    assert left == ["left out: TCI_R, QA60, not among the 13 bands"]


@pytest.mark.parametrize(("name", "lacking"), [("scene.nc", "h5netcdf and h5py"), ("scene.zarr", "zarr")])
def test_what_no_reader_of_arrays_opens_names_the_extra_that_brings_them(tmp_path, monkeypatch, name, lacking):
    (tmp_path / name).write_bytes(b"no array")
    damaged = refusal(tmp_path / name)
    assert "cubes" not in damaged and "damaged or no cube" in damaged and "engine" not in damaged
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda one, *more: None if one in lacking.split() else find_spec(one, *more)
    )
    message = refusal(tmp_path / name)
    assert f"{name}: cannot be opened without {lacking}; run `make cubes` in a checkout" in message
    assert "pip install 'unclouded[cubes]'" in message


def test_the_mosaic_of_the_tiles_of_an_export_is_one_scene(tmp_path):
    dn = pixels(4, 96, 36)
    for row in (0, 48):
        place = from_origin(EAST, NORTH - 10 * row, 10, 10)
        write(tmp_path / f"x-{row:010}-0000000000.tif", dn[:, row : row + 48], names=FOUR, transform=place)
    parts = "".join(
        f'<SimpleSource><SourceFilename relativeToVRT="1">x-{row:010}-0000000000.tif</SourceFilename><SourceBand>{{0}}'
        f'</SourceBand><SrcRect xOff="0" yOff="0" xSize="36" ySize="48"/><DstRect xOff="0" yOff="{row}" xSize="36" '
        'ySize="48"/></SimpleSource>'
        for row in (0, 48)
    )
    bands = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{n}"><Description>{band}</Description>{parts.format(n)}'
        "</VRTRasterBand>"
        for n, band in enumerate(FOUR, start=1)
    )
    (tmp_path / "x.vrt").write_text(
        f'<VRTDataset rasterXSize="36" rasterYSize="96"><SRS>{CRS}</SRS>'
        f"<GeoTransform>{EAST}, 10, 0, {NORTH}, 0, -10</GeoTransform>{bands}</VRTDataset>"
    )
    with open_scene(tmp_path / "x.vrt", level="L2A") as scene:
        assert scene.info.bands == FOUR
        assert (scene.read(0, 0, 96, 36) == dn).all()
