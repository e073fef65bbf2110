"""`unclouded report` without a browser: what the page holds, what it may weigh, and what is refused."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import made_pages
import numpy as np
import pytest
import rasterio
from PIL import Image
from rasters import item, write
from rasters import pixels as pixels_of
from typer.testing import CliRunner

from unclouded.cli import app
from unclouded.files import sha256_of
from unclouded.reading import preview, quality, reader
from unclouded.reading.files import pixels
from unclouded.reading.scene_pair import ScenePair
from unclouded.report import previews
from unclouded.report.previews import in_colour
from unclouded.shares import percent

GIVEN = ["--level", "L2A", "--offset", "0"]


def report(*inputs: object, output: Path):
    return CliRunner().invoke(app, ["report", *map(str, inputs), "--output", str(output), *GIVEN])


def written(tmp_path: Path, *inputs: object) -> str:
    output = tmp_path / "page.html"
    result = report(*inputs, output=output)
    assert result.exit_code == 0, result.output
    return output.read_text()


def saved(path: Path, record: object) -> Path:
    path.write_text(json.dumps(record))
    return path


class Elements(HTMLParser):
    """All start tags, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.found if name == tag]


def test_everything_is_on_one_page_that_loads_nothing(tmp_path: Path) -> None:
    html = written(
        tmp_path,
        made_pages.write_scene(tmp_path),
        made_pages.write_run(tmp_path / "run"),
        saved(tmp_path / "lc.json", made_pages.land_cover_record()),
        saved(tmp_path / "pairs.json", made_pages.pairs_record()),
    )
    page = Elements(html)
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {"scenes", "classifiers", "pairs", "runs", "provenance"} <= set(ids)
    assert all(link["href"].startswith(("#", "data:")) for link in page.of("a") + page.of("link"))
    assert all(link["href"][1:] in ids for link in page.of("a"))
    assert not re.search(r"(?:src|href)=\"?https?:|url\(|@import", html)
    assert all(image["src"].startswith("data:image/webp;base64,") and image["alt"] for image in page.of("img"))
    # Before and after in natural colour and near infrared, and three layers.
    assert len(page.of("img")) == 7
    assert all("aria-label" in entry for entry in page.of("input") if entry["type"] == "range")
    assert html.count("<caption>") == len(page.of("table"))
    assert "prefers-color-scheme: dark" in html
    for text in ("0.85", "0.630", "1,234", "seed 7", "w" * 64, "d" * 64, sha256_of(tmp_path / "clear.tif"), "Pastures"):
        assert text in html
    assert "Airports" not in html


def test_worst_and_best_are_listed_and_lead_to_their_scene(tmp_path: Path) -> None:
    scene = made_pages.write_scene(tmp_path)
    record = made_pages.pairs_record()
    record["sha256"]["image11"]["predicted"] = sha256_of(tmp_path / "clear.tif")
    html = written(tmp_path, scene, saved(tmp_path / "pairs.json", record))
    worst, best = (html.index(f"<caption>The {which} images") for which in ("worst", "best"))
    assert re.findall(r"image\d\d", html[worst:best]) == [f"image{n:02}" for n in (11, 10, 9, 8, 7)]
    assert re.findall(r"image\d\d", html[best:])[:5] == [f"image{n:02}" for n in range(5)]
    assert '<a href="#scene-1">image11</a>' in html


def test_a_run_shows_its_best_worst_and_last_validation(tmp_path: Path) -> None:
    html = written(tmp_path, made_pages.write_run(tmp_path / "run"))
    table = html[html.index("<caption>Best, worst and last") :]
    cells = re.findall(r"<(?:th scope=\"row\"|td)[^>]*>([^<]*)<", table[: table.index("</table>")])
    rows = [[cell.strip() for cell in cells[start : start + 3]] for start in range(0, len(cells), 6)]
    assert rows == [["smallest distance", "200", "40"], ["largest distance", "300", "120"], ["last", "300", "120"]]
    assert html.count('role="img"') == 3


def test_a_run_stands_beside_the_papers_numbers_and_does_not_read_as_the_papers(tmp_path: Path) -> None:
    html = written(tmp_path, made_pages.write_run(tmp_path / "paper"))
    table = html[html.index("<caption>Fréchet distance to clear images") :]
    cells = re.findall(r"<(?:th scope=\"row\"|td)[^>]*>([^<]*)<", table[: table.index("</table>")])
    assert [cell.strip() for cell in cells[:4]] == ["As published", "228", "106", "0.46"]
    assert [cell.strip() for cell in cells[7:11]] == ["Measured in this run", "200", "120", "0.60"]
    assert "<h3>Our run in the folder paper</h3>" in html
    meanings = html[html.index("<caption>What each quantity means") :]
    meanings = meanings[: meanings.index("</table>")]
    for name in ("frechet", "floor", "coverage", "alarm", "cycle"):
        assert f">{name}</th>" in re.sub(r"\s+", "", meanings)


