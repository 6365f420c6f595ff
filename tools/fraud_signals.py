"""Fraud signals of an application. Their weights add up to a score from 0 to 1000.

An expert has set the weights. The finding lists every signal with its weight, so that a reader
can check the score.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date

from disposable_email_domains import blocklist

from data.contracts.application import Applicant, Residency
from data.contracts.bureau import READABLE_FILES, BureauAlert, BureauReport, EcoaDesignator
from data.contracts.case import CaseFile
from data.contracts.documents import BankStatement, DocumentKind
from data.contracts.findings import FraudBand, FraudSignal, Typology
from data.contracts.fraud import FraudSignals, PhoneType, SharedTrait
from data.contracts.ssn import is_itin, issued_after_2011
from tools.base import tool
from tools.documents import inconsistencies, readable_documents, statement_breaks
from tools.names import same_person_by_name

HIGHEST = 1000

_BANDS = ((700, FraudBand.CRITICAL), (500, FraudBand.HIGH), (250, FraudBand.MEDIUM))

_RANDOM_ASSIGNMENT = date(2011, 6, 25)
"""The day on which random assignment of SSNs began, with areas that were unused before."""

_ALERT_WEIGHTS = {
    BureauAlert.SSN_DECEASED: 400,
    BureauAlert.SSN_NOT_ISSUED: 400,
    BureauAlert.FRAUD_EXTENDED: 200,
    BureauAlert.FRAUD_INITIAL: 150,
    BureauAlert.ADDRESS_DISCREPANCY: 50,
}
"""An active-duty alert has no weight: it protects the applicant and is no sign of fraud."""

_SHARED_FROM = {
    SharedTrait.SSN: (2, 300),
    SharedTrait.DEVICE: (3, 150),
    SharedTrait.PHONE: (3, 200),
    SharedTrait.ADDRESS: (6, 100),
    SharedTrait.EMAIL: (2, 150),
}
"""For each trait: how many identities must share it, and the weight. Families share addresses."""

_STRONG = 250
"""The weight of a signal that refers a case by itself."""

_GAP = "statements_gap"

_INDEPENDENT = 100
"""From this weight on, a signal counts as a sign by itself next to one of another kind."""

_KINDS = {
    "bank_account_of_other_person": "account",
    "statement_altered": "account",
    "statements_gap": "account",
    "ip_abroad": "place",
    "ip_far_away": "place",
    "alert_address_discrepancy": "place",
    "email_disposable": "contact",
    "email_new": "contact",
    "phone_voip": "contact",
}

_THIN_COVER = frozenset({"authorized_user_only", "phone_shared", "file_newer_than_person"})
_TAKEN_OVER = frozenset(
    {"alert_fraud_initial", "alert_fraud_extended", "other_persons_file", "ip_far_away"}
)
_FIRST_PARTY = frozenset({"statement_altered", "bank_account_of_other_person"})


@tool()
def score_fraud_signals(case: CaseFile) -> tuple[FraudSignal, ...]:
    """All signals of a case, the heaviest first. A signal does not name the applicant."""
    seen: dict[str, FraudSignal] = {}
    for signal in _all_signals(case):
        known = seen.get(signal.code)
        if known is None or signal.weight > known.weight:
            seen[signal.code] = signal
    seen |= {signal.code: signal for signal in _together(seen.values())}
    return tuple(sorted(seen.values(), key=lambda signal: (-signal.weight, signal.code)))


def fraud_score(signals: tuple[FraudSignal, ...]) -> int:
    """The sum of the weights, at most 1000."""
    return min(HIGHEST, sum(signal.weight for signal in signals))


def _together(signals: Collection[FraudSignal]) -> Iterator[FraudSignal]:
    """Signs of two kinds reach the band that refers, although neither does alone."""
    kinds = {_kind_of(signal) for signal in signals if signal.weight >= _INDEPENDENT}
    missing = _STRONG - sum(signal.weight for signal in signals)
    if len(kinds) > 1 and missing > 0:
        yield _signal("independent_signs", missing, str(len(kinds)))


def _kind_of(signal: FraudSignal) -> str:
    velocity = "velocity" if signal.code.startswith("velocity_") else None
    shared = "contact" if signal.code.endswith("_shared") else None
    return _KINDS.get(signal.code) or velocity or shared or "identity"


def _is_disposable(email: str) -> bool:
    """Whether a mail address, or the domain that it is under, is on the list of its package."""
    labels = email.rpartition("@")[2].lower().split(".")
    return any(".".join(labels[first:]) in blocklist for first in range(len(labels) - 1))


def fraud_band(score: int) -> FraudBand:
    """Medium from 250, high from 500, critical from 700."""
    return next((band for least, band in _BANDS if score >= least), FraudBand.LOW)


def fraud_typology(signals: tuple[FraudSignal, ...]) -> Typology | None:
    """The type of fraud that the signals suggest, if any."""
    codes = {signal.code for signal in signals}
    if "ssn_newer_than_person" in codes and codes & _THIN_COVER:
        return Typology.SYNTHETIC
    if "alert_ssn_not_issued" in codes:
        return Typology.SYNTHETIC
    if codes & _TAKEN_OVER:
        return Typology.THIRD_PARTY
    return Typology.FIRST_PARTY if codes & _FIRST_PARTY else None


def _all_signals(case: CaseFile) -> Iterator[FraudSignal]:
    reports = dict(case.reports)
    for applicant in case.application.applicants:
        yield from _about_person(applicant)
        yield from _about_documents(case, applicant)
        report = reports.get(applicant.role)
        if report is not None and report.status in READABLE_FILES:
            yield from _about_file(applicant, report, case.application.as_of_date)
    if case.fraud_signals is not None:
        yield from _about_device(case.fraud_signals)
        yield from _about_velocity(case.fraud_signals)


def _about_person(applicant: Applicant) -> Iterator[FraudSignal]:
    # Immigrants receive their SSN as adults, so the check applies to citizens only.
    old_enough = applicant.dob.year < _RANDOM_ASSIGNMENT.year - 18
    if (
        applicant.residency is Residency.CITIZEN
        and old_enough
        and not is_itin(applicant.ssn)
        and issued_after_2011(applicant.ssn)
    ):
        yield _signal("ssn_newer_than_person", 300, "2011")
    if applicant.email and _is_disposable(applicant.email):
        yield _signal("email_disposable", 150, "domain")


def _about_documents(case: CaseFile, applicant: Applicant) -> Iterator[FraudSignal]:
    statements = [
        content
        for _, content in readable_documents(case, applicant.role, DocumentKind.BANK_STATEMENT)
        if isinstance(content, BankStatement)
    ]
    names = [holder.full_name for holder in case.application.applicants]
    of_others = [
        statement
        for statement in statements
        if not any(same_person_by_name(name, statement.holder_name) for name in names)
    ]
    if of_others:
        yield _signal("bank_account_of_other_person", _STRONG, str(len(of_others)))
    altered = {code for statement in statements for code in inconsistencies(statement)}
    altered |= set(statement_breaks(statements))
    if _GAP in altered:
        # Days were left out: that is to be looked at, and no sign that a statement was changed.
        yield _signal(_GAP, _STRONG, _GAP)
    if altered - {_GAP}:
        yield _signal("statement_altered", _STRONG, ",".join(sorted(altered - {_GAP})))


def _about_file(applicant: Applicant, report: BureauReport, as_of: date) -> Iterator[FraudSignal]:
    for alert in report.alerts:
        if alert in _ALERT_WEIGHTS:
            yield _signal(f"alert_{alert.value}", _ALERT_WEIGHTS[alert], alert.value)
    if report.subject_ssn_last4 not in {None, applicant.ssn[-4:]}:
        yield _signal("other_persons_file", 300, "ssn_last4")
    lines = report.tradelines
    if lines and all(line.designator is EcoaDesignator.AUTHORIZED_USER for line in lines):
        yield _signal("authorized_user_only", 200, str(len(lines)))
    if report.file_since is not None and applicant.residency is Residency.CITIZEN:
        months = (as_of.year - report.file_since.year) * 12 + as_of.month - report.file_since.month
        if months < 24 and applicant.age_on(as_of) >= 35:
            yield _signal("file_newer_than_person", 100, str(max(months, 0)))


def _about_device(signals: FraudSignals) -> Iterator[FraudSignal]:
    for link in signals.identity_links:
        least, weight = _SHARED_FROM[link.trait]
        if link.identities >= least:
            yield _signal(f"{link.trait.value}_shared", weight, str(link.identities))
    for hit in signals.consortium_hits:
        yield _signal(f"consortium_{hit}", _STRONG, hit)
    if signals.ip_country not in {None, "US"}:
        yield _signal("ip_abroad", 150, signals.ip_country or "")
    if signals.ip_distance_km is not None and signals.ip_distance_km > 1000:
        yield _signal("ip_far_away", 100, str(signals.ip_distance_km))
    if signals.email_age_days is not None and signals.email_age_days < 7:
        yield _signal("email_new", 50, str(signals.email_age_days))
    if signals.phone_type is PhoneType.VOIP:
        yield _signal("phone_voip", 50, signals.phone_type.value)


def _about_velocity(signals: FraudSignals) -> Iterator[FraudSignal]:
    for trait in type(signals.velocity).model_fields:
        seen = getattr(signals.velocity, trait)
        if seen.days_1 >= 3 or seen.days_7 >= 5:
            yield _signal(
                f"velocity_{trait}", _STRONG, f"{seen.days_1}/{seen.days_7}/{seen.days_30}"
            )
        elif seen.days_30 >= 6:
            yield _signal(f"velocity_{trait}", 100, f"{seen.days_1}/{seen.days_7}/{seen.days_30}")


def _signal(code: str, weight: int, value: str) -> FraudSignal:
    return FraudSignal(code=code, weight=weight, value=value)
