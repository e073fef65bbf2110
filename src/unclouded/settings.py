"""Settings of a training run: validated, read from YAML, written back into the weights' header."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unclouded.errors import FileError, SettingsError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(_Strict):
    """Sizes of the generator, see `models.generator.GeneratorSettings`."""

    widths: tuple[int, int, int] = (48, 72, 96)
    context_widths: tuple[int, int, int] = (48, 64, 96)
    features: int = Field(default=16, ge=1)
    latent: int = Field(default=16, ge=1)
    code: int = Field(default=64, ge=1)


class LossSettings(_Strict):
    """Weight of each term of `training.objectives`."""

    reconstruction: float = Field(default=1.0, ge=0)
    ground: float = Field(default=1.0, ge=0)
    spectral_angle: float = Field(default=0.3, ge=0)
    detection: float = Field(default=0.05, ge=0)
    trust: float = Field(default=0.02, ge=0)
    adversarial: float = Field(default=0.0, ge=0)


class TrainingSettings(_Strict):
    """How long and how fast."""

    collection: str
    steps: int = Field(gt=0)
    batch: int = Field(default=4, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    discriminator_rate: float = Field(default=2e-4, gt=0)
    warmup: int = Field(default=200, ge=0)
    adversarial_from: int = Field(default=0, ge=0)
    average: float = Field(default=0.999, ge=0, lt=1)
    checkpoint_every: int = Field(default=250, gt=0)
    seed: int = 0
    precision: str = Field(default="bf16", pattern="^(bf16|fp32)$")


class TranslatorSettings(_Strict):
    """Everything that `unclouded train translator` reads from its YAML file.

    Attributes:
        data: what the weights learn from, in words; goes into their header.
        threshold: opacity under which the weights leave the input as it is; goes into their header.
        model: sizes of the network.
        loss: weights of the terms.
        training: how long and how fast.
    """

    data: str = ""
    threshold: float = Field(default=0.1, ge=0, le=1)
    model: ModelSettings = ModelSettings()
    loss: LossSettings = LossSettings()
    training: TrainingSettings


def load_settings(path: Path, overrides: Sequence[str] = ()) -> TranslatorSettings:
    """Read settings from YAML, then apply overrides such as `training.steps=100`.

    Raises:
        FileError: the file cannot be read.
        SettingsError: it is not YAML, or holds an unknown key (the nearest known one is named) or a value out of range.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(
            f"{path}: cannot be read ({error}); give a YAML settings file such as settings/default.yaml."
        ) from error
    try:
        values = yaml.safe_load(text)
        if not isinstance(values, dict):
            raise SettingsError(f"{path}: holds {type(values).__name__}, not settings; see settings/default.yaml.")
        for override in overrides:
            _apply(values, override)
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not YAML ({' '.join(str(error).split())}).") from error
    try:
        return TranslatorSettings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(f"{path}: {_explain(error)}") from error


def _apply(values: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator:
        raise SettingsError(f"{override!r}: not a setting; write key=value, such as training.steps=100.")
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise SettingsError(f"{override!r}: {parent} holds a value, not settings.")
    values[last] = yaml.safe_load(value)


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{where}: {first['msg']} (found {first['input']!r})."
    model: Any = TranslatorSettings
    for part in first["loc"][:-1]:
        model = model.model_fields[part].annotation
    known = list(model.model_fields)
    near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
    return f"{where}: unknown key; {hint}"
