"""Retention by law: what a round of housekeeping erases, keeps for longer, and by which rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from data.contracts.base import canonical_json
from data.contracts.case import Persona
from data.contracts.errors import ConflictError, RecordCorruptError
from data.contracts.retention import RecordClass
from data.contracts.runs import RunStatus
from data.contracts.screening import WATCHLIST_RECORD
from data.settings import Settings, settings
from flows.housekeeping import HousekeepingReport, keep_house
from flows.retention import erase_on_request
from flows.runtime.ledger import applications, decisions, restricted, runs, tables
from flows.runtime.ledger.database import Ledger, stamp
from tests.flows.inline import Says, Step, persona, underwritten
from tools.retention import load_retention, months_after

MONTH = timedelta(days=31)
CLEARS = Says("compliance", "clear")
DECLINES = Says("underwriter", "decline", more={"reason_code": "R09"})


async def ended(ledger: Ledger, case: Persona, months: int, *steps: Step) -> str:
    """Enter a decided case whose run ended so many months ago."""
    done = await underwritten(case, *steps)
    name, when = case.application.application_id, stamp(datetime.now(UTC) - months * MONTH)

    def enter(connection: sa.Connection) -> None:
        applications.accept(connection, name, case.case.inputs_sha256(), canonical_json(case.case))
        runs.register(
            connection,
            *(name, f"application:{name}"),
            application_id=name,
            status=RunStatus.COMPLETED,
            updated_at=when,
        )
        decisions.enter(connection, name, done.content)
        restricted.keep(
            connection, name, WATCHLIST_RECORD, done.record.restricted[WATCHLIST_RECORD]
        )
        of = tables.applications.c.application_id == name
        connection.execute(tables.applications.update().where(of).values(received_at=when))
        this = tables.decisions.c.run_id == name
        connection.execute(tables.decisions.update().where(this).values(decided_at=when))

    await ledger.write(enter)
    return name


async def round_of(
    ledger: Ledger, chosen: Settings | None = None, *, dry_run: bool = False
) -> HousekeepingReport:
    return await keep_house(ledger, chosen or settings(), dry_run=dry_run, thorough=False)


async def erased(ledger: Ledger) -> set[str]:
    table = tables.applications
    query = sa.select(table.c.application_id).where(table.c.erased_at != "")
    return set(await ledger.read(lambda connection: connection.execute(query).scalars().all()))


def told(report: HousekeepingReport) -> dict[str, tuple[int, int]]:
    return {found.record.value: (found.due, found.kept) for found in report.records}


async def test_a_declined_application_goes_after_25_months_and_not_before(ledger: Ledger) -> None:
    await ended(ledger, persona("dee-debtor"), 24)
    await ended(ledger, persona("bora-borderline"), 26, DECLINES)

    report = await round_of(ledger)

    assert await erased(ledger) == {"bora-borderline"}
    assert report.erased == 1
    assert told(report)["application"] == (1, 0)


async def test_who_was_offered_a_loan_is_known_five_years_after_its_last_payment(
    ledger: Ledger,
) -> None:
    # Ada's loan has 36 payments: it ends three years after the decision.
    await ended(ledger, persona("ada-prime"), 90)
    first = await round_of(ledger)
    assert (first.erased, await erased(ledger)) == (0, set())
    assert told(first)["identity"] == (0, 1)

    await ended(ledger, persona("ben-midland"), 98)
    report = await round_of(ledger)

    assert await erased(ledger) == {"ben-midland"}
    assert told(report)["identity"] == (1, 1)


@pytest.mark.parametrize(("name", "steps"), [("pat-potential", (CLEARS,)), ("sam-sanction", ())])
async def test_a_match_is_kept_for_ten_years(
    ledger: Ledger, name: str, steps: tuple[Step, ...]
) -> None:
    await ended(ledger, persona(name), 117, *steps)
    assert told(await round_of(ledger))["watchlist_match"] == (0, 1)
    assert await erased(ledger) == set()
    kept = await ledger.read(restricted.find, name, WATCHLIST_RECORD)
    assert kept is not None

    old = stamp(datetime.now(UTC) - 122 * MONTH)
    await ledger.write(
        lambda connection: connection.execute(tables.runs.update().values(updated_at=old))
    )
    await ledger.write(
        lambda connection: connection.execute(tables.applications.update().values(kept_by=""))
    )
    assert told(await round_of(ledger))["watchlist_match"] == (1, 0)
    assert await erased(ledger) == {name}


async def test_no_request_erases_a_match_before_its_time(ledger: Ledger) -> None:
    for name in ("dee-debtor", "sam-sanction"):
        await ended(ledger, persona(name), 26)

    await ledger.write(erase_on_request, "dee-debtor", settings())
    with pytest.raises(ConflictError, match="the law keeps this application until 20") as refused:
        await ledger.write(erase_on_request, "sam-sanction", settings())

    assert await erased(ledger) == {"dee-debtor"}
    assert "match" not in str(refused.value)


async def test_a_dry_run_shows_each_class_with_its_rule_and_changes_nothing(
    ledger: Ledger,
) -> None:
    await ended(ledger, persona("dee-debtor"), 26)
    await ended(ledger, persona("sam-sanction"), 26)

    report = await round_of(ledger, dry_run=True)

    assert await erased(ledger) == set()
    assert report.erased == 1
    assert told(report) == {"application": (1, 0), "identity": (0, 0), "watchlist_match": (0, 1)}
    by_record = {found.record: found for found in report.records}
    assert "12 CFR 1002.12" in by_record[RecordClass.APPLICATION].citation
    assert "31 CFR 1020.220" in by_record[RecordClass.IDENTITY].citation
    assert "31 CFR 501.601" in by_record[RecordClass.WATCHLIST_MATCH].citation
    assert [found.months for found in report.records] == [25, 60, 120]
    assert await round_of(ledger, dry_run=True) == report


async def test_the_lender_may_keep_for_longer_than_the_law_and_never_shorter(
    ledger: Ledger,
) -> None:
    await ended(ledger, persona("dee-debtor"), 26)
    shorter = settings().model_copy(update={"personal_data_months": 3})
    longer = settings().model_copy(update={"personal_data_months": 40})
    await ended(ledger, persona("bella-bankrupt"), 10)

    await round_of(ledger, longer)
    assert await erased(ledger) == set()
    await round_of(ledger, shorter)
    assert await erased(ledger) == {"dee-debtor"}


async def test_an_application_that_is_kept_is_asked_about_again_when_the_rules_change(
    ledger: Ledger, tmp_path: Path
) -> None:
    await ended(ledger, persona("sam-sanction"), 60)
    assert (await round_of(ledger)).erased == 0

    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "retention.yaml").write_text(
        yaml.safe_dump(_file() | {"version": "next", "rules": _rules(months=48)})
    )
    changed = settings().model_copy(update={"data_dir": tmp_path})

    assert (await round_of(ledger, changed)).erased == 1


def _file() -> dict[str, Any]:
    path = settings().data_dir / "policy" / "retention.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def _rules(**of_matches: Any) -> list[dict[str, Any]]:
    return [
        rule | (of_matches if rule["record"] == "watchlist_match" else {})
        for rule in _file()["rules"]
    ]


@pytest.mark.parametrize(
    "rules",
    [
        _rules()[:2],
        _rules(months=0),
        _rules(citation=""),
        _rules(owner=""),
        _rules(counted_from="end_of_loan"),
        _rules(record="letters"),
    ],
    ids=["a class without a rule", "no time", "no citation", "no owner", "wrong day", "unknown"],
)
def test_a_file_of_rules_that_is_not_whole_is_refused(
    tmp_path: Path, rules: list[dict[str, Any]]
) -> None:
    (tmp_path / "policy").mkdir()
    path = tmp_path / "policy" / "retention.yaml"
    path.write_text(yaml.safe_dump(_file() | {"rules": rules}))

    with pytest.raises(RecordCorruptError, match=r"retention\.yaml"):
        load_retention(tmp_path)


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        ("2026-01-31", 1, "2026-03-01"),
        ("2024-01-31", 1, "2024-03-01"),
        ("2026-11-28", 25, "2028-12-28"),
        ("2026-12-15", 120, "2036-12-15"),
    ],
)
def test_months_are_counted_in_full(day: str, months: int, later: str) -> None:
    start = datetime.fromisoformat(day).date()

    assert months_after(start, months).isoformat() == later
