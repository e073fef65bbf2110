"""The extras of this package, and the modules that each brings, which only some commands and functions need."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from unclouded.errors import MissingExtraError

EXTRAS: dict[str, tuple[str, ...]] = {
    "catalog": ("pystac_client",),
    "cluster": ("dask", "distributed"),
    "cubes": ("h5netcdf", "h5py", "zarr"),
    "data": ("lmdb", "pyarrow", "tifffile", "bigearthnet_common"),
    "export": ("onnx", "onnxscript"),
    "planetary-computer": ("pystac_client", "planetary_computer"),
    "report": ("jinja2", "matplotlib"),
    "view": ("rio_tiler", "maplibre"),
}
"""Modules by the extra that brings them; of one that several bring, the first stands for it."""


def extra_of(module: str) -> str | None:
    """The extra that a module belongs to; None for any other."""
    package = module.split(".")[0]
    return next((extra for extra, packages in EXTRAS.items() if package in packages), None)


def how_to_install(extra: str) -> str:
    """What to do where an extra is not installed."""
    return f"run `make {extra}` in a checkout, or pip install 'unclouded[{extra}]'"


@contextmanager
def needing(extra: str, subject: str) -> Iterator[None]:
    """Import modules of an extra, and name all of them that are absent, and the extra, where one is.

    Args:
        extra: one of `EXTRAS`.
        subject: what needs them, as the error begins.

    Raises:
        MissingExtraError: a module of the extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in EXTRAS[extra]:
            raise
        absent = [module for module in EXTRAS[extra] if importlib.util.find_spec(module) is None]
        said = " and ".join(absent or [str(error.name)])
        are = "are" if len(absent) > 1 else "is"
        raise MissingExtraError(f"{subject} needs {said}, which {are} not installed; {how_to_install(extra)}") from None
