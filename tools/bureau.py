"""The credit bureau. An empty or a frozen file is also an answer."""

from __future__ import annotations

from datetime import date

from data.contracts.application import ApplicantRole
from data.contracts.bureau import BureauReport, BureauScore, BureauStatus, TradelineType
from data.contracts.case import CaseFile
from data.contracts.errors import ToolUnavailableError
from data.contracts.findings import ReportRead
from tools.base import tool

STALE_AFTER_DAYS = 30


@tool()
async def fetch_bureau_report(
    case: CaseFile, role: ApplicantRole = ApplicantRole.PRIMARY
) -> BureauReport:
    """The bureau's report on one applicant: hit, thin, no hit, frozen or locked.

    Raises ToolUnavailableError when the bureau reports an error or has sent no report. The caller
    may try again.
    """
    report = dict(case.reports).get(role)
    if report is None:
        raise ToolUnavailableError(f"the bureau has sent no report on the {role} applicant")
    if report.status is BureauStatus.ERROR:
        raise ToolUnavailableError(f"the bureau reports an error for the {role} applicant")
    return report


def usable_score(report: BureauReport) -> BureauScore | None:
    """The score, or None for a special code or a value outside its own range."""
    return report.score if report.score is not None and report.score.is_scored else None


def report_problem(report: BureauReport, ssn: str, as_of: date) -> str | None:
    """A code that says why the desk must not use a report; None for a usable report."""
    found = report.subject_ssn_last4
    if found is not None and found != ssn[-4:]:
        return "other_persons_file"
    return "report_after_as_of" if report.report_date > as_of else None


def reports_read(case: CaseFile) -> tuple[ReportRead, ...]:
    """The usable reports on file, each with its own applicant's score."""
    applicants = {applicant.role: applicant for applicant in case.application.applicants}
    as_of = case.application.as_of_date
    return tuple(
        ReportRead(applicant=role, bureau=report.bureau, score=usable_score(report))
        for role, report in case.reports
        if report.status is not BureauStatus.ERROR
        and report_problem(report, applicants[role].ssn, as_of) is None
    )


def report_warnings(report: BureauReport, as_of: date) -> tuple[str, ...]:
    """Codes for peculiarities of a report that the desk still uses."""
    warnings = []
    if (as_of - report.report_date).days > STALE_AFTER_DAYS:
        warnings.append("report_stale")
    if report.score is not None and usable_score(report) is None:
        warnings.append("score_not_a_score")
    if any(trade.opened_on > as_of for trade in report.tradelines):
        warnings.append("trade_opened_in_future")
    revolving = [trade for trade in report.tradelines if trade.type is TradelineType.REVOLVING]
    if any(not trade.limit and trade.balance > 0 for trade in revolving):
        warnings.append("trade_without_limit")
    if any(trade.balance < 0 for trade in report.tradelines):
        warnings.append("trade_with_negative_balance")
    return tuple(warnings)
