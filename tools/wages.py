"""Wages: what each employer pays per month, by paystubs and by the deposits that confirm them.

Paystubs of different employers are different jobs, and their wages add up. Of one employer the
newest paystub counts. Of two with the same pay date the lower counts. Year-to-date pay counts by
pay date: a period of December that is paid in January is pay of the new year.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from data.contracts.application import Applicant
from data.contracts.documents import Paystub, Transaction
from data.rounding import cents
from tools.payroll import (
    Pay,
    is_payroll,
    monthly_from_pay,
    names_employer,
    recurring_monthly,
    same_employer,
    with_frequency,
)

YTD_TOLERANCE = Decimal("0.10")
"""Year-to-date pay may be lower than the regular pay by this share."""


@dataclass(frozen=True)
class Wages:
    """The pay of one job, per month."""

    gross: Decimal
    """What the paystub shows, less what did not arrive in the bank."""
    net: Decimal
    paystub: Decimal
    bank: Decimal | None
    """Net deposits, as they arrive."""
    pay: Pay
    warnings: tuple[str, ...]


def wages_of(
    applicant: Applicant, stubs: Iterable[Paystub], deposits: Iterable[Transaction]
) -> tuple[Wages, ...]:
    """The wages of every job that has a paystub, the best paid first."""
    jobs = _jobs(stubs)
    newest = [(_newest(job), _warnings(job)) for job in jobs]
    paid = _deposits_by_job([stub for stub, _ in newest], applicant, deposits)
    found = [
        _wages(stub, _start(applicant, stub, len(jobs)), with_frequency(pay), warnings)
        for (stub, warnings), pay in zip(newest, paid, strict=True)
    ]
    return tuple(sorted(found, key=lambda wages: (-wages.gross, -wages.net)))


def _jobs(stubs: Iterable[Paystub]) -> list[list[Paystub]]:
    """Paystubs by employer. One that resembles two groups joins them, so no order matters."""
    jobs: list[list[Paystub]] = []
    for stub in stubs:
        alike = [
            job for job in jobs if any(same_employer(stub.employer, of.employer) for of in job)
        ]
        jobs = [job for job in jobs if job not in alike]
        jobs.append([stub, *(other for job in alike for other in job)])
    return sorted(jobs, key=lambda job: min(stub.employer for stub in job))


def _newest(job: Sequence[Paystub]) -> Paystub:
    last = max(stub.pay_date for stub in job)
    return min(
        (stub for stub in job if stub.pay_date == last),
        key=lambda stub: (
            monthly_from_pay(stub.gross, stub.pay_frequency),
            stub.net,
            stub.ytd_gross,
            stub.period_end,
            stub.period_start,
            stub.employer,
        ),
    )


def _warnings(job: Sequence[Paystub]) -> tuple[str, ...]:
    """`paystubs_disagree` when two paystubs of one pay date show different pay."""
    last = max(stub.pay_date for stub in job)
    shown = {(stub.gross, stub.net) for stub in job if stub.pay_date == last}
    return ("paystubs_disagree",) if len(shown) > 1 else ()


def _start(applicant: Applicant, stub: Paystub, jobs: int) -> date | None:
    """When the job began: the application says it of the main employer only."""
    stated = applicant.employment
    is_main = jobs == 1 or same_employer(stated.employer, stub.employer)
    return stated.start_date if is_main else None


def _wages(stub: Paystub, start: date | None, pay: Pay, warnings: tuple[str, ...]) -> Wages:
    regular = monthly_from_pay(stub.gross, stub.pay_frequency)
    so_far = _ytd_monthly(stub, start)
    fell = so_far < regular * (1 - YTD_TOLERANCE)
    paystub = min(regular, so_far) if fell else regular
    net, bank = monthly_from_pay(stub.net, stub.pay_frequency), recurring_monthly(*pay)
    arrived = Decimal(1) if bank is None or net == 0 else min(Decimal(1), bank / net)
    return Wages(
        gross=cents(paystub * arrived),
        net=net if bank is None else min(net, bank),
        paystub=paystub,
        bank=bank,
        pay=pay,
        warnings=(*warnings, *(("ytd_below_pay",) if fell else ())),
    )


def _ytd_monthly(stub: Paystub, start: date | None) -> Decimal:
    """Year-to-date pay per month, over the part of the year of the pay date that it is pay for.

    That part is at least one pay period, and it ends with the period of the paystub.
    """
    first_day = date(stub.pay_date.year, 1, 1)
    if start is not None and start > first_day:
        first_day = min(start, stub.period_start)
    period = (stub.period_end - stub.period_start).days + 1
    days_worked = max(period, (stub.period_end - first_day).days + 1)
    return cents(stub.ytd_gross / days_worked * Decimal("365") / 12)


def _deposits_by_job(
    stubs: Sequence[Paystub], applicant: Applicant, deposits: Iterable[Transaction]
) -> list[list[Transaction]]:
    """The pay deposits of each job."""
    employers = {applicant.employment.employer, *(stub.employer for stub in stubs)}
    paid: list[list[Transaction]] = [[] for _ in stubs]
    for deposit in deposits if stubs else ():
        if any(is_payroll(deposit, employer) for employer in employers):
            paid[_job_of(deposit, stubs)].append(deposit)
    return paid


def _job_of(deposit: Transaction, stubs: Sequence[Paystub]) -> int:
    """The job whose employer a deposit names, or else the one whose net pay is nearest to it."""
    if len(stubs) == 1:
        return 0
    named = [
        place
        for place, stub in enumerate(stubs)
        if names_employer(deposit.description, stub.employer)
    ]
    return min(
        named or range(len(stubs)),
        key=lambda place: (abs(stubs[place].net - deposit.amount), place),
    )
