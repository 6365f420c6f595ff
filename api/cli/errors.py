"""Errors as one line on stderr, with exit code 2 for bad input and 1 for a failure."""

from __future__ import annotations

import json
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from api.cli.readable_help import with_readable_types
from api.command_line import let_commands_handle_ctrl_c

BAD_INPUT, FAILURE = 2, 1

_FOR_PROGRAMS = "credit_desk.json"


class DeskGroup(TyperGroup):
    """A group of commands that turns errors into a line and an exit code.

    With `--json` the line is an object with `code`, `message`, `fields` and `exit_code`.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[_FOR_PROGRAMS] = "--json" in args
        return super().parse_args(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        return command and with_readable_types(command, ctx)

    def get_help(self, ctx: Any) -> str:
        with_readable_types(self, ctx)
        return super().get_help(ctx)

    def invoke(self, ctx: Any) -> Any:
        let_commands_handle_ctrl_c()
        try:
            return super().invoke(ctx)
        except Exception as error:
            from data.contracts.errors import CreditDeskError

            for_programs = ctx.meta[_FOR_PROGRAMS]
            told_here = (CreditDeskError, TyperException) if for_programs else CreditDeskError
            if not isinstance(error, told_here):
                raise
            line = " ".join(_message(error).split())
            shown = _as_json(error, line) if for_programs else f"credit-desk: {line}"
            typer.echo(shown, err=True)
            raise typer.Exit(exit_code(error)) from None


def exit_code(error: Exception) -> int:
    """2 when other input can correct the error, 1 otherwise."""
    from data.contracts.errors import ContractViolationError, PolicyRefusedError

    code: int | None = getattr(error, "exit_code", None)
    if code is not None:
        return code
    is_bad_input = isinstance(error, ContractViolationError | PolicyRefusedError)
    return BAD_INPUT if is_bad_input else FAILURE


def _message(error: Exception) -> str:
    return error.format_message() if isinstance(error, TyperException) else str(error)


def _as_json(error: Exception, message: str) -> str:
    return json.dumps(
        {
            "code": getattr(error, "code", "bad_arguments"),
            "message": message,
            "fields": list(getattr(error, "pointers", ())),
            "exit_code": exit_code(error),
        },
        ensure_ascii=False,
    )
