"""As much of a Prefect server as recovery talks to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound

LONG_AGO = datetime.now(UTC) - timedelta(minutes=1)


@dataclass
class PrefectServer:
    """Flow runs with a state."""

    states: dict[UUID, State[Any]] = field(default_factory=dict)

    async def read_flow_run(self, flow_run_id: UUID) -> Any:
        if flow_run_id not in self.states:
            raise ObjectNotFound(Exception("no such run"))
        return SimpleNamespace(id=flow_run_id, state=self.states[flow_run_id])

    async def read_flow_runs(self, flow_run_filter: Any, limit: int) -> list[Any]:
        asked = flow_run_filter
        if asked.parent_flow_run_id is not None:
            return []
        ids = asked.id.any_ if asked.id is not None else list(self.states)
        types = asked.state.type.any_ if asked.state is not None else None
        return [
            SimpleNamespace(id=one, state=self.states[one])
            for one in ids
            if one in self.states and (types is None or self.states[one].type in types)
        ][:limit]

    async def set_flow_run_state(
        self, flow_run_id: UUID, state: State[Any], force: bool = False
    ) -> None:
        assert force
        self.states[flow_run_id] = state

    @property
    def client(self) -> PrefectClient:
        return cast(PrefectClient, self)


def stood(state: State[Any]) -> State[Any]:
    """A state that has not changed for a while."""
    return state.model_copy(update={"timestamp": LONG_AGO})
