"""Who does the work on the blocks and tiles of a scene: this process, or others that do as it would."""

from __future__ import annotations

from collections import abc
from collections.abc import Iterable
from typing import Protocol

from unclouded.clearing.context.cover import detector_for
from unclouded.clearing.context.summaries import Summary, summarise
from unclouded.clearing.inputs import SceneInputs
from unclouded.clearing.options import ClearOptions, TileOptions
from unclouded.clearing.scene_reader import SceneReader
from unclouded.clearing.tiles.tile_pass import TilePass, TileTask
from unclouded.models.generator import Generator
from unclouded.tiles import Tile
from unclouded.writing.strips import ClearedTile


class Executor(Protocol):
    """Does the tasks of a scene: a result depends on its task alone; they come in the order of the tasks."""

    def summarise(self, blocks: Iterable[Tile]) -> abc.Generator[Summary, None, None]:
        """Reduce blocks to statistics."""

    def clear(self, tasks: Iterable[TileTask]) -> abc.Generator[ClearedTile, None, None]:
        """Clear tiles."""


class LocalExecutor:
    """Does them in this process, one after the other."""

    def __init__(
        self,
        inputs: SceneInputs,
        generator: Generator,
        options: ClearOptions | None = None,
        tiling: TileOptions | None = None,
    ) -> None:
        # It may clear several scenes at once: whoever loads it moves it, for that exchanges its tensors one by one.
        self._generator = generator.eval()
        self._reader = SceneReader(inputs, generator.device)
        self._detector = detector_for(inputs, generator, options or ClearOptions())
        self._tiles = TilePass(self._reader, generator, options or ClearOptions(), tiling or TileOptions())

    @property
    def seconds_network(self) -> float:
        """Seconds that the network took to clear tiles."""
        return self._tiles.seconds_network

    def summarise(self, blocks: Iterable[Tile]) -> abc.Generator[Summary, None, None]:
        """Reduce blocks to the statistics of their cells.

        Raises:
            FileError: if the scene cannot be read.
        """
        return summarise(blocks, self._reader, self._generator, self._detector)

    def clear(self, tasks: Iterable[TileTask]) -> abc.Generator[ClearedTile, None, None]:
        """Clear tiles under the context of their cells.

        Raises:
            FileError: if the scene cannot be read.
        """
        return self._tiles(tasks)
