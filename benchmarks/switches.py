"""What each switch against the brown fields does by itself: taken from `unpaired.yaml`, or put to `paper_64.yaml`.

    python benchmarks/switches.py ARCHIVE RUNS [--steps 570] [--epoch 38] [--rows NAME ...] [--land-cover WEIGHTS]

ARCHIVE is that of the paper's run (`scripts/pack_paper_archive.py`). All rows are trained from scratch with one seed on
the same batches for the same number of steps, over which the learning rate falls to 0 (a tenth of them is
the warm-up of the rows of `unpaired.yaml`), and measured every `--epoch` steps by the training itself, on the archive's
validation split. Columns, after the last step: the Fréchet distance of the
cleared patches, their coverage, recall and inception score, the PSNR against the true ground, the error of
x -> y -> x, the mean opacity, and how many of the last five measurements raised the alarm of collapse. A finished run
in RUNS is not trained again, so that a killed benchmark goes on; each run's pictures lie in its folder.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from comparison import ROOT

from unclouded.settings import TranslatorSettings, load_settings
from unclouded.training.translator_run import run

UNPAIRED, PUBLISHED = "unpaired.yaml", "paper_64.yaml"
ROWS: dict[str, tuple[str, list[str]]] = {
    "as published": (PUBLISHED, []),
    "as published, cycle by distributions": (PUBLISHED, ["unpaired.cycle_by=distributions"]),
    "all switches": (UNPAIRED, []),
    "cycle compared pixel by pixel": (UNPAIRED, ["unpaired.cycle_by=pixels"]),
    "without a price of change": (UNPAIRED, ["loss.change=0"]),
    "without identity": (UNPAIRED, ["loss.identity=0"]),
    "the published networks": (UNPAIRED, ["networks=published", "loss.change=0"]),
    "one scale of discriminators": (UNPAIRED, ["unpaired.scales=1"]),
    "latents as published": (UNPAIRED, ["loss.latent_cycle=0.025", "loss.latent_adversarial=1"]),
    "clear images of any acquisition": (UNPAIRED, ["unpaired.matched=false"]),
    "without noise": (UNPAIRED, ["unpaired.noise=0"]),
}
COLUMNS = ("frechet", "coverage", "recall", "inception", "psnr", "cycle_error", "change")
LAST = 5
"""Measurements whose alarms are counted."""


def settings_of(row: str, steps: int, epoch: int) -> TranslatorSettings:
    name, own = ROWS[row]
    length = [f"training.steps={steps}", f"training.checkpoint_every={epoch}", f"training.validate_every={epoch}"]
    if name == UNPAIRED:
        # Its warm-up is made for a long run; here it must leave most of the steps at the full rate.
        length.append(f"training.warmup={steps // 10}")
    return load_settings(ROOT / "settings" / name, [*length, "training.seed=0", f"data={row}", *own])


def entries_of(folder: Path) -> list[dict[str, Any]]:
    log = folder / "log.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def trained(row: str, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Train until the last step, from where an earlier run stopped; return the log."""
    folder = given.runs / "".join(c if c.isalnum() else "_" for c in row)
    settings = settings_of(row, given.steps, given.epoch)
    done = entries_of(folder)
    if not done or done[-1]["step"] < given.steps:
        resume = (folder / "checkpoint.pt").exists()
        run(settings, given.archive, folder, resume=resume, land_cover=given.land_cover)
    return entries_of(folder)


def line(name: str, log: list[dict[str, Any]]) -> str:
    measured = [entry for entry in log if "frechet" in entry]
    last = measured[-1]
    values = " ".join(f"{last.get(key, math.nan):12.3f}" for key in COLUMNS)
    alarms = sum(bool(entry["alarm"]) for entry in measured[-LAST:])
    return f"{name:38} {values} {alarms:4} of {len(measured[-LAST:])}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--steps", type=int, default=570)
    parser.add_argument("--epoch", type=int, default=38, help="steps between measurements")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--land-cover", default="land-cover")
    given = parser.parse_args()
    print(f"{'':38} {' '.join(f'{key:>12}' for key in COLUMNS)} alarms", flush=True)
    for row in given.rows:
        log = trained(row, given)
        if row == given.rows[0]:
            first = next(entry for entry in log if "frechet" in entry)
            print(
                f"{'cloudy, as they are':38} {first['frechet_cloudy']:12.3f} {first['coverage_cloudy']:12.3f}"
                f"   (N {first['n']}, floor {first['floor']:.1f})"
            )
        print(line(row, log), flush=True)


if __name__ == "__main__":
    main()
