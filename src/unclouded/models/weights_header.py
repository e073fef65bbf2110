"""Headers of weights files: how weights are to be used, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from unclouded.inference import InferenceConfig


@dataclass(frozen=True)
class Header(InferenceConfig):
    """Header of a weights file: how the weights are to be used, and their provenance.

    Attributes:
        name: of the weights.
        settings: of the training run.
        data: free-text description of the training data.
        steps: training steps, including those of the weights that the run started from.
        sha256: of the file; empty until the file is read.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    data: str = ""
    steps: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class LandCoverHeader(Header):
    """Header of a classifier's weights; the class list is in the network's settings.

    Attributes:
        scale: DN per 1.0 of the network's input reflectance.
        data_sha256: of the `metadata.parquet` of the training archive.
        metrics: label metrics on that archive's validation split, at `threshold`.
    """

    scale: float = 10000.0
    data_sha256: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
