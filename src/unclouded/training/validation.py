"""Validation of a translator during training, on the fixed pairs of an archive, and the choice of the best weights."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.data.archive import Archive
from unclouded.data.domains import Sampling, select, to_observations
from unclouded.data.validation_pairs import ValidationLoader
from unclouded.evaluation.cycles import cycle_through
from unclouded.evaluation.records import EvaluationConfig, TrainedNetwork
from unclouded.evaluation.suite import evaluate
from unclouded.models.generator import Generator, compose
from unclouded.models.land_cover import LandCover
from unclouded.models.observation import Observation
from unclouded.models.weights import save_generator
from unclouded.report.training_figures import draw_cycles, draw_distances
from unclouded.training import objectives
from unclouded.training.translator_state import BEST, TranslatorTraining, header_of

_SHOWN = 8
"""Pairs in the figure of x -> y -> x, and for the statistics over latents."""
_LATENTS = 4
_LEAST_SPREAD = 1e-3
_LEAST_VARIETY = 0.25


class Validation:
    """Evaluates a run on an archive, draws its figures into the run's folder, and keeps the best weights.

    Without a classifier there are only the figure of the cycle, the cycle error, and the statistics over latents.

    `best.safetensors` has the smallest Fréchet distance among the evaluations without mode collapse (`collapsed`) whose
    coverage is no lower than that of the cloudy images; until there is one, the highest coverage. A collapsed model may
    have a small distance, but has low coverage.
    """

    def __init__(
        self, archive: Archive, land_cover: TrainedNetwork[LandCover] | None, output: Path, limit: int, seed: int
    ) -> None:
        """Evaluate on up to `limit` validation patches of each domain of `archive`, drawn by `seed`.

        Raises:
            InputError: the archive has no cloudy patch.
        """
        self._archive, self._land_cover, self._output = archive, land_cover, output
        self._config = EvaluationConfig(limit=limit, seed=seed, repeats=0)
        loader = ValidationLoader(archive, Sampling(batch=_SHOWN, seed=seed), split=_shown_split(archive), limit=_SHOWN)
        self._pairs = to_observations(next(iter(loader)), "cpu")

    def __call__(self, training: TranslatorTraining) -> dict[str, float]:
        """Evaluate the moving average of G_XY, and the other networks; return the scores by name."""
        found: dict[str, float] = {}
        if training.settings.loss.unpaired:
            config = training.settings.unpaired
            epoch = max(1, len(select(self._archive.table, "X", "train")) // config.batch)
            found["epoch"] = max(0, training.step - config.start) / epoch
        if self._land_cover is not None:
            found |= self._distances(training, self._land_cover)
        x, y = (side.to(training.device) for side in self._pairs)
        found |= latent_measures(training.average, x, y, seed=self._config.seed)
        if training.settings.loss.unpaired:
            made = cycle_through(training.translator, x)
            found["cycle_error"] = float(objectives.cycle(made.back, x.optical, x.valid_bands))
            found["cycle_error_noisy"] = float(objectives.cycle(made.noisy, x.optical, x.valid_bands))
            draw_cycles(titled(x.optical, made.cleared, made.back), self._output / f"cycle_{training.step:06d}.png")
        if self._land_cover is not None:
            found["alarm"] = float(collapsed(found))
            self._keep(training, found)
            draw_distances([*history(self._output), {"step": training.step} | found], self._output / "distances.png")
        return found

    def _distances(self, training: TranslatorTraining, land_cover: TrainedNetwork[LandCover]) -> dict[str, float]:
        """Distances in the feature space of the classifier, and errors where the truth is known."""
        header = replace(header_of(training, self._output.name), sha256=f"step {training.step}")
        record = evaluate(
            self._archive,
            TrainedNetwork(training.average.eval(), header),
            land_cover,
            self._config,
            device=training.device.type,
        )
        cleared, cloudy = record["distances"]["cleared"], record["distances"]["cloudy"]
        found = {
            "n": record["n"],
            "frechet": cleared["frechet"],
            "frechet_cloudy": cloudy["frechet"],
            "floor": record["floor"]["frechet"] if record["floor"] else math.nan,
            **{name: cleared[name] for name in ("precision", "recall", "density", "coverage")},
            "coverage_cloudy": cloudy["coverage"],
            "inception": record["inception"]["cleared"]["multi_label"],
        }
        if record["paired"]:
            mean = record["paired"]["cleared"]
            found |= {name: mean[name] for name in ("psnr", "ssim", "angle")}
        return found

    def _keep(self, training: TranslatorTraining, found: dict[str, float]) -> None:
        if not training.best or preference(found) < preference(training.best):
            training.best = found
            save_generator(training.average, header_of(training, self._output.name), self._output / BEST)


def history(run: Path) -> list[dict[str, float]]:
    """The entries of a run's log with a Fréchet distance, by step; empty without a log."""
    log = run / "log.jsonl"
    entries = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [entry for entry in entries if "frechet" in entry]


