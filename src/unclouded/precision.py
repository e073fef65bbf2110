"""In which precision networks are computed: as the settings say, or what is fastest on the device.

torch is imported where it is used, so that the commands can name the precisions without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "fp32", "bf16")


def fastest_precision(device: torch.device) -> str:
    """The precision that a device computes fastest in: "bf16" where its hardware has it, else "fp32".

    On a processor that is AMX. With AVX-512 instructions alone convolutions are slower than in float32 (81 against 139
    GFLOP/s on one core of a Xeon without AMX, oneDNN of torch 2.13), and with none several times slower.
    """
    import torch

    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = bool(torch.cpu.get_capabilities().get("amx_bf16", False))
    return "bf16" if native else "fp32"


def resolve_precision(precision: str, device: torch.device) -> str:
    """Name the precision that one of `PRECISIONS` means on a device: "fp32" or "bf16"."""
    return fastest_precision(device) if precision == "auto" else precision


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context under which networks on a device are computed in a precision, one of `PRECISIONS`."""
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=resolve_precision(precision, device) == "bf16")


@contextmanager
def torch_as_usual() -> Iterator[None]:
    """Compute as torch does by itself, whatever a program has set for its own work.

    That is its default type and device of new tensors, and autocast. The type is the whole process's: the last of the
    threads that compute gives it back.
    """
    import torch

    with ExitStack() as stack:
        stack.enter_context(_USUAL_TYPE)
        if torch.get_default_device().type != "cpu":  # which costs a little at every call
            stack.enter_context(torch.device("cpu"))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


class _UsualType:
    """A context of any number of threads under which new tensors are in float32."""

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._theirs: torch.dtype | None = None

    def __enter__(self) -> None:
        import torch

        with self._lock:
            if not self._inside:
                self._theirs = torch.get_default_dtype()
                torch.set_default_dtype(torch.float32)
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        import torch

        with self._lock:
            self._inside -= 1
            if not self._inside and self._theirs is not None:
                torch.set_default_dtype(self._theirs)


_USUAL_TYPE = _UsualType()
