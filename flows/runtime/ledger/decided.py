"""The decision about an application, whether a run or a batch has taken it."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from data.contracts.errors import RecordCorruptError
from flows.runtime.ledger import chunks, decisions


def of_application(connection: sa.Connection, application_id: str) -> dict[str, Any]:
    """The decision in its envelope. Raises RecordNotFoundError while there is none.

    A batch's decision lies with its chunk: the whole chunk is unpacked for it.
    """
    decided, chunk = decisions.about(connection, application_id)
    if decided["run_id"]:
        return decided
    # A decision that is older than the column does not know its chunk: all of its batch are read.
    batch_id = decided["batch_id"]
    for number in chunks.numbers(connection, batch_id) if chunk is None else [chunk]:
        for line in chunks.lines(connection, batch_id, number):
            if json.dumps(application_id).encode() in line:
                found = json.loads(line)
                if found.get("decision_id") == decided["decision_id"]:
                    return decided | {"content": found["content"]}
    raise RecordCorruptError(f"batch {batch_id} does not hold its decision")
