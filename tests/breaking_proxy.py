"""A proxy that breaks an event stream in the middle of a frame, once, as a network may do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_STREAM = re.compile(rb"GET /runs/[^ ]+/events[? ]")
_SEEN = re.compile(rb"last-event-id: *([0-9]+)|[?&]after=([0-9]+)", re.IGNORECASE)


@dataclass
class BreakingProxy:
    """Passes on what a desk and its clients say, and breaks the first stream."""

    desk_port: int
    stream_bytes: int
    url: str = ""
    broken: int = 0
    asked_after: list[int] = field(default_factory=list)
    """After which event each stream was asked for; 0 for the first."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        desk_reader, desk_writer = await asyncio.open_connection("127.0.0.1", self.desk_port)
        breaks = asyncio.Event()

        async def pass_requests() -> None:
            while said := await reader.read(65536):
                if _STREAM.search(said):
                    seen = [int(found[1] or found[2]) for found in _SEEN.finditer(said)]
                    self.asked_after.append(max(seen, default=0))
                    if not self.broken:
                        breaks.set()
                desk_writer.write(said)

        async def pass_answers() -> None:
            left = self.stream_bytes
            while said := await desk_reader.read(1024):
                if breaks.is_set():
                    said, left = said[:left], left - len(said)
                writer.write(said)
                await writer.drain()
                if left <= 0:
                    self.broken += 1
                    return

        passing = [asyncio.create_task(pass_requests()), asyncio.create_task(pass_answers())]
        with suppress(ConnectionError):
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
        writer.close()
        desk_writer.close()


@asynccontextmanager
async def breaking_proxy(desk_url: str, stream_bytes: int = 3000) -> AsyncIterator[BreakingProxy]:
    """A proxy in front of the desk at an address. It breaks the first stream after some bytes."""
    proxy = BreakingProxy(int(desk_url.rpartition(":")[2]), stream_bytes)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
