"""What a command says when Ctrl-C ends it: what the desk has of it by then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from api.command_line import EXIT_CODE


class Afterwards:
    """The sentence that Ctrl-C prints now. A command replaces it with each step."""

    def __init__(self, said: str) -> None:
        self.said = said

    def goes_on(self, run_id: str) -> None:
        """From now on a run exists, which goes on without this command."""
        self.said = goes_on(run_id)


def goes_on(run_id: str) -> str:
    """The run goes on, and the command that follows it."""
    return f"The run goes on. Watch it again: credit-desk follow {run_id}"


@contextmanager
def on_ctrl_c(said: str) -> Iterator[Afterwards]:
    """End with this sentence on stderr, or the one that replaced it, and exit code 130."""
    afterwards = Afterwards(said)
    try:
        yield afterwards
    except KeyboardInterrupt:
        typer.echo(afterwards.said, err=True)
        raise typer.Exit(EXIT_CODE) from None
