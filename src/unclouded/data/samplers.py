"""Which patches make up each batch: seeded, the same for any number of processes, and resumable at any step.

The state is the epoch and the step alone. Every draw comes from a generator seeded by (seed, epoch, step), so that a
resumed run draws the same samples as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError

Rows = NDArray[np.int64]
"""Rows of an archive's table."""

Seeds = NDArray[np.int64]
"""(B,) seed of the augmentation of each patch of a batch."""

Shard = Callable[[int], slice]
"""The part of a batch of so many patches that this process reads; all processes draw the same batches."""


def whole_batch(size: int) -> slice:
    """The shard of a single process: the whole batch."""
    return slice(0, size)


class Drawn(Protocol):
    """The rows and seeds of a batch, which can be sharded."""

    def take(self, shard: slice) -> Self:
        """Select some of the patches."""


class Draw(NamedTuple):
    """The rows and seeds of a batch of one domain.

    Attributes:
        rows: (B,) of the patches.
        seeds: (B,) of their augmentation.
    """

    rows: Rows
    seeds: Seeds

    def take(self, shard: slice) -> Draw:
        """Select some of the patches."""
        return Draw(self.rows[shard], self.seeds[shard])


class UnpairedDraw(NamedTuple):
    """The rows and seeds of a batch of both domains.

    Attributes:
        x: (B,) rows of cloudy patches.
        y: (B,) rows of clear patches.
        paired: (B,) whether y shows the ground under x.
        seeds: (B,) of the augmentation of x and y.
    """

    x: Rows
    y: Rows
    paired: NDArray[np.bool_]
    seeds: Seeds

    def take(self, shard: slice) -> UnpairedDraw:
        """Select some of the patches."""
        return UnpairedDraw(self.x[shard], self.y[shard], self.paired[shard], self.seeds[shard])


class ClearPool:
    """The clear patches to draw from, optionally from one acquisition.

    Rows are sorted by acquisition, so that each acquisition is an interval of them.
    """

    def __init__(self, rows: Rows, acquisitions: NDArray[np.integer]) -> None:
        """Take rows (N,) of the table, and the code (N,) of each patch's acquisition."""
        order = np.argsort(acquisitions, kind="stable")
        self._rows, self._acquisitions = rows[order], acquisitions[order]

    def __len__(self) -> int:
        """Return the number of patches in the pool."""
        return len(self._rows)

    def draw(self, uniform: NDArray[np.float64], acquisitions: NDArray[np.integer] | None = None) -> Rows:
        """Map numbers (B,) in [0, 1) to rows (B,), each of its acquisition (B,), if that has any clear patch."""
        first = np.zeros(len(uniform), np.int64)
        last = np.full(len(uniform), len(self._rows), np.int64)
        if acquisitions is not None:
            start = np.searchsorted(self._acquisitions, acquisitions, side="left")
            end = np.searchsorted(self._acquisitions, acquisitions, side="right")
            first, last = np.where(end > start, start, first), np.where(end > start, end, last)
        drawn: Rows = self._rows[np.minimum(first + (uniform * (last - first)).astype(np.int64), last - 1)]
        return drawn


