"""Another image on the grid of a scene: the same ground at the same place, whatever its own grid is."""

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform
from scenes import MemoryScene

from unclouded.errors import InputError
from unclouded.reading.grids.aligned import AlignedImage

BANDS = ("B02", "B08")
UTM, NEXT_ZONE, DEGREES = CRS.from_epsg(32632), CRS.from_epsg(32633), CRS.from_epsg(4326)
AT_180 = Affine(10, 0, 180_000, 0, -10, 8_118_450)
TARGET = MemoryScene(np.ones((2, 90, 110), np.uint16), BANDS).info


def surface(x, y):
    """Reflectance of a smooth piece of ground at places in UTM zone 32."""
    return 0.2 + 0.1 * np.sin(x / 300) * np.cos(y / 400), 0.4 + 0.1 * np.cos(x / 350)


def image(crs, affine, height, width, nodata=0.0):
    """An image of that ground, on any grid."""
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x, y = affine.a * columns + affine.c, affine.e * rows + affine.f
    if crs != UTM:
        xs, ys = transform(crs, UTM, x.ravel().tolist(), y.ravel().tolist())
        x, y = np.array(xs).reshape(x.shape), np.array(ys).reshape(y.shape)
    dn = np.rint(np.stack(surface(x, y)) * 1e4).astype(np.uint16)
    return MemoryScene(dn, BANDS, crs=crs, transform=affine)


def truth():
    columns, rows = np.meshgrid(np.arange(110) + 0.5, np.arange(90) + 0.5)
    return np.stack(surface(600000 + 10 * columns, 5400000 - 10 * rows))


def corner(crs):
    if crs == UTM:
        return 600000.0, 5400000.0
    xs, ys = transform(UTM, crs, [600000.0], [5400000.0])
    return xs[0], ys[0]


@pytest.mark.parametrize(
    ("crs", "pixel", "margin"),
    [
        (UTM, 10, 0),
        (UTM, 10, 37),
        (UTM, 20, 60),
        (UTM, 15, 41),
        (UTM, 5, 30),
        (NEXT_ZONE, 10, 300),
        (DEGREES, 1e-4, 0.02),
    ],
    ids=["same", "shifted", "20 m", "15 m", "5 m", "next zone", "degrees"],
)
def test_the_same_ground_at_the_same_place(crs, pixel, margin):
    west, north = corner(crs)
    side = int((1500 if pixel >= 1 else 0.06) / pixel) + int(2 * margin / pixel)
    other = AlignedImage(image(crs, Affine(pixel, 0, west - margin, 0, -pixel, north + margin), side, side), TARGET)
    found = other.read(0, 0, 90, 110)
    inner = found[:, 3:-3, 3:-3]
    assert np.isfinite(inner).all()
    assert np.abs(inner - truth()[:, 3:-3, 3:-3]).max() < 0.002


@pytest.mark.parametrize(("across", "down"), [(2.5, 10), (10, 2.5), (5, 2)])
@pytest.mark.parametrize("crs", [UTM, NEXT_ZONE], ids=["same system", "next zone"])
def test_pixels_that_are_not_square_keep_their_detail_and_edges(crs, across, down):
    west, north = corner(crs)
    margin = 0 if crs == UTM else 300
    columns, rows = round((1100 + 2 * margin) / across), round((900 + 2 * margin) / down)
    grid = Affine(across, 0, west - margin, 0, -down, north + margin)
    found = AlignedImage(image(crs, grid, rows, columns), TARGET).read(0, 0, 90, 110)
    if crs == UTM:  # the same ground to the edge; turned, the far corners may miss
        np.testing.assert_allclose(found, truth(), atol=5e-4)
    inner = (slice(None), slice(6, -6), slice(6, -6))
    np.testing.assert_allclose(found[inner], truth()[inner], atol=5e-4)


