"""Settings of a training run: validated, read from YAML, written back into the weights' header."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from unclouded.bands import L2A, NAMES
from unclouded.errors import FileError, SettingsError
from unclouded.inference import Detector, InferenceConfig
from unclouded.seeds import LARGEST_SEED
from unclouded.sizes import CloudSettings, GeneratorSettings, PublishedSettings

_DEFAULT = InferenceConfig()

AnySettings = TypeVar("AnySettings", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LossSettings(_Strict):
    """Weight of each term of `training.simulated_terms`, then `training.unpaired_terms`; 0: it is not computed."""

    reconstruction: float = Field(default=1.0, ge=0)
    ground: float = Field(default=1.0, ge=0)
    spectral_angle: float = Field(default=0.3, ge=0)
    detection: float = Field(default=0.05, ge=0)
    trust: float = Field(default=0.02, ge=0)
    adversarial: float = Field(default=0.0, ge=0)
    latent_adversarial: float = Field(default=0.0, ge=0)
    cycle: float = Field(default=0.0, ge=0)
    latent_cycle: float = Field(default=0.0, ge=0)
    identity: float = Field(default=0.0, ge=0)
    change: float = Field(default=0.0, ge=0)
    mode_seeking: float = Field(default=0.0, ge=0)

    @property
    def simulated(self) -> tuple[str, ...]:
        """Weighted terms of `training.simulated_terms`."""
        return self._weighing("reconstruction", "ground", "spectral_angle", "detection", "trust")

    @property
    def unpaired(self) -> tuple[str, ...]:
        """Weighted terms of `training.unpaired_terms`."""
        return self._weighing(
            "adversarial", "latent_adversarial", "cycle", "latent_cycle", "identity", "change", "mode_seeking"
        )

    def _weighing(self, *terms: str) -> tuple[str, ...]:
        return tuple(term for term in terms if getattr(self, term) > 0)


class UnpairedSettings(_Strict):
    """Unpaired training on the two domains.

    Attributes:
        start: step from which on the two domains are used.
        batch: images of each domain per step.
        discriminator_rate: learning rate of the discriminators.
        pool: generated images kept for the discriminators; with 0 they are shown the newest alone.
        cycle_by: comparison of x -> y -> x: by "pixels", or by "distributions", which ignore the position of clouds.
        noise: standard deviation, in reflectance, of noise that is added to the image in the middle of a cycle.
        scales: of the image discriminators: 1, or 2 for an additional one on images of half the size.
        matched: draw each clear patch from the acquisition of its cloudy one.
    """

    start: int = Field(default=0, ge=0)
    batch: int = Field(default=2, ge=1)
    discriminator_rate: float = Field(default=2e-4, gt=0)
    pool: int = Field(default=50, ge=0)
    cycle_by: Literal["pixels", "distributions"] = "pixels"
    noise: float = Field(default=0.0, ge=0)
    scales: Literal[1, 2] = 1
    matched: bool = False


class ErrorSettings(_Strict):
    """Fitting of the error head of our G_XY to simulated images, after the last step.

    Attributes:
        images: number of images; with 0 the head is not fitted.
        pixels: sampled in each of them.
        steps: of fitting.
        learning_rate: of AdamW, with cosine decay to 0.
        weight_decay: of it.
    """

    images: int = Field(default=0, ge=0)
    pixels: int = Field(default=200, ge=1)
    steps: int = Field(default=3000, ge=1)
    learning_rate: float = Field(default=1e-2, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)


class GroundPriorSettings(_Strict):
    """Fitting of the ground prior of our G_XY to simulated images, after the last step.

    Attributes:
        images: number of images; with 0 the prior is not fitted.
        cells: sampled in each of them, at most.
        steps: of fitting.
        learning_rate: of AdamW, with cosine decay to 0.
        weight_decay: of it.
    """

    images: int = Field(default=0, ge=0)
    cells: int = Field(default=40, ge=1)
    steps: int = Field(default=1500, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=3.0, ge=0)


class TrainingSettings(_Strict):
    """Steps, batches and optimiser.

    Attributes:
        start: weights of G_XY to start from, bundled ones by name or others by path; what they lack is initialised.
        collection: YAML file that names the images of a data folder; an archive needs none.
        crop: side in pixels of random square crops of an archive's patches; whole patches by default.
        steps: number of steps; with 0 only the heads are fitted.
        batch: simulated images per step.
        learning_rate: of generators and encoders.
        betas: of their AdamW.
        weight_decay: of it; 0 makes it Adam.
        clip: largest norm of its gradient.
        schedule: "cosine" to 0 after the warm-up; "linear": constant for half of the steps, then linear to 0.
        warmup: steps.
        average: decay of the moving average of G_XY's weights, which is saved.
        checkpoint_every: steps.
        validate_every: steps between validations on an archive's pairs.
        validation_patches: most patches of each domain for validation.
        radar: whether images have their radar.
        seed: of all random numbers.
        precision: of the networks; "auto" is the fastest of the device.
    """

    start: str | None = None
    collection: str | None = None
    crop: int | None = Field(default=None, ge=8, multiple_of=8)
    steps: int = Field(ge=0)
    batch: int = Field(default=4, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(default=0.01, ge=0)
    clip: float = Field(default=1.0, gt=0)
    schedule: Literal["cosine", "linear"] = "cosine"
    warmup: int = Field(default=200, ge=0)
    average: float = Field(default=0.999, ge=0, lt=1)
    checkpoint_every: int = Field(default=250, gt=0)
    validate_every: int = Field(default=1000, gt=0)
    validation_patches: int = Field(default=500, ge=2)
    radar: bool = True
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
    precision: Literal["auto", "bf16", "fp32"] = "auto"


class TranslatorSettings(_Strict):
    """Everything that `unclouded train translator` reads from its YAML file.

    Attributes:
        data: free-text description of the training data, for the header of the weights.
        threshold: opacity under which the input is kept, for the header of the weights.
        calibration: factor of the uncertainty, for the header of the weights.
        detector: of cloud and shadow in scenes, used beside the network, for the header of the weights.
        networks: "context" are ours, "published" those of Almahairi et al. 2018.
        model: sizes of our G_XY.
        cloud: sizes of our G_YX.
        published: sizes of the published generators.
        loss: weights of the terms.
        unpaired: training on the two domains.
        error: fitting of the error head.
        ground_prior: fitting of the ground prior.
        training: steps, batches and optimiser.
    """

    data: str = ""
    threshold: float = Field(default=_DEFAULT.threshold, ge=0, le=1)
    calibration: float = Field(default=_DEFAULT.calibration, gt=0)
    detector: Detector = _DEFAULT.detector
    networks: Literal["context", "published"] = "context"
    model: GeneratorSettings = GeneratorSettings()
    cloud: CloudSettings = CloudSettings()
    published: PublishedSettings = PublishedSettings()
    loss: LossSettings = LossSettings()
    unpaired: UnpairedSettings = UnpairedSettings()
    error: ErrorSettings = ErrorSettings()
    ground_prior: GroundPriorSettings = GroundPriorSettings()
    training: TrainingSettings

    @property
    def fits_heads(self) -> bool:
        """Whether heads of our G_XY are fitted after the last step."""
        return self.networks == "context" and self.error.images + self.ground_prior.images > 0

    @model_validator(mode="after")
    def _check_terms(self) -> Self:
        if self.loss.change and self.networks == "published":
            raise ValueError("loss.change weighs the opacity, which is 1 in published networks; make it 0")
        if self.ground_prior.images and not (self.networks == "context" and self.model.ground_prior):
            raise ValueError("ground_prior.images is for networks with a ground prior; set model.ground_prior")
        if self.training.steps and not self.loss.simulated:
            if not self.loss.unpaired:
                raise ValueError("every weight under `loss` is 0, so nothing would be learnt; give one that is not")
            if self.unpaired.start:
                raise ValueError(
                    f"unpaired.start is {self.unpaired.start}, and there is no simulated term before; make it 0"
                )
        return self


class ClassifierTraining(_Strict):
    """Steps, batches and optimiser of a classifier.

    Attributes:
        steps: at most; the learning rate falls to 0 towards it.
        batch: patches per step.
        learning_rate: of AdamW, after the warm-up.
        weight_decay: of AdamW; 0 makes it Adam.
        warmup: steps.
        average: decay of the moving average of the weights, which is validated and saved.
        validate_every: steps between validations; each ends in a checkpoint.
        validation_patches: most patches of the validation split; all by default.
        patience: validations without a better F1 before early stopping; 0 for none.
        flip_rotate: whether patches are augmented by flips and rotations.
        drop_bands: probability that a patch loses some of its bands.
        seed: of all random numbers.
        precision: of the convolutions; "auto" is the fastest of the device.
    """

    steps: int = Field(gt=0)
    batch: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: int = Field(default=200, ge=0)
    average: float = Field(default=0.999, ge=0, lt=1)
    validate_every: int = Field(default=500, gt=0)
    validation_patches: int | None = Field(default=None, gt=0)
    patience: int = Field(default=0, ge=0)
    flip_rotate: bool = True
    drop_bands: float = Field(default=0.0, ge=0, le=1)
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
    precision: Literal["auto", "bf16", "fp32"] = "auto"


class LandCoverSettings(_Strict):
    """Everything that `unclouded train land-cover` reads from its YAML file.

    Attributes:
        data: free-text description of the training data, for the header of the weights.
        network: of `models.land_cover`.
        output: "softmax" against the distribution of a patch's labels, or "sigmoid" for each label.
        label_reduction: probability that a patch is trained with one of its labels, drawn each time.
        classes: 43 or 19, the vocabulary.
        threshold: probability from which a class is predicted; by default chosen on the validation split.
        bands: optical bands that the network uses.
        training: steps, batches and optimiser.
    """

    data: str = ""
    network: Literal["resnet18", "s_cnn_all"] = "resnet18"
    output: Literal["softmax", "sigmoid"] = "softmax"
    label_reduction: float = Field(default=0.5, ge=0, le=1)
    classes: Literal[43, 19] = 43
    threshold: float | None = Field(default=None, gt=0, lt=1)
    bands: tuple[str, ...] = L2A
    training: ClassifierTraining

    @field_validator("bands")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in NAMES]
        if unknown or not names or len(set(names)) < len(names):
            raise ValueError(f"give each band once, of {', '.join(NAMES)}")
        return names


def load_settings(path: Path, overrides: Sequence[str] = ()) -> TranslatorSettings:
    """Read the settings of a translator, as `load_settings_of` does."""
    return load_settings_of(TranslatorSettings, path, overrides)


def load_settings_of(kind: type[AnySettings], path: Path, overrides: Sequence[str] = ()) -> AnySettings:
    """Read settings of a kind from YAML, then apply overrides such as `training.steps=100`.

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
        return kind.model_validate(values)
    except ValidationError as error:
        raise SettingsError(f"{path}: {_explain(kind, error)}") from error


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


def _explain(kind: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    if not where:  # of the settings as a whole
        return f"{first['msg']}."
    if first["type"] not in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{where}: {first['msg']} (found {first['input']!r})."
    section: Any = kind
    for name in first["loc"][:-1]:
        section = section.model_fields[name].annotation
    known = [field.name for field in fields(section)] if is_dataclass(section) else list(section.model_fields)
    near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
    return f"{where}: unknown key; {hint}"
