"""The forms that people fill in at the gates, and the rules that their answers must meet.

One class is the form in the Prefect UI, the HTTP schema and the validator of every channel.
Fields are flat and in the order in which a reviewer decides. A decision has no default.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, Field, create_model, model_validator

from data.contracts.authority import AuthorityMatrix
from data.contracts.decision import AdjustedTerms
from data.contracts.errors import AnswerRejectedError, AuthorityError, GateNotFoundError
from data.contracts.policy import ReasonCode
from data.contracts.review import MAY_ANSWER, Answerer, Person, ReviewRequest, Role
from data.contracts.underwriting import ReviewFacts
from data.settings import settings
from flows.case import ReviewCase
from flows.runtime.execution.gate_form import GateForm
from flows.terms import OnTerms, on_terms
from tools.deadlines import Deadline, load_deadlines
from tools.personal_data_filter import PersonalDataFilter

OVERRIDE_REASONS = (
    "compensating_income",
    "compensating_assets",
    "long_relationship",
    "error_in_file",
    "one_time_event",
)
DECLINE_REASONS = tuple(
    code.value for code in ReasonCode if code.printable and code is not ReasonCode.OTHER
)


def _exact_to(places: int) -> Callable[[float], float]:
    def exact(value: float) -> float:
        if round(value, places) != value:
            raise ValueError(f"at most {places} decimal places")
        return value

    return exact


# Strict numbers: a text such as "9000" is refused, and no value is rounded silently.
Dollars = Annotated[
    float, Field(strict=True, gt=0, le=1_000_000), AfterValidator(_exact_to(places=2))
]
WholeMonths = Annotated[int, Field(strict=True, ge=1, le=120)]
YearlyRate = Annotated[float, Field(strict=True, gt=0, lt=1), AfterValidator(_exact_to(places=6))]


class CaseForm(GateForm):
    """A form about one case. `bound` says which case."""

    review_case: ClassVar[ReviewCase]

    def screen(self) -> None:
        """Refuse a text that repeats personal data of the case."""
        withheld = PersonalDataFilter(self.review_case.case)
        for field, value in self:
            for text in _texts(value):
                if repeated := withheld.find(text):
                    raise AnswerRejectedError(
                        f"leave out the {repeated}: the answer is kept in the record",
                        field=field,
                    )

    @classmethod
    def repeated(cls, typed: Mapping[str, Any]) -> dict[str, Any]:
        """Without a text that holds personal data of the case: the ledger keeps it."""
        withheld = PersonalDataFilter(cls.review_case.case)
        return {
            name: value
            for name, value in super().repeated(typed).items()
            if not any(withheld.find(text) for text in _texts(value))
        }

    @property
    def authority(self) -> AuthorityMatrix:
        """The limits of each role, as the run has pinned them."""
        return self.review_case.rulebook.authority

    def _require_identity(self, by: Answerer, *, override: bool) -> None:
        needed = self.authority.needs_proven_identity(
            self.gate, override=override, keys_exist=by.keyed
        )
        if needed and not by.proven:
            raise AuthorityError("this ruling needs a proven identity: answer with an API key")


def _texts(value: Any) -> list[str]:
    """The texts in the value of a field."""
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]


C = TypeVar("C", bound=CaseForm)


def bound(form: type[C], review_case: ReviewCase) -> type[C]:
    """The form for one case. Every answer about the case is checked by it."""
    # Deferred: a form that no person fills in needs no schema of its own.
    made: type[C] = create_model(form.__name__, __base__=form, __cls_kwargs__={"defer_build": True})
    made.review_case = review_case
    return made


class DocumentsSupplied(CaseForm):
    """Intake names the documents that came in. The desk then reads all documents again."""

    gate: ClassVar[str] = "documents"
    roles: ClassVar[tuple[Role, ...]] = MAY_ANSWER["documents"]

    decision: Literal["supplied", "withdraw"] = Field(
        title="What happened",
        description=(
            "supplied: the documents named below are on file. withdraw: the applicant gives up."
        ),
    )
    document_ids: list[str] = Field(
        default_factory=list,
        max_length=20,
        title="Documents",
        description="The ids under which the documents were filed. Required when supplied.",
    )

    def check(self, request: ReviewRequest, by: Answerer) -> None:
        """Require the role, and with `supplied` at least one new document."""
        self.require_role(request, by.roles)
        new = set(self.document_ids) - set(request.facts["on_file"])
        if self.decision == "supplied" and not new:
            raise AnswerRejectedError(
                "name the supplied documents: at least one that was not on file before",
                field="document_ids",
            )

    def check_documents(self, request: ReviewRequest, handed_in: Collection[str]) -> None:
        """Require that every named document is on file, with the application or filed later."""
        unknown = set(self.document_ids) - set(request.facts["on_file"]) - set(handed_in)
        if self.decision == "supplied" and unknown:
            raise AnswerRejectedError(
                f"{len(unknown)} of the named documents are not on file: file them first",
                field="document_ids",
            )


class ComplianceRuling(CaseForm):
    """Is the applicant the person on the list, or another person? Credit cannot override this."""

    gate: ClassVar[str] = "compliance"
    roles: ClassVar[tuple[Role, ...]] = MAY_ANSWER["compliance"]

    decision: Literal["clear", "true_match"] = Field(
        title="Finding",
        description="clear: another person. true_match: the person on the list; no credit.",
    )

    def check(self, request: ReviewRequest, by: Answerer) -> None:
        """Require compliance, not the submitter, and a proven identity once the desk has keys."""
        facts = ReviewFacts.of(request)
        self.require_role(request, by.roles)
        if self.decision == "clear" and _is_among(by.person, facts.submitted_by):
            raise AuthorityError("the person who submitted an application cannot clear it")
        self._require_identity(by, override=False)


class _CreditRuling(CaseForm):
    """The fields and rules that both credit gates share."""

    reason_code: str = Field(
        default="",
        max_length=64,
        title="Reason code",
        description=(
            "To decline: R08 income, R09 obligations, R17 delinquency, R21 bankruptcy, R22 "
            "inquiries, or another code of a notice. To override the policy's decline: "
            f"{', '.join(OVERRIDE_REASONS)}."
        ),
    )

    def _check_reason(self, *, declines: bool, overrides: bool) -> None:
        if self.reason_code == ReasonCode.OTHER.value:
            raise AnswerRejectedError(
                "'other' alone tells the applicant no reason: use the code that names it",
                field="reason_code",
            )
        if self.reason_code and self.reason_code not in (*DECLINE_REASONS, *OVERRIDE_REASONS):
            raise AnswerRejectedError(
                "unknown reason code: use one from the form's description", field="reason_code"
            )
        if declines and self.reason_code not in DECLINE_REASONS:
            raise AnswerRejectedError(
                "a decline needs a reason code of a notice, for example R09", field="reason_code"
            )
        if overrides and self.reason_code not in OVERRIDE_REASONS:
            raise AnswerRejectedError(
                "this goes against the policy: give one of the override reasons",
                field="reason_code",
            )

    def _require_may_grant(self, amount: Decimal, by: Answerer, *, override: bool) -> None:
        self._require_identity(by, override=override)
        limit = self.authority.unproven
        if not by.proven and amount > limit:
            raise AuthorityError(
                f"without a proven identity you may approve up to {limit:,.2f}: use an API key"
            )

    def _require_not_submitted_by(self, by: Answerer, facts: ReviewFacts) -> None:
        if _is_among(by.person, facts.submitted_by):
            raise AuthorityError("the person who submitted an application cannot approve it")


class UnderwriterRuling(_CreditRuling):
    """The underwriter approves, declines, adjusts the terms, or asks for documents."""

    gate: ClassVar[str] = "underwriter"
    roles: ClassVar[tuple[Role, ...]] = MAY_ANSWER["underwriter"]

    decision: Literal["approve", "decline", "adjust", "request_documents"] = Field(
        title="Decision",
        description=(
            "approve: as asked for. adjust: fill in at least one of the terms below. decline: "
            "give a reason code. request_documents: back to the applicant."
        ),
    )
    amount: Dollars | None = Field(
        default=None, title="Adjusted amount", description="Dollars. Adjust only."
    )
    term_months: WholeMonths | None = Field(
        default=None, title="Adjusted term", description="Months. Adjust only."
    )
    rate: YearlyRate | None = Field(
        default=None,
        title="Adjusted rate",
        description="Yearly, as a fraction: 0.1299 is 12.99 %. Adjust only.",
    )
    fraud_outcome: Literal["", "confirmed", "false_positive"] = Field(
        default="",
        title="Signs of fraud",
        description="What your check of the signs has shown. Empty: you have not checked any.",
    )

    waived: list[str] = Field(
        default_factory=list,
        max_length=20,
        title="Waived conditions",
        description="The codes of conditions that the applicant need not meet. Empty: none.",
    )

    @model_validator(mode="after")
    def _terms_go_with_adjust(self) -> UnderwriterRuling:
        if self.decision != "adjust" and self.adjusted is not None:
            raise ValueError("terms may be given with 'adjust' only")
        if self.decision == "adjust" and self.adjusted is None:
            raise ValueError("'adjust' needs at least one of amount, term_months, rate")
        if self.grants and self.fraud_outcome == "confirmed":
            raise ValueError("no loan is granted where fraud is confirmed")
        if self.waived and not self.grants:
            raise ValueError("conditions are waived with 'approve' or 'adjust' only")
        return self

    @property
    def adjusted(self) -> AdjustedTerms | None:
        """The terms that the underwriter changed, exactly as typed."""
        if self.amount is None and self.term_months is None and self.rate is None:
            return None
        return AdjustedTerms(
            amount=_exact(self.amount, "0.01"),
            term_months=self.term_months,
            rate=_exact(self.rate, "0.000001"),
        )

    @property
    def grants(self) -> bool:
        return self.decision in {"approve", "adjust"}

    def terms(self) -> OnTerms:
        """The loan that this ruling would grant. Raises AnswerRejectedError, as `on_terms` does."""
        review_case = self.review_case
        return on_terms(review_case.rulebook, review_case.case, review_case.evidence, self.adjusted)

    def check(self, request: ReviewRequest, by: Answerer) -> None:
        """Require the role, valid terms, a reason code where one is due, and enough authority."""
        facts = ReviewFacts.of(request)
        self.require_role(request, by.roles)
        if not self.grants:
            self._check_reason(declines=self.decision == "decline", overrides=False)
            return
        if set(self.waived) - set(facts.conditions):
            known = ", ".join(facts.conditions) or "there are none"
            raise AnswerRejectedError(f"unknown condition: {known}", field="waived")
        terms = self.terms()
        override = facts.is_override or terms.is_override
        self._check_reason(declines=False, overrides=override)
        self._require_not_submitted_by(by, facts)
        self._require_may_grant(terms.offer.amount, by, override=override)


class SecondApproval(_CreditRuling):
    """A second person approves what is beyond one person's authority."""

    gate: ClassVar[str] = "second_approval"
    roles: ClassVar[tuple[Role, ...]] = MAY_ANSWER["second_approval"]

    decision: Literal["approve", "decline"] = Field(
        title="Decision",
        description="approve: the first ruling stands. decline: it does not; give a reason code.",
    )

    def check(self, request: ReviewRequest, by: Answerer) -> None:
        """Require a person who neither ruled first nor submitted, and enough authority."""
        facts = ReviewFacts.of(request)
        self.require_role(request, by.roles)
        if by.person.is_same_as(facts.first_person):
            raise AuthorityError("the second approval must come from another person")
        self._require_not_submitted_by(by, facts)
        grants = self.decision == "approve"
        self._check_reason(declines=not grants, overrides=grants and facts.is_override)
        if grants:
            self._require_may_grant(facts.amount, by, override=facts.is_override)
            allowed = _pair_limit(self.authority, facts, by)
            if facts.amount > allowed:
                raise AuthorityError(
                    f"{facts.amount:,.2f} is above the {allowed:,.2f} that the two of you may grant"
                )


