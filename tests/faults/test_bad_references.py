"""Each reference that cannot help, through the command line: refused in one line, or named in a note and not used."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from rasters import OLD, write
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from unclouded.cli import app

FOUR = ("B02", "B03", "B04", "B08")
HEIGHT, WIDTH = 96, 128
COVERED = np.hypot(*(np.indices((HEIGHT, WIDTH)) - np.array([45, 60])[:, None, None])) < 25


def land(seed: int, count: int = 4) -> np.ndarray:
    """Reflectance (count, h, w) of dull ground."""
    rng = np.random.default_rng(0)
    kinds = np.stack([gaussian_filter(rng.normal(size=(HEIGHT, WIDTH)), 2) for _ in range(3)])
    kinds /= kinds.std(axis=(1, 2), keepdims=True)
    mixed = np.einsum("ck,kij->cij", np.random.default_rng(seed).normal(size=(count, 3)), kinds)
    level = np.array([0.05, 0.08, 0.09, 0.25, 0.2, 0.15])[:count, None, None]
    return (level + 0.008 * mixed).astype(np.float32)


def save(folder, name, reflectance, names=FOUR, offset=0, **options):
    dn = np.where(reflectance > 0, np.rint(reflectance * 1e4) + offset, 0).astype(np.uint16)
    return write(folder / f"{name}.tif", dn, names=names, nodata=0, **options)


@pytest.fixture
def scene(tmp_path):
    return save(tmp_path, OLD.format(level="L2A"), np.where(COVERED, 0.7, land(0)))


@pytest.fixture
def mask(tmp_path):
    return write(tmp_path / "mask.tif", COVERED[None].astype(np.uint8))


def clear(folder, weights, scene, mask, references):
    output = folder / "result" / "clear.tif"
    output.parent.mkdir(exist_ok=True)
    given = [argument for path in references for argument in ("--reference", path)]
    arguments = ["clear", scene, "--output", output, "--model", weights, "--mask", mask, "--mask-only", *given]
    return output, CliRunner().invoke(app, [str(argument) for argument in (*arguments, "--json")])


def apart(folder):
    return save(folder, "apart_L2A", land(1), transform=rasterio.Affine(10, 0, 900_000, 0, -10, 5_000_000))


def text(folder):
    path = folder / "notes.tif"
    path.write_text("not an image")
    return path


def cut(folder):
    path = save(folder, "cut_L2A", land(1))
    path.write_bytes(path.read_bytes()[:2000])
    return path


def leftover_tag(folder):
    return write(folder / "leftover_L2A.tif", land(1), names=FOUR, scales=[1e-4] * 4)


def per_cent(folder, **options):
    return write(folder / "per_cent_L2A.tif", land(1).round(4) * 100, names=FOUR, **options)


def of_browser(folder):
    return write(folder / "browser_L2A.tif", (land(1) * 65535).astype(np.uint16), names=FOUR)


def taken_twice(folder):
    return write(folder / "twice_L2A.tif", (land(1) * 1e4 - 1000).astype(np.int16), names=FOUR)


REFUSED = {"no overlap": (apart, "does not overlap"), "text": (text, "is not"), "cut short": (cut, "cut short"),
           "missing": (lambda folder: folder / "missing.tif", "no such file"),
           "tag left over": (leftover_tag, "gdal_edit.py"), "per cent": (per_cent, "gdal_edit.py"),
           "16 bits of a browser": (of_browser, "gdal_edit.py"),
           "offset off twice": (taken_twice, "gdal_edit.py")}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_date_of_the_place_is_refused_in_one_line(name, weights, scene, mask, tmp_path) -> None:
    make, message = REFUSED[name]
    path = make(tmp_path)
    output, done = clear(tmp_path, weights, scene, mask, [path])
    assert done.exit_code == 2, done.output
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and path.name in lines[0] and message in lines[0]
    assert not list(output.parent.iterdir())


NAMED = {
    "all no-data": (lambda folder: save(folder, "empty_L2A", 0 * land(1)), "no ground", False),
    "cloudy all over": (lambda folder: save(folder, "overcast_L2A", 0 * land(1) + 0.8), "", False),
    "1,000 DN off, undeclared": (lambda folder: save(folder, "off_L2A", land(1), offset=1000), "offset -1000", True),
    "1,000 DN off, declared wrongly": (
        lambda folder: save(folder, OLD.format(level="L2A").replace("0510", "0520"), land(1), offset=1000),
        "seem to hold 1,000 that is not said; correct it",
        None,
    ),
    "without a common band": (
        lambda folder: save(folder, "others_L2A", land(1, 6)[2:4], names=("B8A", "B11")), None, True
    ),
    "level unknown": (lambda folder: save(folder, "nameless", land(1)), "level assumed", True),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_doubtful_references_are_reported(name, weights, scene, mask, tmp_path) -> None:
    make, message, used = NAMED[name]
    path = make(tmp_path)
    output, done = clear(tmp_path, weights, scene, mask, [path])
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout.splitlines()[-1])
    print(record["references"], record["sources"])
    lines = [line for line in record["references"] if path.name in line]
    if message is not None:
        assert any(message in line for line in lines), record["references"]
    assert used is None or (record["sources"].get(str(path), 0) > 0) == used
    assert output.exists()


def right(folder):
    return save(folder, "right_L2A", land(1))


def named(baseline):
    return OLD.format(level="L2A").replace("N0206", baseline)


ALIKE = {
    "per cent, declared by a tag": lambda folder: per_cent(folder, scales=[0.01] * 4),
    "a name that does not tell": lambda folder: save(folder, named("N9999"), land(1)),
    "a name that tells wrongly": lambda folder: save(folder, named("N0510"), land(1)),
}


@pytest.mark.parametrize("of_scene", ["N0206", "N0510"])
@pytest.mark.parametrize("name", ALIKE)
def test_the_encoding_of_a_reference_is_by_its_own_pixels(name, of_scene, weights, mask, tmp_path) -> None:
    name_of_scene = named(of_scene).replace("0510T", "0501T")
    scene = save(tmp_path, name_of_scene, np.where(COVERED, 0.7, land(0)), offset=1000 * (of_scene == "N0510"))
    results = []
    for number, make in enumerate((right, ALIKE[name])):
        folder = tmp_path / str(number)
        folder.mkdir()
        output, done = clear(folder, weights, scene, mask, [make(folder)])
        assert done.exit_code == 0, done.output
        with rasterio.open(output) as file:
            results.append(file.read().astype(np.float64))
        record = json.loads(done.stdout.splitlines()[-1])
        assert max(share for path, share in record["sources"].items() if path != "guessed") > 0
        assert not any("every band" in note or "offset -1000" in note for note in record["references"])
    assert abs(results[1] - results[0]).mean() < 0.5


def test_a_reference_without_names_has_the_bands_that_the_scene_is_given(weights, mask, tmp_path) -> None:
    scene = save(tmp_path, "scene_L2A", np.where(COVERED, 0.7, land(0)), names=None)
    output, other = tmp_path / "x.tif", save(tmp_path, "other_L2A", land(1), names=None)
    result = CliRunner().invoke(
        app,
        ["clear", str(scene), "--reference", str(other), "--band-names", ",".join(FOUR), "--output", str(output),
         "--model", str(weights), "--mask", str(mask), "--mask-only", "--json"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["sources"][str(other)] > 0


def test_the_same_date_twice_counts_once(weights, scene, mask, tmp_path) -> None:
    paths = [save(tmp_path, f"{name}_L2A", land(1)) for name in ("first", "copy")]
    _, done = clear(tmp_path, weights, scene, mask, paths)
    record = json.loads(done.stdout.splitlines()[-1])
    assert any("copy_L2A.tif: the same image as" in line for line in record["references"])
    assert record["sources"][str(paths[0])] > 0 and record["sources"][str(paths[1])] == 0


def test_the_scene_itself_is_named(weights, scene, mask, tmp_path) -> None:
    _, done = clear(tmp_path, weights, scene, mask, [scene])
    assert (done.exit_code == 2 and "the scene itself" in done.stderr) or any(
        "the scene itself" in line for line in json.loads(done.stdout.splitlines()[-1])["references"]
    )


def test_assumptions_shared_by_many_are_reported_once(weights, scene, mask, tmp_path) -> None:
    paths = [save(tmp_path, f"nameless_{number}", land(1 + number) + 0.1) for number in range(3)]
    _, done = clear(tmp_path, weights, scene, mask, paths)
    lines = [line for line in json.loads(done.stdout.splitlines()[-1])["references"] if "taken for scale" in line]
    assert len(lines) == 1 and lines[0].startswith(f"{paths[0]} and 2 other references: ")


@pytest.mark.slow
def test_of_two_hundred_dates_all_are_read_and_few_are_used(weights, scene, mask, tmp_path) -> None:
    # No ground is black: pixels cut off at 0 in some bands would be refused.
    paths = [save(tmp_path, f"date{number}_L2A", land(number).clip(0.01)) for number in range(1, 201)]
    output, done = clear(tmp_path, weights, scene, mask, paths)
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout.splitlines()[-1])
    used = [path for path in paths if record["sources"].get(str(path), 0) > 0]
    assert output.exists() and 1 <= len(used) <= 6
