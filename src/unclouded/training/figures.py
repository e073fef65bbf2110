"""The paper's figures for trained weights: the cycles, the distance over the epochs, images before and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.bands import NAMES
from unclouded.colour import coloured
from unclouded.data.archive import Archive
from unclouded.data.batch import PatchReader
from unclouded.data.observations import to_observation
from unclouded.evaluation.cycles import cycle_through
from unclouded.evaluation.records import EvaluationConfig
from unclouded.evaluation.sets import draw
from unclouded.evaluation.suite import translate
from unclouded.models.generator import Generator
from unclouded.models.observation import Observation, pad_to_cells
from unclouded.models.translator import Translator
from unclouded.models.weights import load_generator, load_translator
from unclouded.models.weights_file import TRANSLATOR_FORMAT, format_of
from unclouded.report.contact_sheet import contact_sheet
from unclouded.report.training_figures import draw_cycles, draw_distances
from unclouded.training.validation import history, titled

_CYCLES = 8
_IMAGES, _WIDE = 48, 8


def draw_figures(
    weights: str, archive: Archive, folder: Path, config: EvaluationConfig, *, device: str = "cpu"
) -> dict[str, str]:
    """Draw the paper's figures for weights and the cloudy patches of a split.

    Args:
        weights: bundled ones by name, or any by path; those with G_XY alone have no x -> y -> x.
        archive: open archive.
        folder: for `figure_1a.png` (x, x -> y, x -> y -> x), `figure_2a.png` and `figure_2b.png` (images before and
            after) and, if the weights lie in the folder of a run with validation, `figure_1b.png` (the distance over
            the epochs); existing figures are replaced.
        config: split, limit and seed, by which the patches are drawn.
        device: of the networks.

    Returns:
        A description of each figure by file name, with what is missing in it.

    Raises:
        InputError: the split lacks cloudy or clear patches.
        FileError: the weights cannot be read, or a figure not be written.
    """
    translator: Translator | None = None
    if format_of(weights) == TRANSLATOR_FORMAT:
        translator, header = load_translator(weights)
        generator: Generator = translator.to(device).g_xy
    else:
        generator, header = load_generator(weights)
        generator = generator.to(device)
    rows = draw(archive, config.split, limit=config.limit, seed=config.seed).cloudy[:_IMAGES]
    reader = PatchReader(archive)
    chunks = np.split(rows, range(config.batch, len(rows), config.batch))
    batches = [to_observation(reader.read(chunk), device) for chunk in chunks]
    with torch.inference_mode():
        after = torch.cat([translate(generator, batch, header.threshold).optical for batch in batches])
    x = Observation.cat(batches)
    folder.mkdir(parents=True, exist_ok=True)
    examples = x.images(slice(_CYCLES))
    captions = {"figure_1a.png": _draw_cycles(translator, examples, after[:_CYCLES], folder, config.seed)}
    if evaluations := history(Path(weights).parent) if Path(weights).is_file() else []:
        draw_distances(evaluations, folder / "figure_1b.png")
        captions["figure_1b.png"] = f"Fréchet distance over {len(evaluations)} validations of the run"
    pairs = [_coloured(before, made) for before, made in zip(x.optical, after, strict=True)]
    what = f"{len(rows)} patches of {config.split}, seed {config.seed}"
    for name, place, title in (("figure_2a.png", 0, "Cloudy"), ("figure_2b.png", 1, f"Cleared by {header.name}")):
        contact_sheet({f"{title}: {what}": [images[place] for images in pairs]}, folder / name, wide=_WIDE)
        captions[name] = f"{title.lower()}, {what}"
    return captions


def _draw_cycles(translator: Translator | None, x: Observation, after: Tensor, folder: Path, seed: int) -> str:
    path = folder / "figure_1a.png"
    if translator is None:
        draw_cycles(titled(x.optical, after), path)
        return "x and x to y; the weights hold G_XY alone, so that x to y to x is not known"
    height, width = x.optical.shape[-2:]
    made = cycle_through(translator, pad_to_cells(x), seed=seed)
    cleared, back = (image[..., :height, :width] for image in (made.cleared, made.back))
    draw_cycles(titled(x.optical, cleared, back), path)
    return "x, x to y, x to y to x"


def _coloured(before: Tensor, after: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both images (h, w, 3) in natural colour under one stretch, that of the cleared one."""
    images = [image.cpu().numpy() for image in (before, after)]
    first, second = coloured(images, NAMES, like=images[1])
    return first, second
