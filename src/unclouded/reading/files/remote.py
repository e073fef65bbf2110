"""What stands in the way of reading what is far away, asked of its server."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException

_SECONDS = 30
_GONE = (404, 410)
_BARRED = (401, 403)

UNREAD = (OSError, HTTPException, ValueError)
"""What `urllib` raises where an address cannot be read."""


@dataclass(frozen=True)
class Answer:
    """What a server gives when it is asked for the first bytes of a file.

    Attributes:
        start: the first bytes.
        parts: whether it gives parts of files, which reading needs.
    """

    start: bytes
    parts: bool


@dataclass(frozen=True)
class Hindrance:
    """Why an address was not read.

    Attributes:
        status: of HTTP; None where nothing answered.
        said: in words of the system.
    """

    status: int | None
    said: str

    @property
    def is_gone(self) -> bool:
        """Whether nothing lies there."""
        return self.status in _GONE

    @property
    def is_barred(self) -> bool:
        """Whether it may not be read."""
        return self.status in _BARRED

    def __str__(self) -> str:
        """What follows the address in an error: what was found, and what to do."""
        if self.status is None:
            return (
                f"cannot be reached ({self.said}); check the address and the network, then run the same command again"
            )
        if self.is_gone:
            return f"is not there (HTTP {self.status}); check the address"
        if self.is_barred:
            return (
                f"may not be read (HTTP {self.status}): it needs signing in, or its signature has expired; "
                "give an address that is valid now, or credentials in the environment"
            )
        return f"cannot be read at the moment (HTTP {self.status}); run the same command again"


def ask(address: str, count: int) -> Answer:
    """Ask a server of http or https for the first `count` bytes of a file; raises one of `UNREAD`."""
    asked = urllib.request.Request(address, headers={"Range": f"bytes=0-{count - 1}"})
    with urllib.request.urlopen(asked, timeout=_SECONDS) as answer:
        return Answer(answer.read(count), answer.status == 206)


def hindrance_of(error: Exception) -> Hindrance:
    """Tell why an address was not read by one of `UNREAD`."""
    if isinstance(error, urllib.error.HTTPError):
        return Hindrance(error.code, error.reason)
    reason = getattr(error, "reason", None) or error
    return Hindrance(None, getattr(reason, "strerror", None) or str(reason) or type(error).__name__)
