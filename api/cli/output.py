"""The output of commands: JSON for programs, tables and sentences for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console

from api.cli.references import SHOWN
from api.cli.tables import Listing
from data.contracts.events import Event
from data.contracts.policy import ReasonCode

_COMMAND, _GOES_ON = "  credit-desk ", " \\"
_EXAMPLES = {
    "documents": "supplied --document DOCUMENT",
    "compliance": "clear",
    "underwriter": "approve",
    "second_approval": "approve",
}
"""An answer at each gate, as the command line takes it."""


def as_lines(value: Any) -> str:
    """A value as JSON on several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def print_json(value: Any) -> None:
    """Print a value for a program. A command with `--json` prints nothing else to stdout."""
    typer.echo(as_lines(value), nl=False)


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    empty: str,
    spare: Sequence[str] = (),
    headed: bool = False,
) -> None:
    """Print rows, or the sentence `empty` for none.

    A terminal gets short ids of runs, as commands take them, and what fits: see `Listing`.
    Elsewhere every cell is whole, and tabs separate the cells; `headed` puts the names of the
    columns first, where figures need them.
    """
    console = Console()
    filled = [list(row) for row in rows]
    if not filled:
        typer.echo(empty)
    elif console.is_terminal:
        console.print(Listing(columns, filled, spare))
    else:
        for row in [columns, *filled] if headed else filled:
            typer.echo("\t".join(row))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines. On a terminal, a command that is too long for it goes on on the next line."""
    width = terminal_width()
    for line in lines:
        typer.echo(line if width is None else fitted(line, width))


def terminal_width() -> int | None:
    """The width of the terminal; None when the output goes elsewhere."""
    console = Console()
    return console.width if console.is_terminal else None


def fitted(line: str, width: int) -> str:
    """A line; a longer command breaks before its options, and still pastes into a shell."""
    if len(line) <= width or not line.startswith(_COMMAND):
        return line
    first, *options = line.split(" --")
    lines = [first]
    for option in options:
        longer = f"{lines[-1]} --{option}"
        if len(longer) + len(_GOES_ON) <= width:
            lines[-1] = longer
        else:
            lines.append(f"    --{option}")
    return f"{_GOES_ON}\n".join(lines)


def event_line(event: Event) -> str:
    """One event on one line: progress of the run, stage, message."""
    return f"{event.progress:>5.0%}  {event.phase:<14}{event.message}"


def trace_lines(run: Mapping[str, Any], span_id: str = "") -> list[str]:
    """Where to look at the trace of a run, or at one span of it; empty without a viewer."""
    links = run["links"]
    of_span = span_id.strip("0") and links["span"].replace("{span_id}", span_id)
    target = of_span or links["trace"]  # an event may belong to no span
    return [f"Trace: {target}"] if target else []


def run_lines(run: Mapping[str, Any]) -> list[str]:
    """A run in a few lines: status, decision, next step."""
    lines = [head_line(run)]
    waiting = run.get("waiting_for")
    if run["status"] == "waiting" and waiting:
        lines += waiting_lines(run["run_id"], waiting)
    if run.get("error"):
        lines.append(f"Failed: {run['error']['message']}")
        lines.append(f"  credit-desk resume {run['run_id']}")
    if (decision := run.get("decision")) and decision.get("outcome"):
        reasons = reasons_of(decision)
        lines.append(_verdict(decision) + (f" ({reasons})" if reasons else ""))
        if offer := decision.get("offer"):
            lines.append(f"Offer: {offer_of(offer)}")
    return lines


def head_line(run: Mapping[str, Any]) -> str:
    """Which run it is, of which application, and where it stands."""
    return f"Run {run['run_id']} of {run['application_id']}: {run['status']}{_origin(run)}"


def waiting_lines(run_id: str, waiting: Mapping[str, Any]) -> list[str]:
    """For whom a run waits, and the commands that show the case and answer it."""
    return [
        waits_for(waiting),
        f"  credit-desk show {run_id[:SHOWN]}",
        answer_command(run_id, waiting["gate"]),
    ]


def waits_for(waiting: Mapping[str, Any]) -> str:
    """For whom a run waits, and why."""
    return f"Waits for {_words(waiting['role'])}: {waiting['title']}"


def answer_command(run_id: str, gate: str) -> str:
    """An example of the command that answers at a gate."""
    decision = _EXAMPLES.get(gate, "DECISION")
    return (
        f"{_COMMAND}answer {run_id[:SHOWN]} --gate {gate} --decision {decision}"
        ' --reviewer your-name --reason "your reason"'
    )


def outcome_of(run: Mapping[str, Any]) -> str:
    """The outcome of a run in a cell of a table; empty while there is none."""
    decision = run.get("decision") or {}
    outcome = _words(str(decision.get("outcome") or ""))
    return f"what-if: {outcome}" if outcome and decision.get("what_if") else outcome


def _verdict(decision: Mapping[str, Any]) -> str:
    outcome = _words(decision["outcome"])
    if decision.get("what_if"):
        return f"What-if: would be '{outcome}', decides nothing"
    return f"Decision: {outcome}"


def _origin(run: Mapping[str, Any]) -> str:
    """Where a fork came from; empty for other runs."""
    lineage = run.get("lineage")
    if not lineage:
        return ""
    kind = "fork" if lineage["may_decide"] else "what-if"
    return f" ({kind} from {lineage['forked_at']} of {lineage['parent_run_id'][:SHOWN]})"


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
