"""Contact sheets: every patch is on them, under its row's title."""

from pathlib import Path

import numpy as np
from matplotlib.image import imread

from unclouded.data.archive import Archive, encode
from unclouded.data.archive_writer import ArchiveWriter
from unclouded.data.examples import examples
from unclouded.data.landscapes.simulation import jobs, load
from unclouded.report.contact_sheet import contact_sheet, in_colour


def test_images_are_in_order_and_long_rows_wrap(tmp_path: Path) -> None:
    images = [np.full((30, 30, 3), value, np.float32) for value in (0.2, 0.4, 0.6)]
    contact_sheet({"three": images, "none": []}, tmp_path / "sheet.png", wide=2)
    sheet = imread(tmp_path / "sheet.png")
    assert sheet.shape[:2] == (20 + 2 * 33, 2 * 33)
    for value, row, column in ((0.2, 35, 15), (0.4, 35, 48), (0.6, 68, 15), (1.0, 68, 48)):
        np.testing.assert_allclose(sheet[row, column, :3], value, atol=0.01)


def test_sheet_of_an_archive(tmp_path: Path) -> None:
    with ArchiveWriter(tmp_path / "archive") as writer:
        for loaded in map(load, jobs(4, 0, cloudy=0.5)):
            writer.put({key: encode(tensors) for key, tensors in loaded.values.items()}, [loaded.row])
        writer.finish()
    with Archive(tmp_path / "archive") as archive:
        shown = examples(archive, 2)
    rows = {title: [in_colour(patch) for patch in patches] for title, patches in shown.patches.items()}
    contact_sheet(rows | shown.truth, tmp_path / "sheet.png", wide=2)
    # Y, X, the clear twins, opacity and shadow: five rows of two patches.
    assert imread(tmp_path / "sheet.png").shape[:2] == (5 * (20 + 123), 2 * 123)
