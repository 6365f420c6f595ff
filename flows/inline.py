"""Underwriting in the caller's process: the root flow without Prefect and without a ledger.

A batch takes many applications through the same stages, agents and rules as an individual run, and
a preview takes the rest of one. The caller stores the result, or shows it. An application that
comes to a gate is not decided here: its checkpoint lets an individual run go on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.voice import NO_VOICE, Voice
from data.contracts.case import CaseFile
from data.contracts.decision import DecisionContent
from data.contracts.review import ReviewRequest
from data.contracts.runs import RunOptions
from data.contracts.underwriting import Rulebook
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.execution.context import AgentPolicy
from flows.runtime.execution.gatekeeper import PreparedAnswers, WaitingForReviewError
from flows.runtime.execution.recorder import Letters, ResultRecord
from flows.runtime.execution.surroundings import Inline, inline
from flows.runtime.ledger.clearances import Confirmed
from flows.runtime.ledger.letters import Letter
from flows.underwriting import carry_out
from tools.spans import untraced


@dataclass(frozen=True)
class Decided:
    """An application that came to its decision."""

    content: DecisionContent
    restricted: Mapping[str, dict[str, Any]]
    """Documents of the run that not every reader may see, by name: the watchlist screening."""
    letters: Letters = field(compare=False)
    """Writes the letters. A what-if that sends none does not call it."""


@dataclass(frozen=True)
class WaitsAtGate:
    """An application about which a person has to be asked."""

    gate: str
    request: ReviewRequest
    """What would be asked. An individual run asks for itself, with its own links and times."""
    checkpoint: Checkpoint
    """The last finished stage. An individual run that goes on from it comes to this gate."""
    restricted: Mapping[str, dict[str, Any]]
    """Documents that the individual run needs beside the checkpoint: it does not make them."""


Underwritten = Decided | WaitsAtGate


async def underwrite_inline(
    case: CaseFile,
    rulebook: Rulebook,
    *,
    run_id: str = "",
    options: RunOptions | None = None,
    answers: PreparedAnswers | None = None,
    agent_policy: AgentPolicy | None = None,
    saved: Checkpoint | None = None,
    confirmed: Confirmed | None = None,
    record: ResultRecord | None = None,
    voice: Voice = NO_VOICE,
) -> Underwritten:
    """Take one application through the root flow, by one rulebook.

    Load the rulebook once and pass the same object for every application. Several applications
    may be under way in one event loop, and several loops in threads of one process.

    With `saved`, the run goes on from that checkpoint and asks no finished stage again. `run_id` is
    the name of the run in the checkpoint and in the request, by default the
    application's id. A gate without an answer in `answers` ends the run; the checkpoint does not
    hold the answers that were given before it. `confirmed` are the clearances that the caller has
    read from the ledger: without them, every doubt about a listed name comes to the gate.
    A caller that wants more than the result passes a `record` of its own. A `voice` words the
    findings; batches, previews and shadows have none, whatever the rulebook's bundle names.

    Raises the CreditDeskError that ends the run, with the stage, agent and tool that it came from.
    """
    record = record or ResultRecord(confirmed)
    token = inline.set(
        Inline(
            case,
            agent_policy=agent_policy or AgentPolicy(),
            answers=answers or PreparedAnswers(),
            record=record,
            saved=saved,
        )
    )
    try:
        with untraced():
            await carry_out(
                case.application.application_id,
                rulebook,
                run_id=run_id,
                options=options,
                voice=lambda _: voice,
            )
    except WaitingForReviewError as waiting:
        assert record.last_checkpoint is not None, "a gate follows a stage"
        return WaitsAtGate(waiting.gate, waiting.request, record.last_checkpoint, record.restricted)
    finally:
        inline.reset(token)
    assert isinstance(record.decision, DecisionContent), "the last stage decides"
    return Decided(record.decision, record.restricted, _untraced(record.letters))


def _untraced(letters: Letters) -> Letters:
    """The letters are written after the run, where no execution would hold their spans."""

    def write() -> Sequence[Letter]:
        with untraced():
            return letters()

    return write
