"""In which precision networks are computed: as the settings say, or as the device at hand does it fastest."""

from __future__ import annotations

import torch

PRECISIONS = ("auto", "fp32", "bf16")


def fastest_precision(device: torch.device) -> str:
    """The precision that a device computes fastest in: "bf16" where its hardware has it, else "fp32".

    A processor without it emulates bfloat16, several times slower than float32.
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        able = torch.cpu.get_capabilities()
        native = any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
    return "bf16" if native else "fp32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context under which networks on a device are computed in a precision, one of `PRECISIONS`."""
    chosen = fastest_precision(device) if precision == "auto" else precision
    return torch.autocast(device.type, torch.bfloat16, enabled=chosen == "bf16")
