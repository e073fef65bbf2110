"""Folders of single-band files: BigEarthNet patches and others, and bands of several resolutions on one grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasters import NEW, native, pixels, write

from unclouded.bands import L2A
from unclouded.errors import InputError
from unclouded.reading.reader import open_scene


def patch(root, name, bands=L2A):
    """Write a BigEarthNet patch of 60 x 60 pixels of 10 m; DN of 3000 and more, as if all were cloud."""
    for band in bands:
        dn, metres = native(band, low=3000)
        write(root / name / f"{name}_{band}.tif", dn, metres=metres)
    return root / name


@pytest.mark.parametrize(
    "name", ["S2B_MSIL2A_20170924T93021_41_29", "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57"]
)
def test_a_bigearthnet_patch(tmp_path, name):
    folder = patch(tmp_path, name)
    write(folder / f"{name}_reference_map.tif", pixels(1, 60, 60))
    with open_scene(folder) as scene:
        info = scene.info
        assert info.bands == L2A
        assert info.level == "L2A"
        assert info.stem == name
        assert info.encoding.offsets == (0,) * 12
        assert (info.height, info.width) == (60, 60)
        assert info.transform.a == 10
        assert info.notes == (f"left out: {name}_reference_map.tif, not named after a band",)
        dn = scene.read(0, 0, 60, 60)
    assert (dn[1] == native("B02", low=3000)[0][0]).all()
    coarse = native("B05", low=3000)[0][0].astype(float)
    # Between four pixel centres of 20 m, a pixel of 10 m takes 9/16, 3/16, 3/16 and 1/16 of them.
    expected = (9 * coarse[3, 4] + 3 * coarse[3, 5] + 3 * coarse[4, 4] + 1 * coarse[4, 5]) / 16
    assert abs(dn[4, 7, 9] - expected) <= 0.5
    assert dn[4, 0, 0] == coarse[0, 0]


def test_real_bigearthnet_patches(shared_data):
    folders = sorted((shared_data / "bigearthnet_v1_layout").glob("S2*"))
    assert folders
    for folder in folders:
        with open_scene(folder) as scene:
            assert scene.info.bands == L2A
            assert scene.info.encoding.offsets == (0,) * 12
            dn = scene.read(0, 0, 120, 120)
            assert (scene.read(31, 7, 50, 61) == dn[:, 31:81, 7:68]).all()


@given(st.data())
def test_a_window_does_not_change_its_values(tmp_path_factory, data):
    """Also where no-data lies between, and with a grid whose coarse pixels do not end with the fine ones."""
    root = tmp_path_factory.getbasetemp() / "S2A_MSIL2A_20180510T101031_N0206_R022_T32UNU_20180510T120000"
    if not root.exists():
        holes = pixels(1, 32, 32, seed=1)
        holes[:, 10:20, 12:17] = 0
        write(root / "B02.tif", pixels(1, 62, 62))
        write(root / "B05.tif", holes[:, :31, :31], metres=20)
        write(root / "B01.tif", pixels(1, 11, 11, seed=2), metres=60)
        write(root / "B8A.tif", holes, metres=19.7)
    row, column = data.draw(st.integers(0, 61)), data.draw(st.integers(0, 61))
    height, width = data.draw(st.integers(1, 62 - row)), data.draw(st.integers(1, 62 - column))
    with open_scene(root) as scene:
        whole = scene.read(0, 0, 62, 62)
        assert (scene.read(row, column, height, width) == whole[:, row : row + height, column : column + width]).all()
    assert (whole[2][20:40, 24:34] == 0).all()
    assert (whole[2] == 0).sum() == 200


def test_no_data_does_not_bleed_into_its_neighbours(tmp_path):
    coarse = np.full((1, 30, 30), 5000, np.uint16)
    coarse[:, 10:20, 10:20] = 0
    write(tmp_path / "B02.tif", pixels(1, 60, 60))
    write(tmp_path / "B05.tif", coarse, metres=20)
    with open_scene(tmp_path) as scene:
        assert np.unique(scene.read(0, 0, 60, 60)[1]).tolist() == [0, 5000]


def test_any_folder_with_band_names_in_the_order_of_the_bands(tmp_path):
    for name in ("T32UNU_20180510T101031_B08.jp2", "T32UNU_20180510T101031_B02.jp2", "T32UNU_20180510T101031_SCL.jp2"):
        write(tmp_path / name, pixels(1, 60, 60))
    with open_scene(tmp_path) as scene:
        assert scene.info.bands == ("B02", "B08")
        assert scene.info.classification.endswith("_SCL.jp2")
    with open_scene(tmp_path, bands=["B08"], level="L2A") as scene:
        assert scene.info.bands == ("B08",)
    with pytest.raises(InputError, match="has no B03; it holds B02, B08"):
        open_scene(tmp_path, bands=["B02", "B03"])


def test_of_a_band_at_several_resolutions_the_finest_is_taken(tmp_path):
    dn = pixels(1, 60, 60)
    write(tmp_path / "a_B02_10m.tif", dn)
    write(tmp_path / "a_B02_60m.tif", pixels(1, 10, 10), metres=60)
    with open_scene(tmp_path) as scene:
        assert (scene.read(0, 0, 60, 60) == dn).all()
    write(tmp_path / "b_B02_10m.tif", dn)
    with pytest.raises(InputError, match="band B02 is there more than once"):
        open_scene(tmp_path)


def test_the_offset_comes_from_the_product_around_the_folder(tmp_path):
    folder = tmp_path / f"{NEW.format(level='L2A')}.SAFE" / "R20m"
    write(folder / "T32UNU_20220510T101031_B05_20m.jp2", pixels(1, 30, 30, low=2000), metres=20)
    with open_scene(folder) as scene:
        assert scene.info.encoding.offsets == (-1000,)
        assert scene.info.level == "L2A"
    alone = tmp_path / "R20m"
    write(alone / "T32UNU_20220510T101031_B05_20m.jp2", pixels(1, 30, 30), metres=20)
    with pytest.raises(InputError, match="date 20220510 and no baseline"):
        open_scene(alone)


@pytest.mark.parametrize(
    ("other", "options", "found"),
    [
        ("B03", {"crs": "EPSG:32633"}, "B03.tif is in EPSG:32633"),
        ("B03", {"metres": 12}, "does not cover the same area"),
        ("B05", {"metres": 25}, "does not cover the same area"),
        ("B03", {"dtype": "int16"}, "data type differs: uint16 in B02, int16 in B03"),
        ("B03", {"nodata": 7}, "no-data value differs"),
    ],
)
def test_bands_that_do_not_belong_together_are_refused(tmp_path, other, options, found):
    write(tmp_path / "B02.tif", pixels(1, 60, 60))
    dn = pixels(1, 60, 60, dtype=options.pop("dtype", "uint16"))
    write(tmp_path / f"{other}.tif", dn, **options)
    with pytest.raises(InputError, match=found):
        open_scene(tmp_path)


def test_folders_without_band_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"without band files .found nothing."):
        open_scene(tmp_path)
    (tmp_path / "readme.txt").write_text("B02")
    with pytest.raises(InputError, match=r"without band files .found readme\.txt."):
        open_scene(tmp_path)
    write(tmp_path / "scenes" / "a.tif", pixels(2))
    with pytest.raises(InputError, match=r"found a\.tif.; .* or its files, if they are scenes \(.*scenes/\*\.tif\)$"):
        open_scene(tmp_path / "scenes")
    write(tmp_path / "B02.tif", pixels(2))
    with pytest.raises(InputError, match=r"B02\.tif: holds 2 bands, not B02 alone"):
        open_scene(tmp_path)


def test_a_scene_classification_among_the_bands_is_known(tmp_path):
    folder = patch(tmp_path, "S2B_MSIL2A_20170924T93021_41_29", ("B02", "B03"))
    write(folder / "SCL.tif", pixels(1, 30, 30), metres=20)
    with open_scene(folder) as scene:
        assert scene.info.bands == ("B02", "B03") and not any("left out" in note for note in scene.info.notes)
        assert scene.info.classification == str(folder / "SCL.tif")


def test_bands_of_several_days_are_refused(tmp_path):
    days = {"B02": "20180510T101031", "B03": "20180510T101559", "B04": "20180520T101031"}
    for band, day in days.items():
        write(tmp_path / "mixed" / f"T32UNU_{day}_{band}_10m.tif", pixels(1))
    with pytest.raises(InputError, match=r"mixed: its bands are of several days \(B02 in .*20180510.*20180520"):
        open_scene(tmp_path / "mixed", level="L2A", offset=0)
    with open_scene(tmp_path / "mixed", level="L2A", offset=0, bands=["B02", "B03"]) as scene:
        assert scene.info.bands == ("B02", "B03")


def test_a_stack_of_several_days_is_refused(tmp_path):
    names = ["20180510T101031_B2", "20180510T101031_B3", "20180520T101031_B4"]
    with pytest.raises(InputError, match=r"a\.tif: its bands are of several days \(B02 in 20180510.*B04 in 20180520"):
        open_scene(write(tmp_path / "a.tif", pixels(3), names=names), level="L2A", offset=0)
