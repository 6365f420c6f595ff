"""What the desk answers from the ledger alone: all of it goes on while Prefect is away."""

from __future__ import annotations

import asyncio
import logging
from importlib.metadata import version
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import ValidationError

from api import views
from api.schemas import (
    Caller,
    ClaimRequest,
    FiledPaper,
    FilePaper,
    InboxItem,
    OpenRequest,
    RunPage,
    RunState,
)
from data.contracts.base import canonical_json
from data.contracts.decision import DecisionContent
from data.contracts.documents import Document, DocumentRef
from data.contracts.errors import (
    ConflictError,
    ContractViolationError,
    RecordNotFoundError,
)
from data.contracts.notices import Notice
from data.contracts.personal import Kind, masked
from data.contracts.review import Claim, Review, Role
from data.contracts.runs import CheckpointEntry, Message, RunStatus, RunSummary
from data.contracts.underwriting import Underwriting
from data.contracts.watchlist import ListedCandidate
from data.settings import Settings
from flows import case
from flows.case import case_on_file, paper_sha256
from flows.review_forms import form_at
from flows.runtime.audit import pack as audit
from flows.runtime.audit.key import signing_key
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints import retention
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.execution.gatekeeper import prefilled
from flows.runtime.graph.drawing import drawing
from flows.runtime.ledger import decisions, messages, reviews, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.runs import Run
from flows.service import forks
from flows.service.comparison import Comparison, compare
from flows.workflow import WORKFLOW
from tools.notices import compose_notice, load_notice_terms
from tools.personal_data_filter import require_discreet
from tools.watchlist import compare_with_list, watchlist_file

_READ_NAMES = {Role.UNDERWRITER, Role.SENIOR_UNDERWRITER, Role.COMPLIANCE}

log = logging.getLogger(__name__)


