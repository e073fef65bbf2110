"""State of a translator's training: networks, optimisers, moving average, image pools, random generator and step."""

from __future__ import annotations

import copy
from dataclasses import asdict
from typing import Any

import torch

from unclouded.inference import InferenceConfig
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.generator import Generator
from unclouded.models.translator import Translator, TranslatorSizes
from unclouded.models.weights import start_from
from unclouded.models.weights_header import Header
from unclouded.settings import TranslatorSettings
from unclouded.training.checkpoint import restoring
from unclouded.training.image_pool import ImagePool
from unclouded.training.ranks import Ranks

WEIGHTS, BEST = "weights.safetensors", "best.safetensors"
"""Files of a run: the latest moving average of G_XY, and the best one (see `training.validation`)."""

TRANSLATOR = "translator.safetensors"
"""File of a run with unpaired training: all eight networks, with the moving average as G_XY."""


class TranslatorTraining:
    """The state of a run: networks, optimisers, moving average, image pools, random generator and step."""

    _STATEFUL = ("translator", "average", "optimiser", "discriminator_optimiser")

    def __init__(self, settings: TranslatorSettings, ranks: Ranks | None = None) -> None:
        torch.manual_seed(settings.training.seed)
        self.ranks = ranks = ranks or Ranks()
        self.settings, self.device = settings, ranks.device
        if settings.loss.simulated:
            ranks.check_batch("training.batch", settings.training.batch)
        if settings.loss.unpaired:
            ranks.check_batch("unpaired.batch", settings.unpaired.batch)
        networks = Translator(sizes_of(settings), inference_of(settings))
        start = settings.training.start
        self.steps_before = 0 if start is None else start_from(networks.g_xy, start)
        self.translator: Translator = networks.to(self.device, memory_format=networks.memory_format)  # type: ignore[call-overload]
        self.average: Generator = copy.deepcopy(self.translator.g_xy).requires_grad_(False)
        ranks.divide(self.translator.g_xy, "spread", "translate")
        ranks.divide(self.translator.g_xy.get_submodule("context"), "forward")
        for name in Translator.GENERATORS_AND_ENCODERS[1:] + Translator.DISCRIMINATORS:
            ranks.divide(getattr(self.translator, name), "forward")
        config = settings.training
        self.optimiser = torch.optim.AdamW(
            self.translator.parameters_of(Translator.GENERATORS_AND_ENCODERS if settings.loss.unpaired else ("g_xy",)),
            config.learning_rate,
            config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.discriminator_optimiser = torch.optim.Adam(
            self.translator.parameters_of(Translator.DISCRIMINATORS), settings.unpaired.discriminator_rate, (0.5, 0.999)
        )
        self.rng = torch.Generator().manual_seed(config.seed)
        self.pools = {name: ImagePool(settings.unpaired.pool, self.rng) for name in ("y", "x")}
        self.step = 0
        self.best: dict[str, float] = {}

    @property
    def fits_heads(self) -> bool:
        """Whether heads of the network are fitted after the last step."""
        return isinstance(self.average, ContextGenerator) and self.settings.fits_heads

    def state(self) -> dict[str, Any]:
        """The state for `restore`."""
        return {name: getattr(self, name).state_dict() for name in self._STATEFUL} | {
            "pools": {name: pool.state_dict() for name, pool in self.pools.items()},
            "rng": self.rng.get_state(),
            "step": self.step,
            "best": self.best,
            "settings": self.settings.model_dump_json(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a saved state.

        Raises:
            InputError: it is of other networks.
        """
        with restoring():
            for name in self._STATEFUL:
                getattr(self, name).load_state_dict(state[name])
            for name, pool in self.pools.items():
                pool.load_state_dict(state["pools"][name])
            self.rng.set_state(state["rng"])
            self.step, self.best = state["step"], state["best"]


def sizes_of(settings: TranslatorSettings) -> TranslatorSizes:
    """Sizes of the networks by the settings of a run."""
    ground = settings.published if settings.networks == "published" else settings.model
    return TranslatorSizes(ground, settings.cloud, discriminator_scales=settings.unpaired.scales)


def inference_of(settings: TranslatorSettings) -> InferenceConfig:
    """How the weights of a run are to be used."""
    return InferenceConfig(threshold=settings.threshold, calibration=settings.calibration, detector=settings.detector)


def header_of(training: TranslatorTraining, name: str, *, finished: bool = False) -> Header:
    """Header of the weights of a run at this step; `data` states if the heads are not fitted yet."""
    settings = training.settings
    unfinished = training.fits_heads and not finished
    return Header(
        name=name,
        **asdict(inference_of(settings)),
        settings=settings.model_dump(mode="json"),
        data=f"{settings.data} (of an unfinished run: the uncertainty has not been learnt)".strip()
        if unfinished
        else settings.data,
        steps=training.steps_before + training.step,
    )
