"""Errors that a person can act on. Each is also the builtin it is, so `except ValueError` works."""


class UncloudedError(Exception):
    """Base of every error raised on purpose by this package: one line, no traceback needed."""


class InputError(UncloudedError, ValueError):
    """A file, product or argument is not what is accepted; the message names it, what was found and what to do."""


class UnknownRadiometryError(InputError):
    """The scale or offset of an image cannot be known, or its pixels contradict what it declares."""


class UnknownOffsetError(UnknownRadiometryError):
    """An image declares no offset, and its pixels leave open whether its DN carry one."""


class UnknownLevelError(InputError):
    """The processing level of an image is known neither by its metadata nor by its pixels."""


class FileError(UncloudedError, OSError):
    """A file could not be opened, read or written."""


class UnreadableReferenceError(FileError):
    """Another date of the place could not be read.

    Attributes:
        reference: what it is called.
    """

    def __init__(self, message: str, reference: str) -> None:
        super().__init__(message)
        self.reference = reference


class OutputExistsError(UncloudedError, FileExistsError):
    """The output is already there and `--overwrite` was not given."""


class WeightsError(UncloudedError, ValueError):
    """A weights file is not safetensors, is cut short, or does not fit the network that its header names."""


class SettingsError(UncloudedError, ValueError):
    """A settings file holds an unknown key or a value out of range."""


class ClusterError(UncloudedError, RuntimeError):
    """A cluster cannot be reached, or its workers die at their work."""


class MissingExtraError(UncloudedError, ModuleNotFoundError):
    """Something needs packages that are not installed; the message names the extra of this package that brings them."""


class NetworkError(UncloudedError, ConnectionError):
    """Something far away cannot be reached at the moment; what was read is kept."""
