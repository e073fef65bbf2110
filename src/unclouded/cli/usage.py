"""Wrong usage in one line, as every other error is."""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperGroup

from unclouded.cli.console import FAILED, report
from unclouded.errors import InputError

# Typer may carry a click of its own, of which this class alone is sure to be the same.
_USAGE: Any = typer.BadParameter.__base__

_HELP = re.compile(r" \(Possible options: --help\)| Did you mean --help\?")
"""A suggestion that is no option of the kind that was meant."""

_POSSIBLE = re.compile(r" \(Possible options: (.*)\)")


class BriefGroup(TyperGroup):
    """The commands, whose usage errors are one line: what is wrong, and where the help is."""

    def make_context(self, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401 (typer's own click)
        """Read the options that stand before any command."""
        try:
            return super().make_context(*arguments, **more)
        except _USAGE as error:
            raise _reported(error) from None

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 (typer's own click)
        """Run the command that is named."""
        try:
            return super().invoke(ctx)
        except _USAGE as error:
            raise _reported(error) from None


def _reported(error: Any) -> BaseException:  # noqa: ANN401 (typer's own click)
    """Report a usage error and return the exit; errors that show themselves, such as help, are returned as they are."""
    if type(error).show is not _USAGE.show:
        return error  # type: ignore[no-any-return]
    where = error.ctx.command_path if error.ctx is not None else "unclouded"
    message = _POSSIBLE.sub(r"; did you mean \1?", _HELP.sub("", " ".join(error.format_message().split()))).rstrip(".")
    message = message.replace(": Value error,", ":").replace(". Did", "; did")
    report(InputError(f"{where}: {message[:1].lower()}{message[1:]}; see {where} --help"), debug=False)
    return typer.Exit(FAILED)
