"""The output of commands: JSON for programs, tables and sentences for people."""

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


def as_lines(value: Any) -> str:
    """A value as JSON on several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def print_json(value: Any) -> None:
    """Print a value for a program. A command with `--json` prints nothing else to stdout."""
    typer.echo(as_lines(value), nl=False)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """Print a table, or the sentence `empty` for no rows.

    Without a terminal the columns are separated by tabs: a table of limited width cuts ids.
    """
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
    """One event on one line: progress of the run, stage, message."""
    return f"{event.progress:>5.0%}  {event.phase:<14}{event.message}"


def trace_line(run: Mapping[str, Any], span_id: str = "") -> str:
    """Where to look at the trace of a run, or at one span of it."""
    links = run["links"]
    if not span_id.strip("0"):  # an event that no span told of
        return f"Trace: {links['trace']}"
    return f"Trace: {links['span'].replace('{span_id}', span_id)}"


def run_lines(run: Mapping[str, Any]) -> list[str]:
    """A run in a few lines: status, decision, next step."""
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


def preview_lines(shown: Mapping[str, Any]) -> list[str]:
    """What a ruling would bring, in a few lines."""
    if shown["asks_next"]:
        return [f"Not answered. The run would ask next at '{shown['asks_next']}'"]
    reasons = reasons_of(shown)
    lines = [
        f"Not answered. The outcome would be: {_words(shown['outcome'])}"
        + (f" ({reasons})" if reasons else "")
    ]
    if offer := shown["offer"]:
        lines.append(f"Offer: {offer_of(offer)}, APR {float(offer['apr']):.2%}")
    lines += [f"Condition: {condition['text']}" for condition in shown["conditions"]]
    lines += [
        f"Rule {rule['rule_id']}: {_words(rule['status'])}, {rule['outcome']}"
        for rule in shown["rules"]
    ]
    if shown["is_override"]:
        lines.append("Against the policy: an override")
    if shown["needs_second_person"]:
        lines.append("A second person has to agree")
    for letter in shown["letters"]:
        lines += ["", f"Letter to the applicant ({_words(letter['applicant'])}):", letter["text"]]
    return lines


def offer_of(offer: Mapping[str, Any] | None) -> str:
    """The terms of an offer in words; empty without an offer."""
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
    name = next((reason.name for reason in ReasonCode if reason.value == code), "")
    return f"{code.partition('_')[0]} {_words(name.lower())}" if name else code


def _words(name: str) -> str:
    return name.replace("_", " ")
