"""Canaries as every way in sees them: started, reported, approved, promoted by evidence, stopped.

What a promotion needs is declared at the start and cannot be changed. A live canary that breaks a
guard is stopped by the desk itself, at the next look of a sweep.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

import sqlalchemy as sa

from data.contracts.canary import (
    Act,
    CanaryAct,
    CanaryMode,
    CanaryPage,
    CanaryReport,
    Evidence,
    GuardState,
    Measured,
    ReportEvaluation,
    StartCanary,
)
from data.contracts.errors import (
    AuthorityError,
    ConflictError,
    ContractViolationError,
    EvidenceMissingError,
    Problem,
)
from data.contracts.review import Person
from data.contracts.underwriting import Rulebook
from data.settings import Settings
from flows.rulebook import rulebook_in_force
from flows.runtime.ledger import bundles, canaries, pinned
from flows.runtime.ledger.canaries import CanaryRow, CaseRow
from flows.runtime.ledger.database import Ledger
from flows.service import canary_evaluations
from flows.service.bundles import person_of
from flows.service.canary_cases import measure_all
from flows.service.canary_spans import tell
from flows.service.requests import Caller
from flows.workflow import WORKFLOW
from tools.canary import compare, guard_results, missing_evidence

_APPROVED = "approved"

log = logging.getLogger(__name__)


class CanaryDesk:
    """What can be asked about canaries."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger

    async def start(self, request: StartCanary, caller: Caller) -> CanaryReport:
        """Give a bundle a share of the traffic.

        Raises RecordNotFoundError for an unknown bundle; ConflictError while another canary runs,
        for the bundle in force, and for a bundle of another workflow; ContractViolationError
        without a name.
        """
        by = self._person(caller, request.reviewer)

        def enter(connection: sa.Connection) -> CanaryReport:
            challenger = bundles.find(connection, request.challenger)
            if challenger.workflow_version != WORKFLOW.version:
                raise ConflictError(f"bundle {challenger.name} is of another workflow")
            row = canaries.start(
                connection,
                challenger,
                pinned.keep_pinned(connection, self._in_force(connection)),
                mode=request.mode.value,
                share=float(request.share),
                evidence=request.evidence.model_dump(mode="json"),
                by=by,
            )
            return report(connection, row)

        return await self._ledger.write(enter)

    async def page(self) -> CanaryPage:
        """All canaries, each with its report."""

        def read(connection: sa.Connection) -> CanaryPage:
            rows = canaries.all_canaries(connection)
            return CanaryPage(items=tuple(report(connection, row) for row in rows))

        return await self._ledger.read(read)

    async def find(self, canary_id: str) -> CanaryReport:
        """One canary with its report. Raises RecordNotFoundError."""
        return await self._ledger.read(report_of, canary_id)

    async def approve(self, canary_id: str, act: CanaryAct, caller: Caller) -> CanaryReport:
        """Approve a promotion, as one person. The record keeps the report that the person saw.

        Raises ConflictError when the canary has ended, has too few cases, or has the approval of
        this person; AuthorityError without a proven identity on a desk with keys.
        """
        by = self._proven(caller, act.reviewer)

        def enter(connection: sa.Connection) -> CanaryReport:
            row = canaries.require_running(connection, canary_id)
            seen = report(connection, row)
            if min(seen.cases.values()) < seen.evidence.min_cases:
                raise ConflictError("there are too few cases to approve yet")
            if any(by.is_same_as(person) for person in _approvers(seen.acts)):
                raise ConflictError("this person has approved already")
            body = {"reason": act.reason, **_figures(seen)}
            canaries.note(connection, canary_id, _APPROVED, by, body)
            return report(connection, row)

        return await self._ledger.write(enter)

    async def evaluate(
        self, canary_id: str, request: ReportEvaluation, caller: Caller
    ) -> CanaryReport:
        """Give a canary an evaluation. Approvals that came before it do not count any more.

        Raises ConflictError when the canary has ended, or has declared that it needs none;
        AuthorityError without a proven identity on a desk with keys.
        """
        by = self._proven(caller, request.reviewer)

        def enter(connection: sa.Connection) -> CanaryReport:
            row = canaries.require_running(connection, canary_id)
            if _evidence_of(row).evaluation is None:
                raise ConflictError("this canary was started without the need of an evaluation")
            canary_evaluations.enter(connection, canary_id, request, by)
            return report(connection, row)

        return await self._ledger.write(enter)

    async def promote(self, canary_id: str, act: CanaryAct, caller: Caller) -> CanaryReport:
        """Put the challenger into force, and keep who did so and on which evidence.

        Raises EvidenceMissingError with everything that is missing; ConflictError when the canary
        has ended, or when something else came into force meanwhile.
        """
        by = self._person(caller, act.reviewer)
        await measure_all(self._ledger)

        def enter(connection: sa.Connection) -> CanaryReport:
            row = canaries.require_running(connection, canary_id)
            if pinned.digest_of(self._in_force(connection)) != row.champion:
                raise ConflictError(
                    "what is in force has changed since the canary began: start another one"
                )
            found = report(connection, row)
            if found.missing:
                raise EvidenceMissingError("; ".join(found.missing))
            body = {"reason": act.reason, **_figures(found)}
            challenger = bundles.find(connection, row.challenger_bundle)
            bundles.promote(connection, challenger, by, canary_id, body)
            canaries.end(connection, canary_id, canaries.PROMOTED, by, body)
            return report_of(connection, canary_id)

        promoted = await self._ledger.write(enter)
        tell(promoted)
        return promoted

    async def stop(self, canary_id: str, act: CanaryAct, caller: Caller) -> CanaryReport:
        """End a canary without a promotion. Runs that have begun stay with their arm."""
        by = self._person(caller, act.reviewer)

        def enter(connection: sa.Connection) -> CanaryReport:
            found = report_of(connection, canary_id)
            body = {"reason": act.reason, **_figures(found)}
            canaries.end(connection, canary_id, canaries.STOPPED, by, body)
            return report_of(connection, canary_id)

        stopped = await self._ledger.write(enter)
        tell(stopped)
        return stopped

    async def look(self) -> None:
        """Measure what is new, and stop a live canary that breaks a guard."""
        await measure_all(self._ledger)
        found = await self._ledger.write(_look)
        if found is not None:
            tell(found)

    def _in_force(self, connection: sa.Connection) -> Rulebook:
        return rulebook_in_force(connection, self._settings.data_dir, None)

    def _proven(self, caller: Caller, reviewer: str) -> Person:
        by = self._person(caller, reviewer)
        if self._settings.requires_identity and not caller.proven:
            raise AuthorityError("this needs a proven identity: a key, or a sign-in")
        return by

    def _person(self, caller: Caller, reviewer: str) -> Person:
        """Who asks. Raises ContractViolationError for a caller without a name."""
        person = person_of(caller, reviewer)
        if not person.name:
            problem = Problem("/reviewer", "missing", "say who you are")
            raise ContractViolationError("a canary's record names people", [problem])
        return person


