"""Help for people: a flag shows no type, and a value shows a word for what it is."""

from __future__ import annotations

from typing import Any

_WORDS = {
    "<str>": "TEXT",
    "<list[str]>": "TEXT",
    "<int>": "NUMBER",
    "<int range>": "NUMBER",
    "<float>": "NUMBER",
    "<float range>": "NUMBER",
    "<bool>": "",
    "<path>": "PATH",
    "<%Y-%m-%d>": "DATE",
}


def with_readable_types(command: Any, ctx: Any) -> Any:
    """The command, with a word in its help where Typer would show a type of Python."""
    for parameter in [*command.params, command.get_help_option(ctx)]:
        if parameter is not None and parameter.metavar is None:
            shown = parameter.display_type_rich(ctx=ctx) or ""
            parameter.metavar = _WORDS.get(shown, shown.strip("<>"))
        if parameter is not None and parameter.param_type_name == "argument":
            parameter.display_type_rich = _no_type  # its name says it
    for inner in getattr(command, "commands", {}).values():
        with_readable_types(inner, ctx)
    return command


def _no_type(ctx: Any) -> str:
    return ""
