"""Why a remote file cannot be read: what its server answers."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException

_SECONDS = 30
_MISSING = (404, 410)
_FORBIDDEN = (401, 403)

UNREAD = (OSError, HTTPException, ValueError)
"""What `urllib` raises when an address cannot be read."""


@dataclass(frozen=True)
class RangeResponse:
    """A server's response to a request for the first bytes of a file.

    Attributes:
        start: the first bytes.
        supports_ranges: whether the server honours HTTP range requests, which reading in windows needs.
    """

    start: bytes
    supports_ranges: bool


@dataclass(frozen=True)
class AccessFailure:
    """Why an address could not be read.

    Attributes:
        status: HTTP status; None if there was no response.
        reason: as the operating system or the server words it.
    """

    status: int | None
    reason: str

    @property
    def is_missing(self) -> bool:
        """Whether there is no such file."""
        return self.status in _MISSING

    @property
    def is_forbidden(self) -> bool:
        """Whether access is denied."""
        return self.status in _FORBIDDEN

    def __str__(self) -> str:
        """The end of an error message, after the address: what was found, and what to do."""
        if self.status is None:
            return (
                f"cannot be reached ({self.reason}); check the address and the network, then run the same command again"
            )
        if self.is_missing:
            return f"is not there (HTTP {self.status}); check the address"
        if self.is_forbidden:
            return (
                f"may not be read (HTTP {self.status}): it needs signing in, or its signature has expired; "
                "give an address that is valid now, or credentials in the environment"
            )
        return f"cannot be read at the moment (HTTP {self.status}); run the same command again"


def request_start(address: str, count: int) -> RangeResponse:
    """Request the first `count` bytes of a file over http or https; raises one of `UNREAD`."""
    request = urllib.request.Request(address, headers={"Range": f"bytes=0-{count - 1}"})
    with urllib.request.urlopen(request, timeout=_SECONDS) as response:
        return RangeResponse(response.read(count), response.status == 206)


def access_failure(error: Exception) -> AccessFailure:
    """The reason behind one of `UNREAD`."""
    if isinstance(error, urllib.error.HTTPError):
        return AccessFailure(error.code, error.reason)
    reason = getattr(error, "reason", None) or error
    return AccessFailure(None, getattr(reason, "strerror", None) or str(reason) or type(error).__name__)