GATES: dict[str, type[CaseForm]] = {
    form.gate: form
    for form in (DocumentsSupplied, ComplianceRuling, UnderwriterRuling, SecondApproval)
}


def form_at(gate: str) -> type[CaseForm]:
    """The form of a gate. Raises GateNotFoundError."""
    if gate not in GATES:
        raise GateNotFoundError(f"unknown gate: the gates are {', '.join(GATES)}")
    return GATES[gate]


def is_within_one_authority(authority: AuthorityMatrix, facts: ReviewFacts, by: Answerer) -> bool:
    """Whether this person alone may grant the loan. An override takes two people."""
    return not facts.is_override and any(
        authority.may_approve(role.value, facts.amount, facts.grade) for role in by.roles
    )


def _pair_limit(authority: AuthorityMatrix, facts: ReviewFacts, by: Answerer) -> Decimal:
    """The limit of two people together. A senior as the second gives the committee's limit."""
    roles = ["committee" if role is Role.SENIOR_UNDERWRITER else role.value for role in by.roles]
    limits = [
        authority.limit(role, facts.grade, override=facts.is_override, proven=by.proven)
        for role in roles
    ]
    return max(limits, default=Decimal(0))


def _exact(value: float | None, places: str) -> Decimal | None:
    return None if value is None else Decimal(repr(value)).quantize(Decimal(places))


def _is_among(person: Person, others: Iterable[Person]) -> bool:
    return any(person.is_same_as(other) for other in others)


def deadline_of(gate: str, role: Role) -> Deadline:
    """How long a role has for its answer at a gate, and what the system declares afterwards.

    The system never declares a decline at the `documents` gate: such a case is incomplete.
    Raises RecordNotFoundError or RecordCorruptError naming the file that is missing or bad.
    """
    chosen = settings()
    return load_deadlines(chosen.data_dir).of(
        gate,
        role,
        timeout_seconds=chosen.hitl_timeout_seconds,
        on_timeout=None if gate == "documents" else chosen.hitl_on_timeout,
    )
