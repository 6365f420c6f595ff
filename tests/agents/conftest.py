"""The chat server of the tests, for all agents."""

from __future__ import annotations

from tests.chat_server import running, server

__all__ = ["running", "server"]
