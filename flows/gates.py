"""The forms that people fill in at the gates, and the rules their answers must meet.

The same class is the Prefect UI's form, the HTTP schema and the validator behind every
channel. Fields are flat and in the order in which one decides; a decision has no default.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from functools import cache
from typing import ClassVar, Literal

from pydantic import Field, create_model, model_validator

from data.contracts.case import CaseFile
from data.contracts.decision import AdjustedTerms
from data.contracts.errors import AnswerRejectedError, AuthorityError, GateNotFoundError
from data.contracts.policy import ReasonCode
from data.contracts.review import Answerer, ReviewRequest, Role
from data.contracts.underwriting import ReviewFacts
from data.settings import settings
from flows.runtime.gate import F, GateForm
from tools.authority import AuthorityMatrix, load_authority
from tools.discretion import Discretion

_OVERRIDE_REASONS = (
    "compensating_income",
    "compensating_assets",
    "long_relationship",
    "error_in_file",
    "one_time_event",
)
_CREDIT_ROLES = (Role.UNDERWRITER, Role.SENIOR_UNDERWRITER)
_DECLINE_REASONS = tuple(code.value for code in ReasonCode if code.printable)


class DocumentsSupplied(GateForm):
    """Intake names the papers that came in; the desk reads the whole file again."""

    gate: ClassVar[str] = "documents"
    roles: ClassVar[tuple[Role, ...]] = (Role.INTAKE, *_CREDIT_ROLES)

    decision: Literal["supplied", "withdraw"] = Field(
        title="What happened",
        description="supplied: the papers named below are on file. withdraw: no more wanted.",
    )
    document_ids: list[str] = Field(
        default_factory=list,
        max_length=20,
        title="Papers",
        description="The ids under which the papers were filed. Required when supplied.",
    )

    def check(self, request: ReviewRequest, by: Answerer) -> None:
        """Whatever was supplied must be named."""
        self.require_role(request, by.roles)
        if self.decision == "supplied" and not self.document_ids:
            raise AnswerRejectedError("name the papers that were supplied", field="document_ids")

    def check_papers(self, request: ReviewRequest, handed_in: Collection[str]) -> None:
        """What is named must be on file: with the application, or filed since."""
        unknown = set(self.document_ids) - set(request.facts["on_file"]) - set(handed_in)
        if self.decision == "supplied" and unknown:
            raise AnswerRejectedError(
                f"{len(unknown)} of the papers named are not on file: file them first",
                field="document_ids",
            )


class ComplianceRuling(GateForm):
    """Is the person on the list, or only somebody with a like name? Credit cannot override."""

    gate: ClassVar[str] = "compliance"
    roles: ClassVar[tuple[Role, ...]] = (Role.COMPLIANCE,)

    decision: Literal["clear", "true_match"] = Field(
        title="Finding",
        description="clear: another person. true_match: the person on the list; no credit.",
    )

    def check(self, request: ReviewRequest, by: Answerer) -> None:
        """Only compliance may answer; with a proven identity as soon as the desk has keys."""
        self.require_role(request, by.roles)
        _require_identity("compliance", by, override=False)


class _CreditRuling(GateForm):
    """What both credit gates have in common."""

    roles: ClassVar[tuple[Role, ...]] = _CREDIT_ROLES

    reason_code: str = Field(
        default="",
        max_length=64,
        title="Reason code",
        description=(
            "To decline: R08 income, R09 obligations, R17 delinquency, R21 bankruptcy, R22 "
            "inquiries, or another code of a notice. To override the policy's decline: "
            f"{', '.join(_OVERRIDE_REASONS)}."
        ),
    )

    def _check_reason(self, facts: ReviewFacts, *, grants: bool, declines: bool) -> None:
        if self.reason_code and self.reason_code not in (*_DECLINE_REASONS, *_OVERRIDE_REASONS):
            raise AnswerRejectedError("this is none of the reason codes", field="reason_code")
        if declines and self.reason_code not in _DECLINE_REASONS:
            raise AnswerRejectedError(
                "a decline needs a reason code that may stand on the notice", field="reason_code"
            )
        if grants and facts.is_override and self.reason_code not in _OVERRIDE_REASONS:
            raise AnswerRejectedError(
                "this goes against the policy: give one of the override reasons",
                field="reason_code",
            )


class UnderwriterRuling(_CreditRuling):
    """Approve, decline, adjust the terms, or ask the applicant for papers."""

    gate: ClassVar[str] = "underwriter"

    decision: Literal["approve", "decline", "adjust", "request_documents"] = Field(
        title="Decision",
        description=(
            "approve: as asked for. adjust: fill in at least one of the terms below. decline: "
            "give a reason code. request_documents: back to the applicant."
        ),
    )
    amount: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        title="Adjusted amount",
        description="Dollars. Adjust only.",
    )
    term_months: int | None = Field(
        default=None, ge=1, le=120, title="Adjusted term", description="Months. Adjust only."
    )
    rate: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        title="Adjusted rate",
        description="Yearly, as a fraction: 0.1299 is 12.99 %. Adjust only.",
    )

    @model_validator(mode="after")
    def _terms_go_with_adjust(self) -> UnderwriterRuling:
        if self.decision != "adjust" and self.adjusted is not None:
            raise ValueError("terms may be given with 'adjust' only")
        if self.decision == "adjust" and self.adjusted is None:
            raise ValueError("'adjust' needs at least one of amount, term_months, rate")
        return self

    @property
    def adjusted(self) -> AdjustedTerms | None:
        """The terms that were changed, exactly as typed."""
        if self.amount is None and self.term_months is None and self.rate is None:
            return None
        return AdjustedTerms(
            amount=_exact(self.amount, "0.01"),
            term_months=self.term_months,
            rate=_exact(self.rate, "0.000001"),
        )

    def check(self, request: ReviewRequest, by: Answerer) -> None:
        """Within the product, the lender's rates, and somebody's authority."""
        facts = ReviewFacts.model_validate(request.facts)
        self.require_role(request, by.roles)
        grants = self.decision in {"approve", "adjust"}
        self._check_reason(facts, grants=grants, declines=self.decision == "decline")
        if self.decision == "adjust":
            _check_terms(self.adjusted or AdjustedTerms(), facts)
        if self.decision == "approve" and facts.amount > facts.largest_amount:
            raise AnswerRejectedError(
                f"the policy allows at most {facts.largest_amount:,.2f}: adjust the amount",
                field="decision",
            )
        if grants:
            if _same(by.reviewer, facts.submitted_by):
                raise AuthorityError("whoever submitted an application cannot approve it")
            amount = (self.adjusted.amount if self.adjusted else None) or facts.amount
            _require_identity("underwriter", by, override=facts.is_override)
            _check_unproven(amount, by)


class SecondApproval(_CreditRuling):
    """Another person looks at what is beyond one person's authority."""

    gate: ClassVar[str] = "second_approval"

    decision: Literal["approve", "decline"] = Field(
        title="Decision",
        description="approve: the first ruling stands. decline: it does not; give a reason code.",
    )

    def check(self, request: ReviewRequest, by: Answerer) -> None:
        """Four eyes: not the first reviewer, not who submitted; and enough authority."""
        facts = ReviewFacts.model_validate(request.facts)
        self.require_role(request, by.roles)
        if _same(by.reviewer, facts.first_reviewer):
            raise AuthorityError("the second approval must come from another person")
        if _same(by.reviewer, facts.submitted_by):
            raise AuthorityError("whoever submitted an application cannot approve it")
        grants = self.decision == "approve"
        self._check_reason(facts, grants=grants, declines=self.decision == "decline")
        if grants:
            _require_identity("second_approval", by, override=facts.is_override)
            _check_unproven(facts.amount, by)
            allowed = _pair_limit(facts, by)
            if facts.amount > allowed:
                raise AuthorityError(
                    f"{facts.amount:,.2f} is beyond this authority of {allowed:,.2f}"
                )


