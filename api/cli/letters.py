"""What came of a case, for the file: the decision's record, and the letter to the applicant."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli import options

Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write it there instead of printing.")
]


def decision(
    run_id: options.RunId,
    out: Out = None,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Print a run's decision in its envelope, as JSON."""
    import json

    from api.cli.client import find_desk

    async def asked() -> dict[str, Any]:
        async with find_desk(api, home) as desk:
            decided: dict[str, Any] = await desk.get(f"/runs/{run_id}/decision")
            return decided

    _hand_out(json.dumps(asyncio.run(asked()), indent=2, ensure_ascii=False) + "\n", out)


def notice(
    run_id: options.RunId,
    out: Out = None,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Print the letter to the applicant, as text."""
    import json

    from api.cli.client import find_desk

    async def asked() -> str:
        async with find_desk(api, home) as desk:
            if as_json:
                letter = await desk.get(f"/runs/{run_id}/notice")
                return json.dumps(letter, indent=2, ensure_ascii=False) + "\n"
            return await desk.letter(f"/runs/{run_id}/notice")

    _hand_out(asyncio.run(asked()), out)


def _hand_out(text: str, out: Path | None) -> None:
    """Raises ContractViolationError when there is no writing to the file."""
    from data.contracts.errors import ContractViolationError

    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ContractViolationError(f"{out} cannot be written: {error.strerror}") from None
