"""Pack what the published method is trained on here: simulated patches, and the training split's real ones.

    python scripts/pack_paper_archive.py --output archives/paper [--patches 1200] [--cloudy 0.25] [--seed 0]
        [--data ../shared/data]

The simulated patches have truth, labels and all three splits. The real ones are the images that
`settings/collection.yaml` names (none of them of a place that anything is measured on), cut into patches of 120 pixels
without overlap; they have no labels here and are for training alone, so that whatever is measured on the archive is
measured on simulated patches. Without the data folder there are none. A packing that was killed goes on with the same
command.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from unclouded.bands import BANDS, INDEX
from unclouded.data.collection import load_collection
from unclouded.data.landscapes import simulation
from unclouded.data.packing import Job, PatchRecord, pack
from unclouded.data.patch import Patch
from unclouded.errors import UncloudedError

ROOT = Path(__file__).resolve().parents[1]
LISTING = ROOT / "settings" / "collection.yaml"
SIDE = 120
DOMAINS = {"clear": "Y", "cloudy": "X"}


def real_jobs(folder: Path) -> list[Job]:
    """Patches of the real images; their pixels travel with the job."""
    images = load_collection(folder, LISTING)
    return [job for domain in DOMAINS for image in getattr(images, domain) for job in squares(image, domain)]


def squares(image: Patch, domain: str) -> list[Job]:
    """An image of either domain, cut up."""
    _, height, width = image.optical.shape
    jobs = []
    for row in range(0, height - SIDE + 1, SIDE):
        for column in range(0, width - SIDE + 1, SIDE):
            part = image.optical[:, row : row + SIDE, column : column + SIDE]
            tensors = {name: stored(part[INDEX[name]], name) for name in image.bands}
            jobs.append(Job(f"{image.name}_{row}_{column}", described(image, domain, row, column), tensors))
    return jobs


def stored(band: np.ndarray, name: str) -> np.ndarray:
    """A band (120, 120) as DN at its native size, which is what the simulated ones are stored at."""
    step = BANDS[INDEX[name]].resolution // 10
    native = band.reshape(SIDE // step, step, SIDE // step, step).mean((1, 3))
    return np.clip(np.rint(native * 10_000), 1, 65_535).astype(np.uint16)


def described(image: Patch, domain: str, row: int, column: int) -> dict[str, Any]:
    return {
        "patch_id": f"{image.name}_{row}_{column}",
        "labels": [],
        "split": "train",
        "country": "",
        "s1_name": None,
        "s2v1_name": None,
        "contains_seasonal_snow": False,
        "contains_cloud_or_shadow": domain == "cloudy",
        "domain": DOMAINS[domain],
        "acquisition": image.name,
        "level": image.level,
        "clear_id": None,
    }


def load(job: Job) -> PatchRecord:
    """A simulated patch, or a real one."""
    if isinstance(job.source, simulation.Recipe):
        return simulation.load(job)
    return PatchRecord({job.patch_id: job.source}, job.row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--patches", type=int, default=1200)
    parser.add_argument("--cloudy", type=float, default=0.25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    args = parser.parse_args()
    try:
        run(args)
    except UncloudedError as error:
        sys.exit(f"error: {error}")


def run(args: argparse.Namespace) -> None:
    real = real_jobs(args.data) if args.data.is_dir() else []
    jobs = [*simulation.jobs(args.patches, args.seed, cloudy=args.cloudy), *real]
    origin = f"{args.patches} simulated patches, {args.cloudy:g} cloudy, seed {args.seed}, and {len(real)} real ones"
    made = pack(jobs, load, args.output, origin=origin)
    for domain in ("X", "Y"):
        train = [job for job in jobs if job.row["domain"] == domain and job.row["split"] == "train"]
        kinds = Counter(isinstance(job.source, simulation.Recipe) for job in train)
        share = kinds[False] / max(len(train), 1)
        print(f"training patches of {domain}: {kinds[True]:,} simulated, {kinds[False]:,} real ({share:.0%})")
    print(f"{made.output}: {made.packed:,} patches")


if __name__ == "__main__":
    main()
