"""SAFE products, L1C and L2A, as folders and zips."""

import shutil
import zipfile

import numpy as np
import pytest
from rasters import NEW, OLD, metadata, native, pixels, safe, write

from unclouded.bands import INDEX, L1C, L2A
from unclouded.errors import FileError, InputError
from unclouded.reading.reader import open_scene


def zipped(root, target, *, inside=None):
    """Pack a product as it is distributed: everything in its .SAFE folder."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(root.rglob("*")):
            if file.is_file():
                archive.write(file, f"{root.name if inside is None else inside}/{file.relative_to(root)}".lstrip("/"))
    return target


@pytest.mark.parametrize(("level", "bands"), [("L1C", L1C), ("L2A", L2A)])
@pytest.mark.parametrize("packed", [False, True])
def test_a_product_folder_or_zip(tmp_path, level, bands, packed):
    root = safe(tmp_path, level)
    path = zipped(root, tmp_path / "product (1).zip") if packed else root
    with open_scene(path) as scene:
        info = scene.info
        assert info.bands == bands
        assert info.level == level
        assert info.stem == NEW.format(level=level)
        assert info.encoding.scale == 10000
        assert info.encoding.offsets == tuple(-1000 - INDEX[band] for band in bands)
        assert info.encoding.nodata == 0
        assert info.gdal_offsets == pytest.approx([(-1000 - INDEX[band]) / 10000 for band in bands])
        assert (info.height, info.width, info.transform.a) == (60, 60, 10)
        assert info.notes == ()
        dn = scene.read(0, 0, 60, 60)
        assert (scene.read(13, 5, 20, 31) == dn[:, 13:33, 5:36]).all()
    for band in ("B02", "B08"):
        assert (dn[bands.index(band)] == native(band)[0][0]).all()
    # The finest file was taken: pixel centres of 20 m lie between those of 10 m, their mean comes back.
    fine = dn[bands.index("B05")].astype(float).reshape(30, 2, 30, 2).mean((1, 3))
    assert np.corrcoef(fine.ravel(), native("B05")[0].ravel())[0, 1] > 0.9


@pytest.mark.parametrize("packed", [False, True])
def test_the_finest_scene_classification_is_known(tmp_path, packed):
    root = safe(tmp_path)
    images = next(root.glob("GRANULE/*/IMG_DATA"))
    for metres in (20, 60):
        write(images / f"R{metres}m" / f"T32UNU_20220510T101031_SCL_{metres}m.jp2", pixels(1, 30, 30), metres=metres)
    with open_scene(zipped(root, tmp_path / "p.zip") if packed else root) as scene:
        assert scene.info.classification.endswith("R20m/T32UNU_20220510T101031_SCL_20m.jp2")
        assert ("vsizip" in scene.info.classification) == packed
        assert not any("SCL" in note for note in scene.info.notes)


def test_the_metadata_file_stands_for_its_product(tmp_path):
    with open_scene(safe(tmp_path) / "MTD_MSIL2A.xml") as scene:
        assert scene.info.bands == L2A


def test_a_zip_without_the_outer_folder(tmp_path):
    path = zipped(safe(tmp_path / "there"), tmp_path / f"{NEW.format(level='L2A')}.zip", inside="")
    with open_scene(path) as scene:
        assert scene.info.stem == NEW.format(level="L2A")


def test_without_offsets_in_the_xml_they_follow_from_the_baseline(tmp_path):
    with open_scene(safe(tmp_path, name=OLD.format(level="L2A"), offsets=False, baseline="02.06")) as scene:
        assert set(scene.info.encoding.offsets) == {0}
    with open_scene(safe(tmp_path, offsets=False, baseline="05.11")) as scene:
        assert set(scene.info.encoding.offsets) == {-1000}
    root = safe(tmp_path, name="local", offsets=False, baseline="99.99")
    with pytest.raises(InputError, match="give --offset -1000"):
        open_scene(root)
    with open_scene(root, offset=0) as scene:
        assert set(scene.info.encoding.offsets) == {0}


def test_the_real_metadata(shared_data, tmp_path):
    (root,) = (shared_data / "safe_metadata").glob("*.SAFE")
    product = safe(tmp_path, name=root.stem)
    shutil.copy(root / "MTD_MSIL2A.xml", product)
    with open_scene(product) as scene:
        assert (scene.info.bands, scene.info.encoding.offsets) == (L2A, (-1000.0,) * 12)
    with pytest.raises(InputError, match=r"without its 10 m bands B02, B03, B04, B08 .found no band files."):
        open_scene(root)


def test_the_scale_is_the_xmls(tmp_path):
    with open_scene(safe(tmp_path, scale=1000)) as scene:
        assert scene.info.encoding.scale == 1000
    with pytest.raises(FileError, match="BOA_QUANTIFICATION_VALUE is 'many', not a number"):
        open_scene(safe(tmp_path / "another", scale="many"))
    with pytest.raises(FileError, match="quantification value 0"):
        open_scene(safe(tmp_path / "other", scale=0))


def test_a_band_with_a_coarser_copy_only_is_reported(tmp_path):
    product = safe(tmp_path)
    next(product.rglob("R10m/*_B03_10m.jp2")).unlink()
    with open_scene(product) as scene:
        assert scene.info.notes == (
            "the product lacks finer pixels of its bands: B03 at 60 m alone; download it completely",
        )


def test_missing_bands(tmp_path):
    with open_scene(safe(tmp_path, bands=["B02", "B03", "B04", "B08", "B11"])) as scene:
        assert scene.info.bands == ("B02", "B03", "B04", "B08", "B11")
        assert scene.info.notes == ("the product lacks B01, B05, B06, B07, B8A, B09, B12",)
    coarse = safe(tmp_path, name="coarse", bands=["B05", "B11"])
    with pytest.raises(InputError, match=r"without its 10 m bands B02, B03, B04, B08 .found B05, B11."):
        open_scene(coarse)
    with open_scene(coarse, bands=["B11"]) as scene:
        assert scene.info.transform.a == 20


def test_a_level_that_contradicts_the_product_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"is L1C .*, not L2A"):
        open_scene(safe(tmp_path, "L1C"), level="L2A")


def test_two_tiles_in_one_product_are_refused(tmp_path):
    root = safe(tmp_path)
    (granule,) = (root / "GRANULE").iterdir()
    shutil.copytree(granule, granule.with_name("L2A_T32UNV"))
    with pytest.raises(InputError, match="holds 2 tiles"):
        open_scene(root)


def test_incomplete_products_are_refused(tmp_path):
    (tmp_path / "a.SAFE").mkdir()
    with pytest.raises(InputError, match="holds 0 files MTD_MSIL1C"):
        open_scene(tmp_path / "a.SAFE")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(InputError, match="a zip with 0 SAFE products"):
        open_scene(tmp_path / "a.zip")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_zip_cut_short_is_found(tmp_path, share):
    path = zipped(safe(tmp_path), tmp_path / "a.zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FileError, match="not a zip, cut short or damaged"):
        open_scene(path)


def test_members_that_point_outside_the_zip_are_never_used(tmp_path):
    path = zipped(safe(tmp_path), tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../outside_B01.jp2", "x")
        archive.writestr(f"{NEW.format(level='L2A')}.SAFE/GRANULE/../../../outside/IMG_DATA/R10m/x_B01_10m.jp2", "x")
    before = sorted(tmp_path.rglob("*"))
    with open_scene(path) as scene:
        assert scene.info.bands == L2A
        scene.read(0, 0, 4, 4)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "no element found"),
        ("<a>", "no element found"),
        (metadata("L2A")[:200], "is not a product's XML metadata"),
        (
            '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;&c;</a>',
            "declares a document type",
        ),
        ('<!DOCTYPE a SYSTEM "file:///etc/hostname"><a/>', "declares a document type"),
    ],
)
def test_damaged_and_hostile_metadata_are_refused(tmp_path, text, found):
    root = safe(tmp_path)
    (root / "MTD_MSIL2A.xml").write_text(text)
    with pytest.raises(FileError, match=found) as caught:
        open_scene(root)
    assert "\n" not in str(caught.value)
    assert "MTD_MSIL2A.xml" in str(caught.value)
