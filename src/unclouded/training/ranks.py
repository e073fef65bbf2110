"""Training by several processes, such as `torchrun` starts: one batch, of which each works on its share.

Every process reads its share of a batch, draws the same latents as the others, and is told the images and the results
of all of it; reading and the networks' work are divided. So a run on several GPUs is, to rounding, the run on one at
the same batch, whatever the terms of the loss make of a batch as a whole: nothing else in the training needs to know
how many processes there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor, distributed, nn

from unclouded.errors import InputError

T = TypeVar("T")

_PATIENCE = timedelta(hours=12)
"""How long the others wait for the first process, which alone validates."""


class Ranks:
    """The processes that train together; one alone, unless made by `joined`.

    Attributes:
        number: of this process, from 0.
        count: of all.
        device: of this process.
    """

    def __init__(self, device: str = "cpu", number: int = 0, count: int = 1) -> None:
        self.device, self.number, self.count = torch.device(device), number, count
        self._apart = count == 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and tells how far it is."""
        return self.number == 0

    def check_batch(self, setting: str, size: int) -> None:
        """Check that a batch has an image for each process.

        Raises:
            InputError: it has not; the message gives the number that has.
        """
        if size < self.count:
            raise InputError(
                f"{setting} is {size}, and {self.count} processes train together, each on its share of a batch: "
                f"give {setting}={self.count} or more, or start {size}"
            )

    def shard_of(self, size: int) -> slice:
        """Which images of a batch of `size` are for this process to read; all, where it works alone."""
        if self._apart:
            return slice(0, size)
        sizes = self._sizes(size)
        start = sum(sizes[: self.number])
        return slice(start, start + sizes[self.number])

    def gathered(self, values: T, size: int) -> T:
        """Put together what the processes read, each its share of a batch of `size`: tensors in nested tuples.

        What is one number for a whole image in the share of one process may be a map in that of another.
        """
        if self._apart:
            return values
        sizes = self._sizes(size)
        shapes: list[list[torch.Size]] = [[] for _ in range(self.count)]
        distributed.all_gather_object(shapes, [share.shape[1:] for share in _tensors(values)])
        largest = iter([[max(sides) for sides in zip(*each, strict=True)] for each in zip(*shapes, strict=True)])
        return _each(
            values, lambda share: _gathered(share.expand(-1, *next(largest)).to(self.device), sizes).to(share.device)
        )

    def divide(self, network: nn.Module, *methods: str) -> None:
        """Divide calls of some methods of a network; batches come first in all tensors that they take and give.

        Batch normalisation in it takes the statistics of the whole batch.
        """
        if self.count == 1:
            return
        for name in methods:
            setattr(network, name, partial(self._divided, getattr(network, name)))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.forward = partial(self._normalised, module)  # type: ignore[method-assign]

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up the gradients that the processes found, each from its share."""
        if self.count == 1:
            return
        found = [parameter.grad for parameter in parameters if parameter.grad is not None]
        together = torch.cat([gradient.flatten() for gradient in found])
        distributed.all_reduce(together)
        for gradient, total in zip(found, torch.split(together, [gradient.numel() for gradient in found]), strict=True):
            gradient.copy_(total.view_as(gradient))

    def by_first(self, work: Callable[[], T]) -> T:
        """Let the first process do something alone, and give all of them what it found."""
        if self.count == 1:
            return work()
        found: list[T | None] = [None]
        if self.first:
            self._apart = True
            found[0] = work()
            self._apart = False
        distributed.broadcast_object_list(found, device=self.device)
        return cast(T, found[0])

    def _divided(self, method: Callable[..., T], *inputs: object) -> T:
        if self._apart:
            return method(*inputs)
        sizes = self._sizes(len(next(_tensors(inputs))))
        mine = _each(inputs, lambda tensor: _apply(_Take, tensor, sizes, self.number))
        return _each(method(*mine), lambda tensor: _apply(_Gather, tensor, sizes, self.number))

    def _sizes(self, size: int) -> list[int]:
        return [size // self.count + (rank < size % self.count) for rank in range(self.count)]

    def _normalised(self, norm: nn.BatchNorm2d, h: Tensor) -> Tensor:
        """Batch normalisation (Ioffe and Szegedy 2015, algorithm 1) over the shares of all processes."""
        if self._apart or not norm.training:
            return nn.BatchNorm2d.forward(norm, h)
        with torch.autocast(h.device.type, enabled=False):
            x = h.float()
            count = _apply(_Sum, x.new_full((), x.numel() / x.shape[1]))
            mean = _apply(_Sum, x.sum((0, 2, 3))) / count
            centred = x - mean[:, None, None]
            variance = _apply(_Sum, centred.square().sum((0, 2, 3))) / count
            scale = norm.weight * torch.rsqrt(variance + norm.eps)
            with torch.no_grad():
                share = float(norm.momentum or 0.0)
                for kept, new in ((norm.running_mean, mean), (norm.running_var, variance * count / (count - 1))):
                    if kept is not None:
                        kept.lerp_(new, share)
                if norm.num_batches_tracked is not None:
                    norm.num_batches_tracked.add_(1)
            out: Tensor = centred * scale[:, None, None] + norm.bias[:, None, None]
            return out.to(h.dtype)


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Join the other processes, if `torchrun` started this one with others, for as long as the block lasts.

    Args:
        device: "cpu", or "cuda" for the GPU that is this process's.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks(device)
        return
    local = int(os.environ["LOCAL_RANK"])
    if device == "cuda":
        device = f"cuda:{local}"
        torch.cuda.set_device(local)
    distributed.init_process_group("nccl" if device != "cpu" else "gloo", timeout=_PATIENCE)
    try:
        yield Ranks(device, distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()


class _Division(Protocol):
    """What the way back must know of the way there."""

    sizes: list[int]
    rank: int


class _Take(torch.autograd.Function):
    """This process's share of a tensor that all have; the shares' gradients are put together again."""

    @staticmethod
    def forward(ctx: _Division, whole: Tensor, sizes: list[int], rank: int) -> Tensor:
        ctx.sizes, ctx.rank = sizes, rank
        return torch.split(whole, sizes)[rank].clone()

    @staticmethod
    def backward(ctx: _Division, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _gathered(gradients[0], ctx.sizes), None, None


class _Gather(torch.autograd.Function):
    """The whole of a tensor of which each process has a share; each keeps the gradient of its own."""

    @staticmethod
    def forward(ctx: _Division, share: Tensor, sizes: list[int], rank: int) -> Tensor:
        ctx.sizes, ctx.rank = sizes, rank
        return _gathered(share, sizes)

    @staticmethod
    def backward(ctx: _Division, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return torch.split(gradients[0], ctx.sizes)[ctx.rank], None, None


class _Sum(torch.autograd.Function):
    """The sum over the processes of what each has; so is its gradient."""

    @staticmethod
    def forward(ctx: _Division, share: Tensor) -> Tensor:
        total = share.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: _Division, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        return total


def _gathered(share: Tensor, sizes: list[int]) -> Tensor:
    """Put the shares of all processes together; they are sent at the size of the largest."""
    longest = max(sizes)
    sent = share.new_zeros(longest, *share.shape[1:])
    sent[: len(share)] = share
    shares = [torch.empty_like(sent) for _ in sizes]
    distributed.all_gather(shares, sent)
    return torch.cat([found[:size] for found, size in zip(shares, sizes, strict=True)])


def _apply(function: type[torch.autograd.Function], tensor: Tensor, *arguments: object) -> Tensor:
    found: Tensor = function.apply(tensor, *arguments)  # type: ignore[no-untyped-call]
    return found


def _tensors(values: object) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, tuple):
        for value in values:
            yield from _tensors(value)


def _each(values: T, change: Callable[[Tensor], Tensor]) -> T:
    """Apply `change` to every tensor in nested (named) tuples."""
    made: object = values
    if isinstance(values, Tensor):
        made = change(values)
    elif isinstance(values, tuple):
        changed = [_each(value, change) for value in values]
        made = type(values)(*changed) if hasattr(values, "_fields") else tuple(changed)
    return cast(T, made)
