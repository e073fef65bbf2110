"""Interface of the sources of training batches."""

from __future__ import annotations

from typing import Any, Protocol

from unclouded.models.observation import Observation
from unclouded.training.simulated_clouds import SimulatedBatch


class BatchSource(Protocol):
    """A source of training batches, such as `training.archive_source.ArchiveSource`."""

    def simulated(self, size: int) -> SimulatedBatch:
        """Draw clear images under simulated clouds: this process's shard of `size`."""

    def unpaired(self, size: int) -> tuple[Observation, Observation]:
        """Draw cloudy images, and as many clear ones: this process's shard of `size`."""

    def state_dict(self) -> dict[str, Any]:
        """The position."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a position."""
