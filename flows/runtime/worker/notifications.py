"""Tell a webhook that a person is waited for: requests, their reminders and their escalations.

Prefect's UI has no inbox. The desk posts a text that Slack and similar services show, with the
event beside it. It says which run waits, for which role and until when, and nothing of the person
whose case it is. The notifications lie in the ledger's outbox, so that neither an outage of
Prefect or of the receiver nor a killed process loses one; and an event that another client sends to
Prefect under the desk's names notifies no one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx

from data.contracts.events import Event, EventType
from data.settings import Settings
from flows.runtime.ledger import journal, outbox
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.outbox import Notification

_MAX_SENT = 20
"""How many notifications one sweep sends, all at once: a slow receiver holds up the other duties no
longer than one timeout."""
_TIMEOUT_SECONDS = 5.0

log = logging.getLogger(__name__)


async def send_notifications(ledger: Ledger, settings: Settings) -> None:
    """Send what the webhook has not taken yet. Without a webhook, nothing is kept for one."""
    due = await ledger.read(outbox.due, _MAX_SENT)
    if not due:
        return
    if not settings.notify_url:
        await ledger.write(outbox.discard_all)
        return
    async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
        sending = (_deliver(client, settings.notify_url, ledger, each) for each in due)
        for failed in await asyncio.gather(*sending, return_exceptions=True):
            if isinstance(failed, BaseException):
                raise failed


async def _deliver(
    client: httpx.AsyncClient, url: str, ledger: Ledger, notification: Notification
) -> None:
    if not await ledger.write(outbox.claim, notification):
        return  # another process sends it
    is_taken = await _send(client, url, ledger, notification)
    if not is_taken and notification.is_given_up:
        log.error("notification %s was never taken", notification.notification_id)
    done = outbox.remove if is_taken or notification.is_given_up else outbox.put_back
    await ledger.write(done, notification)


async def _send(
    client: httpx.AsyncClient, url: str, ledger: Ledger, notification: Notification
) -> bool:
    event = await ledger.read(journal.find, notification.run_id, notification.event_id)
    body = {"text": text_of(event), "id": notification.notification_id, **_facts_of(event)}
    try:
        # The client counts its own timeout again with every byte that arrives.
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            answer = await client.post(
                url, json=body, headers={"Idempotency-Key": notification.notification_id}
            )
    except (httpx.HTTPError, TimeoutError) as error:
        log.warning("the webhook did not answer: %s", type(error).__name__)
        return False
    if not answer.is_success:
        log.warning("the webhook answered %d", answer.status_code)
    return answer.is_success


def text_of(event: Event) -> str:
    """What a person reads."""
    meta = event.meta
    role = str(meta["role"]).replace("_", " ")
    before = ""
    if event.type is EventType.HITL_REMINDED:
        before = "Reminder: "
    elif event.type is EventType.HITL_ESCALATED:
        before = f"Escalated from {str(meta['from_role']).replace('_', ' ')}: "
    until = str(meta["due_at"])[:16].replace("T", " ")
    return (
        f"{before}{meta['title']}\n"
        f"Application {meta['application_id']} waits for {role}, gate {meta['gate']},"
        f" until {until} UTC.\n"
        f"Answer in Prefect (menu at the top right of the run's page, Resume):"
        f" {meta['links']['prefect']}\n"
        f"The request: {meta['links']['request']}"
    )


def _facts_of(event: Event) -> dict[str, Any]:
    """What a program reads."""
    told = ("application_id", "gate", "role", "due_at", "links")
    facts = {name: event.meta[name] for name in told if name in event.meta}
    return {"type": event.type.value, "run_id": event.run_id, "event_id": event.id, **facts}
