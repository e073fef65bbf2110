from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rio_cogeo.cogeo import cog_validate

from unclouded.errors import FileError
from unclouded.tiles import Box, cut
from unclouded.writing import writer
from unclouded.writing.writer import Profile, Strip, StripWriter, write_cog


def profile(height, width, dtype="uint16", **changes):
    transform = Affine(10, 0, 600000, 0, -10, 5400000)
    common = {"nodata": 0.0, "descriptions": ("B02", "B8A"), "tags": {"AREA_OR_POINT": "Area"}}
    return Profile(width, height, CRS.from_epsg(32632), transform, dtype=np.dtype(dtype), **(common | changes))


def strips(folder, pixels, wanted, size=256, offset=(0, 0)) -> list[Strip]:
    """The strips of an image, each of one row of tiles."""
    rows = {}
    for tile in cut(*pixels.shape[1:], size=size, offset=offset):
        rows.setdefault(tile.inner.row, []).append(tile.inner)
    made = []
    for row, boxes in rows.items():
        box = Box(row, 0, boxes[0].height, wanted.width)
        file = StripWriter(folder / f"{row}.tif", wanted, box, "out.tif")
        for part in boxes:
            file.write(part, pixels[(slice(None), *part.slices)])
        made.append(file.finish())
    return made


def write(path, pixels, wanted, size=256, offset=(0, 0)):
    made = strips(path.parent, pixels, wanted, size, offset)
    write_cog(path, wanted, made, path.name)
    for strip in made:
        strip.path.unlink()
    return path


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "float32", "float64"])
def test_pixels_come_back_as_written_for_every_type(tmp_path, dtype):
    pixels = np.random.default_rng(0).integers(0, 120, (2, 70, 530)).astype(dtype)
    path = write(tmp_path / "out.tif", pixels, profile(70, 530, dtype), size=64, offset=(16, 48))
    with rasterio.open(path) as file:
        assert file.dtypes == (dtype, dtype)
        np.testing.assert_array_equal(file.read(), pixels)


@pytest.mark.parametrize("kind", ["Area", "Point"])
def test_it_is_a_valid_cog_with_overviews_and_all_metadata(tmp_path, kind):
    pixels = np.random.default_rng(0).integers(1, 9000, (2, 600, 1100)).astype("uint16")
    tags = {"AREA_OR_POINT": kind, "acquired": "2018-05-03"}
    wanted = profile(600, 1100, scales=(1e-4, 1e-4), offsets=(-0.1, -0.1), tags=tags)
    path = write(tmp_path / "out.tif", pixels, wanted)
    valid, errors, warnings = cog_validate(path)
    assert valid and not errors and not warnings
    with rasterio.open(path) as file:
        assert file.overviews(1) == file.overviews(2) == [2, 4]
        assert (file.crs, file.transform) == (wanted.crs, wanted.transform)
        assert (file.descriptions, file.scales, file.offsets) == (("B02", "B8A"), (1e-4, 1e-4), (-0.1, -0.1))
        assert file.nodata == 0
        assert tags.items() <= file.tags().items()
    assert [file.name for file in tmp_path.iterdir()] == ["out.tif"]


def test_a_file_without_nodata_stays_without(tmp_path):
    path = write(tmp_path / "out.tif", np.zeros((2, 5, 7), "uint16"), profile(5, 7, nodata=None))
    with rasterio.open(path) as file:
        assert file.nodata is None


def test_what_does_not_read_back_as_written_is_refused(tmp_path, monkeypatch):
    def lossy_copy(source, target, **options):
        with rasterio.open(source) as file:
            pixels, profile = file.read(), file.profile
        pixels[1, 40, 30] += 1
        with rasterio.open(target, "w", **(profile | {"driver": "GTiff"})) as file:
            file.write(pixels)

    monkeypatch.setattr(writer, "copy", lossy_copy)
    with pytest.raises(FileError, match=r"out\.tif: does not read back as written"):
        write(tmp_path / "out.tif", np.ones((2, 64, 64), "uint16"), profile(64, 64))


def test_a_strip_that_is_taken_away_is_an_error_with_the_name_of_the_output(tmp_path):
    made = strips(tmp_path, np.ones((2, 128, 64), np.uint16), profile(128, 64), size=64)
    made[1].path.unlink()
    with pytest.raises(FileError, match=r"out\.tif: cannot be written"):
        write_cog(tmp_path / "out.tif", profile(128, 64), made, "out.tif")


def test_a_damaged_strip_is_not_intact(tmp_path):
    pixels = np.random.default_rng(0).integers(1, 9000, (2, 64, 700)).astype("uint16")
    (strip,) = strips(tmp_path, pixels, profile(64, 700), size=64)
    assert strip.intact()
    # Within a block: a file whose blocks grew while it was written has bytes that belong to none.
    with rasterio.open(strip.path) as file:
        block = int(file.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
    content = bytearray(strip.path.read_bytes())
    content[block + 1000] ^= 1
    strip.path.write_bytes(content)
    assert not strip.intact()
    strip.path.write_bytes(content[: len(content) // 2])
    assert not strip.intact()
    strip.path.unlink()
    assert not strip.intact()


def test_four_bands_of_bytes_are_not_taken_for_colours_and_transparency(tmp_path):
    wanted = profile(64, 64, "uint8", descriptions=("B02", "B03", "B04", "B08"))
    with rasterio.open(write(tmp_path / "out.tif", np.ones((4, 64, 64), "uint8"), wanted)) as file:
        assert ColorInterp.alpha not in file.colorinterp


def test_classes_keep_their_colours_and_are_never_averaged(tmp_path):
    colours = {0: (240, 240, 240), 3: (40, 40, 90)}
    wanted = profile(1100, 1100, "uint8", nodata=255, descriptions=("class",), colours=colours, overviews="MODE")
    values = (np.indices((1100, 1100)).sum(0) % 3 == 0).astype(np.uint8)[None] * 3
    write_cog(tmp_path / "out.tif", wanted, strips(tmp_path, values, wanted), "out.tif")
    with rasterio.open(tmp_path / "out.tif") as file:
        assert {value: file.colormap(1)[value][:3] for value in colours} == colours
        np.testing.assert_array_equal(file.read(), values)
        assert set(np.unique(file.read(1, out_shape=(275, 275)))) <= {0, 3}
        assert file.overviews(1)
