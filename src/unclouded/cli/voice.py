"""How much the commands say: `--quiet` and `--verbose`, which every command takes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors; tables and JSON stay.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say what is done, and what libraries warn of.")]


@dataclass
class Voice:
    """How much is said on standard error beside errors: of the command that runs, so there is one, `VOICE`."""

    quiet: bool = False
    verbose: bool = False


VOICE = Voice()


def spoken(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--quiet` and `--verbose`, which it need not know of."""

    @functools.wraps(command)
    def run(*, quiet: bool, verbose: bool, **arguments: Any) -> None:  # noqa: ANN401 (the command's own)
        if quiet and verbose:
            raise typer.BadParameter("is the opposite of --quiet; give one of them", param_hint="--verbose")
        VOICE.quiet, VOICE.verbose = quiet, verbose
        command(**arguments)

    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in (("quiet", Quiet), ("verbose", Verbose))
    ]
    own = inspect.signature(command, eval_str=True)
    signature = own.replace(parameters=[*own.parameters.values(), *shared])
    # Both are read by typer: the order and defaults from the one, the types from the other.
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return run


def speak_everywhere(app: typer.Typer) -> None:
    """Give all commands of an application and of its groups `--quiet` and `--verbose`."""
    for info in app.registered_commands:
        if info.callback is not None:
            info.callback = spoken(info.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            speak_everywhere(group.typer_instance)
