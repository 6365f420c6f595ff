"""The real application on a port of its own, for commands that call a desk."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn

from data.settings import Settings
from tests.api.desks import FakeDesk, app_of


@contextmanager
def serving(desk: FakeDesk, settings: Settings | None = None) -> Iterator[str]:
    """The address of a desk, which answers in a thread with an event loop of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(
                app_of(desk, settings),
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def url(desk: FakeDesk) -> Iterator[str]:
    """The address of the fake desk."""
    with serving(desk) as address:
        yield address


@pytest.fixture
def closed_port() -> str:
    """An address without a desk."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"
