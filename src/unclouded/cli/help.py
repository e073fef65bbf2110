"""What `--help` shows beside the options: two examples of each command, and types as people write them."""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperCommand

EXAMPLES: dict[str, tuple[str, ...]] = {
    "clear": (
        "unclouded clear scene.tif --output clear.tif",
        "unclouded clear 2024/*.tif --reference may.tif --output cleared/",
    ),
    "series": (
        "unclouded series 2024/*.tif --output cleared/",
        "unclouded series --catalog earth-search --bbox 5.0,51.1,5.1,51.2 --dates 2024-05-01/2024-08-31 --output out/",
    ),
    "mask": (
        "unclouded mask scene.tif --output mask.tif",
        "unclouded mask 2024/*.SAFE --output masks/ --skip-existing",
    ),
    "demo": ("unclouded demo", "unclouded demo --output before_after --overwrite"),
    "models": ("unclouded models", "unclouded models --json"),
    "export": (
        "unclouded export default --output default.onnx --bands B02,B03,B04,B08",
        "unclouded export default --output default.json",
    ),
    "report": (
        "unclouded report scene.tif=clear.tif --output report.html",
        "unclouded report cleared/ --output series.html",
    ),
    "view": ("unclouded view scene.tif=clear.tif", "unclouded view cleared --port 8000 --no-browser"),
    "train land-cover": (
        "unclouded train land-cover settings/land_cover.yaml --data archive --output run",
        "unclouded train land-cover settings/land_cover.yaml --data archive --output run --resume",
    ),
    "train translator": (
        "unclouded train translator settings/default.yaml --data images --output run",
        "unclouded train translator settings/paper.yaml --data archive --output run training.batch=2",
    ),
    "data pack bigearthnet": (
        "unclouded data pack bigearthnet BigEarthNet-S2 --output archive",
        "unclouded data pack bigearthnet BigEarthNet-v1.0 --output archive --workers 8",
    ),
    "data pack sen12mscr": (
        "unclouded data pack sen12mscr SEN12MS-CR --output archive",
        "unclouded data pack sen12mscr SEN12MS-CR --output archive --split test",
    ),
    "data pack folders": (
        "unclouded data pack folders images --output archive",
        "unclouded data pack folders images --output archive --size 256 --level L2A",
    ),
    "data simulate": (
        "unclouded data simulate --patches 100 --output archive",
        "unclouded data simulate --patches 10000 --level L1C --seed 1 --output archive",
    ),
    "data show": ("unclouded data show archive", "unclouded data show archive --figure archive.png"),
    "evaluate pairs": (
        "unclouded evaluate pairs --cloudy cloudy --clear clear --predicted cleared",
        "unclouded evaluate pairs --cloudy cloudy --clear clear --predicted cleared --each --json scores.json",
    ),
    "evaluate land-cover": (
        "unclouded evaluate land-cover land-cover --data archive",
        "unclouded evaluate land-cover run/weights.safetensors --data archive --json scores.json",
    ),
    "evaluate translator": (
        "unclouded evaluate translator default --data archive --land-cover land-cover",
        "unclouded evaluate translator run/weights.safetensors --data archive --land-cover land-cover --limit 500",
    ),
}
"""Of each command, by the words that call it."""

_TYPES = {"int": "N", "int range": "N", "float": "NUMBER", "float range": "NUMBER", "str": "TEXT", "path": "PATH"}
_SHOWN = re.compile(r"<(" + "|".join(_TYPES) + r")>")
_OF_ARGUMENT = re.compile(r" <[\w\[\] ]+>$")
_USAGE = re.compile(r"^\{(.*?)\}(?:\.\.\.)?$|^\[(\[.*\])\](?:\.\.\.)?$")


class ExplainedCommand(TyperCommand):
    """A command whose help ends with the examples that its `epilog` holds, a line each."""

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 (typer's own click)
        """Write the arguments and options, without names of Python's types."""
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            records = [
                record
                for parameter in self.get_params(ctx)
                if parameter.param_type_name == kind and (record := parameter.get_help_record(ctx)) is not None
            ]
            if records:
                with formatter.section(title):
                    formatter.write_dl([(_plain(name, kind), explanation) for name, explanation in records])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401 (typer's own click)
        """Name the arguments as in their list."""
        return [_USAGE.sub(lambda found: found[1] or found[2], piece) for piece in super().collect_usage_pieces(ctx)]

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 (typer's own click)
        """Write the examples, which are not to be wrapped."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def _plain(name: str, kind: str) -> str:
    if kind == "argument":
        return _OF_ARGUMENT.sub("", name)
    return _SHOWN.sub(lambda found: _TYPES[found[1]], name)


def explain(app: typer.Typer, words: tuple[str, ...] = ()) -> None:
    """Give all commands of an application and of its groups their examples."""
    for info in app.registered_commands:
        assert info.callback is not None
        own = info.name or info.callback.__name__
        info.cls, info.epilog = ExplainedCommand, "\n".join(EXAMPLES.get(" ".join((*words, own)), ()))
    for group in app.registered_groups:
        if group.typer_instance is not None:
            explain(group.typer_instance, (*words, group.name or group.typer_instance.info.name or ""))
