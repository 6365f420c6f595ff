"""Tell a webhook who is waited for: one Prefect automation per gate, made by the desk itself.

Prefect's own UI has no inbox. An automation hears our event of a request, of its reminder and
of its escalation, each of which exists once however often a run is executed, and posts a text
that Slack and its kin show. It says which run waits, for whom and until when, and nothing of
the person whose case it is.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from datetime import timedelta
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.schemas.sorting import AutomationSort
from prefect.events.actions import CallWebhook
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.types import SecretDict
from pydantic import SecretStr

from data.contracts.events import EventType
from flows.runtime.prefect_api.client import PrefectClient, at_border

BLOCK = "credit-desk-notifications"
_PREFIX = "Credit desk: somebody is waited for at "
_TOLD = (EventType.WAITING, EventType.HITL_REMINDED, EventType.HITL_ESCALATED)
_TEXT = """\
{%- set m = event.payload.meta -%}
{%- set text -%}
{%- if event.payload.type == "hitl.reminded" %}Reminder: {% endif -%}
{%- if event.payload.type == "hitl.escalated" -%}
Passed on from {{ m.from_role | replace("_", " ") }}: {% endif -%}
{{ m.title }}
Application {{ m.application_id }} waits for {{ m.role | replace("_", " ") }}, \
gate {{ m.gate }}, until {{ m.due_at[:16] | replace("T", " ") }} UTC.
Answer in Prefect (menu at the top right of the run's page, Resume): {{ m.links.prefect }}
The request: {{ m.links.request }}
{%- endset -%}
{"text": {{ text | trim | tojson }}}"""

log = logging.getLogger(__name__)


@at_border
async def arrange_notifications(client: PrefectClient, gates: Iterable[str], url: str) -> None:
    """Let the webhook be told of every gate; with an empty URL, of none. Harmless to repeat.

    What is there already is brought up to date by name. Two processes that arrange it at the same
    moment both make it, and each looks again: whoever is last sees both, and only the one made
    first stays.
    """
    wanted = {f"{_PREFIX}{gate}": gate for gate in gates} if url else {}
    block = await _block(client, url) if url else None
    known = await _keep_one_of_each(client, wanted)
    if block is None:
        await _forget_block(client)
        return
    for name, gate in wanted.items():
        automation = _automation(name, gate, block)
        if name in known:
            await client.update_automation(known[name], automation)
        else:
            await client.create_automation(automation)
    await _keep_one_of_each(client, wanted)
    log.info("notifications are sent for %s", ", ".join(wanted.values()))


async def _keep_one_of_each(client: PrefectClient, wanted: Collection[str]) -> dict[str, UUID]:
    """Remove what nobody wants or what is there twice; what is left, by name."""
    kept: dict[str, UUID] = {}
    for found in reversed(await client.read_automations(sort=AutomationSort.CREATED_DESC)):
        if not found.name.startswith(_PREFIX):
            continue
        if found.name not in wanted or found.name in kept:
            await client.delete_automation(found.id)
        else:
            kept[found.name] = found.id
    return kept


def _automation(name: str, gate: str, block: UUID) -> AutomationCore:
    return AutomationCore(
        name=name,
        description="Made by the desk at its start; changes are undone by the next one.",
        enabled=True,
        trigger=EventTrigger(
            expect={f"desk.{type.value}" for type in _TOLD},
            match={"prefect.resource.id": "desk.run.*", "desk.gate": gate},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[CallWebhook(block_document_id=block, payload=_TEXT)],
    )


async def _block(client: PrefectClient, url: str) -> UUID:
    """The webhook as a Prefect block: its address may be a secret, and is kept as one."""
    webhook = Webhook(url=SecretStr(url), headers=SecretDict({"Content-Type": "application/json"}))
    saved: UUID = await webhook.save(BLOCK, overwrite=True, client=client)
    return saved


async def _forget_block(client: PrefectClient) -> None:
    try:
        found = await client.read_block_document_by_name(BLOCK, "webhook")
    except ObjectNotFound:
        return
    if found.id is not None:
        await client.delete_block_document(found.id)
