"""Questions to the person at the terminal, without blocking the event loop."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape


class Keyboard:
    """Asks on a console, and reads lines from stdin, which has to be a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._read = b""

    async def choose(self, question: str, choices: Sequence[str]) -> str:
        """One of the choices. Accepts a unique beginning, and asks again after any other input."""
        while True:
            typed = (await self.line(f"{question} ({' / '.join(choices)})")).lower()
            fitting = [choice for choice in choices if typed and choice.startswith(typed)]
            if typed in choices:
                return typed
            if len(fitting) == 1:
                return fitting[0]
            self._console.print("[yellow]Type one of these choices.[/yellow]")

    async def line(self, question: str, default: str = "") -> str:
        """A line without its end; the default for an empty line.

        Raises EOFError when the terminal was closed.
        """
        shown = f" [{default}]" if default else ""
        self._console.print(escape(f"{question}{shown}: "), end="")
        self._console.file.flush()
        return (await self._next()).strip() or default

    async def _next(self) -> str:
        loop = asyncio.get_running_loop()
        fd = sys.stdin.fileno()
        while b"\n" not in self._read:
            readable = asyncio.Event()
            loop.add_reader(fd, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(fd)
            self._read += _typed(fd)
        line, _, self._read = self._read.partition(b"\n")
        return line.decode(errors="replace")


def _typed(fd: int) -> bytes:
    """The bytes that the person has typed. Raises EOFError when the terminal was closed."""
    try:
        typed = os.read(fd, 4096)
    except OSError:  # reading from a closed terminal fails
        typed = b""
    if not typed:
        raise EOFError
    return typed
