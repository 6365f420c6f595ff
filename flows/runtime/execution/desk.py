"""One process's share of the desk: its ledger, its result storage, its name on leases."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

from data.settings import Settings, settings
from flows.runtime.checkpoints.store import shared_ledger
from flows.runtime.execution.context import Patience
from flows.runtime.host.parent_pipe import INSTANCE
from flows.runtime.ledger.database import Ledger


@dataclass(frozen=True)
class Desk:
    """What every run executed in this process shares."""

    settings: Settings
    ledger: Ledger
    owner: str
    """This process, as leases name it: host, process, a mark of its own, the desk's start.
    With colons between; no part has one."""

    @property
    def instance(self) -> str:
        """Which start of the desk this process belongs to; empty where nobody supervises it."""
        return self.owner.split(":")[3]

    @property
    def patience(self) -> Patience:
        chosen = self.settings
        return Patience(
            fan_out=chosen.fan_out_policy,
            quorum=chosen.fan_out_quorum,
            timeout_seconds=chosen.agent_timeout_seconds,
            retries=chosen.agent_retries,
            backoff_seconds=chosen.agent_backoff_seconds,
        )


@cache
def this_host() -> str:
    """Where this process's number means this process: containers may share a host's name."""
    with suppress(OSError):
        return f"{socket.gethostname()}-{Path('/proc/self/ns/pid').stat().st_ino}"
    return socket.gethostname()


@cache
def this_desk() -> Desk:
    """The desk that this process's settings name; opened, and migrated, on first use."""
    chosen = settings()
    instance = os.environ.get(INSTANCE, "")
    owner = f"{this_host()}:{os.getpid()}:{uuid4().hex[:8]}:{instance}"
    return Desk(settings=chosen, ledger=shared_ledger(chosen.ledger), owner=owner)
