"""Precision: asked for or the fastest at hand."""

import pytest
import torch

from unclouded import precision


@pytest.mark.parametrize(
    ("able", "fastest"), [({"avx2": True}, "fp32"), ({"avx512_bf16": True}, "fp32"), ({"amx_bf16": True}, "bf16")]
)
def test_auto_takes_bfloat16_where_it_is_faster(able: dict[str, bool], fastest: str, monkeypatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    device = torch.device("cpu")
    assert precision.fastest_precision(device) == fastest
    with precision.autocast(device, "auto"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == (torch.bfloat16 if fastest == "bf16" else torch.float32)


@pytest.mark.parametrize(("asked", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_requested_precision_is_used(asked: str, dtype: torch.dtype) -> None:
    with precision.autocast(torch.device("cpu"), asked):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
