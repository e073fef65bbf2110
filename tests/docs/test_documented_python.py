"""Every block of Python in the README and the documentation runs, one after the other of a page."""

from __future__ import annotations

import inspect
import re
import warnings

import pytest
from documented import PAGES, ROOT

import unclouded

_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
WITH_PYTHON = {page: found for page in PAGES if (found := _BLOCK.findall(page.read_text(encoding="utf-8")))}


@pytest.fixture(scope="module")
def folder(dates, tmp_path_factory):
    """What the blocks name: scenes, and stores with an axis of time."""
    pytest.importorskip("zarr", reason="needs the extra `cubes`")
    from dates import cube_of_dates  # which needs xarray

    made = tmp_path_factory.mktemp("documented")
    for name, date in zip(("scene.tif", "may.tif"), dates, strict=False):
        (made / name).symlink_to(date)
    cube = cube_of_dates()
    days = cube.isel(time=[0, 1, 2, 1]).assign_coords(time=[*cube.time.values[:2], *(cube.time.values[1:] + 10**15)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what zarr says of its own format
        for name in ("place.zarr", "dates.zarr"):
            days.to_dataset(name="reflectance").to_zarr(made / name)
    return made


def test_there_are_blocks():
    assert len(WITH_PYTHON) >= 6


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_PYTHON, ids=[str(page.relative_to(ROOT)) for page in WITH_PYTHON])
def test_the_blocks_of_a_page_run(page, folder, monkeypatch):
    asked = inspect.signature(unclouded.clear_area)

    def from_no_catalogue(*given, **options):
        asked.bind(*given, **options)
        return unclouded.clear_series(folder / "dates.zarr", level="L2A")

    monkeypatch.setattr(unclouded, "clear_area", from_no_catalogue)
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in WITH_PYTHON[page]:
            exec(compile(block, page.name, "exec"), names)
    assert names