class Records:
    """The desk's books: everything that routes can ask for without waking anybody."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self.ledger = ledger
        self._settings = settings

    # -- runs ------------------------------------------------------------------------------

    async def runs(
        self,
        *,
        status: RunStatus | None = None,
        application_id: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> RunPage:
        """A page of runs, newest first."""

        def read(connection: sa.Connection) -> list[RunSummary]:
            page = runs.page(
                connection,
                limit=limit + 1,
                before=views.place_of(cursor),
                status=status,
                application_id=application_id,
            )
            return views.summaries(connection, self._settings, page)

        found = await self.ledger.read(read)
        more = views.cursor_after(found[limit - 1]) if len(found) > limit else None
        return RunPage(items=tuple(found[:limit]), next_cursor=more)

    async def run(self, run_id: str) -> RunSummary:
        """Where a run stands."""
        return await self.ledger.read(views.summary, self._settings, run_id)

    async def state(self, run_id: str) -> RunState:
        """What a run knows and what was said in it; findings hold nothing personal."""

        def read(connection: sa.Connection) -> RunState:
            run = runs.find(connection, run_id)
            return RunState(
                run_id=run_id,
                status=run.status,
                phase=run.phase,
                state=dict(run.state),
                checkpoints=tuple(checkpoints.entries(connection, run_id)),
                memory=tuple(messages.of_run(connection, run_id)),
            )

        return await self.ledger.read(read)

    async def decision(self, run_id: str) -> dict[str, Any]:
        """The decision in its envelope. Raises RecordNotFoundError while there is none."""
        return await self.ledger.read(decisions.find, run_id)

    async def notice(self, run_id: str) -> Notice:
        """The letter that a run's decision calls for.

        Raises RecordNotFoundError while the case is undecided, and when no letter is due.
        """
        decided = await self.decision(run_id)
        content = DecisionContent.model_validate(decided["content"])
        terms = await asyncio.to_thread(load_notice_terms, self._settings.data_dir)
        letter = compose_notice(content, terms)
        if letter is None:
            raise RecordNotFoundError("no letter is due: the application was withdrawn")
        return letter

    async def application(self, application_id: str, caller: Caller) -> dict[str, Any]:
        """What was applied for, masked; whoever decides about a person reads the names."""
        filed = await self.ledger.read(runs.filed, application_id)
        shown: tuple[Kind, ...] = ("name",) if _READ_NAMES & set(caller.roles) else ()
        return masked(case_on_file(filed).application, shown)

    async def graph(self, fmt: Literal["svg", "dot", "json"], run_id: str | None = None) -> str:
        """The map as a drawing, with a run's states on it."""
        statuses = await self.ledger.read(views.node_statuses, run_id) if run_id else {}
        draw = {"svg": drawing.to_svg, "dot": drawing.to_dot, "json": drawing.to_json}[fmt]
        return await asyncio.to_thread(draw, WORKFLOW, statuses)

    # -- history ---------------------------------------------------------------------------

    async def memory(
        self,
        run_id: str,
        agent: str | None = None,
        stage: str | None = None,
        text: str | None = None,
        checkpoint: str | None = None,
    ) -> tuple[Message, ...]:
        """What agents and people said in a run's thread, now or at a checkpoint."""
        if checkpoint is not None:
            said = (await self.checkpoint(run_id, checkpoint)).memory
            return tuple(m for m in said if messages.fits(m, agent, stage, text))

        def read(connection: sa.Connection) -> tuple[Message, ...]:
            runs.find(connection, run_id)
            said = messages.of_run(connection, run_id)
            return tuple(m for m in said if messages.fits(m, agent, stage, text))

        return await self.ledger.read(read)

    async def checkpoints(self, run_id: str) -> tuple[CheckpointEntry, ...]:
        """A run's checkpoints, in the order they were saved."""

        def read(connection: sa.Connection) -> tuple[CheckpointEntry, ...]:
            runs.find(connection, run_id)
            return tuple(checkpoints.entries(connection, run_id))

        return await self.ledger.read(read)

    async def checkpoint(self, run_id: str, name: str) -> Checkpoint:
        """One checkpoint by label, the last of it, or by `label/version`."""
        run = await self.ledger.read(runs.find, run_id)
        return await forks.load_checkpoint(self.ledger, run, name)

    async def diff(self, run_id: str, before: str, after: str, other: str | None) -> Comparison:
        """Two checkpoints of one run, or of a run and another, side by side."""
        one = await self.ledger.read(runs.find, run_id)
        two = await self.ledger.read(runs.find, other) if other else one
        return compare(
            await forks.load_checkpoint(self.ledger, one, before),
            await forks.load_checkpoint(self.ledger, two, after),
            case.overrides_of(one),
            case.overrides_of(two),
        )

    async def audit(self, run_id: str) -> bytes:
        """A run's whole record as a signed file. Raises UnavailableError without a key."""
        code = version("credit-desk-lite")
        pack = await self.ledger.read(audit.collect, run_id, code, paper_sha256)
        key = await asyncio.to_thread(signing_key, self._settings.folder)
        return await asyncio.to_thread(audit.signed, pack, key)

    async def hold(self, run_id: str, caller: Caller, *, held: bool) -> RunSummary:
        """Put a run under a legal hold, or release it: nothing of a held run is purged."""
        await self.ledger.write(retention.hold, run_id, held=held)
        log.info("run %s: legal hold %s by %s", run_id, held, caller.name or "an unnamed caller")
        return await self.run(run_id)

    # -- people ----------------------------------------------------------------------------

    async def open_request(self, run_id: str, caller: Caller) -> OpenRequest:
        """What a run asks right now, and the form to answer with.

        Compliance is shown whom on the list an applicant may be, as far as they are asked.
        """

        def read(connection: sa.Connection) -> tuple[Review, tuple[ListedCandidate, ...]]:
            run = runs.find(connection, run_id)
            review = reviews.the_open_one(connection, run_id, None)
            compares = review.gate == "compliance" and Role.COMPLIANCE in caller.roles
            return review, self._candidates(connection, run) if compares else ()

        review, candidates = await self.ledger.read(read)
        form = prefilled(form_at(review.gate), review.request)
        schema = form.model_json_schema()
        return OpenRequest(review=review, form_schema=schema, candidates=candidates)

    def _candidates(self, connection: sa.Connection, run: Run) -> tuple[ListedCandidate, ...]:
        known = Underwriting.model_validate(run.state)
        if known.verification is None or known.verification.kyc is None:
            return ()
        case = case_on_file(runs.filed(connection, run.application_id))
        dobs = {one.role: one.dob for one in case.application.applicants}
        path = watchlist_file(self._settings.data_dir)
        return compare_with_list(path, known.verification.kyc.watchlist, dobs)

    async def inbox(self, role: Role | None = None) -> tuple[InboxItem, ...]:
        """What waits for somebody, the most urgent first."""

        def read(connection: sa.Connection) -> tuple[InboxItem, ...]:
            found = views.inbox(connection, self._settings)
            return tuple(item for item in found if role in {None, item.role})

        return await self.ledger.read(read)

    async def claim(self, run_id: str, order: ClaimRequest, caller: Caller) -> Claim:
        """Keep what a run asks for one reviewer, for a while; again, to keep it longer.

        Raises GateNotFoundError, AlreadyAnsweredError, ReviewTimeoutError, AuthorityError for a
        role that may not answer there, ContractViolationError for a name that tells what is
        personal in the case, and ClaimedError while somebody else has it.
        """

        def take(connection: sa.Connection) -> Claim:
            review = _claimable(connection, run_id, caller)
            minutes = self._settings.claim_minutes
            taken = reviews.claim(connection, review, reviewer, minutes).claim
            assert taken is not None
            return taken

        reviewer = await self.ledger.read(_in_whose_name, run_id, order, caller)
        return await self.ledger.write(take)

    async def release(self, run_id: str, order: ClaimRequest, caller: Caller) -> None:
        """Give back what one has claimed. Raises as `claim` does."""

        def give_back(connection: sa.Connection) -> None:
            reviews.release(connection, _claimable(connection, run_id, caller), reviewer)

        reviewer = await self.ledger.read(_in_whose_name, run_id, order, caller)
        await self.ledger.write(give_back)

    async def file_paper(
        self, application_id: str, order: FilePaper, caller: Caller
    ) -> tuple[FiledPaper, bool]:
        """Add a paper to an application's file; False when the very same one is there already.

        Raises RecordNotFoundError for an unknown application, ConflictError when another paper
        has that id, and ContractViolationError, also for an id that tells what is personal.
        """

        def file(connection: sa.Connection) -> tuple[Document, bool]:
            case = case_on_file(runs.filed(connection, application_id))
            paper = order.document(case.application.as_of_date)
            known = {document.document_id: document for document in case.documents}
            if twin := known.get(paper.document_id):
                if twin.model_copy(update={"received_at": paper.received_at}) != paper:
                    raise ConflictError("another paper is filed under that document_id")
                return twin, False
            try:
                case = case.with_document(paper)
            except ValidationError as error:
                raise ContractViolationError.of("paper", error) from None
            require_discreet(case, {"/document_id": paper.document_id})
            content = canonical_json(paper)
            name = caller.name or caller.channel.value
            runs.file_paper(connection, application_id, paper.document_id, content, name)
            return paper, True

        paper, is_new = await self.ledger.write(file)
        reference = paper.model_dump(include=set(DocumentRef.model_fields))
        return FiledPaper(application_id=application_id, **reference), is_new


def _claimable(connection: sa.Connection, run_id: str, caller: Caller) -> Review:
    """What a run asks right now, of somebody who may answer it."""
    runs.find(connection, run_id)
    review = reviews.the_open_one(connection, run_id, None)
    form_at(review.gate).require_role(review.request, caller.roles)
    return review


def _in_whose_name(
    connection: sa.Connection, run_id: str, order: ClaimRequest, caller: Caller
) -> str:
    """Who claims: as the key says, or as they call themselves, which others will read."""
    _claimable(connection, run_id, caller)
    if caller.proven:
        return caller.name
    case = case_on_file(runs.filed(connection, runs.find(connection, run_id).application_id))
    require_discreet(case, {"/reviewer": order.reviewer})
    return order.reviewer
