"""Shares as people read them."""

from __future__ import annotations

SHOWN = 0.0005
"""Share from which on the digits that are shown are not 0.0%."""


def percent(share: float) -> str:
    """A share in per cent; what is little is not shown as nothing."""
    return "under 0.1%" if 0 < share < SHOWN else f"{share:.1%}"
