"""Reading of remote files with retries, and diagnosis of failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from unclouded.errors import FileError, NetworkError
from unclouded.reading.files.raster import shown
from unclouded.reading.files.remote import UNREAD, access_failure, request_start

Read = TypeVar("Read")


@dataclass(frozen=True)
class RetryPolicy:
    """Number of tries of a read, and the pauses between them.

    Attributes:
        tries: in total.
        first: seconds before the second try; doubled before each further one.
    """

    tries: int = 5
    first: float = 1.0

    def read(self, addresses: Sequence[str], read: Callable[[], Read]) -> Read:
        """Read from some addresses; retry temporary failures.

        Raises:
            FileError: a file is missing or damaged.
            NetworkError: an address cannot be reached, or access is denied.
        """
        for attempt in range(1, self.tries + 1):
            try:
                return read()
            except FileError as error:
                diagnoses = [_diagnose(address, error) for address in addresses]
                diagnosis, permanent = next((found for found in diagnoses if found[0] is not error), (error, False))
                if permanent or attempt == self.tries:
                    raise diagnosis from error
                time.sleep(self.first * 2 ** (attempt - 1))
        raise AssertionError("no tries")


def _diagnose(address: str, error: FileError) -> tuple[FileError | NetworkError, bool]:
    """Diagnose why an address cannot be read, by requesting its first byte: the error, and whether it is permanent."""
    name, again = shown(address), "run the same command again"
    if not address.startswith(("http://", "https://")):
        return NetworkError(f"{error}; check the credentials in the environment, then {again}"), False
    try:
        request_start(address, 1)
    except UNREAD as failure:
        found = access_failure(failure)
        if found.is_missing:
            return FileError(
                f"{name}: is not there (HTTP {found.status}), though the catalogue lists it; its date is left out"
            ), True
        if found.is_forbidden:
            return NetworkError(
                f"{name}: may not be read (HTTP {found.status}): its signature has expired or is missing; {again}, "
                "which asks for a new one, or give credentials in the environment"
            ), True
        if found.status is not None:
            return NetworkError(f"{name}: cannot be read at the moment (HTTP {found.status}); {again}"), False
        return NetworkError(f"{name}: cannot be reached ({found.reason}); {again} when it can"), False
    return error, False
