"""Evaluations of a chat model as evidence of a canary: entered as an act of its record."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from data.contracts.canary import Act, EvaluationSeen, EvaluationTerms, ReportEvaluation
from data.contracts.review import Person
from flows.rulebook import rulebook_of
from flows.runtime.ledger import canaries
from flows.runtime.ledger.canaries import CanaryRow
from tools.evaluation_terms import missing_evaluation, seen
from tools.policy import pack_sha256

EVALUATED = "evaluated"


def enter(connection: sa.Connection, canary_id: str, request: ReportEvaluation, by: Person) -> None:
    """Keep the figures and the digest of a report. A later one takes its place."""
    figures = seen(request.report).model_dump(mode="json")
    body = {"reason": request.reason, EVALUATED: figures}
    canaries.note(connection, canary_id, EVALUATED, by, body)


def last(acts: Iterable[Act]) -> EvaluationSeen | None:
    """The last evaluation in a canary's record."""
    found = None
    for act in acts:
        if act.act == EVALUATED:
            found = EvaluationSeen.model_validate(act.body[EVALUATED])
    return found


def missing(
    connection: sa.Connection,
    row: CanaryRow,
    terms: EvaluationTerms | None,
    found: EvaluationSeen | None,
) -> tuple[str, ...]:
    """What a promotion still needs of an evaluation; nothing where none was declared."""
    if terms is None:
        return ()
    policy = pack_sha256(rulebook_of(connection, row.challenger).policy)
    return missing_evaluation(terms, found, policy)
