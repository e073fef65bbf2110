"""Simulated ground: deterministic, labelled as it is, with the spectra, radar and sun of what it shows."""

from datetime import date

import numpy as np
import pytest

from unclouded.bands import INDEX
from unclouded.data.labels import LABELS_43
from unclouded.data.landscapes.covers import COVERS
from unclouded.data.landscapes.labels import COUNTRIES, FREQUENCY, NAMES, PATCHES, draw
from unclouded.data.landscapes.landscape import LEAST_SHARE, Acquisition, Landscape, landscape
from unclouded.data.landscapes.shapes import curve, divide, noise, parcels


def test_the_43_classes_are_those_of_bigearthnet_and_each_can_be_painted() -> None:
    assert set(NAMES) == set(LABELS_43)
    assert tuple(COVERS) == NAMES


def test_country_table_counts_every_patch_of_the_official_lists() -> None:
    assert sum(sum(country.patches) for country in COUNTRIES.values()) == PATCHES
    assert sum(sum(country.cloudy) for country in COUNTRIES.values()) == 9280


def test_labels_come_as_often_as_in_bigearthnet() -> None:
    rng = np.random.default_rng(0)
    zones = [country.zone for country in COUNTRIES.values()]
    share = np.array([sum(country.patches) for country in COUNTRIES.values()]) / PATCHES
    count = dict.fromkeys(NAMES, 0)
    patches = 6000
    for zone in rng.choice(zones, patches, p=share):
        for label in draw(str(zone), rng)[1]:
            count[label] += 1
    assert sum(count.values()) / patches == pytest.approx(2.95, abs=0.1)
    for name in NAMES:
        expected = FREQUENCY[name] * patches
        assert abs(count[name] - expected) < 0.08 * expected + 4 * np.sqrt(expected) + 2, name
    assert count["Mixed forest"] > 200 * count["Burnt areas"]


@pytest.mark.parametrize("month", [1, 7])
@pytest.mark.parametrize("name", NAMES)
def test_every_class_can_be_painted_in_winter_and_summer(
    name: str, month: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _only(name, "Portugal", month, monkeypatch)
    assert made.labels == (name,)
    assert np.isfinite(made.reflectance).all()
    assert np.isfinite(made.radar).all()
    assert float(made.reflectance.min()) > -0.05
    assert 0.001 < float(made.reflectance.max()) < 1


def test_the_same_seed_gives_the_same_ground() -> None:
    acquisition = Acquisition("SIM", "Austria", date(2017, 6, 13), 5)
    first, second = (landscape(acquisition, np.random.default_rng([1, 2])) for _ in range(2))
    np.testing.assert_array_equal(first.reflectance, second.reflectance)
    np.testing.assert_array_equal(first.radar, second.radar)
    other = landscape(acquisition, np.random.default_rng([1, 3]))
    assert not np.array_equal(first.reflectance, other.reflectance)


def test_labels_are_the_classes_that_cover_some_of_the_patch() -> None:
    acquisition = Acquisition("SIM", "Lithuania", date(2017, 6, 13), 5)
    for seed in range(6):
        made = landscape(acquisition, np.random.default_rng(seed))
        share = np.bincount(made.cover.ravel(), minlength=len(NAMES)) / made.cover.size
        assert set(made.labels) == {name for name, part in zip(NAMES, share, strict=True) if part >= LEAST_SHARE}
        assert made.labels


def test_spectra_distinguish_water_woods_and_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    sea = _only("Sea and ocean", "Finland", 7, monkeypatch)
    wood = _only("Broad-leaved forest", "Serbia", 7, monkeypatch)
    needles = _only("Coniferous forest", "Finland", 7, monkeypatch)
    winter = _only("Broad-leaved forest", "Serbia", 1, monkeypatch)
    nir, red, swir = (INDEX[name] for name in ("B08", "B04", "B11"))

    def mean(made: Landscape, band: int) -> float:
        return float(made.reflectance[band].mean())

    assert mean(sea, nir) < 0.02
    assert mean(sea, swir) < 0.02
    # 1,500 to 1,900 DN for conifers, 3,000 and more for leaves in the real patches.
    assert 0.11 < mean(needles, nir) < 0.23 < mean(wood, nir)
    assert mean(wood, nir) > 5 * mean(wood, red)
    assert mean(winter, nir) < 0.7 * mean(wood, nir)
    assert sea.radar[0].mean() < wood.radar[0].mean() - 5
    assert wood.radar[1].mean() < wood.radar[0].mean() - 3
    # Speckle of 4.4 looks: about 2 dB.
    assert 1.2 < float(wood.radar[0].std()) < 3.5


def test_mean_spectrum_is_near_that_of_bigearthnet() -> None:
    # Means of the data set's statistics; its snow and clouds are not in ours.
    real = {"B02": 430, "B03": 614, "B04": 590, "B08": 2219, "B8A": 2266, "B11": 1594, "B12": 1009}
    rng = np.random.default_rng(0)
    share = np.array([sum(country.patches) for country in COUNTRIES.values()]) / PATCHES
    total = np.zeros(13)
    for index in range(40):
        country = str(rng.choice(list(COUNTRIES), p=share))
        acquisition = Acquisition("SIM", country, date(2017, 1 + index % 12, 10), index)
        total += landscape(acquisition, np.random.default_rng(index)).reflectance.mean((1, 2)) * 10_000 / 40
    for name, mean in real.items():
        assert 0.6 * mean < total[INDEX[name]] < 1.5 * mean, name


def test_sun_is_low_in_winter_and_in_the_south_east() -> None:
    summer, winter = (Acquisition("SIM", "Austria", date(2017, month, 21), 0).sun for month in (6, 12))
    assert np.degrees(summer[0]) == pytest.approx(61, abs=4)
    assert np.degrees(winter[0]) == pytest.approx(17, abs=4)
    assert 120 < np.degrees(winter[1]) < 180


def test_noise_is_standardised() -> None:
    field = noise(np.random.default_rng(0), 2.0, 20.0, 40)
    assert field.shape == (40, 120, 120)
    assert float(field.std()) == pytest.approx(1, abs=0.05)


def test_parcels_are_of_the_requested_size_and_curves_are_thin() -> None:
    rng = np.random.default_rng(0)
    sizes = []
    for _ in range(5):
        land = parcels(rng, 12.0)
        pixels = np.bincount(land.index.ravel(), minlength=land.count)
        sizes.append(pixels[pixels > 0].mean())
        assert land.edge.min() >= -0.01
    assert 0.5 < np.mean(sizes) / 12**2 < 2.5
    near = curve(rng, 10.0) < 1
    assert 0.005 < near.mean() < 0.06


def test_division_gives_each_cover_about_its_share() -> None:
    shares = np.array([0.6, 0.3, 0.1])
    given = divide(noise(np.random.default_rng(3), 3.5, 60.0, 3), shares)
    np.testing.assert_allclose(np.bincount(given.ravel()) / given.size, shares, atol=0.06)


def _only(name: str, country: str, month: int, monkeypatch: pytest.MonkeyPatch) -> Landscape:
    monkeypatch.setattr("unclouded.data.landscapes.landscape.draw", lambda zone, rng: ("farmland", (name,)))
    return landscape(Acquisition("SIM", country, date(2017, month, 15), 0), np.random.default_rng(0))
