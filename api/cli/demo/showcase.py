"""The demonstration: several applicants, underwritten side by side."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.columns import Columns
from rich.console import Console
from rich.live import Live
from rich.table import Table

from api.cli.answered import AnsweredError
from api.cli.client import DeskClient
from api.cli.demo.board import Board, Stage, stages_of
from api.cli.demo.keyboard import Keyboard
from api.cli.demo.ruling import SCRIPTED_REVIEWER, rule_by_hand, rule_by_script
from api.cli.output import event_line, offer_of, reasons_of
from data.contracts.errors import CreditDeskError
from data.contracts.events import Event, EventType

_OUTCOME_COLOURS = {"approve": "green", "decline": "red", "counter_offer": "yellow"}
_LONGEST = 100
"""How many copies of a persona one desk may have before the demonstration gives up."""


@dataclass
class _Act:
    """One applicant of the demonstration."""

    application_id: str
    run: dict[str, Any]
    board: Board

    @property
    def run_id(self) -> str:
        return str(self.run["run_id"])


class Showcase:
    """Submits applicants, shows their runs, answers at the gates, shows the decisions."""

    def __init__(self, desk: DeskClient, folder: Path, *, by_script: bool) -> None:
        self._desk = desk
        self._folder = folder
        self._console = Console()
        self._by_script = by_script or not (sys.stdin.isatty() and self._console.is_terminal)
        self._keyboard = Keyboard(self._console)
        self._asked: asyncio.Queue[_Act] = asyncio.Queue()

    async def play(self, personas: Sequence[str]) -> None:
        """Show all applicants from submission to decision.

        Raises CreditDeskError naming a run that did not come to a decision.
        """
        stages = stages_of(await self._desk.get("/workflow/graph.json"))
        if self._by_script:
            self._console.print(f"At the gates, {SCRIPTED_REVIEWER} answers.")
        acts = [await self._submit(persona, stages) for persona in personas]
        await self._watch(acts)
        await self._show_decisions(acts)

    async def _submit(self, persona: str, stages: Sequence[Stage]) -> _Act:
        """Submit a persona, as a new copy if this desk has decided it already."""
        for number in range(1, _LONGEST):
            wanted = persona if number == 1 else f"{persona}-{number}"
            filed = (await self._desk.get("/runs", application_id=wanted, limit=1))["items"]
            if not filed or filed[0]["status"] in {"queued", "running", "waiting"}:
                break
        options = {} if wanted == persona else {"as": wanted}
        run = await self._desk.post("/runs", {"application_id": persona, "options": options})
        return _Act(wanted, run, Board(wanted, stages))

    async def _watch(self, acts: Sequence[_Act]) -> None:
        """Show all runs to their ends. The display stops while a person answers."""
        live = Live(
            Columns([act.board for act in acts], padding=(0, 1)),
            console=self._console,
            refresh_per_second=8,
        )
        self._show(live)
        try:
            async with asyncio.TaskGroup() as group:
                answering = group.create_task(self._answer_all(live))
                followers = [group.create_task(self._follow(act)) for act in acts]
                await asyncio.wait(followers)
                answering.cancel()
        except* CreditDeskError as errors:
            raise errors.exceptions[0] from None
        finally:
            live.stop()

    def _show(self, live: Live) -> None:
        if self._console.is_terminal:
            live.start()

    async def _follow(self, act: _Act) -> None:
        async for event in self._desk.follow(act.run_id):
            act.board.apply(event)
            self._tell(act, event)
            if event.type is EventType.WAITING:
                self._asked.put_nowait(act)

    def _tell(self, act: _Act, event: Event) -> None:
        if not self._console.is_terminal:
            line = f"{act.application_id:<18}{event_line(event)}"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    async def _answer_all(self, live: Live) -> None:
        while True:
            act = await self._asked.get()
            try:
                request = await self._desk.get(f"/runs/{act.run_id}/hitl")
                live.stop()
                await self._rule(act, request)
            except AnsweredError as error:
                if error.status not in {404, 409, 410}:
                    raise
                # Another reviewer has answered, or the event is old. The run goes on by itself.
            finally:
                self._show(live)

    async def _rule(self, act: _Act, request: dict[str, Any]) -> None:
        async def hand_in(ruling: dict[str, Any]) -> None:
            await self._desk.post(f"/runs/{act.run_id}/hitl", ruling)

        if not self._by_script:
            try:
                await rule_by_hand(
                    self._console, self._keyboard, act.application_id, request, hand_in
                )
                return
            except EOFError:
                self._console.print("\nThe terminal was closed, so a script answers from now on.")
                self._by_script = True
        decision = await rule_by_script(request, hand_in)
        self._console.print(
            f"{SCRIPTED_REVIEWER} answers for {act.application_id}: {decision}", markup=False
        )

    async def _show_decisions(self, acts: Sequence[_Act]) -> None:
        table = Table(title="Decisions", title_style="bold", show_lines=True)
        for column in ("Application", "Decision", "Reasons", "Offer", "Ruled by"):
            # Never cut an id or a decision: the rest would be useless.
            table.add_column(column, no_wrap=column in {"Application", "Decision"})
        files = []
        for act in acts:
            decision = await self._decision_of(act)
            content = decision["content"]
            outcome = str(content["outcome"])
            colour = _OUTCOME_COLOURS.get(outcome, "white")
            table.add_row(
                act.application_id,
                f"[bold {colour}]{outcome.replace('_', ' ')}[/]",
                reasons_of(content) or "none",
                offer_of(content.get("offer")) or "none",
                ", ".join(ruling["reviewer"] for ruling in content["rulings"]) or "policy",
            )
            files.append(self._write(act, decision))
        self._console.print(table)
        for act, file in zip(acts, files, strict=True):
            self._print_links(act, file)
        self._console.print("\nThe links work while the desk runs: `make up` keeps it running.")

    async def _decision_of(self, act: _Act) -> dict[str, Any]:
        act.run = await self._desk.get(f"/runs/{act.run_id}")
        if act.run["status"] != "completed":
            why = (act.run.get("error") or {}).get("message", "it has no decision")
            raise CreditDeskError(f"{act.application_id} ended as {act.run['status']}: {why}")
        decision: dict[str, Any] = await self._desk.get(f"/runs/{act.run_id}/decision")
        return decision

    def _write(self, act: _Act, decision: dict[str, Any]) -> Path:
        file = self._folder / "decisions" / f"{act.application_id}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(decision, indent=2, ensure_ascii=False) + "\n")
        return file

    def _print_links(self, act: _Act, file: Path) -> None:
        links = act.run["links"]
        self._console.print(f"\n[bold]{act.application_id}[/]")
        for name, target in (
            ("Prefect", links["prefect"]),
            ("Trace", links["trace"]),
            ("Graph", links["graph"]),
            ("Decision", file),
        ):
            if not target:
                continue
            # As plain text on one line: people copy the address.
            self._console.print(f"  {name:<10}{target}", markup=False, soft_wrap=True)