def test_reference_lines_are_visible_with_one_validation_and_distances_begin_at_zero(tmp_path: Path) -> None:
    html = written(tmp_path, made_pages.write_run(tmp_path / "run", measurings=1))
    chart = html[html.index("<figcaption>Fréchet distance to clear images") :]
    chart = chart[: chart.index("</figure>")]
    lines = re.findall(r'class="series s\d dashed" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', chart)
    assert len(lines) == 2
    assert all(float(end) - float(start) > 600 and first == last for start, first, end, last in lines)
    assert ">0</text>" in chart[: chart.index('class="axis"')]


def test_the_figures_of_a_run_are_shown(tmp_path: Path) -> None:
    folder = made_pages.write_run(tmp_path / "run")
    (folder / "figures").mkdir()
    for name in ("figure_1a", "figure_2b"):
        Image.new("RGB", (30, 20)).save(folder / "figures" / f"{name}.png")
    html = written(tmp_path, folder)
    assert len(Elements(html).of("img")) == 2
    assert "Figure 2b: the same after clearing" in html


def test_both_images_have_one_stretch(tmp_path: Path) -> None:
    before, after = np.full((3, 2, 4), 0.05, np.float32), np.linspace(0, 0.4, 24, dtype=np.float32).reshape(3, 2, 4)
    before[:, 0, 0] = 0.9
    names = ("B04", "B03", "B02")
    first, second = (np.asarray(image) for image in in_colour((before, after), names, after))
    (same,) = (np.asarray(image) for image in in_colour((after,), names, after))
    assert (same == second).all()
    assert (first[0, 0] == 255).all()


def test_names_and_texts_are_escaped(tmp_path: Path) -> None:
    record = made_pages.land_cover_record("<script>alert(1)</script>")
    record["per_class"]["<img src=x onerror=alert(2)>"] = record["per_class"]["Pastures"]
    html = written(tmp_path, saved(tmp_path / "a&b.json", record))
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "a&amp;b.json" in html


def test_twenty_scenes_of_noise_stay_under_ten_megabytes(tmp_path: Path) -> None:
    pairs = [made_pages.write_scene(tmp_path, f"s{number}", side=600, seed=number) for number in range(20)]
    html = written(tmp_path, *pairs)
    assert len(Elements(html).of("img")) == 100
    assert len(html.encode()) <= 10_000_000


def test_bands_can_be_chosen_on_the_page_where_there_is_room_for_them(tmp_path: Path) -> None:
    pair = made_pages.write_scene(tmp_path)
    choices = re.compile(r"<option value=\"\d\">([^<]+)</option>")
    natural, infrared = "natural colour (B04 B03 B02)", "near infrared (B08 B04 B03)"
    assert choices.findall(written(tmp_path, pair)) == [natural, infrared]
    (tmp_path / "page.html").unlink()
    assert choices.findall(written(tmp_path, pair, "--composite", "infrared")) == [infrared, natural]
    (tmp_path / "page.html").unlink()
    many = [made_pages.write_scene(tmp_path, f"s{number}", side=16) for number in range(9)]
    assert choices.findall(written(tmp_path, *many)) == []


def test_a_composite_that_the_input_lacks_is_not_offered(tmp_path: Path) -> None:
    made_pages.write_scene(tmp_path)
    with rasterio.open(tmp_path / "clear_input.tif") as file:
        profile, pixels = file.profile, file.read([1, 2, 3])
    with rasterio.open(tmp_path / "rgb.tif", "w", **(profile | {"count": 3})) as file:
        file.write(pixels)
        file.descriptions = made_pages.BANDS[:3]
    html = written(tmp_path, f"{tmp_path}/rgb.tif={tmp_path}/clear.tif")
    assert "<option" not in html and len(Elements(html).of("img")) == 5


def test_results_of_one_input_stand_side_by_side(tmp_path: Path) -> None:
    pair = made_pages.write_scene(tmp_path)
    for end in (".tif", "_quality.tif"):
        (tmp_path / f"other{end}").write_bytes((tmp_path / f"clear{end}").read_bytes())
    html = written(tmp_path, pair, f"{tmp_path}/clear_input.tif={tmp_path}/other.tif")
    assert 'aria-label="Results of one input, side by side"' in html
    assert len(Elements(html).of("img")) == 16


def test_the_stac_item_lists_the_inputs_of_a_scene(tmp_path: Path) -> None:
    made_pages.write_scene(tmp_path)
    links = [{"rel": "derived_from", "href": "./clear_input.tif"}]
    saved(tmp_path / "clear.json", {"type": "Feature", "links": links})
    html = written(tmp_path, tmp_path / "clear.tif", tmp_path / "clear.json", tmp_path / "clear_quality.tif")
    assert html.count("data-scene>") == 1
    assert "made of clear_input.tif" in html


