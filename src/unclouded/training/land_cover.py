"""Training of a land-cover classifier: one plain loop, which can be resumed from any checkpoint."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from unclouded.errors import InputError, UncloudedError
from unclouded.evaluation.land_cover import LabelledImages, check_bands, choose_threshold, decide, image_f1, predict
from unclouded.models.land_cover import ClassifierSettings, LandCover
from unclouded.models.weights import save_land_cover
from unclouded.models.weights_header import LandCoverHeader
from unclouded.precision import autocast
from unclouded.progress import TrainingProgress, silent_training
from unclouded.settings import LandCoverSettings
from unclouded.training.checkpoint import check_settings, check_start, read_checkpoint, restoring, write_checkpoint
from unclouded.training.label_objectives import distribution_loss, presence_loss, reduce_labels
from unclouded.training.ranks import Ranks
from unclouded.training.run_log import RunLog
from unclouded.training.schedule import cosine, update_average, warm_up


class LabelledSplit(Protocol):
    """Labelled patches of one split, such as `data.labelled.LabelledPatches`."""

    def __len__(self) -> int:
        """Return the number of patches."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    @property
    def counts(self) -> Tensor:
        """(K,) number of patches with each label."""

    def levels(self) -> tuple[str, ...]:
        """Processing levels."""

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (13,) of the bands' reflectance."""

    def shuffled(self) -> Iterator[LabelledImages]:
        """This process's shard of training batches, endlessly, from the position on."""

    def in_order(self) -> Iterator[LabelledImages]:
        """Every patch once, without augmentation."""

    def state_dict(self) -> dict[str, Any]:
        """The position."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a position."""


class Data(NamedTuple):
    """Data of a run: two splits of an archive, and the archive's checksum."""

    train: LabelledSplit
    validation: LabelledSplit
    sha256: str = ""


