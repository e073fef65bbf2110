"""Catalogues known by name, with signatures, credentials and settings for reading their files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from unclouded.errors import InputError, NetworkError
from unclouded.extras import needing


@dataclass(frozen=True)
class Catalogue:
    """A STAC API.

    Attributes:
        address: of its landing page.
        signed: whether addresses of its files need a signature of the package `planetary-computer`.
        credentials: environment variables without which its files cannot be read.
        settings: GDAL options for its files, unless the environment sets them.
    """

    address: str
    signed: bool = False
    credentials: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def extra(self) -> str:
        """The extra of this package for searching it and reading its files."""
        return "planetary-computer" if self.signed else "catalog"

    def signer(self) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """A function that signs the addresses of an item, for less than an hour; it raises NetworkError.

        Raises:
            MissingExtraError: the extra `planetary-computer` is not installed.
        """
        if not self.signed:
            return lambda item: item
        with needing(self.extra, f"{self.address}: reading its files"):
            import planetary_computer

        def sign(item: dict[str, Any]) -> dict[str, Any]:
            try:
                return dict(planetary_computer.sign(item))
            except OSError as error:  # the base class of the errors of `requests`
                raise NetworkError(
                    f"{self.address}: gives no signature for {item['id']} ({' '.join(str(error).split())[:120]}); "
                    "run the same command again later"
                ) from error

        return sign

    def prepare(self) -> None:
        """Set the GDAL options, and check that there are credentials.

        Raises:
            InputError: a variable of the credentials is not set.
        """
        absent = [name for name in self.credentials if not os.environ.get(name)]
        if absent:
            raise InputError(
                f"{self.address}: its files need credentials; set {' and '.join(absent)} in the environment"
            )
        for name, value in self.settings.items():
            os.environ.setdefault(name, value)


PRESETS: Mapping[str, Catalogue] = {
    "earth-search": Catalogue("https://earth-search.aws.element84.com/v1"),
    "planetary-computer": Catalogue("https://planetarycomputer.microsoft.com/api/stac/v1", signed=True),
    "cdse": Catalogue(
        "https://stac.dataspace.copernicus.eu/v1",
        credentials=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        settings={"AWS_S3_ENDPOINT": "eodata.dataspace.copernicus.eu", "AWS_VIRTUAL_HOSTING": "FALSE"},
    ),
}
"""Catalogues by name, accepted by `--catalog` beside addresses."""


def catalogue_named(text: str) -> Catalogue:
    """The catalogue of a name or an address.

    Raises:
        InputError: it is neither.
    """
    if text in PRESETS:
        return PRESETS[text]
    if text.startswith(("http://", "https://")):
        return next((known for known in PRESETS.values() if known.address == text.rstrip("/")), Catalogue(text))
    raise InputError(
        f"--catalog {text}: is not known; accepted are {', '.join(PRESETS)} and the http or https address of a STAC API"
    )
