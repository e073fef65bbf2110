"""Archives of places: DN become reflectance, positions are found, and what a listing gets wrong is named."""

from pathlib import Path

import numpy as np
import pytest

from unclouded.bands import INDEX
from unclouded.data.places import read_places
from unclouded.errors import FileError, SettingsError


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("places") / "site.npz"
    dn = np.full((3, 2, 20, 24), 1500, np.uint16)
    dn[1] = 9000
    dn[2, :, :10] = 0
    np.savez(
        path,
        dn=dn,
        bands=np.array(["B02", "B08"]),
        april_dn=np.full((1, 1, 20, 24), 3000, np.uint16),
        april_bands=np.array(["B11"]),
        around=np.full((2, 40, 40), 2000, np.uint16),
        scale=np.array(1e-4),
        offset=np.array(-0.1),
    )
    return path


def listing(**domains: object) -> dict[str, object]:
    return {"level": "L2A", "bands": "B02 B08 B11", "places": {"site": domains}}


def test_images_are_reflectance_of_their_own_bands(archive: Path) -> None:
    found = read_places(archive, listing(clear={"dn": [0], "around": "all", "april_dn": "all"}, cloudy={"dn": [1]}))
    near, around, april = found["clear"]
    assert {patch.place for patch in found["clear"]} == {"site"} and near.level == "L2A"
    assert (near.bands, april.bands) == (("B02", "B08"), ("B11",))
    assert around.optical.shape == (13, 40, 40)
    np.testing.assert_allclose(near.optical[INDEX["B08"]], 0.05, atol=1e-6)
    np.testing.assert_allclose(april.optical[INDEX["B11"]], 0.2, atol=1e-6)
    np.testing.assert_allclose(found["cloudy"][0].optical[INDEX["B02"]], 0.8, atol=1e-6)
    assert not near.optical[INDEX["B11"]].any()
    assert len({patch.name for patches in found.values() for patch in patches}) == 4


def test_bands_of_their_own_sizes_come_to_ten_metres(tmp_path: Path) -> None:
    path = tmp_path / "native.npz"
    sides = {10: ("B02", 60), 20: ("B11", 30), 60: ("B09", 10)}
    arrays = {f"b{metres}": np.full((1, side, side), 1000 + metres, np.uint16) for metres, (_, side) in sides.items()}
    bands = {f"bands{metres}": np.array([name]) for metres, (name, _) in sides.items()}
    np.savez(path, **arrays, **bands, scale=1e-4, offset=0)
    (patch,) = read_places(
        path, {"level": "L1C", "bands": "B02 B09 B11", "places": {"hills": {"cloudy": {"b10": "all"}}}}
    )["cloudy"]
    assert patch.optical.shape == (13, 60, 60)
    for metres, (name, _) in sides.items():
        np.testing.assert_allclose(patch.optical[INDEX[name]], (1000 + metres) * 1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("listed", "error", "says"),
    [
        (listing(clear={"may_dn": "all"}), FileError, "may_dn"),
        (listing(clear={"dn": [7]}), FileError, "number 7"),
        (listing(clear={"dn": [2]}), FileError, "50% of dn, number 2, is without data"),
        (listing(sunny={"dn": [0]}), SettingsError, "'sunny' is not one of clear"),
        (listing(clear={"dn": [0]}) | {"bands": "B02"}, FileError, "B08, which the listing does not state"),
        ({"places": {}}, SettingsError, "no `level`"),
    ],
)
def test_what_a_listing_gets_wrong(archive: Path, listed: dict[str, object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        read_places(archive, listed)