def report_of(connection: sa.Connection, canary_id: str) -> CanaryReport:
    """The report of a canary. Raises RecordNotFoundError."""
    return report(connection, canaries.find(connection, canary_id))


def report(connection: sa.Connection, row: CanaryRow) -> CanaryReport:
    """A canary with both arms compared, and what a promotion still needs."""
    evidence = _evidence_of(row)
    cases = canaries.cases(connection, row.canary_id)
    champion, challenger = _arm(cases, "champion"), _arm(cases, "challenger")
    comparisons = compare(champion, challenger)
    acts = tuple(
        Act.model_validate({name: act[name] for name in Act.model_fields})
        for act in canaries.acts(connection, row.canary_id)
    )
    evaluation = canary_evaluations.last(acts)
    counts = {"champion": len(champion), "challenger": len(challenger)}
    return CanaryReport(
        canary_id=row.canary_id,
        status=row.status,
        mode=CanaryMode(row.mode),
        share=row.share,
        champion=row.champion_bundle,
        challenger=row.challenger_bundle,
        evidence=evidence,
        cases=counts,
        waiting=sum(not case.is_settled for case in cases),
        comparisons=comparisons,
        guards=guard_results(evidence, comparisons),
        evaluation=evaluation,
        missing=missing_evidence(
            evidence, tuple(counts.values()), comparisons, len(_approvers(acts))
        )
        + canary_evaluations.missing(connection, row, evidence.evaluation, evaluation),
        acts=acts,
        started_at=row.started_at,
        ended_at=row.ended_at or None,
    )


def _evidence_of(row: CanaryRow) -> Evidence:
    """The evidence that the start has declared."""
    return Evidence.model_validate_json(_json(row.evidence))


def _look(connection: sa.Connection) -> CanaryReport | None:
    row = canaries.running(connection)
    if row is None:
        return None
    row = canaries.find(connection, row.canary_id, lock=True)
    found = report(connection, row)
    canaries.note_look(connection, row.canary_id, canaries.measured(connection, row.canary_id))
    broken = [guard.guard for guard in found.guards if guard.state is GuardState.BROKEN]
    enough = min(found.cases.values()) >= found.evidence.guard_cases
    if row.status == canaries.RUNNING and row.mode == canaries.LIVE and broken and enough:
        body = {"reason": f"guard broken: {', '.join(broken)}", **_figures(found)}
        canaries.end(connection, row.canary_id, canaries.STOPPED, canaries.SYSTEM, body)
        log.warning("canary %s was stopped: %s", row.canary_id, body["reason"])
        return report_of(connection, row.canary_id)
    return found


def _arm(cases: Sequence[CaseRow], side: str) -> list[Measured]:
    bodies = (getattr(case, side) for case in cases)
    return [Measured.model_validate_json(_json(body)) for body in bodies if body is not None]


def _approvers(acts: Sequence[Act]) -> list[Person]:
    """The different people who have approved, knowing the last evaluation."""
    people: list[Person] = []
    for act in acts:
        if act.act == canary_evaluations.EVALUATED:
            people.clear()
        person = Person(name=act.by, principal=act.by_principal)
        if act.act == _APPROVED and not any(person.is_same_as(known) for known in people):
            people.append(person)
    return people


def _figures(found: CanaryReport) -> dict[str, object]:
    """The evidence as an entry of the record keeps it."""
    kept = {"cases", "comparisons", "guards", "missing", "evidence", "evaluation"}
    return found.model_dump(mode="json", include=kept)


def _json(body: object) -> str:
    return json.dumps(body)
