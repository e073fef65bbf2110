"""What a later run takes up of an interrupted one, and what it refuses or does again."""

from __future__ import annotations

import itertools

import pytest
from scenes import MemoryScene, active_generator, clear_scene, ground

from unclouded.errors import InputError, OutputExistsError
from unclouded.writing.journal import Journal, finished_rows

FOUR = ("B02", "B03", "B04", "B08")
OPTIONS = {"tile": 32, "samples": 2}


@pytest.fixture(scope="module")
def active():
    return active_generator()


@pytest.fixture
def scene():
    return MemoryScene(ground(4, 120, 40), FOUR, "L2A")


class Watched(MemoryScene):
    """Counts what is read, and fails at a read."""

    def __init__(self, *arguments, fail_at=0):
        super().__init__(*arguments)
        self.reads, self._fail_at, self._calls = [], fail_at, itertools.count(1)

    def read(self, row, column, height, width):
        if next(self._calls) == self._fail_at:
            raise KeyboardInterrupt
        self.reads.append(row)
        return super().read(row, column, height, width)


@pytest.fixture
def interrupted(active, scene, tmp_path):
    """The folder of a run that finished two of its four rows of tiles, of two tiles each."""
    with pytest.raises(KeyboardInterrupt):
        clear_scene(Watched(scene.dn, FOUR, "L2A", fail_at=7), active, tmp_path / "out.tif", **OPTIONS)
    assert finished_rows(tmp_path / "out.tif") == 2
    return tmp_path / ".out.tif.partial"


def results(folder):
    # The STAC item says when its run was.
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".json"}


@pytest.fixture(scope="module")
def whole(active, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    cleared = clear_scene(MemoryScene(ground(4, 120, 40), FOUR, "L2A"), active, folder / "out.tif", **OPTIONS)
    return results(folder), cleared


def goes_on(active, scene, tmp_path, whole, tiles, **options):
    """Clear again, check the result, and that of the eight tiles only so many were read after the summary."""
    watched = Watched(scene.dn, FOUR, "L2A")
    cleared = clear_scene(watched, active, tmp_path / "out.tif", **OPTIONS | options)
    assert results(tmp_path) == whole[0]
    assert cleared.changed == whole[1].changed
    assert len(watched.reads) == 1 + tiles


def test_finished_rows_are_not_cleared_again(active, scene, interrupted, tmp_path, whole):
    goes_on(active, scene, tmp_path, whole, tiles=4)


def test_overwriting_resumes_the_same_work(active, scene, interrupted, tmp_path, whole):
    goes_on(active, scene, tmp_path, whole, tiles=4, overwrite=True)


@pytest.mark.parametrize("name", ["00000000_0.tif", "00000032_1.tif"])
def test_a_strip_that_is_cut_short_or_gone_is_cleared_again(active, scene, interrupted, tmp_path, whole, name):
    (interrupted / name).write_bytes((interrupted / name).read_bytes()[:-50])
    goes_on(active, scene, tmp_path, whole, tiles=6)


@pytest.mark.parametrize(
    "change, tiles", [(lambda held: held[:-1], 6), (lambda held: b"", 8), (lambda held: held[9:], 8)]
)
def test_only_whole_lines_of_the_journal_count(active, scene, interrupted, tmp_path, whole, change, tiles):
    journal = interrupted / "journal"
    journal.write_bytes(change(journal.read_bytes()))
    goes_on(active, scene, tmp_path, whole, tiles)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"samples": 3}, r"samples \(2 then, 3 now\)"),
        ({"seed": 5}, r"seed \(0 then, 5 now\)"),
        ({"threshold": 0.5}, r"threshold \(0.1 then, 0.5 now\)"),
        ({"tile": 64}, r"tile \(32 then, 64 now\)"),
    ],
)
def test_other_settings_are_refused_by_name_and_nothing_is_lost(active, scene, interrupted, tmp_path, options, message):
    before = results(interrupted)
    with pytest.raises(OutputExistsError, match=rf"out\.tif: .*{message}.*--overwrite to start over"):
        clear_scene(scene, active, tmp_path / "out.tif", **OPTIONS | options)
    assert results(interrupted) == before


def test_other_weights_bands_level_radar_and_pixels_are_refused(active, scene, interrupted, tmp_path):
    class Radar:
        def read(self, row, column, height, width):
            return ground(2, height, width).astype("float32")

    changed = scene.dn.copy()
    changed[2, 100, 30] += 1
    before = results(interrupted)
    for what, source, generator, radar in (
        ("weights", scene, active_generator(1), None),
        ("bands", MemoryScene(scene.dn, ("B02", "B03", "B04", "B8A"), "L2A"), active, None),
        ("level", MemoryScene(scene.dn, FOUR, "L1C"), active, None),
        ("radar", scene, active, Radar()),
        ("pixels", MemoryScene(changed, FOUR, "L2A"), active, None),
    ):
        with pytest.raises(OutputExistsError, match=rf"otherwise: {what}"):
            clear_scene(source, generator, tmp_path / "out.tif", radar=radar, **OPTIONS)
        assert results(interrupted) == before


def test_overwriting_starts_anew_with_other_pixels(active, scene, interrupted, tmp_path):
    changed = scene.dn + 1
    watched = Watched(changed, FOUR, "L2A")
    clear_scene(watched, active, tmp_path / "out.tif", overwrite=True, **OPTIONS)
    assert len(watched.reads) == 1 + 8
    assert sorted(results(tmp_path)) == ["out.tif", "out_quality.tif"]


def test_an_error_before_anything_is_finished_leaves_nothing(active, tmp_path):
    with pytest.raises(InputError):
        clear_scene(MemoryScene(ground(4, 40, 40) * 0, FOUR, "L2A"), active, tmp_path / "out.tif", **OPTIONS)
    assert not list(tmp_path.iterdir())


def test_a_file_of_the_user_is_not_taken_for_a_half_named_output(active, scene, interrupted, tmp_path):
    (tmp_path / "out_quality.tif").write_text("mine")
    assert not Journal(interrupted).outputs
    with pytest.raises(OutputExistsError, match=r"out_quality\.tif: is already there"):
        clear_scene(scene, active, tmp_path / "out.tif", **OPTIONS)
    assert (tmp_path / "out_quality.tif").read_text() == "mine"
