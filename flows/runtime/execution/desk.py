"""One process's share of the desk: its settings, its ledger, its name on leases."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from uuid import uuid4

from data.settings import Settings, settings
from flows.runtime.execution.context import AgentPolicy
from flows.runtime.execution.model_budget import ModelBudget
from flows.runtime.host.parent_pipe import INSTANCE
from flows.runtime.host.process_ids import this_host
from flows.runtime.ledger.database import Ledger, shared_ledger


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
        """Which start of the desk this process belongs to; empty without a supervisor."""
        return self.owner.split(":")[3]

    @property
    def agent_policy(self) -> AgentPolicy:
        return agent_policy_of(self.settings)


def agent_policy_of(chosen: Settings) -> AgentPolicy:
    """How the settings want agents to be waited for, and what their chat models may use."""
    return AgentPolicy(
        fan_out=chosen.fan_out_policy,
        quorum=chosen.fan_out_quorum,
        timeout_seconds=chosen.agent_timeout_seconds,
        retries=chosen.agent_retries,
        backoff_seconds=chosen.agent_backoff_seconds,
        model_budget=ModelBudget(
            run_tokens=chosen.chat_run_tokens,
            stage_tokens=chosen.chat_stage_tokens,
            run_usd=chosen.chat_run_usd,
            stage_usd=chosen.chat_stage_usd,
        ),
    )


@cache
def this_desk() -> Desk:
    """The desk that this process's settings name; opened, and migrated, on first use."""
    chosen = settings()
    instance = os.environ.get(INSTANCE, "")
    owner = f"{this_host()}:{os.getpid()}:{uuid4().hex[:8]}:{instance}"
    return Desk(settings=chosen, ledger=shared_ledger(chosen.ledger), owner=owner)
