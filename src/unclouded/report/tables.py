"""Records as text tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

SETS = {
    "cleared": "cleared",
    "cloudy": "cloudy, as they are",
    "truth": "true ground of the same places",
    "same": "clear, of the same acquisitions",
    "other": "clear, any other",
}
_GROUPS = ("regions", "bands")
AVERAGES = {"samples": "per image", "micro": "all decisions", "macro": "per class"}


def translator_table(record: Mapping[str, Any]) -> str:
    """Format a record of `evaluation.suite.evaluate`."""
    archive, name = record["archive"], record["translator"]["name"]
    title = f"{name}, seen by {record['land_cover']['name']}: "
    title += f"{record['n']:,} cloudy and {record['n']:,} clear patches of {archive['split']}, seed {record['seed']}"
    paragraphs = [[title], _distances(record), _inception(record["inception"])]
    if record["paired"]:
        paragraphs.append(_paired(record["paired"]))
    if record["downstream"]:
        paragraphs.append(_downstream(record["downstream"]))
    if record["labels"]:
        paragraphs.append(_labels(record["labels"]))
    if record["notes"]:
        paragraphs.append([f"note: {note}" for note in record["notes"]])
    return "\n\n".join("\n".join(lines) for lines in paragraphs)


def _distances(record: Mapping[str, Any]) -> list[str]:
    heads = ("N", "Fréchet", "95% interval", "N -> inf", "KID x 1000", "precis.", "recall", "density", "cover.")
    lines = [f"{'against the clear patches':<33}" + _row(heads)]
    for key, row in record["distances"].items():
        interval = f"{_four(row['low'])} - {_four(row['high'])}" if math.isfinite(row["low"]) else "-"
        near = [_number(row[measure], 3) for measure in ("precision", "recall", "density", "coverage")]
        distances = (_four(row["frechet"]), interval, _four(row["extrapolated"]))
        lines.append(f"{SETS[key]:<33}" + _row((f"{row['n']:,}", *distances, _four(1000 * row["kernel"]), *near)))
    if record["floor"]:
        floor = (f"{record['floor']['n']:,}", _four(record["floor"]["frechet"]))
        lines.append(f"{'floor: halves of the clear ones':<33}" + _row((*floor, *[""] * 7)))
    return lines


def _inception(scores: Mapping[str, Any]) -> list[str]:
    lines = [f"{'inception score':<33}{'N':>8}{'labels':>10}{'at most':>10}{'softmax':>10}"]
    names = SETS | {"clear": "clear"}
    for key, row in scores.items():
        values = [_number(row.get(form, math.nan), 3) for form in ("multi_label", "highest", "softmax")]
        lines.append(f"{names[key]:<33}{row['n']:>8,}" + "".join(f"{value:>10}" for value in values))
    return lines


def _paired(paired: Mapping[str, Any]) -> list[str]:
    lines = [f"{'against the true ground, N = ' + format(paired['n'], ','):<33}{'cloudy':>10}{'cleared':>10}"]
    one, other = paired["cloudy"], paired["cleared"]

    def line(title: str, before: float, after: float) -> str:
        return f"{title:<33}{_number(before, 4):>10}{_number(after, 4):>10}"

    lines += [line(score, one[score], other[score]) for score in other if score in one and score not in _GROUPS]
    for group in _GROUPS:
        for name, row in other.get(group, {}).items():
            share = f" ({100 * row['share']:.0f}% of the pixels)" if "share" in row else ""
            if "mae" in row:
                lines.append(line(f"MAE {name}{share}", one[group][name]["mae"], row["mae"]))
    return lines


def _downstream(scores: Mapping[str, Any]) -> list[str]:
    heads = ("clear", "cloudy", "cleared", "won back")
    lines = [f"{'F1 of the classifier, N = ' + format(scores['n'], ','):<33}" + "".join(f"{h:>10}" for h in heads)]
    for key, title in AVERAGES.items():
        row = scores[key]
        won = "-" if not math.isfinite(row["won_back"]) else f"{100 * row['won_back']:.0f}%"
        lines.append(f"mean, {title:<27}" + "".join(f"{_number(row[h], 3):>10}" for h in heads[:3]) + f"{won:>10}")
    return lines


def _labels(labels: Mapping[str, Any]) -> list[str]:
    lines = [f"{'Fréchet distance by class':<48}{'cloudy N':>9}{'clear N':>9}{'cloudy':>10}{'cleared':>10}"]
    for name, row in sorted(labels.items(), key=lambda item: -item[1]["n_cloudy"]):
        values = (_four(row["cloudy"]), _four(row["cleared"]))
        lines.append(f"{name[:47]:<48}{row['n_cloudy']:>9,}{row['n_clear']:>9,}{values[0]:>10}{values[1]:>10}")
    return lines


def _row(values: tuple[str, ...]) -> str:
    widths = (8, 10, 20, 10, 12, 9, 9, 9, 9)
    return "".join(f"{value:>{width}}" for value, width in zip(values, widths, strict=True)).rstrip()


def _four(value: float) -> str:
    """Format with four significant digits."""
    return f"{value:.4g}" if math.isfinite(value) else "-"


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}" if math.isfinite(value) else "-"


def land_cover_table(
    name: str, threshold: float, scores: Mapping[str, Any], references: Mapping[str, Mapping[str, float]]
) -> str:
    """Format scores of a classifier as the paper's table, then class by class, the most frequent first.

    Args:
        name: of the classifier.
        threshold: of its predictions.
        scores: an `evaluation.land_cover_scores.ClassifierScores` as a dict.
        references: other classifiers' scores for comparison, by name.
    """
    columns = tuple(scores["samples"])

    def line(title: str, values: Mapping[str, float], end: str = "") -> str:
        return f"{title[:44]:<44}" + "".join(f"{values[column]:>11.3f}" for column in columns) + end

    head = f"{name}: {scores['images']:,} images, threshold {threshold:.2f}"
    lines = [f"{head:<44}" + "".join(f"{column:>11}" for column in columns)]
    lines += [line(f"mean, {title}", scores[average]) for average, title in AVERAGES.items()]
    lines += [line(title, values) for title, values in references.items()]
    shown = [(key, row) for key, row in scores["per_class"].items() if row["support"]]
    for key, row in sorted(shown, key=lambda item: -item[1]["support"]):
        lines.append(line(key, row, f"{row['support']:>9,} images"))
    return "\n".join(lines)


def classifiers_table(
    scores: Mapping[str, Mapping[str, float]], paper: Mapping[str, Mapping[str, float]], images: int
) -> str:
    """Format the paper's table 1 as Markdown: a classifier and its baseline, here and in the paper.

    Args:
        scores: means over the images by name of the classifier; the classifier first, its baseline second.
        paper: the same of the paper; empty if the classes differ from the paper's.
        images: number of evaluated images.
    """
    columns = tuple(next(iter(scores.values())))
    lines = [f"| N = {images:,} images | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for source, rows in (("", scores), ("paper, on BigEarthNet: ", paper)):
        for name, values in rows.items():
            cells = " | ".join(f"{values[column]:.{2 if source else 3}f}" for column in columns)
            lines.append(f"| {source}{name} | {cells} |")
        if len(rows) == 2:
            first, second = rows.values()
            cells = " | ".join(f"{first[column] - second[column]:+.{2 if source else 3}f}" for column in columns)
            lines.append(f"| {source}the first above the second | {cells} |")
    return "\n".join(lines)


_DIGITS = {"psnr": 2, "angle": 2}
_SUMMARY = {"psnr": "PSNR dB", "ssim": "SSIM", "angle": "angle deg", "ndvi": "NDVI", "ndwi": "NDWI"}


def pairs_table(scores: Mapping[str, Any], *, each: bool = False) -> str:
    """Format the scores of `evaluation.pairs.evaluate_folders`; `each` adds a line for every image."""
    mean = scores["mean"]
    rows = {"predicted": mean, "cloudy, as it is": mean["cloudy"]}
    lines = [f"N = {scores['n']} images, averaged over them; reflectance within [0, 1], errors in reflectance", ""]
    lines.append(f"{'':<18}" + "".join(f"{title:>11}" for title in _SUMMARY.values()))
    lines += [
        f"{title:<18}" + "".join(f"{row[name]:>11.{_DIGITS.get(name, 4)}f}" for name in _SUMMARY)
        for title, row in rows.items()
    ]
    lines += ["", f"{'':<18}{'share':>11}{'MAE':>11}{'RMSE':>11}{'MAE cloudy':>12}{'RMSE cloudy':>13}"]
    for group in ("regions", "bands"):
        for name, row in mean[group].items():
            share = f"{row['share']:>11.1%}" if "share" in row else f"{'':>11}"
            before = mean["cloudy"][group][name]
            lines.append(
                f"{name:<18}{share}{row['mae']:>11.4f}{row['rmse']:>11.4f}{before['mae']:>12.4f}{before['rmse']:>13.4f}"
            )
    if each:
        lines += ["", f"{'image':<40}{'PSNR dB':>9}{'SSIM':>8}{'MAE':>9}{'cloud':>9}{'clear':>9}{'MAE cloudy':>12}"]
        for name, row in scores["images"].items():
            errors = "".join(f"{row['regions'][region]['mae']:>9.4f}" for region in ("all", "cloud", "clear"))
            before = row["cloudy"]["regions"]["all"]["mae"]
            lines.append(f"{name:<40}{row['psnr']:>9.2f}{row['ssim']:>8.3f}{errors}{before:>12.4f}")
    return "\n".join(lines)
