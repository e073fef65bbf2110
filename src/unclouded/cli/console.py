"""What the commands share: errors as one line and an exit code, notes, and progress on the terminal.

Exit codes: 0 all done; 1 some inputs failed; 2 wrong usage or input, or no input done; 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self, TextIO

import typer

from unclouded.cli.voice import VOICE
from unclouded.errors import FileError, InputError, UncloudedError
from unclouded.extras import extra_of, how_to_install
from unclouded.progress import HUNDREDTHS

if TYPE_CHECKING:
    from tqdm import tqdm

_SEE_WHERE = "run it again with --debug to see where"
_OTHER_PROJ = "PROJ_LIB or PROJ_DATA names a folder of another program; `unset PROJ_LIB PROJ_DATA`, and run it again"

_MEMORY = "there is too little memory: allow 2 GB or more (`ulimit -v`, a batch system's limit), or end other programs"
_MEMORY_ERRORS = ("bad_alloc", "failed to map segment", "allocate memory", "can't start new thread")

SOME_FAILED, FAILED, INTERRUPTED = 1, 2, 130

PATIENCE = 2.0
"""Seconds after which progress is shown."""

EVERY = 30.0
"""Seconds between lines of progress where there is no terminal, only a log."""


class LostOutputError(FileError):
    """Standard output takes nothing more."""


@contextmanager
def faults(debug: bool) -> Iterator[None]:
    """Turn errors that a person can act on into one line and an exit code; `debug` adds the traceback."""
    try:
        with nullcontext() if debug or VOICE.verbose else _quiet_libraries():
            yield
    except KeyboardInterrupt:
        say("interrupted: what was finished stays, unfinished files were removed")
        raise typer.Exit(INTERRUPTED) from None
    except UncloudedError as error:
        report(error, debug)
        raise typer.Exit(FAILED) from None
    except ModuleNotFoundError as error:
        extra = extra_of(error.name or "")
        if extra is None:
            raise
        report(InputError(f"this command needs {error.name}, which is not installed; {how_to_install(extra)}"), debug)
        raise typer.Exit(FAILED) from None
    except (MemoryError, ImportError) as error:
        if not _lacks_memory(error):
            raise
        report(InputError(f"libraries cannot be loaded ({str(error) or 'MemoryError'}): {_MEMORY}"), debug)
        raise typer.Exit(FAILED) from None


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep errors to one line: what libraries have to say beside them is for `--debug`."""
    warnings.simplefilter("ignore")
    for library in ("rasterio", "urllib3", "pystac_client"):
        logging.getLogger(library).addHandler(logging.NullHandler())
    # libtiff writes to the descriptor itself, so Python's stderr gets another one meanwhile.
    stderr, descriptor = sys.stderr, os.dup(2)
    try:
        if _is_descriptor_2(stderr):
            sys.stderr = open(  # noqa: SIM115 (closed with its descriptor)
                descriptor, "w", buffering=1, encoding=stderr.encoding, errors=stderr.errors, closefd=False
            )
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = stderr
        os.dup2(descriptor, 2)
        os.close(descriptor)


def _is_descriptor_2(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 2
    except OSError:
        return False


def _lacks_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or any(words in str(error) for words in _MEMORY_ERRORS)


def report(error: BaseException, debug: bool, source: str | None = None) -> str:
    """Say what went wrong, in one line, and return that line."""
    if debug:
        traceback.print_exception(error)
    text = " ".join(str(error).split())
    if not isinstance(error, UncloudedError):
        advice = _OTHER_PROJ if "proj.db" in text else _MEMORY if _lacks_memory(error) else _SEE_WHERE
        text = f"{source}: {type(error).__name__} {text}; {advice}"
    put(f"error: {text}", sys.stderr)
    return text


def say(text: str) -> None:
    """Print to standard error, so that standard output holds results alone; not with `--quiet`."""
    if not VOICE.quiet:
        put(text, sys.stderr)


def tell(text: str) -> None:
    """Print what was done to standard output; not with `--quiet`, which leaves tables and JSON alone."""
    if not VOICE.quiet:
        put(text)


def put_table(text: str) -> None:
    """Print a table or JSON that was asked for; whoever reads it may have seen enough, as `head` has."""
    try:
        put(text)
    except LostOutputError as error:
        if isinstance(error.__cause__, BrokenPipeError):
            raise typer.Exit(SOME_FAILED) from None
        raise


def detail(text: str) -> None:
    """Say what only `--verbose` asks for."""
    if VOICE.verbose:
        say(text)


def on_terminal() -> bool:
    """Whether standard error is a terminal that can show a bar."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class Bar:
    """Progress of what takes longer than `PATIENCE`: a bar on a terminal, now and then a line in a log.

    Called as `progress.Progress`.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._start = time.monotonic()
        self._next_line = self._start + PATIENCE
        self._bars: dict[str, tqdm[NoReturn]] = {}

    def __enter__(self) -> Self:
        return self

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of a stage's `total` steps are done."""
        if VOICE.quiet or time.monotonic() - self._start < PATIENCE:
            return
        if on_terminal():
            self._draw(stage, done, total)
        elif time.monotonic() >= self._next_line:
            counts = [] if total == HUNDREDTHS else [f"{done:,} of {total:,}"]
            shares = [f"{done / total:.0%}"] if total else []
            text = ", ".join([*counts, *shares, f"{time.monotonic() - self._start:.0f} s"])
            say(f"{self._title}: {stage}: {text}")
            self._next_line = time.monotonic() + EVERY

    def _draw(self, stage: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if stage not in self._bars:
            self._bars[stage] = tqdm(
                total=total,
                desc=f"{self._title}: {stage}",
                bar_format="{desc}: {percentage:3.0f}%|{bar}| "
                + ("" if total == HUNDREDTHS else "{n_fmt} of {total_fmt} ")
                + "[{elapsed}<{remaining}]",
                unit_scale=True,
                leave=False,
                # A terminal that does not know its size has 80 x 24 characters.
                ncols=shutil.get_terminal_size().columns,
                nrows=shutil.get_terminal_size().lines,
            )
        self._bars[stage].update(done - self._bars[stage].n)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in self._bars.values():
            bar.close()


def put(text: str, file: TextIO | None = None) -> None:
    """Print a line, to standard output unless another file is given, above the bars that are being drawn.

    Raises:
        LostOutputError: if standard output does not take it.
    """
    # Whoever draws bars has loaded it.
    tqdm = sys.modules.get("tqdm")
    try:
        with nullcontext() if tqdm is None else tqdm.tqdm.external_write_mode(file):
            print(text, file=file, flush=True)
    except OSError as error:
        if file is not None:
            raise
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)  # or Python tries again at its end
        raise LostOutputError(
            f"standard output: cannot be written to ({error.strerror}); files that are finished stay, and the command "
            "stopped there"
        ) from error
