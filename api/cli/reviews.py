"""Reviews from the command line: the inbox, claims, and answers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import options
from api.cli.asking import ask
from api.cli.interrupted import on_ctrl_c

if TYPE_CHECKING:
    from api.cli.client import DeskClient

Reviewer = Annotated[
    str, typer.Option(help="The name of the reviewer; where the desk has keys, the key's name.")
]
Decision = Annotated[str, typer.Option(help="One of the gate's decisions; see above.")]
Reason = Annotated[str, typer.Option(help="The reason; kept in the record.")]
Gate = Annotated[
    str | None, typer.Option(help="The gate; by default the one that the run waits at.")
]
ReasonCode = Annotated[
    str | None, typer.Option(help="To decline: R08, R09, … To override: compensating_income, …")
]
Amount = Annotated[float | None, typer.Option(help="Adjusted amount, in dollars.")]
Term = Annotated[int | None, typer.Option(help="Adjusted term, in months.")]
Rate = Annotated[float | None, typer.Option(help="Adjusted yearly rate: 0.1299 is 12.99 %.")]
Documents = Annotated[
    list[str] | None,
    typer.Option("--document", metavar="ID", help="A document on file; may be repeated."),
]
Waived = Annotated[
    list[str] | None,
    typer.Option(
        "--waive", metavar="CODE", help="A condition that need not be met; may be repeated."
    ),
]
Idempotency = Annotated[
    str | None, typer.Option(help="The same key and answer again changes nothing.")
]

Preview = Annotated[
    bool, typer.Option("--preview", help="Say what the answer would bring; send none.")
]

_NOTHING_OPEN = frozenset({404, 409, 410})
_COLUMNS = (
    *("Run", "Due in", "Waits", "Role", "Gate"),
    *("Application", "Amount", "Grade", "Why", "Claim"),
)
_SPARE = ("Waits", "Role", "Grade", "Why", "Amount")


def inbox(
    role: Annotated[str | None, typer.Option(help="Only requests to this role.")] = None,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """List the open requests, the most urgent first."""
    from api.cli.output import print_json, print_table

    items = ask(api, home, lambda desk: desk.pages("/inbox", role=role))
    if as_json:
        print_json(items)
        return
    print_table(
        _COLUMNS,
        [
            (
                item["run_id"],
                due_in(item),
                _span(item["age_seconds"]),
                item["role"],
                item["gate"],
                item["application_id"],
                _amount(item["facts"].get("amount")),
                item["facts"].get("grade") or "",
                ", ".join(item["reasons"]).replace("-", " ").replace("_", " "),
                (item.get("claim") or {}).get("reviewer", ""),
            )
            for item in items
        ],
        empty=f"None waits for {role.replace('_', ' ')}." if role else "None waits.",
        spare=_SPARE,
    )


def claim(
    run_id: options.RunId,
    reviewer: Reviewer,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Reserve a waiting run for yourself for a while. Claim it again to keep it longer."""
    from api.cli.output import print_json

    path, body = f"/runs/{run_id}/claim", {"reviewer": reviewer}
    taken = ask(api, home, lambda desk: desk.post(path, body))
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
    """Release a run that you have claimed."""
    ask(api, home, lambda desk: desk.delete(f"/runs/{run_id}/claim", reviewer=reviewer))
    typer.echo("Released")


def note(
    run_id: options.RunId,
    text: Annotated[str, typer.Argument(help="What the people who rule on the case should know.")],
    reviewer: Reviewer,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Write a note on a case. It decides nothing."""
    from api.cli.output import print_json

    path, body = f"/runs/{run_id}/notes", {"reviewer": reviewer, "text": text}
    written = ask(api, home, lambda desk: desk.post(path, body))
    if as_json:
        print_json(written)
    else:
        typer.echo(f"Noted by {written['author']}")


def answer(
    run_id: options.RunId,
    decision: Decision,
    reviewer: Reviewer,
    reason: Reason,
    gate: Gate = None,
    reason_code: ReasonCode = None,
    amount: Amount = None,
    term: Term = None,
    rate: Rate = None,
    documents: Documents = None,
    waived: Waived = None,
    idempotency_key: Idempotency = None,
    set_: options.Settings = None,
    preview: Preview = False,
    follow: options.Follow = False,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Answer a waiting run.

    documents: `supplied` with --document, or `withdraw`.

    compliance: `clear` or `true_match`.

    underwriter: `approve`, `decline` with --reason-code, `adjust` with --amount, --term or
    --rate, or `request_documents`.

    second_approval: `approve`, or `decline` with --reason-code.

    Against the policy (an override), `approve` and `adjust` need a --reason-code too.

    With --preview nothing is answered: the price, the rules and the outcome are shown.
    """
    from api.cli.values import parse_settings

    fields = parse_settings(set_, "amount=9000") | _given(
        decision=decision,
        reviewer=reviewer,
        reason=reason,
        reason_code=reason_code,
        amount=amount,
        term_months=term,
        rate=rate,
        document_ids=documents or None,
        waived=waived or None,
    )

    async def send(desk: DeskClient) -> None:
        from api.cli.following import show_run

        body = fields | await _address(desk, run_id, gate)
        if preview:
            _show_preview(await desk.post(f"/runs/{run_id}/hitl/preview", body), as_json)
            return
        path = f"/runs/{run_id}/hitl"
        afterwards.said = (
            "It is not known whether the desk has the answer:"
            f" `credit-desk show {run_id}` says what the run asks."
        )
        run = await desk.post(path, body, idempotency_key=idempotency_key)
        afterwards.goes_on(run["run_id"])
        lines = [
            f"Answered '{body['gate']}' of {run['application_id']}: {decision}",
            f"  credit-desk follow {run_id}",
        ]
        await show_run(desk, run, lines, follow=follow, as_json=as_json)

    with on_ctrl_c("Nothing was answered.") as afterwards:
        ask(api, home, send)


def _show_preview(shown: dict[str, Any], as_json: bool) -> None:
    from api.cli.output import preview_lines, print_json

    if as_json:
        print_json(shown)
    else:
        typer.echo("\n".join(preview_lines(shown)))


def _given(**values: Any) -> dict[str, Any]:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


async def _address(desk: DeskClient, run_id: str, gate: str | None) -> dict[str, str]:
    """The gate of an answer, and the request that is open there now.

    The answer then counts for this request only, and not for one that the run opens meanwhile. An
    answer at a named gate that asks nothing now goes without a request: the desk refuses it, or
    knows it from its idempotency key.
    """
    from api.cli.answered import AnsweredError

    try:
        opened = await desk.get(f"/runs/{run_id}/hitl")
    except AnsweredError as error:
        if gate is None or error.status not in _NOTHING_OPEN:
            raise
        return {"gate": gate}
    asking = str(opened["review"]["gate"])
    if gate not in {None, asking}:
        return {"gate": str(gate)}
    return {"gate": asking, "request_id": opened["request_id"]}


def due_in(item: dict[str, Any]) -> str:
    """How long a request of the inbox may still wait."""
    return _span(_seconds_left(item))


def _seconds_left(item: dict[str, Any]) -> float:
    """Counted by the desk's own clock, which may differ from this machine's."""
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
