"""Which patches meet in which batch: seeded, the same for any number of processes, and resumable at any step.

Nothing is remembered but the epoch and the step. Every draw comes from a generator seeded by (seed, epoch, step), so
that a run that goes on from a checkpoint draws to the very sample what the undisturbed one would have drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError

Rows = NDArray[np.int64]
"""Rows of an archive's table."""


class Draw(NamedTuple):
    """What one process's batch is made of.

    Attributes:
        x: (B,) rows of cloudy patches.
        y: (B,) rows of clear patches.
        paired: (B,) whether y shows the ground under x.
        seed: of all that is random in the batch afterwards.
    """

    x: Rows
    y: Rows
    paired: NDArray[np.bool_]
    seed: int


class ClearPool:
    """The clear patches to draw from, with their chances; draws may be held to one acquisition.

    Rows are kept in order of acquisition and their chances summed up along them: an acquisition is then an interval,
    and a draw is the row that a number in the interval falls on.
    """

    def __init__(self, rows: Rows, acquisitions: NDArray[np.integer], chances: NDArray[np.float64]) -> None:
        """Take patches and what is known about each.

        Args:
            rows: (N,) rows of the table.
            acquisitions: (N,) code of each patch's acquisition.
            chances: (N,) how often each is drawn relative to the others; 0 is never.
        """
        order = np.argsort(acquisitions, kind="stable")
        self._rows, self._acquisitions = rows[order], acquisitions[order]
        self._sums = np.concatenate([[0.0], np.cumsum(chances[order])])

    def __len__(self) -> int:
        """Return the number of patches in the pool."""
        return len(self._rows)

    def draw(self, uniform: NDArray[np.float64], acquisitions: NDArray[np.integer] | None = None) -> Rows:
        """Turn numbers (B,) in [0, 1) into rows (B,); each of the acquisition (B,) given, if it has any clear patch."""
        first = np.zeros(len(uniform), np.int64)
        last = np.full(len(uniform), len(self._rows), np.int64)
        if acquisitions is not None:
            start = np.searchsorted(self._acquisitions, acquisitions, side="left")
            end = np.searchsorted(self._acquisitions, acquisitions, side="right")
            some = self._sums[end] > self._sums[start]
            first, last = np.where(some, start, first), np.where(some, end, last)
        low, high = self._sums[first], self._sums[last]
        found = np.searchsorted(self._sums, low + uniform * (high - low), side="right") - 1
        drawn: Rows = self._rows[np.clip(found, first, last - 1)]
        return drawn


class Position:
    """A place in a seeded order, which can be kept and come back to.

    Attributes:
        epoch: the epoch to go on in.
        step: the step of it to go on with.
    """

    epoch = 0
    step = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the position, and what it is a position in."""
        return {"epoch": self.epoch, "step": self.step} | self._identity()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a position that `state_dict` gave.

        Raises:
            InputError: the position is one in other data, or in other batches.
        """
        for name, own in self._identity().items():
            if state.get(name) != own:
                raise InputError(
                    f"the checkpoint's data has {name} {state.get(name)}, this run's {own}: "
                    "resume with the archive and settings of the checkpoint, or start a new run"
                )
        self.epoch, self.step = int(state["epoch"]), int(state["step"])

    def _identity(self) -> dict[str, Any]:
        """What the position is one in: seeds and sizes, on which the order depends."""
        raise NotImplementedError


class UnpairedSampler(Position):
    """One epoch shows every cloudy patch once, in random order, each batch with clear ones drawn at random.

    A step draws for all processes together; each takes its part. So a run on four processes with batches of 8 shows
    the same patches in the same steps as one on a single process with batches of 32. What is left of an epoch when
    it does not fill a step waits for another epoch's order.

    Attributes:
        epoch: the epoch to go on in.
        step: the step of it to go on with.
    """

    def __init__(
        self,
        x: Rows,
        x_acquisitions: NDArray[np.integer],
        pool: ClearPool,
        batch: int,
        *,
        seed: int,
        matched: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Sample for one process.

        Args:
            x: (N,) rows of the cloudy patches.
            x_acquisitions: (N,) code of each one's acquisition, the same codes as the pool's.
            pool: the clear patches.
            batch: patches of each domain in a batch of one process.
            seed: of everything.
            matched: draw each clear patch from the acquisition of the cloudy one beside it, where it has any.
            rank: number of this process.
            world_size: number of processes.

        Raises:
            InputError: no patch in a domain, or numbers out of range.
        """
        if not len(x) or not len(pool):
            raise InputError(f"{len(x)} cloudy and {len(pool)} clear patches: at least one of each is needed")
        if batch < 1 or not 0 <= rank < world_size:
            raise InputError(f"{batch=}, {rank=}, {world_size=}: batch is at least 1, and rank less than world_size")
        self._x, self._x_acquisitions, self._pool = x, x_acquisitions, pool
        self._batch, self._seed, self._matched = batch, seed, matched
        self._rank, self._together = rank, batch * world_size
        self.epoch = self.step = 0

    def __len__(self) -> int:
        """Return the number of steps in an epoch; at least one, for which few patches may be shown more than once."""
        return max(1, len(self._x) // self._together)

    def __iter__(self) -> Iterator[Draw]:
        """Draw the rest of the epoch; the position is not moved: `advance` does that when a batch was used."""
        epoch, order = self.epoch, self._order(self.epoch)
        for step in range(self.step, len(self)):
            places = order[step * self._together : (step + 1) * self._together]
            rng = np.random.default_rng((self._seed, epoch, step))
            wanted = self._x_acquisitions[places] if self._matched else None
            y = self._pool.draw(rng.random(self._together), wanted)
            mine = slice(self._rank * self._batch, (self._rank + 1) * self._batch)
            seed = int(np.random.SeedSequence((self._seed, epoch, step, self._rank)).generate_state(1, np.uint32)[0])
            yield Draw(self._x[places[mine]], y[mine], np.zeros(self._batch, np.bool_), seed)

    def advance(self) -> None:
        """Go one step on; the last step of an epoch leads to the first of the next."""
        self.step += 1
        if self.step == len(self):
            self.epoch, self.step = self.epoch + 1, 0

    def _identity(self) -> dict[str, Any]:
        sizes = {"cloudy": len(self._x), "clear": len(self._pool)}
        return {"seed": self._seed, "global_batch": self._together, "matched": self._matched} | sizes

    def _order(self, epoch: int) -> Rows:
        rng = np.random.default_rng((self._seed, epoch))
        count = len(self) * self._together
        rounds = [rng.permutation(len(self._x)) for _ in range(-(-count // len(self._x)))]
        return np.concatenate(rounds)[:count]


def class_balanced(labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Chances (N,) of patches with `labels` (N, K), as if a class were drawn first, then one of its patches.

    A patch without labels is never drawn.

    Raises:
        InputError: no patch has a label.
    """
    counts = labels.sum(axis=0)
    if not counts.any():
        raise InputError("class-balanced sampling needs labels, and no clear patch has any; sample without it")
    chances: NDArray[np.float64] = labels.astype(np.float64) @ np.where(counts > 0, 1.0 / np.maximum(counts, 1), 0.0)
    return chances
