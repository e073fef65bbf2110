"""Cover that the detector misses or makes up, put right by another date, through the whole of `clear`."""

from __future__ import annotations

import numpy as np
import pytest
from dates import CLOUDS, HEIGHT, WIDTH, cube_of_dates

import unclouded
from unclouded.detection.csmask import CloudShadowNetwork

ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
FAR = 24
"""Pixels from the cloud beyond which nothing of its rim is left."""


def from_cloud(day):
    """Pixels (h, w) from the rim of the nearest cloud of a day, negative within."""
    return np.min([np.hypot(ROWS - row, COLUMNS - column) - radius for row, column, radius in CLOUDS[day]], axis=0)


def blinded(monkeypatch, answer):
    """Let the detector answer the same of every pixel: so sure of cloud, and of no shadow."""

    def detect(network, reflectance, factor):
        height, width = (-(-side // factor) for side in reflectance.shape[1:])
        return np.stack([np.full((height, width), value, np.float32) for value in (answer, 0.0)])

    monkeypatch.setattr(CloudShadowNetwork, "detect_small", detect)


@pytest.fixture(scope="module")
def given(detecting_weights):
    return {"level": "L2A", "model": detecting_weights, "precision": "fp32"}


def test_cloud_that_the_detector_misses_is_replaced_by_another_date(given, monkeypatch):
    blinded(monkeypatch, 0.0)
    cube = cube_of_dates()
    distance = from_cloud("20180503")
    alone = unclouded.clear(cube[0], **given)
    assert (alone.source == 0).all()
    cleared = unclouded.clear(cube[0], references=[cube[1]], **given)
    assert (cleared.source.values[distance < -4] == 2).all()
    assert (cleared.source.values[distance > FAR] == 0).all()
    ground = cube[1].values / 1.05
    assert abs(cleared.reflectance.values - ground)[:, distance < -4].mean() < 0.01


def test_the_scene_itself_under_another_name_is_no_evidence_of_its_cover(given, monkeypatch):
    blinded(monkeypatch, 0.8)
    cube = cube_of_dates()
    alone = unclouded.clear(cube[0], **given)
    assert (alone.source == 1).all()
    again = cube[0].rename("again")
    unsaid = again.drop_vars("time") + np.float32(1e-4)
    for same in (unsaid, again * np.float32(1.05)):  # as another processor makes it of the same acquisition
        cleared = unclouded.clear(cube[0], references=[same], **given)
        np.testing.assert_array_equal(cleared.source, alone.source)
    with pytest.warns(UserWarning, match="is of the scene's own overpass, and shows the same clouds"):
        unclouded.clear(cube[0], references=[again * np.float32(1.05)], **given)


def test_ground_that_the_detector_takes_for_cloud_stays_where_another_date_shows_it_clear(given, monkeypatch):
    cube = cube_of_dates()
    reference = cube[1]
    distance = from_cloud("20180518")
    detect = CloudShadowNetwork.detect_small

    def misled(network, reflectance, factor):
        found = detect(network, reflectance, factor)
        return found if found[0].max() < 0.5 else np.stack([np.ones_like(found[0]), np.zeros_like(found[0])])

    monkeypatch.setattr(CloudShadowNetwork, "detect_small", misled)
    alone = unclouded.clear(cube[2], **given)
    cleared = unclouded.clear(cube[2], references=[reference], **given)
    far = distance > FAR
    assert (alone.source.values[far] > 0).mean() > 0.1
    assert (cleared.source.values[far] == 0).mean() > 0.95
    np.testing.assert_array_equal(cleared.reflectance.values[:, far & (cleared.source.values == 0)],
                                  cube[2].values[:, far & (cleared.source.values == 0)])  # fmt: skip
    assert (cleared.source.values[distance < -4] == 2).all()
