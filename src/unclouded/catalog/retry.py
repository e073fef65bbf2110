"""Reading what is far away: again after a while where that may help, and what stands in the way where it does not."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import TypeVar

from unclouded.errors import FileError, NetworkError
from unclouded.reading.files.raster import shown

_SECONDS = 30
_GONE = (404, 410)
_BARRED = (401, 403)

Read = TypeVar("Read")


@dataclass(frozen=True)
class RetryPolicy:
    """How often a read is tried, and how long is waited in between.

    Attributes:
        tries: all together.
        first: seconds before the second; twice as many before each next one.
    """

    tries: int = 5
    first: float = 1.0

    def read(self, addresses: Sequence[str], read: Callable[[], Read]) -> Read:
        """Read from some addresses, again if that fails and may go well later.

        Raises:
            FileError: at one of them is nothing, or what is there is damaged.
            NetworkError: one cannot be reached, or may not be read.
        """
        for attempt in range(1, self.tries + 1):
            try:
                return read()
            except FileError as error:
                hurdles = [_hurdle(address, error) for address in addresses]
                hurdle, stays = next((found for found in hurdles if found[0] is not error), (error, False))
                if stays or attempt == self.tries:
                    raise hurdle from error
                time.sleep(self.first * 2 ** (attempt - 1))
        raise AssertionError("no tries")


def _hurdle(address: str, error: FileError) -> tuple[FileError | NetworkError, bool]:
    """What keeps an address from being read, by asking for its first byte, and whether waiting is of no use."""
    name, again = shown(address), "run the same command again"
    if not address.startswith(("http://", "https://")):
        return NetworkError(f"{error}; check the credentials in the environment, then {again}"), False
    asked = urllib.request.Request(address, headers={"Range": "bytes=0-0"})
    try:
        with urllib.request.urlopen(asked, timeout=_SECONDS) as answer:
            answer.read(1)
    except urllib.error.HTTPError as refusal:
        status = refusal.code
        if status in _GONE:
            return FileError(
                f"{name}: is not there (HTTP {status}), though the catalogue lists it; its date is left out"
            ), True
        if status in _BARRED:
            return NetworkError(
                f"{name}: may not be read (HTTP {status}): its signature has expired or is missing; {again}, "
                "which asks for a new one, or give credentials in the environment"
            ), True
        return NetworkError(f"{name}: cannot be read at the moment (HTTP {status}); {again}"), False
    except (OSError, HTTPException, ValueError) as failure:
        said = getattr(failure, "reason", None) or failure
        return NetworkError(f"{name}: cannot be reached ({said}); {again} when it can"), False
    return error, False
