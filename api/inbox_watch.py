"""Tells open inboxes that something in them has changed, by one query a second for all of them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncGenerator, Callable

import sqlalchemy as sa

from api.schemas import InboxChange
from data.contracts.errors import CreditDeskError
from flows.runtime.ledger import reviews
from flows.runtime.ledger.database import Ledger

LOOK_SECONDS = 1.0

_log = logging.getLogger(__name__)


class InboxWatch:
    """One reader of the open requests for many clients. It reads while at least one follows."""

    def __init__(self, ledger: Ledger, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._ledger = ledger
        self._look_seconds = look_seconds
        self._clients = 0
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self._frame = b""
        self._is_over = False

    async def follow(self, still_authorized: Callable[[], bool]) -> AsyncGenerator[bytes]:
        """A frame `inbox` at once, and one whenever a request comes, goes, or changes hands.

        A client that lost its connection needs no history: the first frame says how it is now.
        """
        self._clients += 1
        if self._reader is None:
            self._reader = asyncio.create_task(self._look(), name="inbox watch looks")
        seen = b""
        try:
            while still_authorized() and not self._is_over:
                async with self._news:
                    if self._frame == seen:
                        await self._news.wait()
                    is_new, seen = self._frame != seen, self._frame
                if is_new:
                    yield seen
        finally:
            self._clients -= 1
            if not self._clients and self._reader is not None:
                self._reader.cancel()
                self._reader, self._frame = None, b""

    async def disconnect_all(self) -> None:
        """End all streams: the server stops."""
        self._is_over = True
        async with self._news:
            self._news.notify_all()

    async def _look(self) -> None:
        while True:
            try:
                self._frame = await self._ledger.read(_frame)
            except (CreditDeskError, sa.exc.SQLAlchemyError) as error:
                _log.warning("the inbox watch goes on after %s", type(error).__name__)
            async with self._news:
                self._news.notify_all()  # also without news: each client asks for its key again
            await asyncio.sleep(self._look_seconds)


def _frame(connection: sa.Connection) -> bytes:
    standing = reviews.standing(connection)
    state = hashlib.sha256(json.dumps(standing).encode()).hexdigest()[:16]
    data = InboxChange(open=len(standing), state=state).model_dump_json()
    return f"event: inbox\ndata: {data}\n\n".encode()
