"""Configuration and record of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from unclouded.models.generator import Generator
from unclouded.models.land_cover import LandCover
from unclouded.models.weights_header import Header

Record = dict[str, Any]

Network = TypeVar("Network", Generator, LandCover)


class TrainedNetwork(NamedTuple, Generic[Network]):
    """A network on its device, and the header of its weights."""

    network: Network
    header: Header


@dataclass(frozen=True)
class EvaluationConfig:
    """Configuration of an evaluation.

    Attributes:
        split: of the archive: "train", "validation" or "test".
        limit: most patches of each domain.
        seed: of patches, halves, subsets and bootstrap.
        repeats: bootstrap samples for the intervals; with 0 there are none.
        least: images of a label, in both sets, from which on its distance is given.
        batch: patches per batch of the networks.
    """

    split: str = "validation"
    limit: int | None = None
    seed: int = 0
    repeats: int = 100
    least: int = 50
    batch: int = 32
