"""Training runs on the page: curves of what was measured, of the losses, and the last pictures of the cycle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from unclouded.report.blocks import (
    NOTHING,
    Block,
    Cell,
    Charts,
    Line,
    Pictures,
    Section,
    Series,
    Subsection,
    Table,
    checksum,
)
from unclouded.report.charts import line_chart
from unclouded.report.previews import picture_of_file
from unclouded.report.records import Run

_DISTANCES = {
    "frechet": "cleared images",
    "frechet_cloudy": "cloudy images",
    "floor": "two halves of the clear images",
}
_COVERAGES = {"coverage": "cleared images", "coverage_cloudy": "cloudy images"}
_NOT_DRAWN = {"step", "seconds", "alarm", *_DISTANCES, *_COVERAGES}


def run_section(runs: Sequence[Run], limit: int) -> Section:
    """Lay training runs out; each may take `limit` bytes for its pictures.

    Raises:
        FileError: a picture of a run is damaged.
    """
    subsections = []
    for run in runs:
        blocks: list[Block] = []
        if measured := [entry for entry in run.entries if "frechet" in entry]:
            charts = [
                line_chart("Fréchet distance to clear images", _series(measured, _DISTANCES), "step"),
                line_chart("Coverage of the clear images", _series(measured, _COVERAGES), "step"),
            ]
            blocks += [Charts(charts), _measurings(measured)]
        names = dict.fromkeys(key for entry in run.entries for key in entry if key not in _NOT_DRAWN)
        small = [
            line_chart(name.replace("_", " "), _series(run.entries, {name: name}), "step", small=True) for name in names
        ]
        if small:
            blocks.append(Charts(small, small=True))
        if shown := dict.fromkeys((*run.cycles[:1], *run.cycles[-1:])):
            pictures = [
                (
                    picture_of_file(
                        path, limit // len(shown), f"Rows x, x to y, x to y to x of {run.name}, step {step}"
                    ),
                    f"Step {step}: cloudy images (x), cleared (x to y), and clouded again (x to y to x)",
                )
                for path, step in ((path, path.stem.removeprefix("cycle_").lstrip("0") or "0") for path in shown)
            ]
            blocks.append(Pictures("The cycle, first and last" if len(shown) > 1 else "The cycle", pictures))
        blocks.append(_log(run))
        last = run.entries[-1]
        alarms = sum(bool(entry.get("alarm")) for entry in run.entries)
        lead = f"{len(run.entries)} log entries up to step {last['step']:,}; seed {_seed(run)}"
        if any("alarm" in entry for entry in run.entries):
            lead += f"; alarm of mode collapse in {alarms} of {len(measured)} measurings"
        subsections.append(Subsection(run.name, lead, blocks))
    lead = "What was measured while networks learnt."
    return Section("runs", "Training runs", lead, subsections)


def run_provenance(runs: Sequence[Run]) -> list[Line]:
    """Rows of the table of what was run on what."""
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


def _series(entries: Sequence[Mapping[str, float]], names: Mapping[str, str]) -> list[Series]:
    return [
        Series(title, [(entry["step"], entry[name]) for entry in entries if name in entry], dashed=position > 0)
        for position, (name, title) in enumerate(names.items())
        if any(math.isfinite(entry.get(name, math.nan)) for entry in entries)
    ]


def _measurings(measured: Sequence[Mapping[str, float]]) -> Table:
    """The best and the worst measuring by distance, and the last."""
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
    columns = ("Measuring", "Step", *(_TITLES.get(name, name.capitalize()) for name in names), "Alarm of collapse")
    return Table("Best, worst and last measuring", columns, lines)


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
"""Entries of a log that are shown as numbers."""


def _seed(run: Run) -> str:
    return next((_seed_of(header) for _, header in run.weights.values()), "unknown")


def _seed_of(header: Mapping[str, object]) -> str:
    settings = header.get("settings")
    training = settings.get("training") if isinstance(settings, dict) else None
    return str(training.get("seed", "unknown")) if isinstance(training, dict) else "unknown"
