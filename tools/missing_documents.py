"""What an applicant still has to send, in the words of a letter."""

from __future__ import annotations

from collections.abc import Sequence

from data.contracts.application import ApplicantRole
from data.contracts.decision import Condition, ConditionPhase
from data.contracts.documents import DocumentKind
from data.contracts.findings import ChecklistItem, Presence

_KINDS = {
    DocumentKind.DRIVERS_LICENSE: "a driver's license",
    DocumentKind.PASSPORT: "a passport",
    DocumentKind.STATE_ID: "a state identification card",
    DocumentKind.PAYSTUB: "a recent pay stub",
    DocumentKind.W2: "a form W-2",
    DocumentKind.TAX_RETURN: "a tax return",
    DocumentKind.BANK_STATEMENT: "a bank statement",
    DocumentKind.PROOF_OF_ADDRESS: "a proof of address",
    DocumentKind.BENEFITS_LETTER: "a letter about your benefits",
}
_PURPOSES = {
    "identity": "Proof of identity",
    "income": "Proof of income",
    "other_income": "Proof of your other income",
    "bank_account": "Proof of your bank account",
}
_STANDING = {
    Presence.MISSING: "we have not received any",
    Presence.UNUSABLE: "we could not read the one that you sent",
    Presence.STALE: "the one that you sent is too old",
    Presence.EXPIRED: "the one that you sent has expired",
}
FURTHER = Condition(
    code="further_documents",
    text="The further documents that we have asked you for.",
    phase=ConditionPhase.PRIOR_TO_DECISION,
)
"""For a case whose required documents are all there, and whose underwriter wants more."""


def missing_documents(checklist: Sequence[ChecklistItem]) -> tuple[Condition, ...]:
    """A condition for each required item of the checklist that is not there."""
    return tuple(
        Condition(
            code=f"document_{item.purpose}" + ("_co" if item.applicant is ApplicantRole.CO else ""),
            text=_sentence(item),
            phase=ConditionPhase.PRIOR_TO_DECISION,
        )
        for item in checklist
        if item.required and item.presence is not Presence.PRESENT
    )


def _sentence(item: ChecklistItem) -> str:
    whose = " of the co-applicant" if item.applicant is ApplicantRole.CO else ""
    kinds = [_KINDS[kind] for kind in item.kinds]
    either = " or ".join([", ".join(kinds[:-1]), kinds[-1]] if len(kinds) > 1 else kinds)
    return f"{_PURPOSES[item.purpose]}{whose}: {either} ({_STANDING[item.presence]})."
