"""Reading of records of evaluations and benchmarks, and of folders of training runs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from unclouded.errors import FileError, InputError, WeightsError
from unclouded.files import sha256_of

TRANSLATOR, LAND_COVER, PAIRS, CLASSIFIERS, BENCHMARK = (
    "evaluation of a translator",
    "evaluation of a classifier",
    "evaluation of pairs",
    "benchmark of classifiers",
    "benchmark of pairs",
)

_KEYS = {
    TRANSLATOR: {"translator", "land_cover", "distances"},
    LAND_COVER: {"weights", "samples", "per_class"},
    PAIRS: {"images", "mean", "sha256"},
    CLASSIFIERS: {"rows", "steps", "batch", "sha256"},
    BENCHMARK: {"weights", "n", "all"},
}
"""Keys by which each kind of record is identified."""

_LARGEST = 2**28


@dataclass(frozen=True)
class Record:
    """A JSON file of a known kind."""

    name: str
    kind: str
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """A training run.

    Attributes:
        name: of its folder.
        entries: lines of its log, in order of steps.
        cycles: figures of x -> y -> x, in order of steps.
        figures: the paper's figures for it, sorted by name, drawn by `unclouded evaluate translator --figure`.
        weights: checksum and header of each weights file, by file name.
    """

    name: str
    entries: tuple[Mapping[str, float], ...]
    cycles: tuple[Path, ...]
    figures: tuple[Path, ...]
    weights: Mapping[str, tuple[str, Mapping[str, Any]]]


def is_item(path: Path) -> bool:
    """Tell whether a JSON file is a STAC item: of a cleared scene, not of an evaluation.

    Raises:
        FileError: it cannot be read.
        InputError: it is not JSON.
    """
    return _read_object(path).get("type") == "Feature"


def read_record(path: Path) -> Record:
    """Read the JSON of an evaluation or a benchmark.

    Raises:
        FileError: it cannot be read.
        InputError: it is not JSON, or of no known kind.
    """
    content = _read_object(path)
    for kind, keys in _KEYS.items():
        if keys <= content.keys():
            return Record(path.name, kind, content)
    found = ", ".join(list(content)[:6]) or "nothing"
    raise InputError(
        f"{path}: is no record that can be shown (it holds {found}); give what `unclouded evaluate ... --json`, "
        "benchmarks/land_cover.py or benchmarks/pairs.py wrote"
    )


def read_run(folder: Path) -> Run:
    """Read the folder of a training run.

    Raises:
        FileError: there is no log, or a file cannot be read.
        InputError: the log holds no finished line.
        WeightsError: a weights file is damaged.
    """
    log = folder / "log.jsonl"
    try:
        lines = log.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(
            f"{folder}: holds no log.jsonl that can be read ({getattr(error, 'strerror', None) or 'not text'}); "
            "give the --output folder of `unclouded train` or `unclouded series`, or name results of `unclouded clear`"
        ) from error
    entries = []
    for line in lines:
        with contextlib.suppress(ValueError):  # the last line may be incomplete
            entry = json.loads(line)
            if isinstance(entry, dict) and "step" in entry and all(isinstance(v, int | float) for v in entry.values()):
                entries.append(entry)
    if not entries:
        raise InputError(f"{log}: holds no finished line with a step; let the run reach its first log entry")
    weights = {path.name: (sha256_of(path), _header(path)) for path in sorted(folder.glob("*.safetensors"))}
    name = folder.resolve().name
    return Run(
        name,
        tuple(sorted(entries, key=lambda entry: entry["step"])),
        tuple(sorted(folder.glob("cycle_*.png"))),
        tuple(sorted(folder.glob("figures/figure_[12][ab].png"))),
        weights,
    )


def _read_object(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes; records of up to {_LARGEST:,} bytes are accepted")
        content = json.loads(path.read_text())
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON ({error}); give what `unclouded evaluate ... --json` wrote") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}, not an object; give a record of an evaluation")
    return content


def _header(path: Path) -> Mapping[str, Any]:
    try:
        with safe_open(path, framework="np") as file:
            header = json.loads((file.metadata() or {}).get("unclouded", "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: is not a complete safetensors file ({error}); remove it or train again") from error
    return header if isinstance(header, dict) else {}
