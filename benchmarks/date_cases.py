"""Exact truth with other dates: a clear date of a place under the real cloud of another, and dates to clear it with.

The definitions of sites, masks and pairs for `dates.py`. Where a site has a series, the mask and the cloudy pixels are
those of a partly cloudy date of the same site; where it has clear images, or whole overcast ones, alone
(`worldcereal_monthly`, `gfmap_*`, `california_fires`, `bark_beetle`), the mask is one of ROI 146, cut to size, and 0.6
stands under it: with the mask given what stands there is not read. The mask of `wright` is by brightness and leaves
haze and shadow, so that some "clear" dates and rims are not, and takes bright bare ground for cloud.
`small_icos_16px` is left out: in 16 x 16 pixels there are no surroundings.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_opening

from unclouded.bands import L1C, TEN

Array = NDArray[np.float32]
COVERED_SCL = (0, 1, 3, 8, 9, 10, 11)
CHOOSING = ("roi146", "tanzania", "mol", "monthly", "california A")
"""Sites on which constants were chosen; the others verify."""
VERIFYING = ("worldcereal", "wright", "belgium", "antwerp", "bark beetle", "california B")


@dataclass(frozen=True)
class Case:
    """One covered scene.

    Attributes:
        place: site, or place within it.
        bands: of the scene and the references.
        scene: (C, H, W) reflectance with the cover pasted.
        truth: (C, H, W).
        mask: (H, W) true where covered.
        earlier, near: references, nearest first; reflectance (C, H, W).
        earlier_clear, near_clear: (H, W) where they show the ground.
        earlier_days, near_days: days from the scene, negative before it.
    """

    place: str
    bands: tuple[str, ...]
    scene: Array
    truth: Array
    mask: NDArray[np.bool_]
    earlier: list[Array]
    near: list[Array]
    earlier_clear: list[NDArray[np.bool_]]
    near_clear: list[NDArray[np.bool_]]
    earlier_days: list[int]
    near_days: list[int]


@dataclass
class Series:
    """Dates of a place: reflectance (T, C, H, W), cover (T, H, W), ordinals; which are clear, partly cloudy."""

    bands: tuple[str, ...]
    x: Array
    cover: NDArray[np.bool_]
    days: list[int]
    clear: list[int] = field(default_factory=list)
    part: list[int] = field(default_factory=list)

    def sort_dates(self, brightest: float = 0.16) -> Series:
        """Fill `clear` and `part` as `exact_truth.py` does: cover under 2 % and not hazy; 15 to 85 %."""
        whole = np.isfinite(self.x).all((1, 2, 3)) & (self.x.max((1, 2, 3)) > 0)
        share = self.cover.mean((1, 2))
        hazy = self.x[:, 1].mean((1, 2)) >= brightest
        self.clear = [i for i in range(len(self.x)) if whole[i] and share[i] < 0.02 and not hazy[i]]
        self.part = [i for i in range(len(self.x)) if whole[i] and 0.15 < share[i] < 0.85]
        return self


def _ordinals(dates: NDArray[np.str_]) -> list[int]:
    return [dt.date.fromisoformat(str(d)).toordinal() for d in dates]


@cache
def roi146(data: Path) -> Series:
    from s2cloudless import S2PixelCloudDetector

    with np.load(data / "sen12mscr_ts_roi146.npz") as z:
        order = [i for i in np.argsort(z["date"]) if z["patch"][i] == 0]
        x, days = z["s2"][order].astype("f4") / np.float32(1e4), _ordinals(z["date"][order])
    find = S2PixelCloudDetector(threshold=0.4, average_over=4, dilation_size=2, all_bands=True)
    cover = np.stack([find.get_cloud_masks(np.moveaxis(a, 0, -1)[None])[0].astype(bool) for a in x])
    return Series(L1C, x, cover, days).sort_dates()


def _wright(data: Path) -> Series:
    with np.load(data / "places" / "wright_stack.npz") as z:
        x, state = z["dn"].astype("f4") / np.float32(1e4), z["state"]
    blue = x[:, 0]
    cover = np.stack([binary_opening(b > np.median(blue[state == 0]) + 0.05) for b in blue])
    return Series(TEN, x, cover, [30 * i for i in range(len(x))]).sort_dates()


@cache
def worldcereal(data: Path) -> Series:
    (fine,), (coarse,) = (list((data / "worldcereal").glob(f"S2_L2A_{n}m_*.nc")) for n in (10, 20))
    ten = ("B02", "B03", "B04", "B08")

    def read(path: Path, name: str, repeat: int) -> tuple[Array, dict[str, str]]:
        with rasterio.Env(GDAL_NETCDF_BOTTOMUP="NO"), rasterio.open(f"netcdf:{path}:{name}") as file:
            return file.read().astype("f4").repeat(repeat, 1).repeat(repeat, 2), file.tags()

    x = np.stack([read(fine, b, 1)[0] if b in ten else read(coarse, b, 2)[0] for b in TEN], 1) * np.float32(1e-4)
    scl, tags = read(coarse, "SCL", 2)
    start = dt.datetime.fromisoformat(tags["timestamp#units"].removeprefix("seconds since "))
    seconds = tags["NETCDF_DIM_timestamp_VALUES"].strip("{}").split(",")
    days = [(start + dt.timedelta(seconds=int(s))).toordinal() for s in seconds]
    return Series(TEN, x, np.isin(scl, COVERED_SCL), days).sort_dates()


def _with_scl(data: Path, prefix: str) -> Series:
    with np.load(data / "places" / "small_worldcereal_20m.npz") as z:
        x = z[f"{prefix}dn"].astype("f4") * np.float32(z["scale"]) + np.float32(z["offset"])
        series = Series(
            tuple(str(b) for b in z["bands"]),
            x,
            np.isin(z[f"{prefix}scl"], COVERED_SCL),
            _ordinals(z[f"{prefix}dates"]),
        )
    return series.sort_dates(np.inf)  # 20 m bands alone: no blue to tell haze by


def _from_series(place: str, series: Series, count: int, rng: np.random.Generator) -> Iterator[Case]:
    pairs = [(t, k) for t in series.clear for k in series.part if t != k]
    rng.shuffle(pairs)
    found = 0
    for t, k in pairs:
        mask = binary_dilation(series.cover[k], iterations=2)
        near = sorted((c for c in series.clear if c != t), key=lambda c: abs(series.days[c] - series.days[t]))
        before = [c for c in near if series.days[c] < series.days[t]]
        if not before or len(near) < 2 or not 0.1 < mask.mean() < 0.85:
            continue
        x = series.x
        yield Case(
            place, series.bands, np.where(mask, x[k], x[t]), x[t], mask, [x[c] for c in before[:3]],
            [x[c] for c in near[:3]], [~series.cover[c] for c in before[:3]], [~series.cover[c] for c in near[:3]],
            [series.days[c] - series.days[t] for c in before[:3]], [series.days[c] - series.days[t] for c in near[:3]],
        )  # fmt: skip
        found += 1
        if found == count:
            return


def covers(
    series: Series, shape: tuple[int, int], rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.bool_], Array]]:
    """Masks of a series, enlarged where the place is larger, cut at random to 10 to 85 %; and its pixels (C, h, w)."""
    while True:
        date = rng.choice(series.part)
        mask, pixels = binary_dilation(series.cover[date], iterations=2), series.x[date]
        while mask.shape[0] < shape[0] or mask.shape[1] < shape[1]:
            mask, pixels = mask.repeat(2, 0).repeat(2, 1), pixels.repeat(2, 1).repeat(2, 2)
        row, column = (int(rng.integers(0, m - s + 1)) for m, s in zip(mask.shape, shape, strict=True))
        cut = slice(row, row + shape[0]), slice(column, column + shape[1])
        if 0.1 < mask[cut].mean() < 0.85:
            yield mask[cut], pixels[:, *cut]


def masks(data: Path, shape: tuple[int, int], rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """The masks of ROI 146, see `covers`."""
    return (mask for mask, _ in covers(roi146(data), shape, rng))


def composites(data: Path, site: str) -> list[tuple[str, tuple[str, ...], Array, list[int]]]:
    """The clear images of a site: place, bands, reflectance (T, C, H, W), ordinals."""
    stacks: list[tuple[str, tuple[str, ...], Array, list[int]]] = []
    if site == "monthly":
        with np.load(data / "places" / "worldcereal_monthly.npz") as z:
            bands = tuple(str(b) for b in z["bands"])
            for key in ("presto_20", "wc_12"):
                x = z[key].astype("f4") / np.float32(1e4)
                good = [i for i in range(len(x)) if x[i].min() > 0 and x[i, 0].mean() < 0.12]
                stacks.append((f"monthly {key}", bands, x[good], _ordinals(z[f"{key}_dates"][good])))
    elif site in ("mol", "antwerp"):
        with np.load(data / "places" / f"gfmap_{site}.npz") as z:
            good = np.flatnonzero(z["state"] == 0)
            x = z["dn"][good].astype("f4") * np.float32(z["scale"]) + np.float32(z["offset"])
            stacks.append((site, tuple(str(b) for b in z["bands"]), x, _ordinals(z["dates"][good])))
    elif site == "bark beetle":
        with np.load(data / "places" / "bark_beetle_czechia.npz") as z:
            for key in z.files:
                if key.startswith("p") and z[key].ndim == 4 and len(z[key]) == 2:
                    x = z[key].astype("f4") / np.float32(1e4)
                    stacks.append((f"bark beetle {key}", tuple(b for b in L1C if b != "B10"), x, [0, 366]))
    else:
        with np.load(data / "places" / "california_fires.npz") as z:
            names = sorted(k[:-5] for k in z.files if k.endswith("__pre") and f"{k[:-5]}__post" in z.files)
            for number, name in enumerate(names):
                pair = [z[f"{name}__{when}"].astype("f4") / np.float32(1e4) for when in ("pre", "post")]
                if pair[0].shape == pair[1].shape and ("AB"[number % 2] == site[-1]):
                    stacks.append((f"fire {name}", ("B02", "B03", "B04", "B08", "B12"), np.stack(pair), [0, 60]))
    return stacks


def _composites(data: Path, site: str, count: int, rng: np.random.Generator) -> Iterator[Case]:
    """Cases of sites of clear composites."""
    stacks = composites(data, site)
    for number in range(count):
        place, bands, x, days = stacks[number % len(stacks)]
        if np.isnan(x).any() or (x.max(1) <= 0).mean() > 0.001:
            continue
        mask = next(masks(data, x.shape[2:], rng))
        t = int(rng.integers(1, len(x)))
        near = sorted((c for c in range(len(x)) if c != t), key=lambda c: abs(days[c] - days[t]))
        before = [c for c in near if days[c] < days[t]]
        clear = [np.ones(mask.shape, bool)] * 3
        yield Case(
            place, bands, np.where(mask, np.float32(0.6), x[t]), x[t], mask, [x[c] for c in before[:3]],
            [x[c] for c in near[:3]], clear[: len(before[:3])], clear[: len(near[:3])],
            [days[c] - days[t] for c in before[:3]], [days[c] - days[t] for c in near[:3]],
        )  # fmt: skip


def cases(data: Path, site: str, count: int = 16, seed: int = 0) -> list[Case]:
    """Up to `count` cases of a site of `CHOOSING` or `VERIFYING`."""
    rng = np.random.default_rng(seed)
    if site in ("monthly", "bark beetle", "mol", "antwerp") or site.startswith("california"):
        return list(_composites(data, site, count, rng))
    return list(_from_series(site, series_of(data, site), count, rng))


def series_of(data: Path, site: str) -> Series:
    """The series of a site that has one."""
    made = {
        "roi146": lambda: roi146(data),
        "wright": lambda: _wright(data),
        "worldcereal": lambda: worldcereal(data),
        "tanzania": lambda: _with_scl(data, "tanzania_"),
        "belgium": lambda: _with_scl(data, "belgium_F08E_"),
    }[site]
    return made()
