"""A desk of a few lines in place of the service: it answers as a test sets it up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

import httpx
from fastapi import FastAPI

from api.app import create_app
from data.contracts.agreement import (
    Agreement,
    AgreementReport,
    FraudPrecisionReport,
    Precision,
    ReasonCount,
)
from data.contracts.application import ApplicantRole
from data.contracts.decision import Condition, Outcome
from data.contracts.errors import RecordNotFoundError
from data.contracts.explanation import ExplainedRule, PolicyExplanation
from data.contracts.notices import NoticeKind, SentNotice
from data.contracts.personal import masked
from data.contracts.policy import (
    ReasonCode,
    Recommendation,
    RuleOutcome,
    RuleStatus,
    Severity,
)
from data.contracts.preview import RulingPreview
from data.contracts.review import Review, ReviewRequest, ReviewStatus, Role
from data.contracts.runs import Links, RunStatus, RunSummary
from data.settings import Settings
from flows.runtime.ledger.database import Ledger
from flows.service.desk import DeskService
from flows.service.requests import (
    Answer,
    Caller,
    Erased,
    FiledDocument,
    FileDocument,
    InboxPage,
    OpenRequest,
    ResumeRun,
    RunPage,
    RunState,
    StartRun,
)
from tools.case_files import load_persona

RUN_ID = "8b0e6f0c-2f1d-4a55-9d0a-0d6f1f1b2c3d"
MOMENT = datetime(2026, 11, 22, 8, 23, 14, tzinfo=UTC)


def summary(run_id: str = RUN_ID, status: RunStatus = RunStatus.QUEUED) -> RunSummary:
    here = f"http://desk/runs/{run_id}"
    return RunSummary(
        run_id=run_id,
        application_id="ada-prime",
        status=status,
        phase="",
        progress=0.0,
        created_at=MOMENT,
        updated_at=MOMENT,
        links=Links(
            self=here,
            events=f"{here}/events",
            state=f"{here}/state",
            graph="http://desk/workflow/graph.svg",
            trace="http://traces/1",
            span="http://traces/1?uiFind={span_id}",
            prefect="http://prefect/1",
        ),
    )


REVIEW = Review(
    run_id=RUN_ID,
    gate="underwriter",
    attempt=1,
    visit=1,
    status=ReviewStatus.OPEN,
    request=ReviewRequest(
        role=Role.UNDERWRITER, title="Rule on a referred case", summary="| Asked for |"
    ),
    opened_at=MOMENT,
    due_at=MOMENT,
)


PREVIEW = RulingPreview(
    run_id=RUN_ID,
    request_id=REVIEW.request_id,
    gate="underwriter",
    decision="approve",
    needs_second_person=True,
    is_override=True,
    outcome=Outcome.DECLINE,
    principal_reasons=(ReasonCode.EXCESSIVE_OBLIGATIONS,),
    conditions=(Condition(code="confirm_income", text="Confirm the income."),),
)

AGREEMENT = AgreementReport(
    since=MOMENT.date(),
    until=MOMENT.date(),
    cases=3,
    follow_rate=Decimal("0.6667"),
    second_approvals=2,
    second_refusals=1,
    recommendations=(
        Agreement(
            recommendation=Recommendation.DECLINE,
            cases=3,
            followed=2,
            overridden=1,
            outcomes={Outcome.DECLINE: 2, Outcome.APPROVE: 1},
            reasons=(ReasonCount(reason_code="R09", cases=2),),
        ),
    ),
)

_HALF = Precision(name="total", confirmed=1, false_positives=1, precision=Decimal("0.5000"))
FRAUD_PRECISION = FraudPrecisionReport(
    since=MOMENT.date(),
    until=MOMENT.date(),
    total=_HALF,
    bands=(_HALF.model_copy(update={"name": "medium"}),),
    signals=(),
)

EXPLAINED = PolicyExplanation(
    run_id=RUN_ID,
    recommendation=Recommendation.REFER,
    rules=tuple(
        ExplainedRule(
            rule_id=rule_id,
            rule_version=1,
            status=status,
            outcome=RuleOutcome.REFER,
            severity=Severity.SOFT,
            reason=ReasonCode.EXCESSIVE_OBLIGATIONS,
            inputs={"dti": "0.51"},
            label="Debts",
            condition="dti > 0.50",
            owner="credit-risk",
        )
        for rule_id, status in (
            ("dti-limit", RuleStatus.HIT),
            ("dti-stop", RuleStatus.NOT_HIT),
        )
    ),
    pack_id="personal-loan",
    pack_version="1",
    pack_sha256="0" * 64,
)

DECISION: dict[str, Any] = {
    "decision_id": "3f1a3c52-7c57-5d1b-9a52-0f3a7a0c5f11",
    "run_id": RUN_ID,
    "application_id": "ada-prime",
    "decided_at": MOMENT,
    "content": {"outcome": "approve", "memo": "Größe"},
    "content_sha256": "0" * 64,
}


class FakeDesk(DeskService):
    """Knows one run, remembers its calls, and fails with `error` if one is set."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.error: Exception | None = None
        self.is_new = True
        self.status = RunStatus.COMPLETED
        self.checks = {"ledger": True, "prefect": True, "worker": True}
        self.stored_state: dict[str, Any] = {"a": 1}
        self.probes = 0
        self.asked: list[Any] = []
        self.woken: asyncio.Queue[str] = asyncio.Queue()

    async def submit(self, request: StartRun, caller: Caller) -> tuple[RunSummary, bool]:
        self._note(request, caller)
        return summary(), self.is_new

    async def runs(
        self,
        *,
        status: RunStatus | None = None,
        application_id: str | None = None,
        begins: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> RunPage:
        self._note(status, application_id, limit, cursor)
        return RunPage(items=(summary(),), next_cursor="next")

    async def run(self, run_id: str) -> RunSummary:
        self._note(run_id)
        if run_id != RUN_ID:
            raise RecordNotFoundError(f"there is no run {run_id}")
        return summary(status=self.status)

    async def state(self, run_id: str) -> RunState:
        self._note(run_id)
        return RunState(
            run_id=run_id, status=RunStatus.RUNNING, phase="bureau", state=self.stored_state
        )

    async def policy(self, run_id: str) -> PolicyExplanation:
        self._note(run_id)
        return EXPLAINED

    async def decision(self, run_id: str) -> dict[str, Any]:
        self._note(run_id)
        return DECISION

    async def open_request(self, run_id: str, caller: Caller) -> OpenRequest:
        self._note(run_id)
        return OpenRequest(
            request_id=REVIEW.request_id, review=REVIEW, form_schema={"properties": {}}
        )

    async def answer(
        self,
        run_id: str,
        answer: Answer,
        caller: Caller,
        idempotency_key: str | None = None,
        request_id: str | None = None,
    ) -> RunSummary:
        self._note(run_id, answer, caller, idempotency_key, request_id)
        return summary()

    async def preview(
        self, run_id: str, answer: Answer, caller: Caller, request_id: str | None = None
    ) -> RulingPreview:
        self._note(run_id, answer, caller, request_id)
        return PREVIEW

    async def agreement(self, since: date | None, until: date | None) -> AgreementReport:
        self._note(since, until)
        return AGREEMENT

    async def fraud_precision(self, since: date | None, until: date | None) -> FraudPrecisionReport:
        self._note(since, until)
        return FRAUD_PRECISION

    async def inbox(
        self,
        role: Role | None = None,
        limit: int = 100,
        cursor: str | None = None,
        snoozed: bool = False,
    ) -> InboxPage:
        self._note(role, limit, cursor, *([snoozed] if snoozed else []))
        return InboxPage(items=(), next_cursor="next" if cursor is None else None)

    async def file_document(
        self, application_id: str, request: FileDocument, caller: Caller
    ) -> tuple[FiledDocument, bool]:
        self._note(application_id, request)
        document = request.document(MOMENT.date())
        shown = document.model_dump(include=set(FiledDocument.model_fields))
        return FiledDocument(application_id=application_id, **shown), self.is_new

    async def application(self, application_id: str, caller: Caller) -> dict[str, Any]:
        self._note(application_id)
        return masked(load_persona(Settings().data_dir, application_id).application)

    async def erase(self, application_id: str, caller: Caller) -> Erased:
        self._note(application_id, caller)
        return Erased(application_id=application_id, erased_at=MOMENT)

    async def notice(self, run_id: str, applicant: ApplicantRole) -> SentNotice:
        self._note(run_id, applicant)
        return SentNotice(
            kind=NoticeKind.APPROVAL,
            applicant=applicant,
            due_by=MOMENT.date(),
            dated=MOMENT.date(),
            text="Dear applicant",
            html="<p>Dear applicant</p>",
            terms_version="notices/1",
            sent_at=MOMENT,
        )

    async def resume(
        self, run_id: str, request: ResumeRun, caller: Caller, idempotency_key: str | None = None
    ) -> RunSummary:
        self._note(run_id, request, caller, idempotency_key)
        return summary()

    async def graph(self, fmt: Literal["svg", "dot", "json"], run_id: str | None = None) -> str:
        self._note(fmt, run_id)
        return f"the map as {fmt}"

    async def is_ready(self) -> dict[str, bool]:
        self.probes += 1
        return self.checks

    async def wakeups(self) -> AsyncIterator[str]:
        while True:
            yield await self.woken.get()

    def _note(self, *asked: Any) -> None:
        self.asked.append(asked)
        if self.error is not None:
            raise self.error


def app_of(desk: FakeDesk, settings: Settings | None = None) -> FastAPI:
    """The real application around a fake desk."""

    @asynccontextmanager
    async def open_desk(_settings: Settings) -> AsyncIterator[DeskService]:
        yield desk

    return create_app(settings or Settings(), open_desk)


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application while it is up."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client
