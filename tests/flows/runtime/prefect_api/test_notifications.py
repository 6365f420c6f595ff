"""The automations behind notifications: made once, kept up to date, and removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound

from flows.runtime.prefect_api.notifications import BLOCK, arrange_notifications
from tests.desk import Desk

GATE = "gate-of-this-test"
ELSEWHERE = "http://127.0.0.1:9/elsewhere"


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[PrefectClient]:
    """A client of the shared desk, which notifies nobody itself."""
    async with PrefectClient(api=f"{desk.prefect_url}/api") as opened:
        yield opened
        await arrange_notifications(opened, (), "")


async def arranged(client: PrefectClient) -> list[Any]:
    return [one for one in await client.read_automations() if one.name.endswith(GATE)]


async def address(client: PrefectClient) -> str:
    block = await client.read_block_document_by_name(BLOCK, "webhook", include_secrets=True)
    return str(block.data["url"])


async def test_arranging_twice_makes_one_automation(client: PrefectClient) -> None:
    await arrange_notifications(client, [GATE], "http://127.0.0.1:9/hook")
    (first,) = await arranged(client)

    await arrange_notifications(client, [GATE], "http://127.0.0.1:9/hook")

    assert [one.id for one in await arranged(client)] == [first.id]


async def test_another_address_reaches_the_same_automation(client: PrefectClient) -> None:
    await arrange_notifications(client, [GATE], "http://127.0.0.1:9/hook")
    (first,) = await arranged(client)

    await arrange_notifications(client, [GATE], ELSEWHERE)

    assert [one.id for one in await arranged(client)] == [first.id]
    assert await address(client) == ELSEWHERE


async def test_a_gate_that_is_no_more_is_told_of_no_more(client: PrefectClient) -> None:
    await arrange_notifications(client, [GATE], ELSEWHERE)

    await arrange_notifications(client, ["another"], ELSEWHERE)

    assert await arranged(client) == []


async def test_what_two_processes_made_at_the_same_moment_is_one_afterwards(
    client: PrefectClient,
) -> None:
    await arrange_notifications(client, [GATE], ELSEWHERE)
    (first,) = await arranged(client)
    await client.create_automation(
        AutomationCore.model_validate(
            first.model_dump(include={"name", "trigger", "actions", "enabled", "description"})
        )
    )
    assert len(await arranged(client)) == 2

    await arrange_notifications(client, [GATE], ELSEWHERE)

    assert [one.id for one in await arranged(client)] == [first.id]


async def test_two_processes_that_begin_at_the_same_moment_make_one_automation(
    client: PrefectClient,
) -> None:
    async with PrefectClient(api=str(client.api_url)) as other:
        await asyncio.gather(
            arrange_notifications(client, [GATE], ELSEWHERE),
            arrange_notifications(other, [GATE], ELSEWHERE),
        )

    assert len(await arranged(client)) == 1


async def test_without_an_address_nothing_is_left_behind(client: PrefectClient) -> None:
    await arrange_notifications(client, [GATE], ELSEWHERE)

    await arrange_notifications(client, [GATE], "")

    assert await arranged(client) == []
    with pytest.raises(ObjectNotFound):
        await client.read_block_document_by_name(BLOCK, "webhook")
