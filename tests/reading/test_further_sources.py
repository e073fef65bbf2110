"""VRT, cubes, old and odd products, MAJA folders and items of before version 1."""

from __future__ import annotations

import tracemalloc
import zipfile

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 (gives Datasets their `rio`)
import xarray as xr
from rasterio.transform import from_origin
from rasters import CRS, EAST, NEW, NORTH, OLD, item, native, pixels, safe, write

from unclouded.bands import L1C, L2A
from unclouded.errors import FileError, InputError, UncloudedError
from unclouded.reading.names.dates import acquired
from unclouded.reading.products.array import ArrayScene
from unclouded.reading.products.cube import dates_in
from unclouded.reading.reader import open_scene

FOUR = ["B02", "B03", "B04", "B08"]


def vrt(path, files):
    """What gdalbuildvrt -separate writes: the files named, the bands not."""
    bands = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{n}"><SimpleSource>'
        f'<SourceFilename relativeToVRT="1">{file.name}</SourceFilename><SourceBand>1</SourceBand>'
        '<SrcRect xOff="0" yOff="0" xSize="36" ySize="48" /><DstRect xOff="0" yOff="0" xSize="36" ySize="48" />'
        "</SimpleSource></VRTRasterBand>"
        for n, file in enumerate(files, start=1)
    )
    path.write_text(
        f'<VRTDataset rasterXSize="36" rasterYSize="48"><SRS>{CRS}</SRS>'
        f"<GeoTransform>{EAST}, 10, 0, {NORTH}, 0, -10</GeoTransform>{bands}</VRTDataset>"
    )
    return path


def test_a_vrt_takes_names_level_and_offset_from_its_files(tmp_path):
    dn = pixels(2, low=1200)
    files = [write(tmp_path / f"{NEW.format(level='L2A')}_{b}.tif", dn[[n]]) for n, b in enumerate(("B08", "B04"))]
    with open_scene(vrt(tmp_path / "a.vrt", files)) as scene:
        assert (scene.info.bands, scene.info.level) == (("B08", "B04"), "L2A")
        assert scene.info.encoding.offsets == (-1000, -1000)
        assert (scene.read(0, 0, 48, 36) == dn).all()
    files[0].unlink()
    with pytest.raises(FileError, match="no such file"):
        open_scene(tmp_path / "a.vrt")


@pytest.mark.parametrize("source", ["/vsicurl/http://example.org/a.tif", "WMS:http://example.org", "b.vrt", "text.tif"])
def test_a_vrt_opens_no_other_kinds_of_files(tmp_path, source):
    (tmp_path / "text.tif").write_text("<GDAL_WMS></GDAL_WMS>")
    file = write(tmp_path / "B02.tif", pixels(1))
    path = vrt(tmp_path / "a.vrt", [file])
    (tmp_path / "b.vrt").write_text(path.read_text())
    path.write_text(path.read_text().replace("B02.tif", source))
    with pytest.raises(UncloudedError, match=r"a VRT of .*accepted|is not a GeoTIFF"):
        open_scene(path)


def test_a_vrt_whose_descriptions_contradict_the_names_of_its_files_is_refused(tmp_path):
    files = [write(tmp_path / f"L2A_{band}.tif", pixels(1)) for band in ("B02", "B03")]
    path = vrt(tmp_path / "a.vrt", files)
    described = path.read_text()
    for number, name in ((1, "B02"), (2, "B04")):
        described = described.replace(f'band="{number}">', f'band="{number}"><Description>{name}</Description>')
    path.write_text(described)
    with pytest.raises(InputError, match=r"a\.vrt: calls its band 2 B04 and takes it from L2A_B03\.tif"):
        open_scene(path)


def test_a_vrt_that_computes_is_refused(tmp_path):
    path = vrt(tmp_path / "a.vrt", [write(tmp_path / "B02.tif", pixels(1))])
    path.write_text(path.read_text().replace("<VRTRasterBand ", '<VRTRasterBand subClass="VRTDerivedRasterBand" '))
    with pytest.raises(InputError, match="computes its pixels"):
        open_scene(path)


