"""Which patches meet in which batch: seeded, the same in any number of processes, and resumable at any step.

Nothing is remembered but the epoch and the step. Every draw comes from a generator seeded by (seed, epoch, step), so
that a run that goes on from a checkpoint draws to the very sample what the undisturbed one would have drawn.
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
"""(B,) for each patch of a batch the seed of all that is random in it."""

Share = Callable[[int], slice]
"""Which patches of a batch of so many this process reads; the processes that train together draw the same batches."""


def whole(size: int) -> slice:
    """All of a batch: the share of a process that is alone."""
    return slice(0, size)


class Drawn(Protocol):
    """What a batch is made of, of which processes may take a share each."""

    def take(self, share: slice) -> Self:
        """Some of the patches."""


class Draw(NamedTuple):
    """What a batch of one domain is made of.

    Attributes:
        rows: (B,) of the patches.
        seeds: (B,) of all that is random in them afterwards.
    """

    rows: Rows
    seeds: Seeds

    def take(self, share: slice) -> Draw:
        """Some of the patches."""
        return Draw(self.rows[share], self.seeds[share])


class UnpairedDraw(NamedTuple):
    """What a batch of both domains is made of.

    Attributes:
        x: (B,) rows of cloudy patches.
        y: (B,) rows of clear patches.
        paired: (B,) whether y shows the ground under x.
        seeds: (B,) of all that is random in x and y afterwards.
    """

    x: Rows
    y: Rows
    paired: NDArray[np.bool_]
    seeds: Seeds

    def take(self, share: slice) -> UnpairedDraw:
        """Some of the patches."""
        return UnpairedDraw(self.x[share], self.y[share], self.paired[share], self.seeds[share])


class ClearPool:
    """The clear patches to draw from; draws may be held to one acquisition.

    Rows are kept in order of acquisition: one is then an interval of them.
    """

    def __init__(self, rows: Rows, acquisitions: NDArray[np.integer]) -> None:
        """Take rows (N,) of the table, and the code (N,) of each patch's acquisition."""
        order = np.argsort(acquisitions, kind="stable")
        self._rows, self._acquisitions = rows[order], acquisitions[order]

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
            first, last = np.where(end > start, start, first), np.where(end > start, end, last)
        drawn: Rows = self._rows[np.minimum(first + (uniform * (last - first)).astype(np.int64), last - 1)]
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

    def advance(self) -> None:
        """Go one step on; the last step of an epoch leads to the first of the next."""
        self.step += 1
        if self.step == len(self):
            self.epoch, self.step = self.epoch + 1, 0

    def __len__(self) -> int:
        """Return the number of steps in an epoch."""
        raise NotImplementedError

    def _identity(self) -> dict[str, Any]:
        """What the position is one in: seeds and sizes, on which the order depends."""
        raise NotImplementedError


class EpochSampler(Position):
    """One epoch shows every patch once, in random order, in batches of one size.

    What is left of an epoch when it does not fill a batch waits for another epoch's order; of fewer patches than a
    batch takes, some are shown more than once.

    Attributes:
        rows: (N,) of the patches.
        batch: patches in a batch, of all processes together.
        seed: of the order, and of the patches' own seeds.
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
        """Draw the rest of the epoch; the position is not moved: `advance` does that when a batch was used."""
        epoch, order = self.epoch, self.order(self.epoch)
        for step in range(self.step, len(self)):
            rows = self.rows[order[step * self.batch : (step + 1) * self.batch]]
            yield Draw(rows, self.seeds(epoch, step))

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Places among `rows`, batch after batch, of an epoch."""
        rng = np.random.default_rng((self.seed, epoch))
        count = len(self) * self.batch
        rounds = [rng.permutation(len(self.rows)) for _ in range(-(-count // len(self.rows)))]
        return np.concatenate(rounds)[:count]

    def seeds(self, epoch: int, step: int) -> Seeds:
        """(B,) of the patches of a step."""
        sequence = np.random.SeedSequence((self.seed, epoch, step))
        return sequence.generate_state(self.batch, np.uint32).astype(np.int64)

    def _identity(self) -> dict[str, Any]:
        return {"seed": self.seed, "batch": self.batch, "patches": len(self.rows)}


class UnpairedSampler(EpochSampler):
    """An `EpochSampler` of the cloudy patches, with clear ones drawn at random beside them."""

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
            matched: draw each clear patch from the acquisition of the cloudy one beside it, where it has any.

        Raises:
            InputError: no patch in a domain, or less than one in a batch.
        """
        if not len(x) or not len(pool):
            raise InputError(f"{len(x)} cloudy and {len(pool)} clear patches: at least one of each is needed")
        super().__init__(x, batch, seed=seed)
        self._acquisitions, self._pool, self._matched = x_acquisitions, pool, matched

    def pairs(self) -> Iterator[UnpairedDraw]:
        """Draw the rest of the epoch, as iterating does, from both domains."""
        epoch, order = self.epoch, self.order(self.epoch)
        for step in range(self.step, len(self)):
            places = order[step * self.batch : (step + 1) * self.batch]
            rng = np.random.default_rng((self.seed, epoch, step))
            wanted = self._acquisitions[places] if self._matched else None
            y = self._pool.draw(rng.random(self.batch), wanted)
            yield UnpairedDraw(self.rows[places], y, np.zeros(self.batch, np.bool_), self.seeds(epoch, step))

    def _identity(self) -> dict[str, Any]:
        return super()._identity() | {"clear": len(self._pool), "matched": self._matched}
