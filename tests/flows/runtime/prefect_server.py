"""As much of a Prefect server as the sweep and the launch of a run talk to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Scheduled

LONG_AGO = datetime.now(UTC) - timedelta(minutes=1)
MOST_ANSWERED = 200


@dataclass
class PrefectServer:
    """Flow runs with a state."""

    states: dict[UUID, State[Any]] = field(default_factory=dict)
    told: dict[UUID, Any] = field(default_factory=dict)
    """With which input a run was resumed."""
    refuses: set[UUID] = field(default_factory=set)
    """Runs whose state it will not change, whatever is proposed."""
    made: dict[str, SimpleNamespace] = field(default_factory=dict)
    """The flow runs that were made here, with all that a call asked for, by idempotency key."""
    has_deployment: bool = True
    children: dict[UUID, list[UUID]] = field(default_factory=dict)
    """The subflows of a flow run."""
    task_runs: list[UUID] = field(default_factory=list)
    """The task runs that are not ended, of any flow run."""
    ended_tasks: dict[UUID, State[Any]] = field(default_factory=dict)
    typed: dict[UUID, list[str]] = field(default_factory=dict)
    """The keys of what is stored for the forms of a flow run."""

    async def create_flow_run_from_deployment(
        self, deployment_id: UUID, *, idempotency_key: str, **asked: Any
    ) -> Any:
        if not self.has_deployment:
            raise ObjectNotFound(Exception("no such deployment"))
        known = self.made.get(idempotency_key)
        if known is None or known.id not in self.states:  # a deleted flow run takes its key along
            known = SimpleNamespace(id=uuid4(), deployment_id=deployment_id, **asked)
            self.made[idempotency_key] = known
            self.states[known.id] = Scheduled()
        return known

    def delete(self, flow_run_id: UUID) -> None:
        """Lose a flow run, as a person in the Prefect UI or a new database does."""
        del self.states[flow_run_id]

    async def read_task_runs(self, task_run_filter: Any, limit: int) -> list[Any]:
        return [SimpleNamespace(id=found) for found in self.task_runs[:limit]]

    async def set_task_run_state(self, task_run_id: UUID, state: State[Any], force: bool) -> None:
        assert force
        self.ended_tasks[task_run_id] = state

    async def read_flow_run(self, flow_run_id: UUID) -> Any:
        if flow_run_id not in self.states:
            raise ObjectNotFound(Exception("no such run"))
        return SimpleNamespace(id=flow_run_id, state=self.states[flow_run_id])

    async def read_flow_runs(self, flow_run_filter: Any, limit: int) -> list[Any]:
        assert limit <= MOST_ANSWERED
        asked = flow_run_filter
        if asked.parent_flow_run_id is not None:
            (parent,) = asked.parent_flow_run_id.any_
            return [await self.read_flow_run(child) for child in self.children.get(parent, [])]
        ids = asked.id.any_ if asked.id is not None else list(self.states)
        types = asked.state.type if asked.state is not None else None
        return [
            SimpleNamespace(id=wanted, state=self.states[wanted])
            for wanted in ids
            if wanted in self.states and _is_of(self.states[wanted], types)
        ][:limit]

    async def count_flow_runs(self, flow_run_filter: Any) -> int:
        asked = flow_run_filter
        if asked.name is not None:
            return sum(made.name in asked.name.any_ for made in self.made.values())
        types = asked.state.type if asked.state is not None else None
        known = [self.states[wanted] for wanted in asked.id.any_ if wanted in self.states]
        return sum(_is_of(state, types) for state in known)

    async def filter_flow_run_input(
        self, *, flow_run_id: UUID, key_prefix: str, **_: Any
    ) -> list[Any]:
        keys = self.typed.get(flow_run_id, [])
        return [SimpleNamespace(key=key) for key in keys if key.startswith(key_prefix)]

    async def delete_flow_run_input(self, flow_run_id: UUID, key: str) -> None:
        self.typed[flow_run_id].remove(key)

    async def resume_flow_run(self, flow_run_id: UUID, run_input: Any) -> Any:
        self.told[flow_run_id] = run_input
        self.states[flow_run_id] = Scheduled(name="Resuming")
        return SimpleNamespace(status=SetStateStatus.ACCEPT, details=None)

    async def set_flow_run_state(
        self, flow_run_id: UUID, state: State[Any], force: bool = False
    ) -> None:
        assert force
        if flow_run_id in self.refuses:
            refusal = httpx.Response(422, request=httpx.Request("POST", "http://prefect/set_state"))
            raise PrefectHTTPStatusError("422", request=refusal.request, response=refusal)
        self.states[flow_run_id] = state

    @property
    def client(self) -> PrefectClient:
        return cast(PrefectClient, self)


def _is_of(state: State[Any], types: Any) -> bool:
    if types is None:
        return True
    return state.type in types.any_ if types.any_ is not None else state.type not in types.not_any_


def stood(state: State[Any]) -> State[Any]:
    """A state that has not changed for a while."""
    return state.model_copy(update={"timestamp": LONG_AGO})