class Position:
    """A position in a seeded order, which can be saved and restored.

    Attributes:
        epoch: the current epoch.
        step: the next step in it.
    """

    epoch = 0
    step = 0

    def state_dict(self) -> dict[str, Any]:
        """The position, with the seeds and sizes on which it depends."""
        return {"epoch": self.epoch, "step": self.step} | self._identity()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a position that `state_dict` gave.

        Raises:
            InputError: the position is of other data, or of batches of another size.
        """
        for name, own in self._identity().items():
            if state.get(name) != own:
                raise InputError(
                    f"the checkpoint's data has {name} {state.get(name)}, this run's {own}: "
                    "resume with the archive and settings of the checkpoint, or start a new run"
                )
        self.epoch, self.step = int(state["epoch"]), int(state["step"])

    def advance(self) -> None:
        """Advance by one step; after the last step of an epoch comes the first of the next."""
        self.step += 1
        if self.step == len(self):
            self.epoch, self.step = self.epoch + 1, 0

    def __len__(self) -> int:
        """Return the number of steps in an epoch."""
        raise NotImplementedError

    def _identity(self) -> dict[str, Any]:
        """Seeds and sizes, on which the order depends."""
        raise NotImplementedError


class EpochSampler(Position):
    """One epoch draws every patch once, in random order, in batches of one size.

    An incomplete last batch is dropped; if there are fewer patches than a batch takes, some are repeated.

    Attributes:
        rows: (N,) of the patches.
        batch: patches in a batch, of all processes together.
        seed: of the order and of the augmentation.
    """

    def __init__(self, rows: Rows, batch: int, *, seed: int) -> None:
        """Sample from `rows`.

        Raises:
            InputError: there are none, or less than one in a batch.
        """
        if not len(rows) or batch < 1:
            raise InputError(f"{len(rows)} patches in batches of {batch}: at least one of each is needed")
        self.rows, self.batch, self.seed = rows, batch, seed
        self.epoch = self.step = 0

    def __len__(self) -> int:
        """Return the number of steps in an epoch, at least one."""
        return max(1, len(self.rows) // self.batch)

    def __iter__(self) -> Iterator[Draw]:
        """Draw the rest of the epoch without moving the position: call `advance` when a batch was used."""
        epoch, order = self.epoch, self.order(self.epoch)
        for step in range(self.step, len(self)):
            rows = self.rows[order[step * self.batch : (step + 1) * self.batch]]
            yield Draw(rows, self.seeds(epoch, step))

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Indices into `rows` of an epoch, batch after batch."""
        rng = np.random.default_rng((self.seed, epoch))
        count = len(self) * self.batch
        rounds = [rng.permutation(len(self.rows)) for _ in range(-(-count // len(self.rows)))]
        return np.concatenate(rounds)[:count]

    def seeds(self, epoch: int, step: int) -> Seeds:
        """Seeds (B,) of the patches of a step."""
        sequence = np.random.SeedSequence((self.seed, epoch, step))
        return sequence.generate_state(self.batch, np.uint32).astype(np.int64)

    def _identity(self) -> dict[str, Any]:
        return {"seed": self.seed, "batch": self.batch, "patches": len(self.rows)}


class UnpairedSampler(EpochSampler):
    """An `EpochSampler` of the cloudy patches, each with a clear one drawn at random."""

    def __init__(
        self,
        x: Rows,
        x_acquisitions: NDArray[np.integer],
        pool: ClearPool,
        batch: int,
        *,
        seed: int,
        matched: bool = False,
    ) -> None:
        """Sample from both domains.

        Args:
            x: (N,) rows of the cloudy patches.
            x_acquisitions: (N,) code of each one's acquisition, the same codes as the pool's.
            pool: the clear patches.
            batch: patches of each domain in a batch.
            seed: of everything.
            matched: draw each clear patch from the acquisition of its cloudy one, where that has any.

        Raises:
            InputError: no patch in a domain, or less than one in a batch.
        """
        if not len(x) or not len(pool):
            raise InputError(f"{len(x)} cloudy and {len(pool)} clear patches: at least one of each is needed")
        super().__init__(x, batch, seed=seed)
        self._acquisitions, self._pool, self._matched = x_acquisitions, pool, matched

    def pairs(self) -> Iterator[UnpairedDraw]:
        """Draw the rest of the epoch from both domains, as `__iter__` does from one."""
        epoch, order = self.epoch, self.order(self.epoch)
        for step in range(self.step, len(self)):
            places = order[step * self.batch : (step + 1) * self.batch]
            rng = np.random.default_rng((self.seed, epoch, step))
            wanted = self._acquisitions[places] if self._matched else None
            y = self._pool.draw(rng.random(self.batch), wanted)
            yield UnpairedDraw(self.rows[places], y, np.zeros(self.batch, np.bool_), self.seeds(epoch, step))

    def _identity(self) -> dict[str, Any]:
        return super()._identity() | {"clear": len(self._pool), "matched": self._matched}
