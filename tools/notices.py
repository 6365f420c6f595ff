"""Letters from a decision's content: approval, counter-offer, adverse action, incompleteness.

Each applicant gets a letter with their own credit report and score. A letter gives reasons in words
and never as codes. It does not mention the findings of compliance or fraud.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

from data.contracts.application import ApplicantRole
from data.contracts.decision import (
    Consumer,
    DecisionContent,
    Offer,
    Outcome,
)
from data.contracts.notices import (
    NOTICE_DAYS,
    LetterWording,
    Notice,
    NoticeKind,
    NoticeTerms,
)
from tools.base import tool
from tools.memo import dollars, percent, requested_loan
from tools.notice_layout import Block, Figures, Listing, Paragraph, as_page, as_text
from tools.notice_rights import (
    after_adverse_action,
    party,
    risk_based_pricing,
    to_covered_borrowers,
)
from tools.versioned_data import load_versioned

_KINDS = {
    Outcome.APPROVE: NoticeKind.APPROVAL,
    Outcome.COUNTER_OFFER: NoticeKind.COUNTER_OFFER,
    Outcome.DECLINE: NoticeKind.ADVERSE_ACTION,
    Outcome.INCOMPLETE: NoticeKind.INCOMPLETENESS,
}
_TITLES = {
    NoticeKind.APPROVAL: "Approval of your application for credit",
    NoticeKind.COUNTER_OFFER: "Our offer, and notice of action taken on your request",
    NoticeKind.ADVERSE_ACTION: "Notice of action taken on your application for credit",
    NoticeKind.INCOMPLETENESS: "Your application for credit is incomplete",
}
_READERS = {ApplicantRole.PRIMARY: "the applicant", ApplicantRole.CO: "the co-applicant"}
_IN_OTHER_WORDS = "The same in other words, which change nothing of the statements above:"
_BEFORE_PAYOUT = "Before the loan is paid out, please note:"


def load_notice_terms(data_dir: Path) -> NoticeTerms:
    """Read `policy/notices.yaml`. Raises RecordNotFoundError or RecordCorruptError."""
    return load_versioned(data_dir / "policy" / "notices.yaml", NoticeTerms)


@tool()
def compose_notices(
    content: DecisionContent,
    terms: NoticeTerms,
    today: date,
    wording: LetterWording | None = None,
) -> tuple[Notice, ...]:
    """The letters of a decision, one per applicant; none for a withdrawn application.

    A letter is dated `today`, or the as-of date where that is later. It depends on nothing but the
    arguments, so the letters of a decision that was not taken can be shown too. Sentences of a
    `wording` stand below the rules' own text, which they do not change.
    """
    kind = _KINDS.get(content.outcome)
    if kind is None:
        return ()
    dated = max(today, content.as_of_date)
    return tuple(
        _notice(kind, content, consumer, terms, dated, wording)
        for consumer in _consumers(content, terms)
    )


def _notice(
    kind: NoticeKind,
    content: DecisionContent,
    consumer: Consumer,
    terms: NoticeTerms,
    dated: date,
    wording: LetterWording | None,
) -> Notice:
    title = _TITLES[kind]
    head = (
        party(terms.creditor),
        Paragraph(f"Date: {dated}"),
        Paragraph(f"To {_READERS[consumer.applicant]}"),
    )
    body = (*_BODIES[kind](content, consumer, terms, dated), *_in_other_words(wording))
    return Notice(
        kind=kind,
        applicant=consumer.applicant,
        due_by=content.due_by or content.as_of_date + timedelta(days=NOTICE_DAYS),
        dated=dated,
        text=as_text((*head, Paragraph(title), *body)),
        html=as_page(title, head, body),
        terms_version=f"{terms.id}/{terms.version}",
        wording=wording,
    )


def _consumers(content: DecisionContent, terms: NoticeTerms) -> tuple[Consumer, ...]:
    """The readers. A decision that is older than this list has one, and one bureau."""
    if content.consumers:
        return content.consumers
    score = content.score_disclosure
    answered = any(
        result.inputs.get("bureau_status") not in {None, "error"} for result in content.rule_results
    )
    bureau = score.provider if score else terms.bureaus[0].name if answered else ""
    return (Consumer(applicant=ApplicantRole.PRIMARY, bureau=bureau, score=score),)


def _approval(
    content: DecisionContent, consumer: Consumer, terms: NoticeTerms, _dated: date
) -> Iterator[Block]:
    yield Paragraph("Your application for credit has been approved.")
    if content.offer is not None:
        yield _terms_of("The terms of the loan", content.offer)
    yield from to_covered_borrowers(content)
    yield from _conditions(_BEFORE_PAYOUT, content)
    yield from risk_based_pricing(content, consumer, terms)


def _counter_offer(
    content: DecisionContent, consumer: Consumer, terms: NoticeTerms, _dated: date
) -> Iterator[Block]:
    yield Paragraph(
        "We are unable to offer you credit on the terms that you requested: "
        f"{requested_loan(content.requested)}. We can, however, offer you credit as follows."
    )
    if content.offer is not None:
        yield _terms_of("Our offer", content.offer)
    for other in content.alternatives:
        yield _terms_of("Or, if you prefer", other)
    if content.offer is not None:
        yield Paragraph(
            f"If this offer is acceptable to you, please notify us by {content.offer.expires_on}. "
            "If we do not hear from you by then, your application is declined."
        )
    yield from to_covered_borrowers(content)
    yield from _conditions(_BEFORE_PAYOUT, content)
    yield from _reasons("Principal reasons for not granting your request:", content)
    yield from after_adverse_action(content, consumer, terms)


def _adverse_action(
    content: DecisionContent, consumer: Consumer, terms: NoticeTerms, _dated: date
) -> Iterator[Block]:
    yield Paragraph(
        "Thank you for applying to us for credit. We have given your request careful "
        "consideration, and regret that we are unable to grant "
        f"{requested_loan(content.requested)}."
    )
    yield from _reasons("Principal reasons for our decision:", content)
    yield from after_adverse_action(content, consumer, terms)


def _incompleteness(
    content: DecisionContent, _consumer: Consumer, terms: NoticeTerms, dated: date
) -> Iterator[Block]:
    """The notice of 12 CFR 1002.9(c)(2): the items, a time to send them, and what follows."""
    answer_by = dated + timedelta(days=terms.answer_due_days)
    yield Paragraph(
        f"Thank you for applying to us for {requested_loan(content.requested)}. Your application "
        "is incomplete, and we cannot decide on it yet."
    )
    yield from _conditions("We need the following from you:", content)
    yield Paragraph(
        f"Please answer by {answer_by}. If we do not hear from you by then, we are unable to give "
        "your application further consideration."
    )


_BODIES: dict[
    NoticeKind, Callable[[DecisionContent, Consumer, NoticeTerms, date], Iterator[Block]]
] = {
    NoticeKind.APPROVAL: _approval,
    NoticeKind.COUNTER_OFFER: _counter_offer,
    NoticeKind.ADVERSE_ACTION: _adverse_action,
    NoticeKind.INCOMPLETENESS: _incompleteness,
}


def _terms_of(title: str, offer: Offer) -> Figures:
    paid_out = f"Amount paid out after the fee of {dollars(offer.fee)}"
    first = offer.first_payment_on
    return Figures(
        title,
        (
            ("Amount of the loan", dollars(offer.amount)),
            ("Annual percentage rate", percent(offer.apr)),
            ("Interest rate", percent(offer.rate)),
            ("Finance charge", dollars(offer.finance_charge)),
            (paid_out, dollars(offer.amount - offer.fee)),
            ("Payments", f"{offer.term_months} monthly payments of {dollars(offer.payment)}"),
            *([("First payment", str(first))] if first else []),
            ("Total of payments", dollars(offer.total_of_payments)),
            ("The offer is open until", str(offer.expires_on)),
        ),
    )


def _reasons(title: str, content: DecisionContent) -> Iterator[Block]:
    if content.principal_reasons:
        yield Listing(title, tuple(reason.notice_text for reason in content.principal_reasons))


def _in_other_words(wording: LetterWording | None) -> Iterator[Block]:
    if wording is not None and wording.sentences:
        yield Listing(_IN_OTHER_WORDS, wording.sentences)


def _conditions(title: str, content: DecisionContent) -> Iterator[Block]:
    """What the applicant still has to do. Conditions that are met or waived need no answer."""
    texts = tuple(found.text for found in content.conditions if found.is_asked)
    if texts:
        yield Listing(title, texts)
