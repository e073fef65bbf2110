"""Shares as people read them."""

from __future__ import annotations

import pytest

from unclouded.shares import percent


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0.0%"), (1e-6, "under 0.1%"), (0.0006, "0.1%"), (0.123, "12.3%"), (1, "100.0%")]
)
def test_what_is_little_is_not_shown_as_nothing(share: float, text: str) -> None:
    assert percent(share) == text
