"""Reviews from the command line: what waits, who works on it, and an answer."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

import typer

from api.cli import options

Reviewer = Annotated[
    str, typer.Option(help="Who decides; where the desk has keys, your key says that.")
]


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
        (
            "Run",
            "Due in",
            "Waits",
            "Role",
            "Gate",
            "Application",
            "Amount",
            "Grade",
            "Why",
            "Claim",
        ),
        [
            (
                item["run_id"],
                _span(_seconds_left(item)),
                _span(item["age_seconds"]),
                item["role"],
                item["gate"],
                item["application_id"],
                _amount(item["facts"].get("amount")),
                item["facts"].get("grade") or "",
                ", ".join(item["reasons"]),
                (item.get("claim") or {}).get("reviewer", ""),
            )
            for item in items
        ],
        empty="Nothing waits for anybody.",
    )


def claim(
    run_id: options.RunId,
    reviewer: Reviewer,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Keep a waiting run for yourself, for a while; again, to keep it longer."""
    from api.cli.client import find_desk
    from api.cli.output import print_json

    async def asked() -> dict[str, str]:
        async with find_desk(api, home) as desk:
            taken: dict[str, str] = await desk.post(f"/runs/{run_id}/claim", {"reviewer": reviewer})
            return taken

    taken = asyncio.run(asked())
    if as_json:
        print_json(taken)
    else:
        until = taken["until"][:16].replace("T", " ")
        typer.echo(f"Kept for {taken['reviewer']} until {until} UTC")


def release(
    run_id: options.RunId,
    reviewer: Reviewer,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Give a run back that you have claimed."""
    from api.cli.client import find_desk

    async def asked() -> None:
        async with find_desk(api, home) as desk:
            await desk.delete(f"/runs/{run_id}/claim", reviewer=reviewer)

    asyncio.run(asked())
    typer.echo("Given back")


def answer(
    run_id: options.RunId,
    decision: Annotated[str, typer.Option(help="One of the gate's decisions; see above.")],
    reviewer: Reviewer,
    reason: Annotated[str, typer.Option(help="Why; kept in the record.")],
    gate: Annotated[
        str | None, typer.Option(help="Where; by default the gate that the run waits at.")
    ] = None,
    reason_code: Annotated[
        str | None,
        typer.Option(help="To decline: R08, R09, … To override: compensating_income, …"),
    ] = None,
    amount: Annotated[float | None, typer.Option(help="Adjusted amount, in dollars.")] = None,
    term: Annotated[int | None, typer.Option(help="Adjusted term, in months.")] = None,
    rate: Annotated[
        float | None, typer.Option(help="Adjusted yearly rate: 0.1299 is 12.99 %.")
    ] = None,
    paper: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="A paper that was filed; may be repeated."),
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key and answer again changes nothing.")
    ] = None,
    set_: options.Settings = None,
    follow: options.Follow = False,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Answer a waiting run.

    documents: `supplied` with --paper, or `withdraw`.

    compliance: `clear` or `true_match`.

    underwriter: `approve`, `decline` with --reason-code, `adjust` with --amount, --term or
    --rate, or `request_documents`.

    second_approval: `approve`, or `decline` with --reason-code.

    Against the policy (an override), `approve` and `adjust` need a --reason-code too.
    """
    from api.cli.client import find_desk
    from api.cli.following import follow_to_end
    from api.cli.output import print_json
    from api.cli.values import parse_settings

    given = {
        "reason_code": reason_code,
        "amount": amount,
        "term_months": term,
        "rate": rate,
        "document_ids": paper or None,
    }
    fields = parse_settings(set_) | {
        name: value for name, value in given.items() if value is not None
    }

    async def asked() -> None:
        async with find_desk(api, home) as desk:
            where = gate or (await desk.get(f"/runs/{run_id}/hitl"))["review"]["gate"]
            run = await desk.post(
                f"/runs/{run_id}/hitl",
                fields
                | {"gate": where, "decision": decision, "reviewer": reviewer, "reason": reason},
                idempotency_key=idempotency_key,
            )
            if follow:
                await follow_to_end(desk, run_id, as_json=as_json)
            elif as_json:
                print_json(run)
            else:
                typer.echo(f"Answered '{where}' of {run['application_id']}: {decision}")
                typer.echo(f"  credit-desk follow {run_id}")

    asyncio.run(asked())


def _seconds_left(item: dict[str, Any]) -> float:
    """Told by the desk's own clock, which need not be this machine's."""
    opened, due = (datetime.fromisoformat(item[name]) for name in ("opened_at", "due_at"))
    return (due - opened).total_seconds() - float(item["age_seconds"])


def _amount(amount: str | None) -> str:
    return f"${float(amount):,.0f}" if amount else ""


def _span(seconds: float) -> str:
    if seconds < 0:
        return f"{_span(-seconds)} ago"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h"
    return f"{minutes // (24 * 60)} days"