@pytest.mark.parametrize(("crs", "pixel"), [(UTM, 10), (UTM, 15), (NEXT_ZONE, 10)])
def test_a_pixel_does_not_depend_on_its_window(crs, pixel):
    west, north = corner(crs)
    other = AlignedImage(image(crs, Affine(pixel, 0, west - 205, 0, -pixel, north + 214), 200, 200), TARGET)
    whole = other.read(0, 0, 90, 110)
    np.testing.assert_array_equal(other.read(17, 41, 40, 33), whole[:, 17:57, 41:74])
    np.testing.assert_array_equal(other.read(63, 5, 1, 1), whole[:, 63:64, 5:6])


@pytest.mark.parametrize("turn", [0, 360], ids=["below -180", "beyond 180"])
def test_grids_in_degrees_may_go_on_across_180(turn):
    utm = MemoryScene(np.ones((2, 90, 110), np.uint16), BANDS, crs=CRS.from_epsg(32701), transform=AT_180)
    (west,), (north,) = transform(utm.info.crs, DEGREES, [AT_180.c], [AT_180.f])
    grid = Affine(1e-4, 0, west - 360 + turn - 0.002, 0, -1e-4, north + 0.002)
    dn = np.repeat(np.arange(160, dtype=np.uint16)[None, :] + np.uint16(1000), 150, axis=0)
    degrees = MemoryScene(np.stack([dn, dn]), BANDS, crs=DEGREES, transform=grid)
    shown = AlignedImage(degrees, utm.info).read(0, 0, 90, 110)[0]
    assert np.isfinite(shown).all() and (np.diff(shown[45]) > 0).all()
    shown = AlignedImage(utm, degrees.info).read(0, 0, 150, 160)[0]
    assert np.isfinite(shown[40:80, 40:100]).all() and np.isnan(shown[:10]).all()


def test_nothing_is_shown_beyond_the_edge_or_in_holes():
    part = image(UTM, Affine(10, 0, 600200, 0, -10, 5400000), 90, 40)
    part.dn[:, 50:60, 10:20] = 0
    found = AlignedImage(part, TARGET).read(0, 0, 90, 110)
    shown = np.zeros((90, 110), bool)
    shown[:, 20:60] = True
    shown[50:60, 30:40] = False
    np.testing.assert_array_equal(np.isfinite(found).all(0), shown)
    np.testing.assert_array_equal(np.isfinite(found).any(0), shown)


@pytest.mark.parametrize("pixel", [10, 15])
def test_some_bands_are_those_of_all_and_lack_what_another_lacks(pixel):
    part = image(UTM, Affine(pixel, 0, 600000, 0, -pixel, 5400000), 90, 110)
    part.dn[0, 50:60, 10:20] = 0
    other = AlignedImage(part, TARGET)
    whole = other.read(0, 0, 90, 110)
    assert np.isnan(whole[1]).any()
    for bands in ((1,), (1, 0)):
        np.testing.assert_array_equal(other.read(0, 0, 90, 110, bands), whole[list(bands)])


def test_another_place_is_refused_by_name():
    far = image(UTM, Affine(10, 0, 700000, 0, -10, 5400000), 20, 20)
    far.info = replace(far.info, source="far.tif")
    with pytest.raises(InputError, match=r"far\.tif: does not overlap scene\.tif; give another date"):
        AlignedImage(far, TARGET)


def test_without_georeference_it_must_be_of_the_scenes_size():
    bare = image(UTM, Affine(10, 0, 600000, 0, -10, 5400000), 90, 110)
    bare.info = replace(bare.info, crs=None, transform=Affine.identity())
    target = replace(TARGET, crs=None, transform=Affine.identity())
    np.testing.assert_allclose(AlignedImage(bare, target).read(0, 0, 90, 110), truth(), atol=1e-4)
    with pytest.raises(InputError, match="no coordinate reference system in common"):
        AlignedImage(bare, replace(target, width=100))


def test_rows_may_run_north_and_columns_west():
    turned = image(UTM, Affine(-10, 0, 601100, 0, 10, 5399100), 90, 110)
    made = AlignedImage(turned, TARGET).read(0, 0, 90, 110)
    np.testing.assert_allclose(made, truth(), atol=1e-3)
