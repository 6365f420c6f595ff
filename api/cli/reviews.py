"""Reviews from the command line: what waits, and an answer."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from api.cli import options


def inbox(
    role: Annotated[str | None, typer.Option(help="Only what waits for this role.")] = None,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """List what waits for somebody, most urgent first."""
    from api.cli.client import find_desk
    from api.cli.output import print_json, print_table

    async def asked() -> list[dict[str, Any]]:
        async with find_desk(api, home) as desk:
            items: list[dict[str, Any]] = await desk.get("/inbox", role=role)
            return items

    items = asyncio.run(asked())
    if as_json:
        print_json(items)
        return
    print_table(
        ("Run", "Application", "Gate", "Role", "What", "Waiting", "Due"),
        [
            (
                item["run_id"],
                item["application_id"],
                item["gate"],
                item["role"],
                item["title"],
                _age(item["age_seconds"]),
                item["due_at"][:16].replace("T", " "),
            )
            for item in items
        ],
        empty="Nothing waits for anybody.",
    )


def answer(
    run_id: options.RunId,
    decision: Annotated[str, typer.Option(help="One of the form's decisions.")],
    reviewer: Annotated[str, typer.Option(help="Who decides.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the record.")],
    gate: Annotated[
        str | None, typer.Option(help="Where; by default the gate that the run waits at.")
    ] = None,
    set_: options.Settings = None,
    follow: options.Follow = False,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Answer a waiting run. Further fields of the form go into --set."""
    from api.cli.client import find_desk
    from api.cli.following import follow_to_end
    from api.cli.output import print_json
    from api.cli.values import parse_settings

    fields = parse_settings(set_)

    async def asked() -> None:
        async with find_desk(api, home) as desk:
            where = gate or (await desk.get(f"/runs/{run_id}/hitl"))["review"]["gate"]
            run = await desk.post(
                f"/runs/{run_id}/hitl",
                fields
                | {"gate": where, "decision": decision, "reviewer": reviewer, "reason": reason},
            )
            if follow:
                await follow_to_end(desk, run_id, as_json=as_json)
            elif as_json:
                print_json(run)
            else:
                typer.echo(f"Answered '{where}' of {run['application_id']}: {decision}")
                typer.echo(f"  credit-desk follow {run_id}")

    asyncio.run(asked())


def _age(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h"
    return f"{minutes // (24 * 60)} days"
