"""A handful of made-up images in the layout of the real collection."""

from pathlib import Path

import pytest
from tiny_run import SIDE, tiny_settings, write_collection

from unclouded.settings import TranslatorSettings
from unclouded.training import collection_source


@pytest.fixture(autouse=True)
def small_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train on small squares of the images of a collection."""
    monkeypatch.setattr(collection_source, "SIDE", SIDE)


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with six images and `listing.yaml`."""
    return write_collection(tmp_path_factory.mktemp("collection"))


@pytest.fixture
def tiny(made_up: Path) -> TranslatorSettings:
    """Settings of a run that takes seconds, with every term switched on."""
    return tiny_settings(made_up)
