"""Options of commands that a data class such as `ClearOptions` describes, and those of a command as click's own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import Field, fields
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import click
import typer
from typer.models import OptionInfo

from unclouded.clearing.options import option_name
from unclouded.cli.console import faults


def takes_options(
    group: type[Any], without: tuple[str, ...] = (), parameter: str = "options"
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command every field of a data class such as `ClearOptions`, where it has the `parameter` of that name.

    Fields `without` an option keep their default.
    """
    kinds = get_type_hints(group)
    derived = [_parameter(field, kinds[field.name]) for field in fields(group) if field.name not in without]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**arguments: Any) -> None:  # noqa: ANN401 (the command's own)
            given = {one.name: _plain(arguments.pop(one.name)) for one in derived}
            with faults(arguments["debug"]):
                options = group(**given)
            command(**{parameter: options}, **arguments)

        own = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for one in own.parameters.values():
            parameters.extend(derived if one.name == parameter else [one])
        signature = own.replace(parameters=parameters)
        # Both are read by typer: the order and defaults from the one, the types from the other.
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {name: one.annotation for name, one in signature.parameters.items()}
        return run

    return decorate


def _parameter(field: Field[Any], kind: Any) -> inspect.Parameter:  # noqa: ANN401 (a type)
    metadata = field.metadata
    default: Any = field.default
    if metadata["choices"]:
        enumeration: Any = Enum  # else mypy takes the call for a definition
        kind = enumeration(field.name.title(), {choice: choice for choice in metadata["choices"]}, type=str)
        kind = kind if default is not None else kind | None
    elif get_origin(kind) is tuple:
        kind, default = list[get_args(kind)[0]], list(default)  # type: ignore[misc]
    # With its name given, typer makes no opposite of a flag.
    shown = typer.Option(
        option_name(field),
        help=metadata["help"],
        metavar=metadata["metavar"],
        min=metadata["minimum"],
        max=metadata["maximum"],
    )
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, shown]
    )


def _plain(value: Any) -> Any:  # noqa: ANN401 (of an option)
    if isinstance(value, list):
        return tuple(value)
    return value.value if isinstance(value, Enum) else value


def click_options(command: Callable[..., None], without: tuple[str, ...]) -> list[click.Option]:
    """The options of a command of ours as click's own, but those `without`; typer carries a click of its own."""
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    return [_click_option(parameter) for parameter in parameters if parameter.name not in without]


def _click_option(parameter: inspect.Parameter) -> click.Option:
    kind, shown = get_args(parameter.annotation)
    assert isinstance(shown, OptionInfo)
    # In an annotation the first name stands where typer takes a default otherwise.
    names = [name for name in (shown.default, *(shown.param_decls or ())) if isinstance(name, str)]
    kind = _given(kind)
    repeated = get_origin(kind) is list
    return click.Option(
        [parameter.name, *(names or [f"--{parameter.name.replace('_', '-')}"])],
        type=_click_type(get_args(kind)[0] if repeated else kind, shown),
        is_flag=kind is bool,
        multiple=repeated,
        default=_plain(parameter.default),
        show_default=kind is not bool and parameter.default not in (None, []),
        metavar=shown.metavar,
        help=shown.help,
    )


def _given(kind: Any) -> Any:  # noqa: ANN401 (a type)
    """What an option is when it is given: `X` of `X | None`."""
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not type(None))
    return kind


def _click_type(kind: Any, shown: OptionInfo) -> Any:  # noqa: ANN401 (types)
    if issubclass(kind, Enum):
        return click.Choice([member.value for member in kind])
    if kind is int and shown.min is not None:
        return click.IntRange(int(shown.min), shown.max)  # type: ignore[arg-type]
    if kind is float and shown.min is not None:
        return click.FloatRange(shown.min, shown.max)
    return kind