def cube(**attributes):
    """A Dataset with a variable per band, south up, as models often are."""
    dn = pixels(4, 48, 36).astype("int16")
    y, x = NORTH - 5.0 - 10 * np.arange(48), EAST + 5.0 + 10 * np.arange(36)
    made = xr.Dataset({b: (("y", "x"), v, attributes) for b, v in zip(FOUR, dn, strict=True)}, {"y": y, "x": x})
    wkt = {"crs_wkt": rasterio.crs.CRS.from_string(CRS).to_wkt()}
    made = made.assign_coords(spatial_ref=xr.Variable((), 0, wkt)).isel(y=slice(None, None, -1))
    for variable in made.data_vars.values():
        variable.attrs["grid_mapping"] = "spatial_ref"
    return made, dn


def store(made, path):
    if path.suffix == ".zarr":
        pytest.importorskip("zarr")
        made.to_zarr(path)
    else:
        made.to_netcdf(path, engine="scipy", format="NETCDF3_64BIT")
    return path


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_a_cube_with_a_variable_per_band(tmp_path, ending):
    made, dn = cube(scale_factor=1e-4, add_offset=0.0)
    with open_scene(store(made, tmp_path / f"a{ending}")) as scene:
        assert (scene.info.bands, scene.info.stem, scene.info.level) == (tuple(FOUR), "a", "L2A")
        assert scene.info.encoding.scale == pytest.approx(10000)
        assert tuple(scene.info.transform)[:6] == (10, 0, EAST, 0, -10, NORTH)
        assert scene.info.crs.to_string() == CRS
        assert (scene.read(3, 5, 20, 10) == dn[:, 3:23, 5:15]).all()
        assert scene.overview(["B08"], 12, 9).shape == (1, 12, 9)


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_a_cube_with_a_dimension_of_bands_and_one_date(tmp_path, ending):
    made, dn = cube()
    made = made.to_array("band", name="reflectance").expand_dims(time=[0]).to_dataset(name="reflectance")
    with open_scene(store(made, tmp_path / f"a{ending}"), bands=FOUR) as scene:
        assert (scene.read(0, 0, 48, 36) == dn).all()


def test_cubes_that_are_refused(tmp_path):
    made, _ = cube()
    dates = xr.concat([made.expand_dims(time=[n]) for n in (0, 1)], "time")
    with pytest.raises(InputError, match=r"b\.nc: has 2 dates along 'time'; one is accepted"):
        open_scene(store(dates, tmp_path / "b.nc"))
    with pytest.raises(InputError, match="does not say where it lies"):
        open_scene(store(made.drop_vars(["spatial_ref"]), tmp_path / "c.nc"))
    (tmp_path / "d.nc").write_bytes(b"CDF\x01 and no more")
    for path in (tmp_path / "d.nc", tmp_path / "none.nc"):
        with pytest.raises(FileError, match=path.name):
            open_scene(path)


def test_of_maja_s_two_reflectances_the_slope_corrected_is_taken(tmp_path):
    folder = tmp_path / "SENTINEL2A_20190101-105853-463_L2A_T31TCJ_C_V2-2"
    dn = pixels(2, 60, 60).astype("int16")
    for number, kind in enumerate(("FRE", "SRE")):
        write(folder / f"{folder.name}_{kind}_B2.tif", dn[[number]], nodata=-10000)
    with open_scene(folder) as scene:
        assert (scene.info.level, scene.info.encoding.offsets) == ("L2A", (0,))
        assert (scene.read(0, 0, 60, 60) == dn[:1]).all()
        assert any("FRE" in note for note in scene.info.notes)
    for number, kind in enumerate(("FRE", "SRE")):
        with open_scene(folder, variant=kind) as scene:
            assert (scene.read(0, 0, 60, 60) == dn[[number]]).all()
            assert not any("FRE" in note for note in scene.info.notes)


