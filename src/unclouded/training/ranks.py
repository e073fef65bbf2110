"""Data-parallel training by several processes, as `torchrun` starts them, each with a shard of every batch.

Every process reads its shard of a batch, draws the same latents as the others, and gathers the images and network
outputs of the whole batch; reading and the work of the networks are divided. So a run on several GPUs equals, up to
rounding, a run on one with the same batch size, even for losses that are not a mean over images. No other code of the
training depends on the number of processes.
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
"""Time that the other processes wait while the first one validates."""


class Ranks:
    """The processes of a run: a single one, unless made by `joined`.

    Attributes:
        rank: of this process, from 0.
        world_size: number of processes.
        device: of this process.
    """

    def __init__(self, device: str = "cpu", rank: int = 0, world_size: int = 1) -> None:
        self.device, self.rank, self.world_size = torch.device(device), rank, world_size
        self._alone = world_size == 1

    @property
    def first(self) -> bool:
        """Whether this is the process that validates, writes files and reports progress."""
        return self.rank == 0

    def check_batch(self, setting: str, size: int) -> None:
        """Check that a batch has an image for each process.

        Raises:
            InputError: it has fewer images than there are processes.
        """
        if size < self.world_size:
            raise InputError(
                f"{setting} is {size}, and {self.world_size} processes train together, each on its share of a batch: "
                f"give {setting}={self.world_size} or more, or start {size}"
            )

    def shard_of(self, size: int) -> slice:
        """The part of a batch of `size` that this process reads."""
        if self._alone:
            return slice(0, size)
        sizes = self._sizes(size)
        start = sum(sizes[: self.rank])
        return slice(start, start + sizes[self.rank])

    def gathered(self, values: T, size: int) -> T:
        """Gather the shards of a batch of `size`, tensors in nested tuples, from all processes.

        A tensor with one number per image in one shard may be a map (h, w) in another; it is expanded.
        """
        if self._alone:
            return values
        sizes = self._sizes(size)
        shapes: list[list[torch.Size]] = [[] for _ in range(self.world_size)]
        distributed.all_gather_object(shapes, [share.shape[1:] for share in _tensors(values)])
        largest = iter([[max(sides) for sides in zip(*each, strict=True)] for each in zip(*shapes, strict=True)])
        return _each(
            values, lambda share: _gathered(share.expand(-1, *next(largest)).to(self.device), sizes).to(share.device)
        )

    def divide(self, network: nn.Module, *methods: str) -> None:
        """Divide calls of some methods of a network among the processes, along the first dimension of all tensors.

        Batch normalisation in it uses the statistics of the whole batch.
        """
        if self.world_size == 1:
            return
        for name in methods:
            setattr(network, name, partial(self._divided, getattr(network, name)))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.forward = partial(self._normalised, module)  # type: ignore[method-assign]

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum the gradients over the processes (all-reduce)."""
        if self.world_size == 1:
            return
        found = [parameter.grad for parameter in parameters if parameter.grad is not None]
        joined_gradients = torch.cat([gradient.flatten() for gradient in found])
        distributed.all_reduce(joined_gradients)
        for gradient, total in zip(
            found, torch.split(joined_gradients, [gradient.numel() for gradient in found]), strict=True
        ):
            gradient.copy_(total.view_as(gradient))

    def on_first(self, work: Callable[[], T]) -> T:
        """Call a function in the first process alone, and broadcast its result."""
        if self.world_size == 1:
            return work()
        found: list[T | None] = [None]
        if self.first:
            self._alone = True
            found[0] = work()
            self._alone = False
        distributed.broadcast_object_list(found, device=self.device)
        return cast(T, found[0])

    def _divided(self, method: Callable[..., T], *inputs: object) -> T:
        if self._alone:
            return method(*inputs)
        sizes = self._sizes(len(next(_tensors(inputs))))
        mine = _each(inputs, lambda tensor: _apply(_Take, tensor, sizes, self.rank))
        return _each(method(*mine), lambda tensor: _apply(_Gather, tensor, sizes, self.rank))

    def _sizes(self, size: int) -> list[int]:
        return [size // self.world_size + (rank < size % self.world_size) for rank in range(self.world_size)]

    def _normalised(self, norm: nn.BatchNorm2d, h: Tensor) -> Tensor:
        """Batch normalisation (Ioffe and Szegedy 2015, algorithm 1) over the shares of all processes."""
        if self._alone or not norm.training:
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
    """Join the process group, if `torchrun` started several processes, for the duration of the block.

    Args:
        device: "cpu", or "cuda" for the GPU of this process.
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
    """What the backward pass needs of the forward pass."""

    sizes: list[int]
    rank: int


class _Take(torch.autograd.Function):
    """Take this process's shard of a tensor that all have; backward, the gradients of the shards are gathered."""

    @staticmethod
    def forward(ctx: _Division, whole: Tensor, sizes: list[int], rank: int) -> Tensor:
        ctx.sizes, ctx.rank = sizes, rank
        return torch.split(whole, sizes)[rank].clone()

    @staticmethod
    def backward(ctx: _Division, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _gathered(gradients[0], ctx.sizes), None, None


class _Gather(torch.autograd.Function):
    """Gather a tensor of which each process has a shard; backward, each takes the gradient of its own."""

    @staticmethod
    def forward(ctx: _Division, share: Tensor, sizes: list[int], rank: int) -> Tensor:
        ctx.sizes, ctx.rank = sizes, rank
        return _gathered(share, sizes)

    @staticmethod
    def backward(ctx: _Division, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return torch.split(gradients[0], ctx.sizes)[ctx.rank], None, None


class _Sum(torch.autograd.Function):
    """Sum a tensor over the processes; so is its gradient."""

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
    """Gather the shards of all processes, which are padded to the size of the largest for sending."""
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
