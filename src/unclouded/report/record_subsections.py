"""Subsections of the page for each kind of record, with the worst cases as well as the best."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from unclouded.report.blocks import NOTHING, Block, Cell, Line, Notes, Subsection, Table, number, significant
from unclouded.report.records import Record
from unclouded.report.tables import AVERAGES, SETS

SCORES = {"precision": "Precision", "recall": "Recall", "f1": "F1", "f2": "F2"}
_ERRORS = {"psnr": ("PSNR, dB", 2), "ssim": ("SSIM", 3), "angle": ("Angle, °", 2)}

_SHOWN = 5
"""Number of worst and of best images that are listed."""


def translator_subsection(record: Record) -> Subsection:
    """A record of `unclouded evaluate translator`."""
    content = record.content
    blocks: list[Block] = [_distances_table(content["distances"])]
    if labels := content["labels"]:
        blocks.append(_labels_table(labels))
    if paired := content["paired"]:
        blocks.append(_paired_table(paired))
    if downstream := content["downstream"]:
        blocks.append(_downstream_table(downstream))
    names = SETS | {"clear": "clear"}
    lines = [
        Line(Cell(names[key]), (number(row["n"], 0), number(row.get("multi_label")), number(row.get("softmax"))))
        for key, row in content["inception"].items()
    ]
    blocks.append(Table("Inception score", ("Images", "N", "Labels", "Softmax"), lines, folded=True))
    if notes := content["notes"]:
        blocks.append(Notes(tuple(map(str, notes))))
    seen = f"seen by {content['land_cover']['name']}; N = {content['n']:,}, split {content['archive']['split']}"
    return Subsection(f"{content['translator']['name']}", f"{record.name}: {seen}, seed {content['seed']}", blocks)


def _distances_table(distances: dict[str, Any]) -> Table:
    """Distances of each set of images to the clear images."""
    lines = [
        Line(
            Cell(SETS[key]),
            (
                number(row["n"], 0),
                significant(row["frechet"]),
                interval(row),
                significant(1000 * row["kernel"]),
                *(number(row[measure]) for measure in ("precision", "recall", "density", "coverage")),
            ),
            "ours" if key == "cleared" else "",
        )
        for key, row in distances.items()
    ]
    columns = ("Images", "N", "Fréchet", "95% interval", "1000 KID", "Precision", "Recall", "Density", "Coverage")
    return Table("Each set against the clear images", columns, lines)


def _labels_table(labels: dict[str, Any]) -> Table:
    """Fréchet distance by class."""
    ordered = sorted(labels.items(), key=lambda item: -(item[1]["cleared"] or 0))
    most = max(row["cleared"] or 0 for row in labels.values()) or 1
    lines = [
        Line(
            Cell(name),
            (
                number(row["n_cloudy"], 0),
                number(row["n_clear"], 0),
                significant(row["cloudy"]),
                _bar(significant(row["cleared"]), (row["cleared"] or 0) / most),
            ),
        )
        for name, row in ordered
    ]
    return Table(
        "Fréchet distance by class, the worst first", ("Class", "N cloudy", "N clear", "Cloudy", "Cleared"), lines
    )


def _downstream_table(downstream: dict[str, Any]) -> Table:
    """Scores of the classifier on clear, cloudy and cleared images."""
    lines = [
        Line(
            Cell(f"mean, {title}"),
            (
                *(number(downstream[key][name]) for name in ("clear", "cloudy", "cleared")),
                NOTHING if (won := downstream[key]["won_back"]) is None else Cell(f"{won:.0%}"),
            ),
        )
        for key, title in AVERAGES.items()
    ]
    return Table(
        f"What clearing wins back for mapping, N = {downstream['n']:,}",
        ("F1 of the classifier", "Clear", "Cloudy", "Cleared", "Won back"),
        lines,
    )


def _paired_table(paired: Mapping[str, Any]) -> Table:
    one, other = paired["cloudy"], paired["cleared"]
    lines = [Line(Cell(title), (number(one[k], d), number(other[k], d))) for k, (title, d) in _ERRORS.items()]
    for name, row in other["regions"].items():
        title = f"MAE, {name} ({row['share']:.0%} of the pixels)"
        lines.append(Line(Cell(title), (number(one["regions"][name]["mae"], 4), number(row["mae"], 4))))
    return Table(f"Against the true ground, N = {paired['n']:,}", ("Score", "Cloudy", "Cleared"), lines)


def land_cover_subsection(record: Record) -> Subsection:
    """A record of `unclouded evaluate land-cover`."""
    content = record.content
    shown = {name: row for name, row in content["per_class"].items() if row["support"]}
    lines = [
        Line(
            Cell(name),
            (
                number(row["support"], 0),
                *(number(row[key]) for key in ("precision", "recall")),
                _bar(number(row["f1"]), row["f1"]),
            ),
        )
        for name, row in sorted(shown.items(), key=lambda item: -item[1]["f1"])
    ]
    averages = [Line(Cell(f"mean, {AVERAGES[key]}"), [number(content[key][s]) for s in SCORES]) for key in AVERAGES]
    hidden = len(content["per_class"]) - len(shown)
    note = f"{hidden} classes that no image of the split shows are left out." if hidden else ""
    blocks = (
        Table("Averages", ("Averaging", *SCORES.values()), averages),
        Table("Each class, from the best to the worst", ("Class", "N", "Precision", "Recall", "F1"), lines, note),
    )
    archive = content["archive"]
    lead = f"{record.name}: N = {content['images']:,}, split {archive['split']}, seed {archive['seed']}"
    return Subsection(content["weights"]["name"], f"{lead}, threshold {content['threshold']:.2f}", blocks)


def classifiers_subsection(record: Record) -> Subsection:
    """A record of benchmarks/land_cover.py."""
    content, tables = record.content, []
    measures = {"micro_f1": "F1, all decisions", "macro_f1": "F1, per class", "map": "mAP"}
    for data, rows in content["rows"].items():
        lines = [
            Line(
                Cell(name),
                (number(len(runs), 0), *(mean_and_deviation([run[key] for run in runs]) for key in measures)),
            )
            for name, runs in rows.items()
        ]
        count = next(iter(rows.values()))[0]["n"]
        tables.append(Table(f"Other averages on {data}, N = {count:,}", ("", "Seeds", *measures.values()), lines))
    lead = f"All trained for {content['steps']:,} steps of {content['batch']} patches"
    return Subsection(record.name, lead, tables)


def pairs_subsection(record: Record, scenes: Mapping[str, str]) -> Subsection:
    """A record of `unclouded evaluate pairs`; `scenes` are ids on the page by the SHA-256 of cleared files."""
    content = record.content
    mean, images = content["mean"], content["images"]
    means = [Line(Cell(title), (number(mean[key], digits),)) for key, (title, digits) in _ERRORS.items()]
    regions = [
        Line(Cell(name), (number(100 * row["share"], 1), number(row["mae"], 4), number(row["rmse"], 4)))
        for name, row in mean["regions"].items()
    ]
    bands = [Line(Cell(name), (number(row["mae"], 4), number(row["rmse"], 4))) for name, row in mean["bands"].items()]

    def error(name: str) -> float:
        """The error on cloud, or of all pixels if an image has no cloud."""
        rows = images[name]["regions"]
        found = rows["cloud"]["mae"] if rows["cloud"]["mae"] is not None else rows["all"]["mae"]
        return float(found)

    def line(name: str) -> Line:
        row = images[name]
        cells = [number(row["regions"][region]["mae"], 4) for region in ("cloud", "all")]
        link = scenes.get(content["sha256"][name]["predicted"], "")
        return Line(Cell(name, link=link), (*cells, *(number(row[k], d) for k, (_, d) in _ERRORS.items())))

    ordered = sorted(images, key=error)
    columns = ("Image", "MAE on cloud", "MAE", *(title for title, _ in _ERRORS.values()))
    blocks: list[Block] = [
        Table("Mean over the images", ("Score", "Mean"), means),
        Table("Errors by region, reflectance", ("Pixels", "Share, %", "MAE", "RMSE"), regions),
    ]
    if len(ordered) > _SHOWN:
        blocks.append(Table("The worst images", columns, [line(name) for name in ordered[: -_SHOWN - 1 : -1]]))
        blocks.append(Table("The best images", columns, [line(name) for name in ordered[:_SHOWN]]))
    blocks.append(
        Table("All images, the worst first", columns, [line(n) for n in ordered[::-1]], folded=len(ordered) > 5)
    )
    blocks.append(Table("Errors by band, reflectance", ("Band", "MAE", "RMSE"), bands, folded=True))
    return Subsection(record.name, f"N = {content['n']:,} images, bands {', '.join(content['bands'])}", blocks)


def benchmark_subsection(record: Record) -> Subsection:
    """A record of benchmarks/pairs.py, or of another benchmark with the same structure."""
    blocks: list[Block] = []
    for title, rows in record.content.items():
        if isinstance(rows, Mapping) and all(isinstance(row, Mapping) and "psnr" in row for row in rows.values()):
            lines = [
                Line(
                    Cell(name),
                    (
                        *(number(row[key], digits) for key, (_, digits) in _ERRORS.items()),
                        *(number(row[key], 4) for key in ("cloudy", "elsewhere")),
                    ),
                    "ours" if name.startswith("ours") else "",
                )
                for name, row in rows.items()
            ]
            columns = ("Images", *(text for text, _ in _ERRORS.values()), "MAE on cloud", "MAE elsewhere")
            blocks.append(Table(title, columns, lines))
    return Subsection(record.name, f"N = {record.content['n']:,} images, averaged over them", blocks)


def _bar(cell: Cell, share: float) -> Cell:
    return Cell(cell.text, share=min(1.0, max(0.0, share)))


def interval(row: Mapping[str, Any]) -> Cell:
    """The 95 % interval of a distance."""
    if row["low"] is None or row["high"] is None:
        return NOTHING
    return Cell(f"{significant(row['low']).text} to {significant(row['high']).text}")


def mean_and_deviation(values: Sequence[float]) -> Cell:
    """Mean and standard deviation over seeds; the value itself for one seed."""
    mean = statistics.fmean(values)
    return Cell(f"{mean:.3f} ± {statistics.stdev(values):.3f}" if len(values) > 1 else f"{mean:.3f}")
