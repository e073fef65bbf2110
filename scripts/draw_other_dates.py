"""Draw docs/other_dates.png: a scene, another date, the result, the truth, its source and its uncertainty.

    python scripts/draw_other_dates.py [--data ../shared/data] [--output docs/other_dates.png]

The scene is a clear date of SEN12MS-CR-TS ROI 146 under the clouds of another of its dates, so that the truth is known.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from unclouded.bands import INDEX, L1C
from unclouded.clearing.inputs import open_inputs
from unclouded.clearing.model import Model
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.passes import Clearing
from unclouded.reading.reader import ReadOptions

SOURCES = {"observed": "#3a4145", "guessed": "#e2007a", "another date": "#0aa0b0"}
"""Colour of each source, in the order of their numbers."""


def colours(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Natural colour (h, w, 3) of reflectance (13, h, w)."""
    rgb = image[[INDEX[band] for band in ("B04", "B03", "B02")]].transpose(1, 2, 0)
    return np.clip((rgb - 0.03) / 0.17, 0, 1)


def write(path: Path, image: NDArray[np.float32]) -> None:
    count, height, width = image.shape
    profile = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": "uint16"}
    place = {"crs": "EPSG:32632", "transform": Affine(10, 0, 600000, 0, -10, 5400000)}
    with rasterio.open(path, "w", **profile, **place) as file:
        file.write(np.rint(image * 1e4).astype(np.uint16))
        file.descriptions = L1C


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=Path("docs/other_dates.png"))
    args = parser.parse_args()

    with np.load(args.data / "sen12mscr_ts_roi146.npz") as arrays:
        images, patches = arrays["s2"].astype(np.float32) / 1e4, arrays["patch"]
        same = [n for n in range(len(images)) if patches[n] == 0]
    blue = images[:, INDEX["B02"]].mean((1, 2))
    bright = (images[:, INDEX["B02"]] > 0.22).mean((1, 2))
    clear = sorted((n for n in same if bright[n] < 0.01), key=lambda n: blue[n])
    broken = sorted((n for n in same if 0.2 < bright[n] < 0.6), key=lambda n: abs(bright[n] - 0.35))
    truth, other, clouds = images[clear[0]], images[clear[1]], images[broken[0]]
    cover = np.kron(clouds[INDEX["B02"]][::4, ::4] > 0.17, np.ones((4, 4), bool))
    scene = np.where(cover, clouds, truth)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder, "scene.tif"), scene)
        write(Path(folder, "other.tif"), other)
        options = ClearOptions(references=(str(Path(folder, "other.tif")),))
        model = Model.load(options)
        with (
            ReadOptions(level="L1C", offset=0).open(str(Path(folder, "scene.tif"))) as opened,
            open_inputs(opened, options) as inputs,
        ):
            tiles = list(Clearing(inputs, model.generator, options).tiles())
    result, quality = np.empty_like(scene), np.empty((3, *scene.shape[1:]), np.float32)
    for tile in tiles:
        result[(slice(None), *tile.box.slices)] = tile.dn / 1e4
        quality[(slice(None), *tile.box.slices)] = tile.quality
    figure = Figure((11, 8), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    shown = (("scene", scene), ("another date", other), ("result", result), ("truth", truth))
    for axis, (title, image) in zip(axes[[0, 1, 3, 4]], shown, strict=True):
        axis.imshow(colours(image))
        axis.set_title(title)
    axes[2].imshow(quality[2], cmap=ListedColormap(list(SOURCES.values())), vmin=0, vmax=2, interpolation="nearest")
    axes[2].set_title("source")
    patches = [Patch(color=colour, label=name) for name, colour in SOURCES.items()]
    axes[2].legend(handles=patches, loc="lower right", framealpha=0.9)
    drawn = axes[5].imshow(quality[1], cmap="magma", vmin=0)
    axes[5].set_title("uncertainty: the error to expect")
    figure.colorbar(drawn, ax=axes[5], location="bottom", label="reflectance", shrink=0.9, pad=0.02)
    for axis in axes:
        axis.set_axis_off()
    figure.savefig(args.output, dpi=90)
    error = np.abs(result - truth)[:, cover].mean()
    print(f"mean absolute error under cloud {error:.4f}; of the other date, copied, "
          f"{np.abs(other - truth)[:, cover].mean():.4f}")  # fmt: skip


if __name__ == "__main__":
    main()
