"""Sections of the page for records of evaluations and benchmarks, beside the results of the paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from unclouded.errors import InputError
from unclouded.report.blocks import (
    NOTHING,
    Cell,
    Line,
    Section,
    Subsection,
    Table,
    checksum,
    number,
    significant,
)
from unclouded.report.record_subsections import (
    SCORES,
    benchmark_subsection,
    classifiers_subsection,
    interval,
    land_cover_subsection,
    mean_and_deviation,
    pairs_subsection,
    translator_subsection,
)
from unclouded.report.records import BENCHMARK, CLASSIFIERS, LAND_COVER, PAIRS, TRANSLATOR, Record

T = TypeVar("T")


@dataclass(frozen=True)
class Paper:
    """Results of the paper: scores of classifiers, and Fréchet distances to clear images by name of the set."""

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

    def all_of(kind: str, lay_out: Callable[[Record], Subsection]) -> list[Subsection]:
        return [_checked(record, lay_out) for record in records if record.kind == kind]

    found: list[Section] = []
    if translators := all_of(TRANSLATOR, translator_subsection):
        table = _distance_table([record for record in records if record.kind == TRANSLATOR], paper)
        lead = "How far sets of images lie from clear ones, in the features of a land-cover classifier; less is better."
        found.append(Section("translators", "Translators", lead, (Subsection("", "", (table,)), *translators)))
    if classifiers := [*all_of(LAND_COVER, land_cover_subsection), *all_of(CLASSIFIERS, classifiers_subsection)]:
        table = _classifier_table([r for r in records if r.kind in (LAND_COVER, CLASSIFIERS)], paper)
        lead = "How well land cover is recognised: scores per image, then averaged."
        found.append(Section("classifiers", "Classifiers", lead, (Subsection("", "", (table,)), *classifiers)))
    if pairs := [
        *all_of(PAIRS, lambda record: pairs_subsection(record, scenes)),
        *all_of(BENCHMARK, benchmark_subsection),
    ]:
        lead = "Cleared images against clear ones of the same places: the worst as well as the best."
        found.append(Section("pairs", "Against the truth", lead, pairs))
    return found


def record_provenance(records: Sequence[Record]) -> list[Line]:
    """Rows of the provenance table."""
    return [_checked(record, _provenance) for record in records]


def _checked(record: Record, lay_out: Callable[[Record], T]) -> T:
    try:
        return lay_out(record)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise InputError(
            f"{record.name}: looks like the {record.kind}, but not all of it is there "
            f"({type(error).__name__}: {error}); measure it again"
        ) from error


def _distance_table(records: Sequence[Record], paper: Paper) -> Table:
    lines: list[Line] = []
    for key, title in (("cloudy", "cloudy"), ("cleared", "cleared, epoch 100")):
        cells = (significant(paper.frechet[key]), *[NOTHING] * 4, Cell("BigEarthNet"))
        lines.append(Line(Cell(f"As published: {title}"), cells, "paper"))
    for record in records:
        lines += _checked(record, _distance_lines)
    note = (
        "Distances are of one scale only within one classifier, one data set and one N: the paper's stand beside ours "
        "for the share that clearing takes away, not for their size."
    )
    return Table(
        "Fréchet distance to clear images: the paper's and ours",
        ("Images", "Fréchet distance", "95% interval", "N → ∞", "N", "Seed", "Data"),
        lines,
        note,
    )


def _distance_lines(record: Record) -> list[Line]:
    content = record.content
    name, data = content["translator"]["name"], f"{record.name}, {content['archive']['split']}"
    lines = []
    for key in ("cloudy", "cleared"):
        row = content["distances"][key]
        cells = (
            significant(row["frechet"]),
            interval(row),
            significant(row["extrapolated"]),
            number(row["n"], 0),
            Cell(str(content["seed"])),
            Cell(data),
        )
        title = f"Measured here, weights {name}: {key}"
        lines.append(Line(Cell(title), cells, "ours" if key == "cleared" else ""))
    if floor := content["floor"]:
        drawn = (number(floor["n"], 0), Cell(str(content["seed"])), Cell(data))
        halves = Cell(f"Measured here, weights {name}: floor, halves of the clear")
        lines.append(Line(halves, (significant(floor["frechet"]), NOTHING, NOTHING, *drawn)))
    return lines


def _classifier_table(records: Sequence[Record], paper: Paper) -> Table:
    lines = []
    for name, scores in paper.classifiers.items():
        cells = (*(number(scores[key], 2) for key in SCORES), NOTHING, Cell("BigEarthNet, 43 classes"))
        lines.append(Line(Cell(f"As published: {name}"), cells, "paper"))
    for record in records:
        lines += _checked(record, _classifier_lines)
    return Table(
        "Classifiers: the paper's and ours",
        ("Classifier", *SCORES.values(), "N", "Data"),
        lines,
        "Where several seeds were trained: mean ± standard deviation over them.",
    )


def _classifier_lines(record: Record) -> list[Line]:
    content = record.content
    if record.kind == LAND_COVER:
        data = Cell(f"{record.name}, {content['archive']['split']}, {len(content['per_class'])} classes")
        measured = [content, *([content["baseline"]] if "baseline" in content else [])]
        return [
            Line(
                Cell(f"Measured here, weights {one['weights']['name']}"),
                (*(number(one["samples"][key]) for key in SCORES), number(one["images"], 0), data),
                "ours" if one is content else "",
            )
            for one in measured
        ]
    return [
        Line(
            Cell(name),
            (
                *(mean_and_deviation([run[key] for run in runs]) for key in SCORES),
                number(runs[0]["n"], 0),
                Cell(f"{record.name}, {data}, {len(runs)} seed{'s' if len(runs) != 1 else ''}"),
            ),
            "ours",
        )
        for data, rows in content["rows"].items()
        for name, runs in rows.items()
    ]


def _provenance(record: Record) -> Line:
    content, none = record.content, NOTHING
    if record.kind == TRANSLATOR:
        weights = f"{content['translator']['sha256']} (classifier {content['land_cover']['sha256']})"
        data, drawn = content["archive"]["sha256"], (number(content["n"], 0), Cell(str(content["seed"])))
    elif record.kind == LAND_COVER:
        weights, data = content["weights"]["sha256"], content["archive"]["sha256"]
        drawn = (number(content["images"], 0), Cell(str(content["archive"]["seed"])))
    elif record.kind == CLASSIFIERS:
        weights, data = "", ", ".join(content["sha256"].values())
        runs = [next(iter(rows.values())) for rows in content["rows"].values()]
        drawn = (Cell(", ".join(f"{run[0]['n']:,}" for run in runs)), Cell(f"{len(runs[0])} seeds"))
    elif record.kind == PAIRS:
        weights, data = "", f"{len(content['sha256'])} x 3 files, each in {record.name}"
        drawn = (number(content["n"], 0), none)
    else:
        weights, data, drawn = content["weights"], "", (number(content["n"], 0), none)
    cells = (Cell(record.kind), checksum(weights) if weights else none, checksum(data) if data else none, *drawn)
    return Line(Cell(record.name), cells)
