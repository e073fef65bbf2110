"""The version of the package."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("unclouded")
except PackageNotFoundError:  # run from the source tree
    __version__ = "0+unknown"
