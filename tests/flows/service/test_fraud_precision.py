"""How often signs of fraud were fraud, from what underwriters found."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from data.contracts.agreement import FraudPrecisionReport, Precision
from data.contracts.case import CaseFile
from flows.runtime.ledger.database import Ledger
from flows.service import fraud_precision
from flows.service.agreement import Period
from tests.flows.cases import changed
from tests.flows.decided_cases import decided
from tests.flows.inline import Says, persona

CLEARED = Says("underwriter", "approve", more={"fraud_outcome": "false_positive"})
CONFIRMED = Says(
    "underwriter", "decline", more={"reason_code": "R04", "fraud_outcome": "confirmed"}
)


def _seen(**signals: object) -> CaseFile:
    paths = {f"fraud_signals__{name}": value for name, value in signals.items()}
    return changed("ada-prime", **paths)


ABROAD = {"ip_country": "BR", "ip_distance_km": 8000}
BUSY = {"velocity__ssn__days_1": 3}


async def reported(ledger: Ledger) -> FraudPrecisionReport:
    november = Period(date(2026, 11, 1), date(2026, 12, 1))
    return await ledger.read(fraud_precision.report, november)


async def test_precision_is_counted_in_total_by_band_and_by_signal(ledger: Ledger) -> None:
    await decided(ledger, _seen(**BUSY), CLEARED)
    await decided(ledger, _seen(**BUSY), CONFIRMED)
    await decided(ledger, _seen(**BUSY), CONFIRMED)
    await decided(ledger, _seen(**BUSY, **ABROAD), CONFIRMED)

    found = await reported(ledger)

    def line(name: str, confirmed: int, false: int, precision: str) -> Precision:
        return Precision(
            name=name,
            confirmed=confirmed,
            false_positives=false,
            precision=Decimal(precision),
        )

    assert found.total == line("total", 3, 1, "0.7500")
    assert found.bands == (
        line("medium", 2, 1, "0.6667"),
        line("high", 1, 0, "1.0000"),
    )
    assert found.signals == (
        line("velocity_ssn", 3, 1, "0.7500"),
        line("ip_abroad", 1, 0, "1.0000"),
        line("ip_far_away", 1, 0, "1.0000"),
    )


async def test_a_case_whose_signs_were_not_checked_says_nothing(ledger: Ledger) -> None:
    await decided(ledger, _seen(**BUSY), Says("underwriter", "approve"))
    await decided(ledger, persona("ada-prime"))

    found = await reported(ledger)

    assert found.total == Precision(name="total", confirmed=0, false_positives=0, precision=None)
    assert (found.bands, found.signals) == ((), ())
