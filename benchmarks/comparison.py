"""What the benchmarks on real pairs share: the images that are compared, the table of their errors, the pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from unclouded.evaluation.fills import mean_fill, smooth_fill
from unclouded.evaluation.paired import PairedErrors, average, compare

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
NOTHING, MEAN_FILL, OURS, CEILING = "nothing", "mask and mean fill", "ours", "ceiling (truth where cloudy)"
THAT_DAY = "truth in that day's colours"


@dataclass(frozen=True)
class Candidates:
    """The images that are compared with the truth of one pair.

    Attributes:
        name: of the pair.
        truth: (C, h, w) reflectance.
        mask: (h, w) which pixels were cloudy.
        made: (C, h, w) by the name of the row.
        opacity: (h, w) as our network sees it.
    """

    name: str
    truth: NDArray[np.float32]
    mask: NDArray[np.bool_]
    made: dict[str, NDArray[np.float32]]
    opacity: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        name: str,
        cloudy: NDArray[np.float32],
        truth: NDArray[np.float32],
        mask: NDArray[np.bool_],
        ours: Mapping[str, NDArray[np.float32]],
        opacity: NDArray[np.float32],
    ) -> Candidates:
        """Put ours (by the name of the row) between what anyone can do with a mask and the ceiling."""
        made = {
            NOTHING: cloudy,
            MEAN_FILL: mean_fill(cloudy, mask),
            "mask and smooth fill": smooth_fill(cloudy, mask),
            **ours,
            CEILING: np.where(mask, truth, cloudy),
        }
        return cls(name, truth, mask, made, opacity)

    def that_day(self, threshold: float) -> NDArray[np.float32] | None:
        """The truth where cloudy, changed as ground that nothing hides changed between the days; elsewhere the input.

        That is what a perfect tool would make of the image, if the ground had changed alike all over it. Ground that
        nothing hides lies 80 m or more from mask and opacity; None if it is less than 3 % of the image.
        """
        clear = ~ndimage.binary_dilation(self.mask | (self.opacity >= threshold), iterations=8)
        if clear.mean() < 0.03:
            return None
        cloudy = self.made[NOTHING]
        change = (self.truth - cloudy)[:, clear].mean(axis=1)
        return np.where(self.mask, self.truth - change[:, None, None], cloudy)

    def errors(self) -> dict[str, PairedErrors]:
        """The errors of each image."""
        return {name: compare(image, self.truth, self.mask) for name, image in self.made.items()}


def table(
    rows: Mapping[str, Sequence[PairedErrors]], keep: NDArray[np.bool_], title: str
) -> dict[str, dict[str, float]]:
    """Print the mean of each error over the kept images, and return it."""
    print(f"\n{title}, N = {int(keep.sum())}")
    print(f"{'':34s}{'PSNR':>8s}{'SSIM':>8s}{'angle':>8s}{'cloudy':>9s}{'elsewhere':>11s}")
    return {name: print_row(name, [e for e, k in zip(errors, keep, strict=True) if k]) for name, errors in rows.items()}


def print_row(name: str, errors: Sequence[PairedErrors]) -> dict[str, float]:
    """Print the mean of each error, and return it."""
    # A wholly masked image is equal to the truth in the ceiling row: count its PSNR as 60 dB, not as infinite.
    mean = average([replace(error, psnr=min(error.psnr, 60.0)) for error in errors])
    print(f"{name:34s}{mean.psnr:8.2f}{mean.ssim:8.3f}{mean.angle:8.2f}{mean.cloudy:9.4f}{mean.elsewhere:11.4f}")
    return asdict(mean)


def print_each(candidates: Iterable[Candidates], rows: Mapping[str, Sequence[PairedErrors]]) -> None:
    """Print a line for each pair."""
    print("\nper image: cloudy share, PSNR of mean fill and of ours, error on cloudy pixels of both")
    for one, fill, ours in zip(candidates, rows[MEAN_FILL], rows[OURS], strict=True):
        shown = f"{one.mask.mean():6.2f}{fill.psnr:8.2f}{ours.psnr:8.2f}{fill.cloudy:9.4f}{ours.cloudy:9.4f}"
        print(f"{one.name:18s}{shown}")


def draw(candidates: Sequence[Candidates], bands: Sequence[str], path: Path, across: int = 1) -> None:
    """A PNG of all pairs: cloudy, mean fill, ours, opacity, truth; natural colour, 0 to 0.3.

    `bands` are those of the images; `across` pairs stand side by side.
    """
    colour = [bands.index(name) for name in ("B04", "B03", "B02")]
    high = -(-len(candidates) // across)
    figure = Figure(figsize=(12.5 * across, 2.6 * high), layout="constrained")
    panels = figure.subplots(high, 5 * across, squeeze=False).reshape(-1, 5)
    for axis in panels.flat:
        axis.set_axis_off()
    for row, one in zip(panels, candidates, strict=False):
        images = [one.made[NOTHING], one.made[MEAN_FILL], one.made[OURS], one.opacity, one.truth]
        titles = [one.name, "mean fill", "ours", "opacity", "truth"]
        for axis, image, title in zip(row, images, titles, strict=True):
            shown = image if image.ndim == 2 else np.clip(image[colour].transpose(1, 2, 0) / 0.3, 0, 1)
            axis.imshow(shown, vmin=0, vmax=1)
            axis.set_title(title, fontsize=14)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=60)
