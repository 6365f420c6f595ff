"""How the commands speak: JSON for machines, tables and sentences for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data.contracts.events import Event
from data.contracts.policy import ReasonCode


def print_json(value: Any) -> None:
    """The only thing on stdout when a machine listens."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """A table, or a sentence when there is nothing to show. Where it is no terminal, ids stay
    whole: a table that is cut to a width cannot be worked with."""
    console = Console()
    filled = [[escape(cell) for cell in row] for row in rows]
    if not filled:
        typer.echo(empty)
    elif console.is_terminal:
        table = Table(header_style="bold")
        for number, name in enumerate(columns):
            table.add_column(name, no_wrap=number == 0, overflow="fold")
        for row in filled:
            table.add_row(*row)
        console.print(table)
    else:
        for row in filled:
            typer.echo("\t".join(row))


def event_line(event: Event) -> str:
    """One event on one line: share of the whole run, stage, what happened."""
    return f"{event.progress:>5.0%}  {event.phase:<14}{event.message}"


def run_lines(run: Mapping[str, Any]) -> list[str]:
    """A run in a few lines: where it stands, what it decided, what to do next."""
    lines = [f"Run {run['run_id']} of {run['application_id']}: {run['status']}"]
    waiting = run.get("waiting_for")
    if run["status"] == "waiting" and waiting:
        lines.append(f"Waits for {_words(waiting['role'])}: {waiting['title']}")
        lines.append(
            f"  credit-desk answer {run['run_id']} --gate {waiting['gate']}"
            " --decision … --reviewer … --reason …"
        )
    if run.get("error"):
        lines.append(f"Failed: {run['error']['message']}")
        lines.append(f"  credit-desk resume {run['run_id']}")
    if (decision := run.get("decision")) and decision.get("outcome"):
        reasons = reasons_of(decision)
        lines.append(
            f"Decision: {_words(decision['outcome'])}" + (f" ({reasons})" if reasons else "")
        )
        if offer := decision.get("offer"):
            lines.append(f"Offer: {offer_of(offer)}")
    return lines


def offer_of(offer: Mapping[str, Any] | None) -> str:
    """The terms in words; empty when there are none."""
    if not offer:
        return ""
    return (
        f"${float(offer['amount']):,.2f} over {offer['term_months']} months at"
        f" {float(offer['rate']):.2%}, ${float(offer['payment']):,.2f} a month"
    )


def reasons_of(decision: Mapping[str, Any]) -> str:
    """The principal reasons in words."""
    given = decision.get("principal_reasons") or decision.get("reasons") or ()
    return ", ".join(_reason(str(code)) for code in given)


def _reason(code: str) -> str:
    name = next((one.name for one in ReasonCode if one.value == code), "")
    return f"{code.partition('_')[0]} {_words(name.lower())}" if name else code


def _words(name: str) -> str:
    return name.replace("_", " ")
