"""A scene of known colours, before and after clearing, with its quality."""

import pytest
from map_scene import write_scene


@pytest.fixture
def scene(tmp_path):
    """The folder of before.tif, clear.tif and clear_quality.tif."""
    return write_scene(tmp_path)
