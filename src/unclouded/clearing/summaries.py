"""The first pass over a scene: its blocks reduced to the statistics of their cells."""

from __future__ import annotations

from collections import abc
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from unclouded.clearing.background import prefetch
from unclouded.clearing.scene_reader import SceneReader
from unclouded.models.generator import Generator
from unclouded.tiles import Tile, cut
from unclouded.writing.writer import checksum

_BLOCK = 1024
"""Side in pixels of what is read at once to be summarised; JPEG 2000 products are stored in such blocks."""


class Summary(NamedTuple):
    """A block of the scene, reduced.

    Attributes:
        cells: (1, S, h, w) the statistics of its cells.
        bands_and_level: (1, 14) of the scene, see `Observation`.
        valid: number of pixels that hold data.
        checksums: of its DN and of its radar.
    """

    cells: NDArray[np.float32]
    bands_and_level: NDArray[np.float32]
    valid: int
    checksums: tuple[int, int]


def blocks_of(height: int, width: int) -> Iterator[Tile]:
    """Cut a scene into the blocks that are summarised."""
    return cut(height, width, size=_BLOCK)


def summarise(blocks: Iterable[Tile], reader: SceneReader, generator: Generator) -> abc.Generator[Summary, None, None]:
    """Reduce blocks to the statistics of their cells.

    Raises:
        FileError: if the scene cannot be read.
    """
    with closing(prefetch(reader.read(tile.inner) for tile in blocks)) as windows:
        for dn, valid, x in windows:
            with torch.inference_mode():
                cells = generator.summarise(x).cpu().numpy()
            radar = 0 if reader.radar is None else checksum(x.guides.cpu().numpy())
            yield Summary(cells, x.bands_and_level.cpu().numpy(), int(valid.sum()), (checksum(dn), radar))
