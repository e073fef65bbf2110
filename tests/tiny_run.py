"""A training run of the translator that takes seconds: made-up images in the layout of the real collection."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from unclouded.settings import TranslatorSettings

SIDE = 64
"""Of the squares to train on, in place of `collection_source.SIDE`: a ninth of the pixels."""

UNPAIRED = ("adversarial", "latent_adversarial", "cycle", "latent_cycle", "identity", "change", "mode_seeking")
"""Weights of the terms of the two domains."""


def write_collection(folder: Path) -> Path:
    """Write six images and `listing.yaml` to a folder, and return it."""
    rng = np.random.default_rng(0)
    images = rng.integers(300, 3000, (6, 13, 1, 1)) + rng.integers(0, 400, (6, 13, 200, 208))
    images[4:] += 6000
    np.savez(
        folder / "sen12mscr_ts_roi146.npz",
        s2=images.astype(np.uint16),
        date=np.array(["2018-01-01"] * 6),
        patch=np.arange(6),
    )
    listing = {"sen12mscr_ts_roi146.npz": {"clear": [0, 1, 2, 3], "cloudy": [4], "overcast": [5]}}
    (folder / "listing.yaml").write_text(yaml.safe_dump(listing))
    return folder


def tiny_settings(folder: Path, **training: int) -> TranslatorSettings:
    """Settings with every term switched on, for the collection in `folder`."""
    return TranslatorSettings.model_validate(
        {
            "model": {"widths": [8, 8, 8], "context_widths": [8, 8, 8], "features": 2, "latent": 4, "code": 8},
            "cloud": {"widths": [8, 8], "latent": 2, "code": 8},
            "loss": {
                "adversarial": 0.01,
                "latent_adversarial": 0.01,
                "cycle": 1,
                "latent_cycle": 0.1,
                "identity": 0.1,
                "change": 0.01,
                "mode_seeking": 0.01,
            },
            "error": {"images": 4, "pixels": 50, "steps": 3},
            "unpaired": {"start": 1, "batch": 1, "pool": 2, "cycle_by": "distributions", "noise": 0.001},
            "training": {
                "collection": str(folder / "listing.yaml"),
                "steps": 6,
                "batch": 2,
                "checkpoint_every": 2,
                "warmup": 2,
                **training,
            },
        }
    )


def changed(settings: TranslatorSettings, **sections: dict[str, object]) -> TranslatorSettings:
    """Settings of which some values of some sections are others."""
    values = settings.model_dump()
    for section, changes in sections.items():
        values[section] |= changes
    return TranslatorSettings.model_validate(values)


@contextmanager
def at_draw(number: int, source: type, method: str, change: Callable[[Any], Any]) -> Iterator[None]:
    """Let `change` have what a source of images draws for the `number`-th time: to give something else, or to raise."""
    draw, drawn = getattr(source, method), 0

    def changed(self: Any, size: int) -> Any:
        nonlocal drawn
        drawn += 1
        images = draw(self, size)
        return change(images) if drawn == number else images

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, method, changed)
        yield


def interrupt(images: Any) -> Any:
    """Do as Ctrl-C does."""
    raise KeyboardInterrupt
