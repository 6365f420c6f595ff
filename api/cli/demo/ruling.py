"""An answer at a gate, from the person at the keyboard or from a script."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from rich.console import Console
from rich.panel import Panel

from api.cli.answered import AnsweredError
from api.cli.case_page import case_page
from api.cli.demo.keyboard import Keyboard

Ruling = dict[str, Any]
Answering = Callable[[Ruling], Awaitable[None]]
"""Sends the ruling to the desk; raises AnsweredError when the desk refuses it."""

SCRIPTED_REVIEWER = "scripted-reviewer"
_ALWAYS_ASKED = ("decision", "reviewer", "reason")


async def rule_by_hand(
    console: Console, keyboard: Keyboard, application_id: str, request: Ruling, hand_in: Answering
) -> None:
    """Show the case and ask for a ruling; after a refusal, show the reason and ask again."""
    review, schema = request["review"], request["schema"]
    console.print(
        Panel(
            case_page(review["request"]["summary"]),
            title=f"{application_id}: {review['request']['title']}",
            subtitle=f"gate {review['gate']}",
            border_style="yellow",
        )
    )
    also: set[str] = set()
    while True:
        ruling = await _ask(keyboard, schema, also)
        try:
            return await hand_in(_addressed_to(request) | ruling)
        except AnsweredError as error:
            if error.status not in {403, 422}:
                raise
            console.print(f"[yellow]The desk refuses this answer: {error}[/yellow]")
            also |= {pointer.strip("/") for pointer in error.pointers}


async def rule_by_script(request: Ruling, hand_in: Answering) -> str:
    """Approve in the name of a script, where the form allows it; returns the decision."""
    choices = _choices(request["schema"])
    decision = "approve" if "approve" in choices else choices[0]
    await hand_in(
        _addressed_to(request)
        | {
            "decision": decision,
            "reviewer": SCRIPTED_REVIEWER,
            "reason": "Scripted answer of the demonstration, given without a person",
        }
    )
    return decision


def _addressed_to(request: Ruling) -> Ruling:
    """The fields that bind an answer to the request that the person has seen."""
    return {"gate": request["review"]["gate"], "request_id": request["request_id"]}


async def _ask(keyboard: Keyboard, schema: dict[str, Any], also: set[str]) -> Ruling:
    decision = await keyboard.choose("Decision", _choices(schema))
    ruling: Ruling = {"decision": decision}
    for name, field in schema["properties"].items():
        if name in _ALWAYS_ASKED or not _concerns(name, field, decision, also):
            continue
        typed = await keyboard.line(f"{_title(name, field)} (empty for none)")
        if typed:
            ruling[name] = _as_typed(typed, field)
    ruling["reason"] = await keyboard.line("Reason", "Reviewed in the demonstration")
    ruling["reviewer"] = await keyboard.line("Your name", "demo-reviewer")
    return ruling


def _choices(schema: dict[str, Any]) -> list[str]:
    field = schema["properties"]["decision"]
    return list(field.get("enum") or [field["const"]])


def _concerns(name: str, field: dict[str, Any], decision: str, also: set[str]) -> bool:
    """Whether a field belongs to a decision: forms say so in the field's description."""
    return name in also or decision in str(field.get("description", "")).lower()


def _title(name: str, field: dict[str, Any]) -> str:
    described = field.get("description")
    return (
        f"{field.get('title', name)}, {described}" if described else str(field.get("title", name))
    )


def _as_typed(typed: str, field: dict[str, Any]) -> Any:
    kinds = {field.get("type"), *(choice.get("type") for choice in field.get("anyOf", ()))}
    if "array" in kinds:
        return [part.strip() for part in typed.split(",")]
    for kind, read in (("integer", int), ("number", float)):
        if kind in kinds:
            try:
                return read(typed)
            except ValueError:
                return typed  # the desk says what is wrong with the value
    return typed
