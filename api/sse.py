"""Journal entries as Server-Sent Events, and the place where a client wants to go on."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

from sse_starlette import EventSourceResponse

from api.problems import MalformedRequestError
from data.contracts.events import EventType

PING_SECONDS = 15
SEND_SECONDS = 20
END_SECONDS = 0.5
"""How long a stream may take to end by itself when the server stops. Then it is cut off."""
RETRY = b"retry: 1000\n\n"
"""Asks browsers to come back after a second when the connection breaks."""
ERROR_FRAME = "run.error"
"""The name of the frame of an event of the type `error`. A browser dispatches a frame named
`error` to `onerror`, as if the connection had failed."""

_ID = re.compile(r"[0-9]{1,15}")


class EventStream(EventSourceResponse):
    """The library's response, with its media type where the OpenAPI page looks for it."""

    media_type = "text/event-stream"


def stream(frames: AsyncGenerator[bytes]) -> EventStream:
    """Frames as an answer. It ends when the frames end, or when the client does not read."""
    return EventStream(
        _begun(frames),
        ping=PING_SECONDS,
        send_timeout=SEND_SECONDS,
        shutdown_grace_period=END_SECONDS,
    )


def to_frame(entry: str) -> bytes:
    """The frame of a journal entry, given as the JSON that the journal holds.

    The entry becomes the data unchanged: canonical JSON has no line breaks.
    """
    event = json.loads(entry)
    name = ERROR_FRAME if event["type"] == EventType.ERROR else event["type"]
    return f"id: {event['id']}\nevent: {name}\ndata: {entry}\n\n".encode()


def last_event_id(header: str | None, query: str | None) -> int:
    """The id of the last event that a client has; 0 for none.

    A browser that reconnects repeats its query, so the header is newer than the query. Raises
    MalformedRequestError when the id is not a number.
    """
    given = header or query
    if not given:
        return 0
    if not _ID.fullmatch(given):
        where, pointer = (
            ("Last-Event-ID", "/header/last-event-id") if header else ("after", "/query/after")
        )
        raise MalformedRequestError(f"{where} is the number of an event", pointer=pointer)
    return int(given)


async def _begun(frames: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    # Closing the inner generator here, and not when it is collected, frees the follower at once.
    async with aclosing(frames):
        yield RETRY
        async for frame in frames:
            yield frame