def test_date_share_and_threshold_are_at_the_top(tmp_path: Path) -> None:
    made_pages.write_scene(tmp_path, "shot_20240511")
    links = [{"rel": "derived_from", "href": "./shot_20240511_input.tif"}]
    saved(tmp_path / "shot_20240511.json", {"links": links, "properties": {"unclouded:threshold": 0.2}})
    html = written(tmp_path, tmp_path / "shot_20240511.tif")
    assert "2024-05-11, L2A, 25.0% replaced; made of shot_20240511_input.tif" in html
    (mark,) = re.findall(r'<span class="mark" style="left:([\d.]+)%">', html)
    assert mark == "20.0"
    # A phone shows rows as cards, with the names of the columns.
    assert '<td data-column="Kind">cleared scene</td>' in re.sub(r"\s+<", "<", html)


@pytest.mark.parametrize(
    ("share", "words"), [(0, "0.0%"), (1e-6, "under 0.1%"), (0.00051, "0.1%"), (0.5, "50.0%"), (1, "100.0%")]
)
def test_a_share_that_is_there_is_never_called_nothing(share: float, words: str) -> None:
    assert percent(share) == words


def test_a_scene_without_threshold_has_no_mark(tmp_path: Path) -> None:
    html = written(tmp_path, made_pages.write_scene(tmp_path))
    assert 'class="mark"' not in html and "25.0% replaced; made of" in html


def test_scenes_are_read_at_the_size_of_the_preview_alone(tmp_path: Path, monkeypatch) -> None:
    pair = made_pages.write_scene(tmp_path, side=1000)
    shapes = []
    for module in (quality, pixels):
        whole = module.read_overview

        def spied(dataset, indexes, height, width, whole=whole, **how):
            shapes.append((height, width))
            return whole(dataset, indexes, height, width, **how)

        monkeypatch.setattr(module, "read_overview", spied)
    monkeypatch.setattr(reader.Scene, "read", lambda *window: pytest.fail("a window was read at full size"))
    monkeypatch.setattr(previews, "SIDE", 100)
    html = written(tmp_path, pair)
    assert shapes == [(100, 100)] * 5
    assert {(image["width"], image["height"]) for image in Elements(html).of("img")} == {("100", "100")}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", "{", "is not JSON"),
        ("a.json", "[1]", "holds a list"),
        ("a.json", '{"colour": 3}', "no record that can be shown"),
        ("a.json", '{"weights": {}, "samples": {}, "per_class": {}}', "not all of it is there"),
        ("a.tif", "text", "nothing beside it says what it was made of"),
        ("log.jsonl", "", "no finished line"),
    ],
)
def test_what_is_broken_or_unknown_is_one_line(tmp_path: Path, name: str, content: str, says: str) -> None:
    file = tmp_path / "given" / name
    file.parent.mkdir()
    file.write_text(content)
    result = report(file.parent if name == "log.jsonl" else file, output=tmp_path / "page.html")
    assert result.exit_code == 2
    lines = result.output.strip().splitlines()
    assert len(lines) == 1
    assert says in lines[0]
    assert name.split(".")[0] in lines[0]
    assert not (tmp_path / "page.html").exists()


def test_a_result_of_coarser_bands_alone_is_shown_beside_them(tmp_path: Path) -> None:
    ground = pixels_of(2, 40, 40, low=1000)
    write(tmp_path / "B02.tif", pixels_of(1, 80, 80, low=1000))
    for number, name in enumerate(("B8A", "B11")):
        write(tmp_path / f"{name}.tif", ground[number : number + 1], metres=20)
    hrefs = {name: {"href": f"{name}.tif"} for name in ("B02", "B8A", "B11")}
    before = item(tmp_path / "item.json", hrefs, **{"s2:processing_baseline": "02.06"})
    write(tmp_path / "clear.tif", ground, names=("B8A", "B11"), metres=20)
    quality = np.zeros((2, 40, 40), np.float32)
    write(tmp_path / "clear_quality.tif", quality, names=("opacity", "uncertainty"), metres=20, nodata=np.nan)
    shown = preview.read_preview(ScenePair(str(before), tmp_path / "clear.tif"), 40, reader.ReadOptions(offset=0))
    assert shown.before is not None and (shown.before == shown.after).all()


def test_of_a_folder_of_results_each_is_to_be_named(tmp_path: Path) -> None:
    made_pages.write_scene(tmp_path)
    result = report(tmp_path, output=tmp_path / "page.html")
    assert result.exit_code == 2 and "name results of `unclouded clear`" in result.output


def test_scenes_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    made_pages.write_scene(tmp_path, "one", side=96)
    made_pages.write_scene(tmp_path, "two", side=128)
    result = report(f"{tmp_path}/one_input.tif={tmp_path}/two.tif", output=tmp_path / "page.html")
    assert result.exit_code == 2
    assert "is not on the grid of" in result.output
    alone = report(tmp_path / "one.tif", output=tmp_path / "page.html")
    assert alone.exit_code == 2
    assert "before.tif=one.tif" in alone.output
