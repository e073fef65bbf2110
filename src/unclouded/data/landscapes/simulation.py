"""Simulated archives like BigEarthNet: procedural landscapes, some under simulated clouds, with the truth.

Every patch depends on the seed and its own number alone, so the archive does not depend on the number of processes.
Acquisitions are named `SIM_...`, unlike any real one.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from unclouded.bands import BANDS, INDEX, L1C, L2A, LEVELS
from unclouded.data.archive import table_row
from unclouded.data.clouds import Sky, simulate
from unclouded.data.landscapes.labels import COUNTRIES
from unclouded.data.landscapes.landscape import Acquisition, landscape
from unclouded.data.packing import Job, PackReport, PatchRecord, pack
from unclouded.data.seasons import change_level, path_reflectance
from unclouded.progress import Progress, silent

Level = Literal["L1C", "L2A"]

CLEAR_SUFFIX = "_clear"
"""Ending of the id of a cloudy patch's clear twin."""

_PER_ACQUISITION = 150
_LEAST_HIDDEN = 0.04
"""Least share of a cloudy patch that cloud or shadow hides, unless ten skies hide less."""
_PLAINEST = 0.3
"""Least `cloud_shadow_fraction` at its most hidden pixel: faint even haze alone does not make a patch cloudy."""
# The splits of BigEarthNet v1's clear patches, and of the cloudy ones by acquisition.
_CLEAR_SPLITS = {"train": 269_695 / 519_284, "validation": 123_723 / 519_284, "test": 125_866 / 519_284}
_CLOUDY_SPLITS = {"train": 0.70, "validation": 0.15, "test": 0.15}
# First days of December, March, June and September, in order of `landscapes.labels.SEASONS`.
_SEASON_STARTS = (date(2017, 12, 1), date(2018, 3, 1), date(2017, 6, 1), date(2017, 9, 1))


@dataclass(frozen=True)
class Recipe:
    """What a simulated patch is made from.

    Attributes:
        acquisition: of the patch.
        seed: of its ground and sky.
        level: "L1C" or "L2A".
        image: "Y" clear, "X" cloudy, "clear" the clear twin of a cloudy one.
    """

    acquisition: Acquisition
    seed: tuple[int, int]
    level: Level
    image: Literal["Y", "X", "clear"]


def simulate_archive(
    output: Path,
    patches: int,
    seed: int,
    *,
    level: Level = "L2A",
    cloudy: float = 0.1,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> PackReport:
    """Write an archive of simulated patches; an interrupted run is resumed by the same call.

    Args:
        output: the archive to write.
        patches: number of patches, without the clear twins of cloudy ones.
        seed: of everything.
        level: "L2A" (12 bands) or "L1C" (13 bands, seen through the atmosphere).
        cloudy: share of the patches in domain X.
        workers: processes; all cores unless given.
        overwrite: replace an existing archive.
        progress: called with stage, done, total.

    Raises:
        OutputExistsError: the archive is there, or another run is writing it.
        InputError: a simulation with other arguments was interrupted there.
        FileError: the disk is full, or a worker was killed.
    """
    origin = f"simulation of {patches} {level} patches, {cloudy:g} cloudy, seed {seed}"
    todo = jobs(patches, seed, level=level, cloudy=cloudy)
    return pack(todo, load, output, origin=origin, workers=workers, overwrite=overwrite, progress=progress)


def jobs(patches: int, seed: int, *, level: Level = "L2A", cloudy: float = 0.1) -> list[Job]:
    """Plan the patches of an archive: acquisition, domain and split of each."""
    rng = np.random.default_rng([seed, 0])
    acquisitions = _acquisitions(max(12, round(patches / _PER_ACQUISITION)), seed, rng)
    size = np.exp(rng.normal(0, 0.5, len(acquisitions)))
    cloudiness = size * _cloudiness(acquisitions, rng)
    covered = rng.permutation(patches) < round(cloudy * patches)
    belongs = np.where(
        covered,
        rng.choice(len(acquisitions), patches, p=cloudiness / cloudiness.sum()),
        rng.choice(len(acquisitions), patches, p=size / size.sum()),
    )
    cloudy_split = _whole_acquisitions(np.bincount(belongs[covered], minlength=len(acquisitions)))
    clear_split = rng.choice(list(_CLEAR_SPLITS), patches, p=list(_CLEAR_SPLITS.values()))
    counts = [0] * len(acquisitions)
    planned: list[Job] = []
    for index, number in enumerate(map(int, belongs)):
        place = f"{counts[number] // 90}_{counts[number] % 90}"
        counts[number] += 1
        split = cloudy_split[number] if covered[index] else str(clear_split[index])
        recipe = Recipe(acquisitions[number], (seed, index + 1), level, "X" if covered[index] else "Y")
        planned += _jobs_of_patch(recipe, place, split)
    return planned


def _jobs_of_patch(recipe: Recipe, place: str, split: str) -> list[Job]:
    """The job of a patch, and, if it is cloudy, that of its clear twin."""
    acquisition, cloudy = recipe.acquisition, recipe.image == "X"
    name = f"{acquisition.name}_{place}"
    row = table_row(
        name,
        split=split,
        country=acquisition.country,
        s1_name=f"SIM_IW_GRDH_1SDV_{acquisition.name.split('_')[2]}_{place}",
        contains_cloud_or_shadow=cloudy,
        domain=recipe.image,
        acquisition=acquisition.name,
        level=recipe.level,
        clear_id=name + CLEAR_SUFFIX if cloudy else None,
    )
    if not cloudy:
        return [Job(name, row, recipe)]
    # The twin is in no domain: in Y, training would see the ground under the clouds of X.
    twin = row | {
        "patch_id": name + CLEAR_SUFFIX,
        "contains_cloud_or_shadow": False,
        "domain": "",
        "clear_id": None,
    }
    return [Job(name, row, recipe), Job(name + CLEAR_SUFFIX, twin, replace(recipe, image="clear"))]


def load(job: Job) -> PatchRecord:
    """Simulate one patch: bands, radar unless it is a twin, and opacity and shadow (0 to 255) if it is cloudy."""
    recipe: Recipe = job.source
    ground = landscape(recipe.acquisition, np.random.default_rng(recipe.seed))
    if multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)  # since there is a process for every core
    image = torch.from_numpy(ground.reflectance)[None]
    sky_seed = int(np.random.SeedSequence((*recipe.seed, 1)).generate_state(1)[0])
    surface = torch.full((1,), float(LEVELS.index(recipe.level)))
    # The same seed twice, so that both use the same atmosphere.
    image = change_level(image, torch.ones(1), surface, torch.Generator().manual_seed(sky_seed))
    path = path_reflectance(surface, torch.Generator().manual_seed(sky_seed))
    values = {}
    tensors: dict[str, NDArray[Any]] = {}
    if recipe.image == "X":
        sky = _sky(image, path, recipe.acquisition.sun, torch.Generator().manual_seed(sky_seed + 1))
        image = sky.cloudy
        for name, truth in (("opacity", sky.cloud), ("shadow", sky.shadow)):
            tensors[name] = (truth[0, 0] * 255).round().to(torch.uint8).numpy()
    tensors.update(_bands(image[0].numpy(), L2A if recipe.level == "L2A" else L1C))
    values[job.patch_id] = tensors
    if recipe.image != "clear":
        values[str(job.row["s1_name"])] = {"VV": ground.radar[0], "VH": ground.radar[1]}
    return PatchRecord(values, job.row | {"labels": list(ground.labels)})


