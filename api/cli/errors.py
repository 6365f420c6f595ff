"""Errors as one line on stderr, with exit code 2 for bad input and 1 for a failure."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

BAD_INPUT, FAILURE = 2, 1


class DeskGroup(TyperGroup):
    """A group of commands that turns errors into a line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            from data.contracts.errors import CreditDeskError

            if not isinstance(error, CreditDeskError):
                raise
            line = " ".join(str(error).split())
            typer.echo(f"credit-desk: {line}", err=True)
            raise typer.Exit(exit_code(error)) from None


def exit_code(error: Exception) -> int:
    """2 when other input can correct the error, 1 otherwise."""
    from data.contracts.errors import ContractViolationError, PolicyRefusedError

    code: int | None = getattr(error, "exit_code", None)
    if code is not None:
        return code
    is_bad_input = isinstance(error, ContractViolationError | PolicyRefusedError)
    return BAD_INPUT if is_bad_input else FAILURE
