"""The chat server of the tests, started once per file and fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chat_server import ChatServer, chat_server


@pytest.fixture(scope="module")
def running() -> Iterator[ChatServer]:
    with chat_server() as server:
        yield server


@pytest.fixture
def server(running: ChatServer) -> ChatServer:
    running.forget()
    return running
