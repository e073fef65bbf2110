"""Section of the page for training runs: curves of the validation scores and losses, and figures of the cycle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from unclouded.report.blocks import (
    NOTHING,
    Block,
    Cell,
    Chart,
    Charts,
    Curve,
    Line,
    Pictures,
    Section,
    Subsection,
    Table,
    checksum,
    number,
    significant,
)
from unclouded.report.charts import line_chart
from unclouded.report.previews import picture_of_file
from unclouded.report.quantities import MEANINGS
from unclouded.report.record_sections import Paper
from unclouded.report.records import Run

_DISTANCES = {
    "frechet": "cleared images",
    "frechet_cloudy": "cloudy images, as they are",
    "floor": "floor: two halves of the clear images",
}
_COVERAGES = {"coverage": "cleared images", "coverage_cloudy": "cloudy images, as they are"}
_NOT_DRAWN = {"step", "seconds", "alarm", "epoch", "n", *_DISTANCES, *_COVERAGES}


_FIGURES = {
    "figure_1a.png": "Figure 1a: cloudy images (x), cleared (x to y), clouded again (x to y to x)",
    "figure_1b.png": "Figure 1b: Fréchet distance over the epochs",
    "figure_2a.png": "Figure 2a: validation images before clearing",
    "figure_2b.png": "Figure 2b: the same after clearing",
}
_CLOSER = 3.0
"""Ratio of the cloudy images' distance to the largest of cleared ones from which on a second chart leaves it out."""


def run_section(runs: Sequence[Run], paper: Paper, limit: int) -> Section:
    """Lay training runs out, the paper's numbers beside them; each run may take `limit` bytes for its pictures.

    Raises:
        FileError: a picture of a run is damaged.
    """
    subsections = []
    for run in runs:
        blocks: list[Block] = []
        if measured := [entry for entry in run.entries if "frechet" in entry]:
            blocks += [_beside_paper(measured, paper), Charts(_distance_charts(measured)), _validations(measured)]
        names = dict.fromkeys(key for entry in run.entries for key in entry if key not in _NOT_DRAWN)
        small = [
            line_chart(name.replace("_", " "), _series(run.entries, {name: name}, "step"), "step", small=True)
            for name in names
        ]
        if small:
            blocks.append(Charts(small, small=True))
        blocks.append(_meanings(run))
        blocks += _pictures(run, limit)
        blocks.append(_log(run))
        last = run.entries[-1]
        alarms = sum(bool(entry.get("alarm")) for entry in run.entries)
        lead = f"{len(run.entries)} log entries up to step {last['step']:,}; seed {_seed(run)}"
        if any("alarm" in entry for entry in run.entries):
            lead += f"; alarm of mode collapse in {alarms} of {len(measured)} validations"
        subsections.append(Subsection(f"Our run in the folder {run.name}", lead, blocks))
    lead = "Validation scores during training; results of the paper are marked as published."
    return Section("runs", "Training runs", lead, subsections)


def _beside_paper(measured: Sequence[Mapping[str, float]], paper: Paper) -> Table:
    """The distances before and after clearing: those that the paper gives, and the run's last."""
    last = measured[-1]

    def line(title: str, cloudy: float, cleared: float, more: Sequence[Cell], weight: Literal["ours", "paper"]) -> Line:
        cells = (significant(cloudy), significant(cleared), Cell(f"{cleared / cloudy:.2f}"), *more)
        return Line(Cell(title), cells, weight)

    when = f"epoch {last['epoch']:.4g}" if "epoch" in last else f"step {last['step']:,}"
    n = number(last["n"], 0) if "n" in last else NOTHING
    ours = (significant(last.get("floor")), n, Cell(when))
    lines = [
        line(
            "As published",
            paper.frechet["cloudy"],
            paper.frechet["cleared"],
            (*[NOTHING] * 2, Cell("epoch 100")),
            "paper",
        ),
        line("Measured in this run", last["frechet_cloudy"], last["frechet"], ours, "ours"),
    ]
    return Table(
        "Fréchet distance to clear images",
        ("", "Cloudy", "Cleared", "Cleared / cloudy", "Floor", "N", "After"),
        lines,
        "Distances are of one scale only within one classifier, one data set and one N: compare what is left of them.",
    )


def _distance_charts(measured: Sequence[Mapping[str, float]]) -> list[Chart]:
    axis = "epoch" if all("epoch" in entry for entry in measured) else "step"
    charts = [line_chart("Fréchet distance to clear images", _series(measured, _DISTANCES, axis), axis, from_zero=True)]
    finite = [entry["frechet"] for entry in measured if math.isfinite(entry["frechet"])]
    if finite and measured[-1].get("frechet_cloudy", 0.0) > _CLOSER * max(finite):
        closer = {name: title for name, title in _DISTANCES.items() if name != "frechet_cloudy"}
        charts.append(line_chart("Fréchet distance, closer", _series(measured, closer, axis), axis, from_zero=True))
    coverage = line_chart("Coverage of the clear images", _series(measured, _COVERAGES, axis), axis, from_zero=True)
    return [*charts, coverage]