def test_a_variant_that_is_not_there_is_refused(tmp_path):
    folder = tmp_path / "SENTINEL2A_20190101-105853-463_L2A_T31TCJ_C_V2-2"
    file = write(folder / f"{folder.name}_FRE_B2.tif", pixels(1, 60, 60).astype("int16"))
    with pytest.raises(InputError, match=r"no files of the variant SRE.*found FRE.*leave --variant out"):
        open_scene(folder, variant="SRE")
    for other in (file, safe(tmp_path), store(cube()[0], tmp_path / "a.nc")):
        with pytest.raises(InputError, match="--variant is about those of MAJA; leave it out"):
            open_scene(other, variant="FRE")


def test_the_images_of_a_product_alone(tmp_path):
    for images in safe(tmp_path, name=OLD.format(level="L2A")).glob("GRANULE/*/IMG_DATA"):
        with open_scene(images) as scene:
            assert len(scene.info.bands) == 12
            assert (scene.info.width, scene.info.level) == (60, "L2A")


def test_a_complete_product_of_2016(tmp_path):
    name = "S2A_OPER_PRD_MSIL1C_PDMC_20160311T202349_R108_V20150819T103028_20150819T103028"
    root = tmp_path / f"{name}.SAFE"
    granule = "S2A_OPER_MSI_L1C_TL_EPA__20160311T044054_A000820_T32UNG_N02.01"
    for band in L1C:
        dn, metres = native(band)
        write(root / "GRANULE" / granule / "IMG_DATA" / f"{granule[:-7]}_{band}.tif", dn, metres=metres)
    (root / "S2A_OPER_MTD_SAFL1C_PDMC_20160311T202349_R108_V20150819T103028_20150819T103028.xml").write_text("<x/>")
    with open_scene(root) as scene:
        assert (scene.info.bands, scene.info.level) == (L1C, "L1C")
        assert set(scene.info.encoding.offsets) == {0}


@pytest.mark.parametrize("name", ["deep.zip", "windows.zip", "named.SAFE"])
def test_zips_as_people_make_them(tmp_path, name):
    root = safe(tmp_path / "made", bands=FOUR, ending=".tif")
    rename = {"deep.zip": lambda n: f"data/2023/{n}", "windows.zip": lambda n: n.replace("/", "\\")}.get(name, str)
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        for file in sorted(root.rglob("*.*")):
            if file.is_file():
                info = zipfile.ZipInfo("x")
                info.filename = rename(f"{root.name}/{file.relative_to(root)}")
                archive.writestr(info, file.read_bytes())
    with open_scene(tmp_path / name) as scene, open_scene(root) as expected:
        assert scene.info.stem == expected.info.stem
        assert (scene.read(0, 0, 60, 60) == expected.read(0, 0, 60, 60)).all()


def test_an_empty_xml_does_not_matter_if_the_offset_is_given(tmp_path):
    root = safe(tmp_path, bands=FOUR)
    (root / "MTD_MSIL2A.xml").write_text("")
    with pytest.raises(FileError, match="is not a product's XML"):
        open_scene(root)
    with open_scene(root, offset=-1000) as scene:
        assert (scene.info.level, scene.info.encoding.offsets) == ("L2A", (-1000,) * 4)
        assert any("scale assumed: 10000" in note for note in scene.info.notes)


@pytest.mark.parametrize(
    ("message", "offset"),
    [
        ({"sentinel:boa_offset_applied": True, "sentinel:processing_baseline": "04.00"}, 0),
        ({"sentinel:processing_baseline": "04.00"}, -1000),
        ({"sentinel:product_id": "S2B_MSIL2A_20180701T080609_N0208_R078_T36LUM_20180701T113000"}, 0),
    ],
)
def test_items_of_before_version_1(tmp_path, message, offset):
    write(tmp_path / "B02.tif", pixels(1, 60, 60, low=1200))
    path = item(tmp_path / "item.json", {"B02": {"href": "B02.tif"}}, name="S2B_36LUM_20180701_0_L2A", **message)
    with open_scene(path) as scene:
        assert scene.info.encoding.offsets == (offset,)


