"""When an image was taken, by whatever tells it."""

from __future__ import annotations

import pytest
import rasterio
from rasters import pixels, write

from unclouded.reading.names.dates import acquired
from unclouded.reading.reader import open_scene

FOUR = ("B02", "B03", "B04", "B08")


def when(path) -> str:
    with open_scene(path, offset=0, level_needed=False) as scene:
        time = acquired(scene.info)
        return "" if time is None else time.isoformat().removesuffix("+00:00").removesuffix("T00:00:00")


@pytest.mark.parametrize(
    ("folder", "file", "expected"),
    [
        ("images", "T32TQM_20180401T104021_{}_10m.jp2", "2018-04-01T10:40:21"),
        ("downloaded_20260105", "20180401T104021_20180401T104024_T31UFS.{}.tif", "2018-04-01T10:40:21"),
        ("images", "2018-05-01-00:00_2018-05-01-23:59_Sentinel-2_L2A_{}_(Raw).tiff", "2018-05-01"),
        ("HLS.S30.T33UUP.2021164T101831.v2.0", "HLS.S30.T33UUP.2021164T101831.v2.0.{}.tif", "2021-06-13T10:18:31"),
        (
            "SENTINEL2A_20210613-101831-123_L2A_T33UUP_C_V3-0",
            "SENTINEL2A_20210613-101831-123_L2A_T33UUP_C_V3-0_FRE_{}.tif",
            "2021-06-13T10:18:31",
        ),
        ("2018-04-01", "{}.tif", "2018-04-01"),
        ("tiles/32/T/QM/2018/4/1/0", "{}.jp2", "2018-04-01"),
        ("tiles/32/T/QM/2018/4/1/0/R10m", "{}.jp2", "2018-04-01"),
        # Old products' files tell when they were made.
        ("IMG_DATA", "S2A_OPER_MSI_L1C_TL_EPA__20160311T044054_A000820_T32UNG_{}.jp2", ""),
        ("images", "{}.tif", ""),
    ],
)
def test_of_a_folder_by_its_files_or_by_its_name(tmp_path, folder, file, expected):
    for number, band in enumerate(FOUR):
        write(tmp_path / folder / file.format(band), pixels(1, seed=number))
    assert when(tmp_path / folder) == expected


def test_of_files_of_several_times_of_a_day_it_is_not_known(tmp_path):
    for minute, band in zip((1, 2, 3, 4), FOUR, strict=True):
        write(tmp_path / "images" / f"20180401T100{minute}00_{band}.tif", pixels(1))
    assert when(tmp_path / "images") == ""


@pytest.mark.parametrize(
    ("path", "tag", "expected"),
    [
        ("2018-04-01/stack.tif", None, "2018-04-01"),
        ("downloaded_2018-04-01/stack.tif", None, ""),
        ("2026-01-05/field_2018-04-01.tif", None, "2018-04-01"),
        # By the standard it is when the file was written.
        ("field_2018-04-01.tif", "2026:01:05 12:00:00", "2018-04-01"),
        ("field_2018-04-01.tif", "2018:04:01 10:40:21", "2018-04-01T10:40:21"),
        ("field.tif", "2018:04:01 10:40:21", "2018-04-01T10:40:21"),
    ],
)
def test_of_a_stack_by_its_name_its_tag_or_its_folder(tmp_path, path, tag, expected):
    file = write(tmp_path / path, pixels(4), names=FOUR)
    if tag:
        with rasterio.open(file, "r+") as opened:
            opened.update_tags(TIFFTAG_DATETIME=tag)
    assert when(file) == expected


def test_tiles_as_on_amazon_are_called_after_their_place_and_day(tmp_path):
    for band in FOUR:
        write(tmp_path / f"tiles/5/T/QM/2018/4/1/0/R10m/{band}.jp2", pixels(1))
    for folder in ("tiles/5/T/QM/2018/4/1/0", "tiles/5/T/QM/2018/4/1/0/R10m"):
        with open_scene(tmp_path / folder, level="L2A", offset=0) as scene:
            assert scene.info.stem == "T05TQM_20180401_0"
