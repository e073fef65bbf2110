"""What hides the ground and what does not: detectors side by side, place by place.

    python benchmarks/detection.py [--weights NAME|PATH] [--data ../shared/data] [--page docs/detection.md]
                                   [--pictures DIR] [--json FILE]

`ours` is what `unclouded mask` writes of an image, `csmask alone` the networks that it asks, run as it does; beside
them `s2cloudless` (where the input has its bands; no shadow), and the product's own scene classification `SCL` (its
classes 3, 8, 9 and 10). Where there is an SCL, `ours with SCL` joins it, as the commands do by themselves; of clear
images `ours, four bands` is what is left of them when B02, B03, B04 and B08 are all that there is. Of each reference
recall and precision in percent, of all images of a place together, then the mean over places. References:

- the masks of the SEN12MS-CR triplets know cloud alone: all that is found counts, so shadow that is found is wrong;
- the pairs' clear side, which is of another day: cloud is 0.04 brighter in the visible, shadow 0.08 darker in the near
  infrared, and pixels that differ a little count for nothing;
- the same on days of one Belgian site, against the median of its five nearest clear days;
- SCL of two more Belgian sites, where it is seldom wrong: classes 3, 8 and 9 against 4 and 5;
- the mask of csmask's own test image, which may be an answer of its earlier version: no independent judge;
- simulated skies over clear images, where the truth is exact and the clouds are not real.

Then the share of clear images that stays untouched (those that settings/collection.yaml lists, of at least 46 pixels
and at most 3 of a place, and those of the validation pairs), and the visible pairs as in `pairs.py`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from comparison import DATA, OURS, Candidates, table
from detected import Cleared, Found, Mask, clear, others
from detection_references import SURE, Reference, clear_images, references, snowy
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pairs import FOUR, cloud_masks, load_pairs, place
from places import Image

from unclouded.bands import L1C
from unclouded.models.generator import Generator
from unclouded.models.observation import CELL
from unclouded.models.weights import load_generator

_MARKS = "<!-- begin of the tables -->", "<!-- end of the tables -->"
"""Of a page, what stands between them is written anew."""

_COLUMNS = ("cloud or shadow", "cloud", "shadow")


def measure_references(found: Iterable[Reference], generator: Generator) -> dict[str, dict[str, dict[str, Any]]]:
    """Recall and precision by kind of reference, detector and place: six numbers in percent, NaN where none is."""
    counts: dict[tuple[str, str, str], NDArray[np.int64]] = {}
    for reference in found:
        image, started = reference.image, time.perf_counter()
        detectors = {"ours": clear(image, generator).found} | others(image, reference.scl)
        if reference.scl is not None:
            if reference.kind == SURE:
                del detectors["SCL"]  # the reference itself
            detectors["ours with SCL"] = clear(image, generator, reference.scl).found
        for name, made in detectors.items():
            key = reference.kind, name, image.place
            counts[key] = counts.get(key, 0) + _counts(made, reference)
        say(f"{reference.kind}: {image.name}, {time.perf_counter() - started:.1f} s")
    report: dict[str, dict[str, dict[str, Any]]] = {}
    for (kind, name, where), row in counts.items():
        scores = [_percent(row[i], row[i + part]) for i in (0, 3, 6) for part in (1, 2)]
        report.setdefault(kind, {}).setdefault(name, {})[where] = [*scores, int(row[9])]
    return report


def _counts(made: Found, reference: Reference) -> NDArray[np.int64]:
    """Right finds, all that is there and all that was found, of either, of cloud, of shadow; and one image."""
    cloud, shadow = reference.cloud, reference.shadow
    row = _count(made.either, cloud if shadow is None else cloud | shadow, reference.known)
    if shadow is None or made.shadow is None:
        row += [0] * 6
    else:
        row += _count(made.cloud, cloud, reference.known) + _count(made.shadow, shadow, reference.known)
    return np.array([*row, 1], np.int64)


def _count(made: Mask, truth: Mask, known: Mask) -> list[int]:
    return [int((made & truth & known).sum()), int((truth & known).sum()), int((made & known).sum())]


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else float("nan")


def _counted(number: int, name: str) -> str:
    return f"{number} {name}{'s' if number > 1 else ''}"


def reference_tables(report: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    """A table in Markdown for each kind of reference."""
    lines: list[str] = []
    for kind, by_detector in report.items():
        ours = by_detector["ours"]
        images = sum(scores[-1] for scores in ours.values())
        title = f"**{kind[0].upper()}{kind[1:]}**"
        lines += ["", f"{title}: N = {_counted(images, 'image')} of {_counted(len(ours), 'place')}", ""]
        lines.append("| recall / precision, % | " + " | ".join(_COLUMNS) + " | places |")
        lines.append("|---|" + "---|" * (len(_COLUMNS) + 1))
        for name, by_place in by_detector.items():
            scores = np.array([row[:6] for row in by_place.values()], np.float64)
            means = [column[np.isfinite(column)].mean() if np.isfinite(column).any() else np.nan for column in scores.T]
            cells = [
                f"{r:.1f} / {p:.1f}" if r == r and p == p else "" for r, p in zip(means[::2], means[1::2], strict=True)
            ]
            lines.append(f"| {name} | " + " | ".join(cells) + f" | {len(by_place)} |")
    return lines


def measure_untouched(
    found: list[Image], snow: set[str], generator: Generator, folder: Path | None
) -> tuple[list[str], dict[str, Any]]:
    """How much of clear images stays as it is, by detector: a table, and the shares by place of ours."""
    shares: dict[str, dict[str, list[float]]] = {}
    snowy_shares: dict[str, list[float]] = {}
    worst: list[tuple[float, Image, Cleared]] = []
    for number, image in enumerate(found, start=1):
        cleared = clear(image, generator)
        untouched = {"ours": float((cleared.opacity == 0).mean())}
        untouched["ours, four bands"] = float((clear(image.of_bands(FOUR), generator).opacity == 0).mean())
        untouched |= {name: float(1 - made.either.mean()) for name, made in others(image).items()}
        for name, share in untouched.items():
            if image.name in snow:
                snowy_shares.setdefault(name, []).append(share)
            shares.setdefault(name, {}).setdefault(image.place, []).append(share)
        worst = sorted([*worst, (untouched["ours"], image, cleared)], key=lambda one: one[0])[:16]
        if number % 20 == 0:
            say(f"clear images: {number} of {len(found)}")
    lines = ["", f"**Clear images untouched**: N = {len(found)} images of {len(shares['ours'])} places", ""]
    lines += ["| | mean of places, % | worst place | worst image | snow, mean | snow, worst | places | with snow |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for name, by_place in shares.items():
        means = [100 * float(np.mean(values)) for values in by_place.values()]
        least = 100 * min(min(values) for values in by_place.values())
        white = 100 * np.array(snowy_shares.get(name, [np.nan]))
        snowed = f"{white.mean():.1f} | {white.min():.1f}" if np.isfinite(white).all() else " | "
        row = f"| {name} | {np.mean(means):.2f} | {min(means):.1f} | {least:.1f} | {snowed} | {len(means)}"
        lines.append(f"{row} | {len(snowy_shares.get(name, []))} |")
    named = ", ".join(f"{image.name} {100 * share:.1f} %" for share, image, _ in worst[:6])
    lines += ["", f"Least untouched by ours: {named}."]
    if folder:
        draw_sheet([one[1:] for one in worst], folder / "detection_clear.png")
    return lines, {where: float(np.mean(values)) for where, values in shares["ours"].items()}


def measure_pairs(data: Path, generator: Generator, folder: Path | None) -> tuple[list[str], dict[str, Any]]:
    """The errors on the visible pairs, and the steps of opacity along the borders of cells."""
    pairs = list(load_pairs(data, "validation"))
    masks = cloud_masks([pair.cloudy for pair in pairs])
    rows: dict[str, list[Any]] = {}
    sheet, borders, elsewhere = [], 0.0, 0.0
    for pair, mask in zip(pairs, masks, strict=True):
        image = Image(pair.name, place(pair), pair.cloudy, L1C, "L1C")
        cleared = clear(image, generator)
        sheet.append((image, cleared))
        made = Candidates.of(pair.name, pair.cloudy, pair.clear, mask, {OURS: cleared.reflectance}, cleared.opacity)
        for name, errors in made.errors().items():
            rows.setdefault(name, []).append(errors)
        for steps in (np.abs(np.diff(cleared.opacity, axis=0)).T, np.abs(np.diff(cleared.opacity, axis=1))):
            at = np.arange(1, steps.shape[1] + 1) % CELL == 0
            borders, elsewhere = borders + steps[:, at].mean(), elsewhere + steps[:, ~at].mean()
    if folder:
        draw_sheet(sheet, folder / "detection_pairs.png")
    errors = table(rows, np.ones(len(pairs), bool), "Visible pairs")
    lines = ["", f"**Visible pairs**: N = {len(pairs)}", "", "| | PSNR | SSIM | angle | cloudy | elsewhere |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, mean in errors.items():
        shown = f"{mean['psnr']:.2f} | {mean['ssim']:.3f} | {mean['angle']:.2f} | {mean['cloudy']:.4f}"
        lines.append(f"| {name} | {shown} | {mean['elsewhere']:.4f} |")
    ratio = f"{borders / elsewhere:.2f}"
    lines += ["", f"Steps of the opacity along the borders of cells: {ratio} times those elsewhere."]
    return lines, errors | {"steps": float(borders / elsewhere)}


def draw_sheet(rows: list[tuple[Image, Cleared]], path: Path) -> None:
    """A PNG: image, opacity, classes and result, two images side by side."""
    high = -(-len(rows) // 2)
    figure = Figure(figsize=(17, 2.3 * high), layout="constrained")
    panels = figure.subplots(high, 8, squeeze=False).reshape(-1, 4)
    for axis in panels.flat:
        axis.set_axis_off()
    for row, (image, cleared) in zip(panels, rows, strict=False):
        colour = [image.bands.index(name) for name in ("B04", "B03", "B02")]
        bright = 0.3 if np.median(image.reflectance[colour]) < 0.2 else 0.6
        for axis, made in zip(row[::3], (image.reflectance, cleared.reflectance), strict=True):
            axis.imshow(np.clip(made[colour].transpose(1, 2, 0) / bright, 0, 1))
        row[1].imshow(cleared.opacity, vmin=0, vmax=1)
        row[2].imshow(cleared.found.cloud + 2 * cleared.found.shadow, vmin=0, vmax=2, cmap="viridis")
        row[0].set_title(image.name[:36], fontsize=9)
        row[1].set_title(f"opacity: {(cleared.opacity > 0).mean():.2f}", fontsize=9)
        row[2].set_title("clear, cloud, shadow", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=50)


def write_tables(page: Path, lines: list[str]) -> None:
    """Put tables into a page, between its marks."""
    before, _, rest = page.read_text().partition(_MARKS[0])
    _, mark, after = rest.partition(_MARKS[1])
    if not mark:
        raise SystemExit(f"{page}: has no {_MARKS[0]} and {_MARKS[1]}, between which the tables go")
    page.write_text("\n".join([before + _MARKS[0], *lines, "", _MARKS[1]]) + after)


def say(progress: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {progress}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", "--model", default="default")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--page", type=Path, help="a page of docs/ whose tables are written anew")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--pictures", type=Path)
    args = parser.parse_args()
    if args.page is not None and not args.page.is_file():
        parser.error(f"--page {args.page}: no such file; the tables go between the marks of a page that is there")
    started = time.perf_counter()
    generator, header = load_generator(args.weights)
    generator.eval()
    title = f"Weights {header.name}, {header.steps} steps, SHA-256 {header.sha256[:16]}"
    say(title)

    clear_ones = clear_images(args.data)
    say(f"{len(clear_ones)} clear images")
    by_reference = measure_references(references(args.data, clear_ones), generator)
    untouched, by_place = measure_untouched(clear_ones, snowy(args.data), generator, args.pictures)
    steps, pairs = measure_pairs(args.data, generator, args.pictures)
    lines = ["", f"{title}.", *reference_tables(by_reference), *untouched, *steps]
    print("\n".join(lines))
    say(f"{time.perf_counter() - started:.0f} s in all")
    if args.page:
        write_tables(args.page, lines)
    if args.json:
        report = {"weights": header.sha256, "references": by_reference, "untouched": by_place, "pairs": pairs}
        args.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
