"""The real command line, as a person at a terminal uses it."""

from __future__ import annotations

import asyncio
import sys

from tests.desk import ROOT, Desk, StartedRun


async def credit_desk(desk: Desk, *arguments: str) -> tuple[int, str, str]:
    """One command: its exit code and what it printed."""
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "api.cli", *arguments, "--api", desk.api_url),
        cwd=desk.home,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, errors = await command.communicate()
    return command.returncode or 0, printed.decode(), errors.decode()


async def answered_from_the_command_line(
    run: StartedRun, *arguments: str, reviewer: str = "somebody"
) -> None:
    """Answer the open request of a run, and require that the desk accepts the answer."""
    who = ("--reviewer", reviewer, "--reason", "seen and considered")
    code, _, errors = await credit_desk(run.desk, "answer", run.run_id, *who, *arguments)
    assert code == 0, errors
