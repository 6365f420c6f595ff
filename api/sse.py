"""Journal entries as Server-Sent Events, and where a client that comes back wants to go on."""

from __future__ import annotations

import json
import re

from api.problems import MalformedRequestError

RETRY = b"retry: 1000\n\n"
"""Asks browsers to come back after a second when the connection breaks."""

_ID = re.compile(r"[0-9]{1,15}")


def to_frame(entry: str) -> bytes:
    """One frame for one entry of the journal, given as the JSON that was written.

    The entry becomes the data as it is: canonical JSON has no line breaks.
    """
    event = json.loads(entry)
    return f"id: {event['id']}\nevent: {event['type']}\ndata: {entry}\n\n".encode()


def last_event_id(header: str | None, query: str | None) -> int:
    """The number of the last event a client has; 0 for none.

    A browser that reconnects repeats its query, so the header is the newer of the two.
    Raises MalformedRequestError when it is not a number.
    """
    given = header or query
    if not given:
        return 0
    if not _ID.fullmatch(given):
        where = "Last-Event-ID" if header else "after"
        raise MalformedRequestError(f"{where} is the number of an event")
    return int(given)
