"""The desk itself: who erases, what it counts as erased, and how it closes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
import sqlalchemy as sa

from data.contracts.review import Channel, Role
from data.contracts.runs import RunStatus
from data.settings import Settings, settings
from flows.housekeeping import keep_house
from flows.runtime.ledger import applications, runs, tables
from flows.runtime.ledger.database import Ledger, moment
from flows.runtime.prefect_api.client import PrefectClient
from flows.service import desk as service
from flows.service.desk import DeskService
from flows.service.requests import Caller

LONG_AGO = moment(-1200 * 24 * 3600)


async def filed(ledger: Ledger, *application_ids: str) -> None:
    """Applications whose only run ended long ago."""

    def enter(connection: sa.Connection) -> None:
        for application_id in application_ids:
            applications.accept(connection, application_id, "a" * 64, b"{}")
            runs.register(
                connection,
                f"run-of-{application_id}",
                f"application:{application_id}",
                application_id=application_id,
                status=RunStatus.COMPLETED,
                updated_at=LONG_AGO,
            )
        connection.execute(tables.applications.update().values(received_at=LONG_AGO))

    await ledger.write(enter)


@pytest.mark.parametrize(("name", "shown"), [("Otto", "Otto"), ("", "an unnamed caller")])
async def test_the_log_says_who_erased(
    ledger: Ledger, caplog: pytest.LogCaptureFixture, name: str, shown: str
) -> None:
    await filed(ledger, "app-1")
    desk = DeskService(settings(), ledger, cast(PrefectClient, None))
    caller = Caller(name=name, roles=(Role.OPERATOR,), proven=bool(name), channel=Channel.HTTP)

    with caplog.at_level("INFO", logger=service.__name__):
        await desk.erase("app-1", caller)

    assert caplog.messages == [f"application app-1: personal data erased by {shown}"]


async def test_only_what_was_erased_is_counted(ledger: Ledger) -> None:
    await filed(ledger, "app-1", "app-2", "app-3")
    with ledger.writing() as connection:
        # The round has read which applications are due. With the first erasure, an operator holds
        # the runs of the others.
        connection.exec_driver_sql(
            "create trigger hold_meanwhile after update of erased_at on applications begin "
            "update runs set legal_hold = true where application_id != new.application_id; end"
        )
    chosen = settings().model_copy(update={"personal_data_months": 1})

    planned = await keep_house(ledger, chosen, dry_run=True)
    done = await keep_house(ledger, chosen, dry_run=False)

    assert (planned.erased, done.erased) == (3, 1)


async def test_errands_end_before_the_client_closes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened = []

    @asynccontextmanager
    async def client() -> AsyncIterator[PrefectClient]:
        yield cast(PrefectClient, None)
        happened.append("the client is closed")

    async def errand() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            happened.append("the errand has ended")

    monkeypatch.setattr(service, "prefect_client", client)
    monkeypatch.setattr(service, "shared_ledger", lambda _: ledger)

    async with DeskService.open(Settings()) as desk:
        desk._run_errand(errand())
        await asyncio.sleep(0)

    assert happened == ["the errand has ended", "the client is closed"]