def _sky(image: torch.Tensor, path: torch.Tensor, sun: tuple[float, float], rng: torch.Generator) -> Sky:
    """The first of up to ten skies that hides enough of the ground, else the last."""
    for _ in range(10):
        sky = simulate(image, path, rng, sun=sun)
        hidden = sky.cloud_shadow_fraction
        if float(hidden.mean()) >= _LEAST_HIDDEN and float(hidden.max()) >= _PLAINEST:
            break
    return sky


def _bands(reflectance: NDArray[np.float32], names: tuple[str, ...]) -> dict[str, NDArray[np.uint16]]:
    """Bands by name as DN at their native sizes, at least 1, since 0 means no data."""
    stored = {}
    for name in names:
        band = reflectance[INDEX[name]]
        step = BANDS[INDEX[name]].resolution // 10
        if step > 1:
            band = band.reshape(band.shape[0] // step, step, band.shape[1] // step, step).mean((1, 3))
        stored[name] = np.clip(np.rint(band * 10_000), 1, 65_535).astype(np.uint16)
    return stored


def _acquisitions(count: int, seed: int, rng: np.random.Generator) -> list[Acquisition]:
    """Draw acquisitions from BigEarthNet's countries and seasons in proportion to its patches."""
    share = np.array([country.patches for country in COUNTRIES.values()], float)
    # Systematic sampling, so that even a few acquisitions are in proportion.
    points = (np.arange(count) + rng.random()) / count
    chosen = np.searchsorted(np.cumsum(share.ravel()) / share.sum(), points)
    made: dict[str, Acquisition] = {}
    for place in chosen:
        country = list(COUNTRIES)[int(place) // share.shape[1]]
        while True:
            day = _SEASON_STARTS[int(place) % share.shape[1]] + timedelta(int(rng.integers(0, 90)))
            # Half past ten local solar time, in UTC.
            minutes = 630 - 4 * COUNTRIES[country].longitude + rng.uniform(-8, 8)
            name = f"SIM_MSIL2A_{day:%Y%m%d}T{int(minutes // 60):02}{int(minutes % 60):02}{int(rng.integers(60)):02}"
            if name not in made:
                break
        made[name] = Acquisition(name, country, day, int(rng.integers(2**31)))
    return list(made.values())


def _cloudiness(acquisitions: list[Acquisition], rng: np.random.Generator) -> NDArray[np.float64]:
    """Rate of cloudy patches of each acquisition: by country and season, log-normal, and 0 for half of them.

    In BigEarthNet v1 58 of 125 acquisitions hold all the cloudy patches, ten of them 77 per cent.
    """
    rate = np.empty(len(acquisitions))
    for index, acquisition in enumerate(acquisitions):
        country = COUNTRIES[acquisition.country]
        season = (acquisition.day.month % 12) // 3
        rate[index] = 0.004 + country.cloudy[season] / max(country.patches[season], 1)
    rate *= np.exp(rng.normal(0, 1.0, len(rate)))
    rate[rng.permutation(len(rate))[: len(rate) // 2]] = 0
    return rate


def _whole_acquisitions(cloudy: NDArray[np.int64]) -> list[str]:
    """Assign acquisitions with all their cloudy patches, largest first, each to the split farthest from its target."""
    target = np.array(list(_CLOUDY_SPLITS.values())) * max(int(cloudy.sum()), 1)
    assigned = np.zeros(len(target))
    split = [""] * len(cloudy)
    for index in np.argsort(-cloudy, kind="stable"):
        # Relative to the target, so that small splits are not left empty.
        lacking = int(np.argmax((target - assigned) / target))
        split[index] = list(_CLOUDY_SPLITS)[lacking]
        assigned[lacking] += cloudy[index]
    return split