def _meanings(run: Run) -> Table:
    names = dict.fromkeys(key for entry in run.entries for key in entry if key in MEANINGS)
    lines = [Line(Cell(name.replace("_", " ")), (Cell(MEANINGS[name]),)) for name in names]
    return Table("What each quantity means", ("Quantity", "Meaning"), lines, folded=True)


def _pictures(run: Run, limit: int) -> list[Block]:
    """The paper's figures of a run, or the first and last of its cycles until they are drawn."""
    shown = [(path, _FIGURES[path.name]) for path in run.figures if path.name in _FIGURES]
    title = "The paper's figures, of this run"
    if not shown:
        title = "The cycle, first and last"
        for path in dict.fromkeys((*run.cycles[:1], *run.cycles[-1:])):
            step = path.stem.removeprefix("cycle_").lstrip("0") or "0"
            shown.append((path, f"Step {step}: cloudy images (x), cleared (x to y), clouded again (x to y to x)"))
    if not shown:
        return []
    return [
        Pictures(
            title,
            [
                (picture_of_file(path, limit // len(shown), f"{caption}; of the run in {run.name}"), caption)
                for path, caption in shown
            ],
        )
    ]


def run_provenance(runs: Sequence[Run]) -> list[Line]:
    """Rows of the provenance table."""
    lines = []
    for run in runs:
        for name, (sha256, header) in run.weights.items():
            data = str(header.get("data_sha256") or header.get("data") or "")
            cells = (Cell(f"weights after {header.get('steps', '?')} steps"), checksum(sha256))
            lines.append(
                Line(
                    Cell(f"{run.name}/{name}"),
                    (*cells, checksum(data) if data else NOTHING, NOTHING, Cell(_seed_of(header))),
                )
            )
        if not run.weights:
            lines.append(Line(Cell(run.name), (Cell("run without weights yet"), *[NOTHING] * 4)))
    return lines


def _series(entries: Sequence[Mapping[str, float]], names: Mapping[str, str], axis: str) -> list[Curve]:
    """Curves by name; all but the first are values to compare with."""
    return [
        Curve(title, [(e[axis], e[name]) for e in entries if name in e], dashed=position > 0, level=position > 0)
        for position, (name, title) in enumerate(names.items())
        if any(math.isfinite(entry.get(name, math.nan)) for entry in entries)
    ]


def _validations(measured: Sequence[Mapping[str, float]]) -> Table:
    """The best and the worst validation by distance, and the last one."""
    finite = [entry for entry in measured if math.isfinite(entry["frechet"])] or list(measured)
    chosen = {
        "smallest distance": min(finite, key=lambda entry: entry["frechet"]),
        "largest distance": max(finite, key=lambda entry: entry["frechet"]),
        "last": measured[-1],
    }
    names = [key for key in ("frechet", "floor", "coverage", "recall", "psnr", "spread") if key in measured[-1]]
    lines = [
        Line(
            Cell(title),
            (
                Cell(f"{entry['step']:,}"),
                *(Cell(f"{entry.get(name, math.nan):.4g}") for name in names),
                Cell("yes" if entry.get("alarm") else "no"),
            ),
        )
        for title, entry in chosen.items()
    ]
    columns = ("Validation", "Step", *(_TITLES.get(name, name.capitalize()) for name in names), "Alarm of collapse")
    return Table("Best, worst and last validation", columns, lines)


_TITLES = {"frechet": "Fréchet", "psnr": "PSNR, dB"}


def _log(run: Run) -> Table:
    names = [name for name in dict.fromkeys(key for entry in run.entries for key in entry) if name != "step"]
    kept = run.entries[:: math.ceil(len(run.entries) / _LOGGED)]
    lines = [
        Line(
            Cell(f"{entry['step']:,}"),
            [Cell(f"{entry[name]:.4g}") if name in entry else NOTHING for name in names],
        )
        for entry in kept
    ]
    every = "" if len(kept) == len(run.entries) else f"Every {math.ceil(len(run.entries) / _LOGGED)}th entry is shown."
    return Table("The log in numbers", ("Step", *(name.replace("_", " ") for name in names)), lines, every, folded=True)


_LOGGED = 200
"""Largest number of entries of a log in its table."""


def _seed(run: Run) -> str:
    return next((_seed_of(header) for _, header in run.weights.values()), "unknown")


def _seed_of(header: Mapping[str, object]) -> str:
    settings = header.get("settings")
    training = settings.get("training") if isinstance(settings, dict) else None
    return str(training.get("seed", "unknown")) if isinstance(training, dict) else "unknown"