class LandCoverTraining:
    """The state of a run: network, optimiser, moving average, random generator, and the best score so far."""

    _STATEFUL = ("classifier", "average", "optimiser", "patches")

    def __init__(self, settings: LandCoverSettings, data: Data, ranks: Ranks) -> None:
        torch.manual_seed(settings.training.seed)
        self.settings, self.ranks, self.patches = settings, ranks, data.train
        model = ClassifierSettings(
            classes=data.train.classes,
            network=settings.network,
            output=settings.output,
            bands=settings.bands,
            subsets=settings.training.drop_bands > 0,
        )
        classifier = LandCover(model)
        self.classifier: LandCover = classifier.to(ranks.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.classifier).requires_grad_(False)
        ranks.check_batch("training.batch", settings.training.batch)
        ranks.divide(self.classifier, "features", "classify")
        config = settings.training
        self.optimiser = torch.optim.AdamW(
            self.classifier.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.rng = torch.Generator().manual_seed(config.seed)
        self.step, self.best, self.best_step = 0, -1.0, 0

    def state(self) -> dict[str, Any]:
        """The state for `restore`."""
        return {name: getattr(self, name).state_dict() for name in self._STATEFUL} | {
            "rng": self.rng.get_state(),
            "step": self.step,
            "best": self.best,
            "best_step": self.best_step,
            "settings": self.settings.model_dump_json(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a saved state.

        Raises:
            InputError: it is of another network, class list or data.
        """
        with restoring():
            for name in self._STATEFUL:
                getattr(self, name).load_state_dict(state[name])
            self.rng.set_state(state["rng"])
            self.step, self.best, self.best_step = state["step"], state["best"], state["best_step"]

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or the score has not improved for the patience (early stopping)."""
        config = self.settings.training
        waited = (self.step - self.best_step) / config.validate_every
        return self.step >= config.steps or (config.patience > 0 and waited >= config.patience)


def train(
    settings: LandCoverSettings,
    data: Data,
    output: Path,
    resume: bool = False,
    ranks: Ranks | None = None,
    progress: TrainingProgress = silent_training,
) -> Path:
    """Train a classifier and return the path of its weights: the moving average with the best F1 on validation.

    Args:
        settings: of the run.
        data: for training and validation.
        output: folder of the run: `checkpoint.pt`, `log.jsonl`, `weights.safetensors`, and TensorBoard events if
            `tensorboard` is installed.
        resume: resume from `checkpoint.pt`.
        ranks: the processes of the run; by default this one alone, on the CPU. On the CPU a resumed run gives the same
            weights as an uninterrupted one.
        progress: called with each step and its loss.

    Raises:
        InputError: the folder holds a run and `resume` is not set, there is none to resume, or it had other settings;
            or the training data have fewer than two classes.
        FileError: the checkpoint cannot be read.
        UncloudedError: the loss is no longer finite; the last checkpoint is kept.
    """
    check_start(output, resume)
    classes = int((data.train.counts > 0).sum())
    if classes < 2:
        raise InputError(f"{classes} class among the labels of the training patches; a classifier needs two or more.")
    ranks = ranks or Ranks()
    training = LandCoverTraining(settings, data, ranks)
    first = next(iter(data.validation.in_order()))
    check_bands(training.classifier.settings, first.observation.present, first.ids)
    if resume:
        state = read_checkpoint(output)
        check_settings(output, state, settings)
        training.restore(state)
    else:
        statistics = data.train.statistics()
        for network in (training.classifier, training.average):
            network.standardise_by(*statistics)
    ranks.on_first(lambda: output.mkdir(parents=True, exist_ok=True))
    config = settings.training
    log = RunLog(output, training.step) if ranks.first else None
    losses: list[float] = []
    started = time.monotonic()
    batches = data.train.shuffled()
    while not training.finished:
        loss = _step(training, ranks.gathered(next(batches), config.batch))
        if not math.isfinite(loss):
            where = f"loss or gradient not finite at step {training.step}"
            raise UncloudedError(f"{output}: {where}; checkpoint.pt is the last good state.")
        losses.append(loss)
        training.step += 1
        progress("steps", training.step, config.steps, {"loss": loss})
        if training.step % config.validate_every == 0 or training.step == config.steps:
            metrics = ranks.on_first(lambda: _validate(training, data, output))
            if metrics["f1"] > training.best:
                training.best, training.best_step = metrics["f1"], training.step
            entry = {"loss": float(np.mean(losses))} | metrics
            losses.clear()
            if log is not None:
                log.write({"step": training.step, "seconds": round(time.monotonic() - started)} | entry)
                write_checkpoint(training.state(), output)
    return output / "weights.safetensors"


def _step(training: LandCoverTraining, batch: LabelledImages) -> float:
    """One update of the classifier and of its moving average; returns the loss, NaN if a gradient is not finite."""
    settings, config = training.settings, training.settings.training
    for group in training.optimiser.param_groups:
        factor = min(warm_up(training.step, config.warmup), cosine(training.step, config.steps))
        group["lr"] = config.learning_rate * factor
    labels = reduce_labels(batch.labels, settings.label_reduction, training.rng).to(training.ranks.device)
    training.classifier.train()
    with autocast(training.ranks.device, config.precision):
        features = training.classifier.features(batch.observation)
    logits = training.classifier.classify(features)
    loss = (distribution_loss if settings.output == "softmax" else presence_loss)(logits, labels)
    training.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    training.ranks.sum_gradients(training.classifier.parameters())
    norm = torch.nn.utils.clip_grad_norm_(training.classifier.parameters(), 1.0)
    if not math.isfinite(norm):
        return math.nan
    training.optimiser.step()
    update_average(training.average, training.classifier, config.average, training.step)
    return float(loss.detach())


def _validate(training: LandCoverTraining, data: Data, output: Path) -> dict[str, float]:
    """Measure the moving average, and write it to `weights.safetensors` if it is the best so far."""
    settings = training.settings
    precision = settings.training.precision
    made = predict(training.average, data.validation.in_order(), len(data.validation), precision=precision)
    threshold = settings.threshold or choose_threshold(made.probabilities, made.labels, settings.output)
    metrics = {"f1": image_f1(decide(made.probabilities, threshold, settings.output), made.labels)}
    if metrics["f1"] > training.best:
        header = LandCoverHeader(
            name=output.name,
            bands=settings.bands,
            levels=data.train.levels(),
            threshold=threshold,
            settings=settings.model_dump(mode="json"),
            data=settings.data,
            steps=training.step,
            data_sha256=data.sha256,
            metrics=metrics | {"images": len(made.ids)},
        )
        save_land_cover(training.average, header, output / "weights.safetensors")
    return metrics | {"threshold": threshold}
