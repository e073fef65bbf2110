"""What each switch against the brown fields does by itself: taken from `unpaired.yaml`, or put to `paper_64.yaml`.

    python benchmarks/switches.py ARCHIVE RUNS [--epochs 15] [--every 1] [--rows NAME ...] [--land-cover WEIGHTS]

ARCHIVE is that of the bundled weights `paper` and `unpaired` (their cards tell how it was packed), whose logs are the
rows of the whole: all rows are trained from scratch as these were, on the same batches at the same rate, and are
compared after the same epoch, long before their end. A second seed of `unpaired` shows how far chance goes; it is
measured on other pairs. Columns, as the training itself measures them on the archive's validation split: the Fréchet
distance of the cleared patches, their coverage, recall and inception score, the PSNR against the true ground, the error
of x -> y -> x, and the mean opacity. A killed benchmark goes on, and rows can be taken further by more epochs; each
run's pictures lie in its folder.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from comparison import ROOT

from unclouded.settings import TranslatorSettings, load_settings
from unclouded.training.translator_run import run

EPOCH, STEPS = 38, 2280
"""Of the run of `unpaired`, in steps. The rate falls in the second half of a run: until then that of `paper`, which
took longer, had the same."""
UNPAIRED, PUBLISHED = "unpaired.yaml", "paper_64.yaml"
WHOLE = {
    "as published": "paper_64.jsonl",
    "all switches": "unpaired.jsonl",
    "all switches, second seed": "unpaired_1.jsonl",
}
"""The logs of runs of the whole, in docs/paper."""
ROWS: dict[str, tuple[str, list[str]]] = {
    "cycle compared pixel by pixel": (UNPAIRED, ["unpaired.cycle_by=pixels"]),
    "as published, cycle by distributions": (PUBLISHED, ["unpaired.cycle_by=distributions"]),
    "without a price of change": (UNPAIRED, ["loss.change=0"]),
    "without identity": (UNPAIRED, ["loss.identity=0"]),
    "the published networks": (UNPAIRED, ["networks=published", "loss.change=0"]),
    "one scale of discriminators": (UNPAIRED, ["unpaired.scales=1"]),
    "latents as published": (UNPAIRED, ["loss.latent_cycle=0.025", "loss.latent_adversarial=1"]),
    "clear images of any acquisition": (UNPAIRED, ["unpaired.matched=false"]),
    "without noise": (UNPAIRED, ["unpaired.noise=0"]),
}
COLUMNS = ("frechet", "coverage", "recall", "inception", "psnr", "cycle_error", "change")


class _FarEnoughError(Exception):
    """The epoch that is compared has been measured and saved."""


def settings_of(row: str, every: int) -> TranslatorSettings:
    name, own = ROWS[row]
    length = [f"training.{what}_every={every * EPOCH}" for what in ("checkpoint", "validate")]
    return load_settings(
        ROOT / "settings" / name, [*length, f"training.steps={STEPS}", "training.seed=0", f"data={row}", *own]
    )


def entries_of(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def trained(row: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Train until the epoch that is compared, from where an earlier run stopped; return the log."""
    folder, last = args.runs / "".join(c if c.isalnum() else "_" for c in row), args.epochs * EPOCH

    def enough(stage: str, step: int, total: int, terms: Mapping[str, float]) -> None:
        if step > last:
            raise _FarEnoughError

    done = entries_of(folder / "log.jsonl")
    if not done or done[-1]["step"] < last:
        resume = (folder / "checkpoint.pt").exists()
        with contextlib.suppress(_FarEnoughError):
            run(
                settings_of(row, args.every),
                args.archive,
                folder,
                resume=resume,
                land_cover=args.land_cover,
                progress=enough,
            )
    return entries_of(folder / "log.jsonl")


def show(name: str, log: list[dict[str, Any]], epochs: int, every: int) -> None:
    """Print a line for each measuring until the epoch that is compared."""
    for epoch in range(every, epochs + 1, every):
        for entry in log:
            if entry["step"] == epoch * EPOCH and "frechet" in entry:
                values = " ".join(f"{entry.get(key, math.nan):11.3f}" for key in COLUMNS)
                print(f"{name:38} {epoch:5} {values}  {'alarm' if entry['alarm'] else ''}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--epochs", type=int, default=15, help="after how many to compare")
    parser.add_argument("--every", type=int, default=1, help="epochs between measurings")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--land-cover", default="land-cover")
    args = parser.parse_args()
    if args.epochs > STEPS // EPOCH // 2 or args.epochs % args.every:
        parser.error(f"--epochs {args.epochs}: at most {STEPS // EPOCH // 2}, and a multiple of --every")
    print(f"{'':38} {'epoch':>5} {' '.join(f'{key:>11}' for key in COLUMNS)}", flush=True)
    for name, log in WHOLE.items():
        show(name, entries_of(ROOT / "docs" / "paper" / log), args.epochs, args.every)
    for row in args.rows:
        show(row, trained(row, args), args.epochs, args.every)


if __name__ == "__main__":
    main()