GATES: dict[str, type[GateForm]] = {
    form.gate: form
    for form in (DocumentsSupplied, ComplianceRuling, UnderwriterRuling, SecondApproval)
}


def discreet(form: type[F], case: CaseFile) -> type[F]:
    """The form as it is filled in about one case: no text in it may repeat what is personal."""

    def screen(self: F) -> None:
        withheld = Discretion(case)
        for field, value in self:
            for text in value if isinstance(value, list) else [value]:
                repeated = withheld.broken_by(text) if isinstance(text, str) else None
                if repeated:
                    raise AnswerRejectedError(
                        f"leave out the applicant's {repeated}: this is kept in the record",
                        field=field,
                    )

    made: type[F] = create_model(form.__name__, __base__=form)
    made.screen = screen  # type: ignore[method-assign, assignment]
    return made


def form_at(gate: str) -> type[GateForm]:
    """The form of a gate. Raises GateNotFoundError."""
    if gate not in GATES:
        raise GateNotFoundError("there is no gate of this name")
    return GATES[gate]


def is_within_one_authority(amount: Decimal, facts: ReviewFacts, by: Answerer) -> bool:
    """Whether this person alone may grant this amount."""
    if facts.is_override:
        return False
    roles = [role.value for role in by.roles]
    return any(_authority().may_approve(role, amount, facts.grade) for role in roles)


def _pair_limit(facts: ReviewFacts, by: Answerer) -> Decimal:
    """How much two people may grant together: with a senior as the second, the committee's."""
    roles = ["committee" if role is Role.SENIOR_UNDERWRITER else role.value for role in by.roles]
    limits = [
        _authority().limit(role, facts.grade, override=facts.is_override, proven=by.proven)
        for role in roles
    ]
    return max(limits, default=Decimal(0))


def _require_identity(gate: str, by: Answerer, *, override: bool) -> None:
    keys_exist = settings().has_api_keys
    needed = _authority().needs_proven_identity(gate, override=override, keys_exist=keys_exist)
    if needed and not by.proven:
        raise AuthorityError("this ruling needs an identity that a key has proven")


def _check_unproven(amount: Decimal, by: Answerer) -> None:
    limit = _authority().unproven
    if not by.proven and amount > limit:
        raise AuthorityError(
            f"without a proven identity amounts up to {limit:,.2f} may be approved"
        )


def _check_terms(terms: AdjustedTerms, facts: ReviewFacts) -> None:
    if terms.amount is not None and not (
        facts.smallest_amount <= terms.amount <= facts.largest_amount
    ):
        raise AnswerRejectedError(
            f"from {facts.smallest_amount:,.2f} to {facts.largest_amount:,.2f}", field="amount"
        )
    if terms.term_months is not None and terms.term_months > facts.longest_term:
        raise AnswerRejectedError(f"at most {facts.longest_term} months", field="term_months")
    if terms.rate is not None and not facts.lowest_rate <= terms.rate <= facts.highest_rate:
        raise AnswerRejectedError(f"from {facts.lowest_rate} to {facts.highest_rate}", field="rate")


def _exact(value: float | None, places: str) -> Decimal | None:
    return None if value is None else Decimal(repr(value)).quantize(Decimal(places))


def _same(one: str, other: str) -> bool:
    return bool(other) and one.strip().casefold() == other.strip().casefold()


@cache
def _authority() -> AuthorityMatrix:
    return load_authority(settings().data_dir)