def titled(x: Tensor, cleared: Tensor, back: Tensor | None = None) -> dict[str, NDArray[np.float32]]:
    """The columns of the figure of the cycle, images by title."""
    images = {"x": x, "x \N{RIGHTWARDS ARROW} y": cleared}
    if back is not None:
        images["x \N{RIGHTWARDS ARROW} y \N{RIGHTWARDS ARROW} x"] = back
    return {title: image.cpu().numpy() for title, image in images.items()}


def _shown_split(archive: Archive) -> str:
    """The validation split, or the training split if the validation split has no cloudy patch."""
    kinds = zip(archive.table["domain"].to_pylist(), archive.table["split"].to_pylist(), strict=True)
    return "validation" if ("X", "validation") in set(kinds) else "train"


def collapsed(found: dict[str, float]) -> bool:
    """Whether the scores show a mode collapse; the Fréchet distance is not used, since a collapse may lower it.

    That is if the latents have no effect (spread under 0.001 reflectance), if the results' mean colours vary less than
    a quarter as much as those of clear images (one fill colour for all), or if the coverage of the results is less than
    half that of the cloudy images.
    """
    return (
        found["spread"] < _LEAST_SPREAD
        or found["colour_variety"] < _LEAST_VARIETY
        or found["coverage"] < 0.5 * found["coverage_cloudy"]
    )


def preference(found: dict[str, float]) -> tuple[float, ...]:
    """Sort key of evaluations, the best one lowest; see `Validation`."""
    eligible = not found["alarm"] and found["coverage"] >= found["coverage_cloudy"]
    return (0.0, found["frechet"]) if eligible else (1.0, -found["coverage"])


@torch.inference_mode()
def latent_measures(generator: Generator, x: Observation, y: Observation, *, seed: int = 0) -> dict[str, float]:
    """Statistics of the results over latents, on cloudy images x and clear ones y.

    Returns:
        `spread`: standard deviation of the results over latents (reflectance), where the mean opacity is at least 0.5.
        `colour_variety`: standard deviation of the results' mean colours relative to that of clear images.
    """
    rng = torch.Generator().manual_seed(seed)
    results, opacities = [], []
    for _ in range(_LATENTS):
        z = torch.randn(len(x.level), generator.settings.latent, generator=rng).to(x.optical.device)
        translation = generator(x, z)
        results.append(compose(x.optical, translation))
        opacities.append(translation.opacity)
    samples = torch.stack(results)
    replaced = (torch.stack(opacities).mean(0) >= 0.5) * x.valid_bands
    deviation = samples.std(0)
    spread = float((deviation * replaced).sum() / replaced.sum().clamp(min=1))
    return {"spread": spread, "colour_variety": _variety(samples[0], x) / max(_variety(y.optical, y), 1e-9)}


def _variety(images: Tensor, like: Observation) -> float:
    """Standard deviation of the images' mean spectra (reflectance), root sum of squares over the bands."""
    weight = like.valid_bands
    means = (images * weight).sum((2, 3)) / weight.sum((2, 3)).clamp(min=1)
    return float(means.std(0).square().sum().sqrt())