def test_a_band_that_lacks_the_no_data_tag_of_the_others(tmp_path):
    for band, nodata in (("B02", 0), ("B03", None)):
        write(tmp_path / f"T32_L2A_{band}.tif", pixels(1, 60, 60), nodata=nodata)
    with open_scene(tmp_path) as scene:
        assert scene.info.encoding.nodata == 0


@pytest.mark.parametrize("ending", ["zarr", "nc"])
def test_a_variable_per_band_is_not_loaded_whole(tmp_path, ending):
    side = 2000
    places = {"y": NORTH - 10 * (0.5 + np.arange(side)), "x": EAST + 10 * (0.5 + np.arange(side))}
    dn = pixels(1, side, side, low=1200)[0]
    cube = xr.Dataset({name: (("y", "x"), dn) for name in L2A}, places).rio.write_crs(32632)
    path, chunks = tmp_path / f"cube_L2A.{ending}", "chunksizes" if ending == "nc" else "chunks"
    write = cube.to_netcdf if ending == "nc" else cube.to_zarr
    write(
        path,
        encoding={name: {chunks: (250, 250), "grid_mapping": "spatial_ref"} for name in L2A},
        **({"engine": "h5netcdf"} if ending == "nc" else {}),
    )
    tracemalloc.start()
    with open_scene(path, offset=-1000) as scene:
        window = scene.read(1000, 500, 100, 200)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (window == dn[1000:1100, 500:700]).all()
    assert most < len(L2A) * dn.nbytes / 3


@pytest.mark.parametrize("ending", ["zarr", "nc"])
def test_where_a_cube_lies_is_known_if_its_bands_no_longer_name_it(tmp_path, ending):
    places = {"y": NORTH - 10 * (0.5 + np.arange(48)), "x": EAST + 10 * (0.5 + np.arange(36))}
    cube = xr.Dataset({name: (("y", "x"), pixels(1)[0]) for name in L2A}, places).rio.write_crs(32632)
    path, packed = tmp_path / f"cube_L2A.{ending}", {name: {"dtype": "int16", "_FillValue": -9999} for name in L2A}
    if ending == "nc":
        cube.to_netcdf(path, engine="h5netcdf", encoding=packed)
    else:
        cube.to_zarr(path, encoding=packed)
    with open_scene(path, offset=0) as scene:
        assert scene.info.crs.to_epsg() == 32632 and scene.info.transform == from_origin(EAST, NORTH, 10, 10)
        assert (scene.read(0, 0, 48, 36) == pixels(1)).all()


def test_dates_as_whole_numbers_are_days(tmp_path):
    places = {"y": NORTH - 10 * (0.5 + np.arange(48)), "x": EAST + 10 * (0.5 + np.arange(36))}
    cube = xr.Dataset({name: (("time", "y", "x"), pixels(2)) for name in L2A}, places | {"time": [20180510, 20180520]})
    path = tmp_path / "cube_L2A.nc"
    cube.rio.write_crs(32632).to_netcdf(path, engine="h5netcdf")
    assert dates_in(str(path)) == [f"{path}@2018-05-10", f"{path}@2018-05-20"]
    with open_scene(f"{path}@2018-05-20", offset=0) as scene:
        assert str(acquired(scene.info).date()) == "2018-05-20"
        assert (scene.read(0, 0, 48, 36) == pixels(2)[1]).all()
    counted = xr.DataArray(pixels(4), dims=("band", "y", "x"), coords={"band": FOUR, "time": 3})
    assert acquired(ArrayScene(counted, level="L2A", offset=0).info) is None
