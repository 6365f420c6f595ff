"""Many clients that follow runs, in a process of their own: they must not slow the API down.

`python -m tests.benchmarks.stream_clients PORT CLIENTS` reads a JSON list of run ids from its
standard input, follows each run with an equal share of the clients until its stream ends, and
prints what they saw as JSON. It speaks HTTP by hand: a client library would cost more than the API.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

_TIME = re.compile(rb'"ts":"([^"]+)"')
_LAST_CHUNK = b"0\r\n"
_LONGEST_LINE = 2**20
_CONNECTING_AT_ONCE = 100


@dataclass
class Client:
    """One stream: the numbers of its events, and when each was written and arrived."""

    run_id: str
    connected_at: float = 0.0
    ids: list[int] = field(default_factory=list)
    times: list[tuple[float, float]] = field(default_factory=list)

    async def follow(self, port: int, turn: asyncio.Semaphore) -> None:
        async with turn:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_LONGEST_LINE)
            request = f"GET /runs/{self.run_id}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
            writer.write(request.encode())
            status = await reader.readline()
            assert b" 200 " in status, status
            self.connected_at = time.time()
        while (line := await reader.readline()) != _LAST_CHUNK:
            assert line, f"the stream broke after event {self.ids[-1:]}"
            if line.startswith(b"id: "):
                self.ids.append(int(line[4:]))
            elif line.startswith(b"data: ") and (written := _TIME.search(line)):
                self.times.append((_seconds(written[1]), time.time()))
        writer.close()


def _seconds(moment: bytes) -> float:
    return datetime.fromisoformat(moment.decode()).timestamp()


async def followed(port: int, clients: int, run_ids: Sequence[str]) -> dict[str, object]:
    """Follow the runs to their ends.

    A lag counts from the write of an event, or from the moment when the client was connected if
    that was later. `lags` are those of the events that were written when all were connected.
    """
    turn = asyncio.Semaphore(_CONNECTING_AT_ONCE)
    everyone = [Client(run_ids[number % len(run_ids)]) for number in range(clients)]
    ends = await asyncio.gather(
        *(client.follow(port, turn) for client in everyone), return_exceptions=True
    )
    all_connected_at = max(client.connected_at for client in everyone)
    early: list[float] = []
    live: list[float] = []
    for client in everyone:
        for written, arrived in client.times:
            lag = arrived - max(written, client.connected_at)
            (live if written > all_connected_at else early).append(lag)
    seen = {run_id: {tuple(c.ids) for c in everyone if c.run_id == run_id} for run_id in run_ids}
    return {
        "errors": [repr(end) for end in ends if end is not None],
        "seen": {run_id: sorted(variants) for run_id, variants in seen.items()},
        "lags": sorted(live),
        "lags_while_connecting": sorted(early),
    }


if __name__ == "__main__":
    found = followed(int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.stdin.readline()))
    sys.stdout.write(json.dumps(asyncio.run(found)))
