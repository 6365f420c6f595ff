"""The questions that the desk answers from the ledger alone, also while Prefect is down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import date
from typing import Any, Literal

import sqlalchemy as sa

from data.contracts.agreement import AgreementReport, FraudPrecisionReport
from data.contracts.application import ApplicantRole
from data.contracts.case_view import CaseView
from data.contracts.explanation import PolicyExplanation
from data.contracts.notices import SentNotice
from data.contracts.personal import Kind, masked
from data.contracts.review import Review, Role
from data.contracts.runs import CheckpointEntry, Message, RunStatus, RunSummary
from data.contracts.underwriting import Underwriting
from data.contracts.watchlist import ListedCandidate
from data.settings import Settings
from data.version import code_version
from flows.case import case_on_file, document_sha256, overrides_of
from flows.review_forms import form_at
from flows.runtime.audit import pack as audit
from flows.runtime.audit.key import signing_key
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.execution.gate_form import prefilled
from flows.runtime.graph.drawing import drawing
from flows.runtime.ledger import (
    applications,
    checkpoint_index,
    decided,
    decisions,
    messages,
    referrals,
    reviews,
    runs,
)
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.runs import Run
from flows.service import (
    after_decision,
    agreement,
    cleared,
    explanations,
    forks,
    fraud_precision,
    sent,
    summaries,
)
from flows.service.agreement import Period
from flows.service.case_view import case_view
from flows.service.comparison import Comparison, compare
from flows.service.other_applications import other_applications
from flows.service.requests import (
    Caller,
    ClearancePage,
    InboxPage,
    OpenRequest,
    RunPage,
    RunState,
    ScreeningPage,
)
from flows.workflow import WORKFLOW
from tools.watchlist import Watchlists, compare_with_lists

_READ_NAMES = {Role.UNDERWRITER, Role.SENIOR_UNDERWRITER, Role.COMPLIANCE}

log = logging.getLogger(__name__)


class DeskQueries:
    """Everything that routes can read. Nothing here changes a run."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self.ledger = ledger
        self._settings = settings

    # -- runs ------------------------------------------------------------------------------

    async def runs(
        self,
        *,
        status: RunStatus | None = None,
        application_id: str | None = None,
        begins: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> RunPage:
        """A page of runs, newest first; `begins` is how the ids of the runs begin."""

        def read(connection: sa.Connection) -> list[RunSummary]:
            page = runs.page(
                connection,
                limit=limit + 1,
                before=summaries.place_of(cursor),
                status=status,
                application_id=application_id,
                begins=begins,
            )
            return summaries.summaries(connection, self._settings, page)

        found = await self.ledger.read(read)
        more = summaries.cursor_after(found[limit - 1]) if len(found) > limit else None
        return RunPage(items=tuple(found[:limit]), next_cursor=more)

    async def run(self, run_id: str) -> RunSummary:
        """The summary of a run. Raises RecordNotFoundError."""
        return await self.ledger.read(summaries.summary, self._settings, run_id)

    async def state(self, run_id: str) -> RunState:
        """The state, checkpoints and messages of a run. Findings hold no personal data."""

        def read(connection: sa.Connection) -> RunState:
            run = runs.find(connection, run_id)
            return RunState(
                run_id=run_id,
                status=run.status,
                phase=run.phase,
                state=dict(run.state),
                checkpoints=tuple(checkpoint_index.entries(connection, run_id)),
                memory=tuple(messages.of_run(connection, run_id)),
            )

        return await self.ledger.read(read)

    async def case(self, run_id: str, caller: Caller) -> CaseView:
        """The case of a run in words. Underwriters and compliance also read of other applications
        of the same people. Raises as `case_view` does."""

        def read(connection: sa.Connection) -> CaseView:
            view = case_view(connection, run_id)
            if not _READ_NAMES & set(caller.roles):
                return view
            others = other_applications(connection, view.application_id)
            return view.model_copy(update={"other_applications": others})

        return await self.ledger.read(read)

    async def policy(self, run_id: str) -> PolicyExplanation:
        """What every rule of the policy said about a run. Raises as `explanations.explain` does."""
        return await explanations.explain(self.ledger, run_id)

    async def decision(self, run_id: str) -> dict[str, Any]:
        """The decision in its envelope. Raises RecordNotFoundError while the run has none."""
        return await self.ledger.read(_record_of, decisions.find, run_id)

    async def decision_on(self, application_id: str) -> dict[str, Any]:
        """The decision about an application, by a run or a batch. Raises RecordNotFoundError while
        there is none."""
        return await self.ledger.read(_record_of, decided.of_application, application_id)

    async def notice(self, run_id: str, applicant: ApplicantRole) -> SentNotice:
        """The letter to one applicant about a run's decision, as it was sent.

        Raises RecordNotFoundError while the case is undecided, when no letter is due, and for an
        applicant who is none.
        """
        return await self.ledger.read(sent.notice, self._settings.data_dir, run_id, applicant)

    async def notice_of_application(
        self, application_id: str, applicant: ApplicantRole
    ) -> SentNotice:
        """The letter about a decision that a run or a batch has taken. Raises as
        `sent.notice_of_application` does."""
        return await self.ledger.read(sent.notice_of_application, application_id, applicant)

    async def application(self, application_id: str, caller: Caller) -> dict[str, Any]:
        """The application, masked. Underwriters and compliance also read the names."""
        filed = await self.ledger.read(applications.filed, application_id)
        shown: tuple[Kind, ...] = ("name",) if _READ_NAMES & set(caller.roles) else ()
        return masked(case_on_file(filed).application, shown)

    async def graph(self, fmt: Literal["svg", "dot", "json"], run_id: str | None = None) -> str:
        """The map of the workflow, with the progress of a run on it."""
        statuses = await self.ledger.read(summaries.node_statuses, run_id) if run_id else {}
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
        """The messages of agents and people in a run, now or at a checkpoint."""
        if checkpoint is not None:
            said = (await self.checkpoint(run_id, checkpoint)).memory
            return tuple(message for message in said if messages.fits(message, agent, stage, text))

        def read(connection: sa.Connection) -> tuple[Message, ...]:
            runs.find(connection, run_id)
            said = messages.of_run(connection, run_id)
            return tuple(message for message in said if messages.fits(message, agent, stage, text))

        return await self.ledger.read(read)

    async def checkpoints(self, run_id: str) -> tuple[CheckpointEntry, ...]:
        """The checkpoints of a run, oldest first."""

        def read(connection: sa.Connection) -> tuple[CheckpointEntry, ...]:
            runs.find(connection, run_id)
            return tuple(checkpoint_index.entries(connection, run_id))

        return await self.ledger.read(read)

    async def checkpoint(self, run_id: str, name: str) -> Checkpoint:
        """A checkpoint by label (its last version) or by `label/version`."""
        run = await self.ledger.read(runs.find, run_id)
        return await forks.load_checkpoint(self.ledger, self._settings, run, name)

    async def diff(self, run_id: str, before: str, after: str, other: str | None) -> Comparison:
        """Compare two checkpoints of one run, or one of this run with one of another."""
        run = await self.ledger.read(runs.find, run_id)
        other_run = await self.ledger.read(runs.find, other) if other else run
        return compare(
            await forks.load_checkpoint(self.ledger, self._settings, run, before),
            await forks.load_checkpoint(self.ledger, self._settings, other_run, after),
            overrides_of(run),
            overrides_of(other_run),
        )

    async def audit(self, run_id: str) -> bytes:
        """The whole record of a run as a signed file. Raises UnavailableError without a key."""
        pack = await self.ledger.read(audit.collect, run_id, code_version(), document_sha256)
        key = await asyncio.to_thread(signing_key, self._settings.folder)
        return await asyncio.to_thread(audit.signed, pack, key)

    # -- screening -------------------------------------------------------------------------

    async def screenings(self, limit: int = 100, cursor: str = "") -> ScreeningPage:
        """A page of the screenings of all runs, for an auditor."""
        return await self.ledger.read(cleared.screenings, limit, cursor)

    async def clearances(self, limit: int = 100, cursor: str = "") -> ClearancePage:
        """A page of what compliance has cleared, confirmed or not."""
        return await self.ledger.read(cleared.clearance_page, limit, cursor)

    async def agreement(self, since: date | None, until: date | None) -> AgreementReport:
        """How often people followed the policy in a period, by default in the last 30 days.

        Raises ContractViolationError for a period without a day.
        """
        return await self.ledger.read(agreement.report, Period.of(since, until))

    async def fraud_precision(self, since: date | None, until: date | None) -> FraudPrecisionReport:
        """How often signs of fraud were fraud, in a period as `agreement` has it."""
        return await self.ledger.read(fraud_precision.report, Period.of(since, until))

    # -- people ----------------------------------------------------------------------------

    async def open_request(self, run_id: str, caller: Caller) -> OpenRequest:
        """The open request of a run, and the form for the answer.

        At the `compliance` gate, compliance also sees the possible matches on the watchlist.
        """

        def read(connection: sa.Connection) -> tuple[Review, tuple[ListedCandidate, ...]]:
            run = runs.find(connection, run_id)
            review = reviews.get_open(connection, run_id, None)
            compares = review.gate == "compliance" and Role.COMPLIANCE in caller.roles
            return review, self._candidates(connection, run) if compares else ()

        review, candidates = await self.ledger.read(read)
        form = prefilled(form_at(review.gate), review.request)
        schema = form.model_json_schema()
        return OpenRequest(
            request_id=review.request_id,
            review=review,
            form_schema=schema,
            candidates=candidates,
        )

    def _candidates(self, connection: sa.Connection, run: Run) -> tuple[ListedCandidate, ...]:
        known = Underwriting.model_validate(run.state)
        if known.verification is None or known.verification.kyc is None:
            return ()
        case = case_on_file(applications.filed(connection, run.application_id))
        dobs = {applicant.role: applicant.dob for applicant in case.application.applicants}
        lists = Watchlists.of(self._settings)
        screening = cleared.screening_of(connection, run) or known.verification.kyc.watchlist
        return compare_with_lists(lists, screening, dobs)

    async def inbox(
        self,
        role: Role | None = None,
        limit: int = 100,
        cursor: str | None = None,
        snoozed: bool = False,
    ) -> InboxPage:
        """A page of open requests, the most urgent first; or of those that are snoozed."""
        return await self.ledger.read(
            summaries.inbox,
            self._settings,
            role=role,
            limit=limit,
            cursor=cursor,
            snoozed=snoozed,
        )


def _record_of(
    connection: sa.Connection,
    find: Callable[[sa.Connection, str], dict[str, Any]],
    name: str,
) -> dict[str, Any]:
    """A decision with what happened after it: letters, the answer to its offer, its conditions."""
    found = find(connection, name)
    # Referrals that are pending have no run yet: no run must not look like one of theirs.
    run_ids = [found["run_id"]] if found["run_id"] else []
    return {
        "batch_id": referrals.batches_of_runs(connection, run_ids).get(found["run_id"], ""),
        **found,
        "notices": sent.entries(connection, found["decision_id"]),
        **after_decision.states(connection, found),
    }
