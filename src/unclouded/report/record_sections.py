"""Records of evaluations and benchmarks as parts of a page: what the paper gives stands beside what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from unclouded.errors import InputError
from unclouded.report.blocks import Block, Cell, Line, Notes, Part, Section, Table, checksum, number, significant
from unclouded.report.records import BENCHMARK, CLASSIFIERS, LAND_COVER, PAIRS, TRANSLATOR, Record
from unclouded.report.tables import AVERAGES, SETS

_SCORES = {"precision": "Precision", "recall": "Recall", "f1": "F1", "f2": "F2"}
_ERRORS = {"psnr": ("PSNR, dB", 2), "ssim": ("SSIM", 3), "angle": ("Angle, °", 2)}
T = TypeVar("T")

_SHOWN = 5
"""Worst and best images that are listed."""


@dataclass(frozen=True)
class Paper:
    """What the paper gives: scores of classifiers, and Fréchet distances to clear images by name of the set."""

    classifiers: Mapping[str, Mapping[str, float]]
    frechet: Mapping[str, float]


def record_sections(records: Sequence[Record], paper: Paper, scenes: Mapping[str, str]) -> list[Section]:
    """Lay records out, kind by kind.

    Args:
        records: of any kind, in any order.
        paper: its figures.
        scenes: id on the page of each scene shown, by the SHA-256 of the cleared file.

    Raises:
        InputError: a record lacks what its kind has.
    """

    def all_of(kind: str, lay_out: Callable[[Record], Part]) -> list[Part]:
        return [_laid_out(record, lay_out) for record in records if record.kind == kind]

    found: list[Section] = []
    if translators := all_of(TRANSLATOR, _translator):
        table = _distance_table([record for record in records if record.kind == TRANSLATOR], paper)
        lead = "How far sets of images lie from clear ones, in the features of a land-cover classifier; less is better."
        found.append(Section("translators", "Translators", lead, (Part("", "", (table,)), *translators)))
    if classifiers := [*all_of(LAND_COVER, _land_cover), *all_of(CLASSIFIERS, _classifiers)]:
        table = _classifier_table([r for r in records if r.kind in (LAND_COVER, CLASSIFIERS)], paper)
        lead = "How well land cover is recognised: scores per image, then averaged."
        found.append(Section("classifiers", "Classifiers", lead, (Part("", "", (table,)), *classifiers)))
    if pairs := [*all_of(PAIRS, lambda record: _pairs(record, scenes)), *all_of(BENCHMARK, _benchmark)]:
        lead = "Cleared images against clear ones of the same places: the worst as well as the best."
        found.append(Section("pairs", "Against the truth", lead, pairs))
    return found


def record_provenance(records: Sequence[Record]) -> list[Line]:
    """Rows of the table of what was run on what."""
    return [_laid_out(record, _provenance) for record in records]


def _laid_out(record: Record, lay_out: Callable[[Record], T]) -> T:
    try:
        return lay_out(record)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise InputError(
            f"{record.name}: looks like an {record.kind}, but not all of it is there "
            f"({type(error).__name__}: {error}); measure it again"
        ) from error


def _distance_table(records: Sequence[Record], paper: Paper) -> Table:
    lines = []
    for key, title in (("cloudy", "cloudy"), ("cleared", "cleared, epoch 100")):
        cells = (significant(paper.frechet[key]), *[Cell("–")] * 4, Cell("BigEarthNet"))
        lines.append(Line(Cell(f"Paper: {title}"), cells, "paper"))
    for record in records:
        lines += _laid_out(record, _distance_lines)
    note = (
        "Distances are of one scale only within one classifier, one data set and one N: the paper's stand beside ours "
        "for the share that clearing takes away, not for their size."
    )
    return Table(
        "Fréchet distance to clear images: the paper's and ours",
        ("Images", "Fréchet distance", "95 % interval", "N → ∞", "N", "Seed", "Data"),
        lines,
        note,
    )


def _distance_lines(record: Record) -> list[Line]:
    held = record.content
    name, data = held["translator"]["name"], f"{record.name}, {held['archive']['split']}"
    lines = []
    for key in ("cloudy", "cleared"):
        row = held["distances"][key]
        cells = (
            significant(row["frechet"]),
            _interval(row),
            significant(row["extrapolated"]),
            number(row["n"], 0),
            Cell(str(held["seed"])),
            Cell(data),
        )
        title = f"{name}: cleared" if key == "cleared" else f"{name}: cloudy"
        lines.append(Line(Cell(title), cells, "ours" if key == "cleared" else ""))
    if floor := held["floor"]:
        cells = (significant(floor["frechet"]), Cell("–"), Cell("–"), number(floor["n"], 0), Cell(str(held["seed"])))
        lines.append(Line(Cell(f"{name}: floor, halves of the clear"), (*cells, Cell(data))))
    return lines


def _translator(record: Record) -> Part:
    held = record.content
    lines = [
        Line(
            Cell(SETS[key]),
            (
                number(row["n"], 0),
                significant(row["frechet"]),
                _interval(row),
                significant(1000 * row["kernel"]),
                *(number(row[measure]) for measure in ("precision", "recall", "density", "coverage")),
            ),
            "ours" if key == "cleared" else "",
        )
        for key, row in held["distances"].items()
    ]
    columns = ("Images", "N", "Fréchet", "95 % interval", "KID × 1000", "Precision", "Recall", "Density", "Coverage")
    blocks: list[Block] = [Table("Each set against the clear images", columns, lines)]
    if labels := held["labels"]:
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
        columns = ("Class", "N cloudy", "N clear", "Cloudy", "Cleared")
        blocks.append(Table("Fréchet distance by class, the worst first", columns, lines))
    if paired := held["paired"]:
        blocks.append(_paired_table(paired))
    if downstream := held["downstream"]:
        columns = ("F1 of the classifier", "Clear", "Cloudy", "Cleared", "Won back")
        lines = [
            Line(
                Cell(f"mean, {title}"),
                (
                    *(number(downstream[key][name]) for name in ("clear", "cloudy", "cleared")),
                    Cell("–" if (won := downstream[key]["won_back"]) is None else f"{won:.0%}"),
                ),
            )
            for key, title in AVERAGES.items()
        ]
        blocks.append(Table(f"What clearing wins back for mapping, N = {downstream['n']:,}", columns, lines))
    names = SETS | {"clear": "clear"}
    lines = [
        Line(Cell(names[key]), (number(row["n"], 0), number(row.get("multi_label")), number(row.get("softmax"))))
        for key, row in held["inception"].items()
    ]
    blocks.append(Table("Inception score", ("Images", "N", "Labels", "Softmax"), lines, folded=True))
    if notes := held["notes"]:
        blocks.append(Notes(tuple(map(str, notes))))
    seen = f"seen by {held['land_cover']['name']}; N = {held['n']:,}, split {held['archive']['split']}"
    return Part(f"{held['translator']['name']}", f"{record.name}: {seen}, seed {held['seed']}", blocks)


def _paired_table(paired: Mapping[str, Any]) -> Table:
    one, other = paired["cloudy"], paired["cleared"]
    lines = [Line(Cell(title), (number(one[k], d), number(other[k], d))) for k, (title, d) in _ERRORS.items()]
    for name, row in other["regions"].items():
        title = f"MAE, {name} ({row['share']:.0%} of the pixels)"
        lines.append(Line(Cell(title), (number(one["regions"][name]["mae"], 4), number(row["mae"], 4))))
    return Table(f"Against the true ground, N = {paired['n']:,}", ("Score", "Cloudy", "Cleared"), lines)


def _classifier_table(records: Sequence[Record], paper: Paper) -> Table:
    lines = []
    for name, scores in paper.classifiers.items():
        cells = (*(number(scores[key], 2) for key in _SCORES), Cell("–"), Cell("BigEarthNet, 43 classes"))
        lines.append(Line(Cell(f"Paper: {name}"), cells, "paper"))
    for record in records:
        lines += _laid_out(record, _classifier_lines)
    return Table(
        "Classifiers: the paper's and ours",
        ("Classifier", *_SCORES.values(), "N", "Data"),
        lines,
        "Where several seeds were trained: mean ± standard deviation over them.",
    )


def _classifier_lines(record: Record) -> list[Line]:
    held = record.content
    if record.kind == LAND_COVER:
        scores = (*(number(held["samples"][key]) for key in _SCORES), number(held["images"], 0))
        data = Cell(f"{record.name}, {held['archive']['split']}, {len(held['per_class'])} classes")
        return [Line(Cell(held["weights"]["name"]), (*scores, data), "ours")]
    return [
        Line(
            Cell(name),
            (
                *(_spread([run[key] for run in runs]) for key in _SCORES),
                number(runs[0]["n"], 0),
                Cell(f"{record.name}, {data}, {len(runs)} seed{'s' if len(runs) != 1 else ''}"),
            ),
            "ours",
        )
        for data, rows in held["rows"].items()
        for name, runs in rows.items()
    ]


def _land_cover(record: Record) -> Part:
    held = record.content
    shown = {name: row for name, row in held["per_class"].items() if row["support"]}
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
    averages = [Line(Cell(f"mean, {AVERAGES[key]}"), [number(held[key][s]) for s in _SCORES]) for key in AVERAGES]
    hidden = len(held["per_class"]) - len(shown)
    note = f"{hidden} classes that no image of the split shows are left out." if hidden else ""
    blocks = (
        Table("Averages", ("Averaging", *_SCORES.values()), averages),
        Table("Each class, from the best to the worst", ("Class", "N", "Precision", "Recall", "F1"), lines, note),
    )
    archive = held["archive"]
    lead = f"{record.name}: N = {held['images']:,}, split {archive['split']}, seed {archive['seed']}"
    return Part(held["weights"]["name"], f"{lead}, threshold {held['threshold']:.2f}", blocks)


def _classifiers(record: Record) -> Part:
    held, parts = record.content, []
    measures = {"micro_f1": "F1, all decisions", "macro_f1": "F1, per class", "map": "mAP"}
    for data, rows in held["rows"].items():
        lines = [
            Line(Cell(name), (number(len(runs), 0), *(_spread([run[key] for run in runs]) for key in measures)))
            for name, runs in rows.items()
        ]
        count = next(iter(rows.values()))[0]["n"]
        parts.append(Table(f"Other averages on {data}, N = {count:,}", ("", "Seeds", *measures.values()), lines))
    return Part(record.name, f"Trained alike: {held['steps']:,} steps of {held['batch']} patches each", parts)


def _pairs(record: Record, scenes: Mapping[str, str]) -> Part:
    held = record.content
    mean, images = held["mean"], held["images"]
    means = [Line(Cell(title), (number(mean[key], digits),)) for key, (title, digits) in _ERRORS.items()]
    regions = [
        Line(Cell(name), (number(100 * row["share"], 1), number(row["mae"], 4), number(row["rmse"], 4)))
        for name, row in mean["regions"].items()
    ]
    bands = [Line(Cell(name), (number(row["mae"], 4), number(row["rmse"], 4))) for name, row in mean["bands"].items()]

    def error(name: str) -> float:
        """The error on cloud, which is what clearing is for; that of all pixels where an image has no cloud."""
        rows = images[name]["regions"]
        found = rows["cloud"]["mae"] if rows["cloud"]["mae"] is not None else rows["all"]["mae"]
        return float(found)

    def line(name: str) -> Line:
        row = images[name]
        cells = [number(row["regions"][region]["mae"], 4) for region in ("cloud", "all")]
        link = scenes.get(held["sha256"][name]["predicted"], "")
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
    blocks.append(Table("All images, the worst first", columns, [line(n) for n in ordered[::-1]], folded=len(ordered) > 5))
    blocks.append(Table("Errors by band, reflectance", ("Band", "MAE", "RMSE"), bands, folded=True))
    return Part(record.name, f"N = {held['n']:,} images, bands {', '.join(held['bands'])}", blocks)


def _benchmark(record: Record) -> Part:
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
    return Part(record.name, f"N = {record.content['n']:,} images, averaged over them", blocks)


def _provenance(record: Record) -> Line:
    held, none = record.content, Cell("–")
    if record.kind == TRANSLATOR:
        weights = f"{held['translator']['sha256']} (classifier {held['land_cover']['sha256']})"
        data, drawn = held["archive"]["sha256"], (number(held["n"], 0), Cell(str(held["seed"])))
    elif record.kind == LAND_COVER:
        weights, data = held["weights"]["sha256"], held["archive"]["sha256"]
        drawn = (number(held["images"], 0), Cell(str(held["archive"]["seed"])))
    elif record.kind == CLASSIFIERS:
        weights, data = "", ", ".join(held["sha256"].values())
        runs = [next(iter(rows.values())) for rows in held["rows"].values()]
        drawn = (Cell(", ".join(f"{run[0]['n']:,}" for run in runs)), Cell(f"{len(runs[0])} seeds"))
    elif record.kind == PAIRS:
        weights, data = "", f"{len(held['sha256'])} x 3 files, each in {record.name}"
        drawn = (number(held["n"], 0), none)
    else:
        weights, data, drawn = held["weights"], "", (number(held["n"], 0), none)
    cells = (Cell(record.kind), checksum(weights) if weights else none, checksum(data) if data else none, *drawn)
    return Line(Cell(record.name), cells)


def _interval(row: Mapping[str, Any]) -> Cell:
    if row["low"] is None or row["high"] is None:
        return Cell("–")
    return Cell(f"{significant(row['low']).text} – {significant(row['high']).text}")


def _spread(values: Sequence[float]) -> Cell:
    mean = statistics.fmean(values)
    return Cell(f"{mean:.3f} ± {statistics.stdev(values):.3f}" if len(values) > 1 else f"{mean:.3f}")


def _bar(cell: Cell, share: float) -> Cell:
    return Cell(cell.text, share=min(1.0, max(0.0, share)))
