"""A run as it stood at a checkpoint, kept by references until a record wants the whole of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from data.contracts.base import Contract
from data.contracts.runs import Message
from data.contracts.wording import ModelUse
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.graph.workflow import Workflow


class PlainForms:
    """The JSON forms of a run's state and outputs, each made once, when it is first wanted.

    A run keeps contracts while it lives. Events, checkpoints and the run's row want JSON, several
    of them the same; an inline run wants none of it.
    """

    def __init__(self) -> None:
        self._state: tuple[Contract, dict[str, Any]] | None = None
        self._outputs: dict[str, Any] = {}

    def of_state(self, state: Contract) -> dict[str, Any]:
        """The state's form. A state never changes: a change is another state."""
        if self._state is None or self._state[0] is not state:
            self._state = state, state.model_dump(mode="json")
        return self._state[1]

    def of_output(self, key: str, output: Any) -> Any:
        """The form of a stage's output; one from a checkpoint is in it already."""
        if not isinstance(output, Contract):
            return output
        if key not in self._outputs:
            self._outputs[key] = output.model_dump(mode="json")
        return self._outputs[key]


@dataclass(frozen=True)
class Remark:
    """Something that an agent or a person said, put into words when a record wants them."""

    n: int
    stage: str
    author: str
    text: Callable[[], str]
    model_use: ModelUse | None = None

    @cached_property
    def message(self) -> Message:
        return Message(
            n=self.n,
            stage=self.stage,
            author=self.author,
            text=self.text(),
            model_use=self.model_use,
        )

    @classmethod
    def of(cls, message: Message) -> Remark:
        return cls(
            message.n, message.stage, message.author, lambda: message.text, message.model_use
        )


@dataclass(frozen=True)
class Snapshot:
    """What becomes a checkpoint. The run goes on, and what is kept here does not change with it."""

    workflow: Workflow
    run_id: str
    label: str
    version: int
    ordinal: int
    parent: str
    versions: Mapping[str, Any]
    state: Contract
    thread: tuple[Remark, ...]
    outputs: Mapping[str, Any]
    walk: Mapping[str, Any]
    progress: Mapping[str, Any]
    data: Mapping[str, Any]
    forms: PlainForms

    @property
    def name(self) -> str:
        return f"{self.run_id}/{self.label}/{self.version}"

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """Everything that another execution needs to go on from here."""
        finished = {key.split("#")[0] for key in self.outputs}
        return Checkpoint(
            workflow=self.workflow.name,
            workflow_version=self.workflow.version,
            run_id=self.run_id,
            label=self.label,
            version=self.version,
            ordinal=self.ordinal,
            parent=self.parent,
            versions=dict(self.versions),
            state=self.forms.of_state(self.state),
            memory=tuple(remark.message for remark in self.thread),
            outputs={key: self.forms.of_output(key, value) for key, value in self.outputs.items()},
            walk=dict(self.walk),
            progress=dict(self.progress),
            fingerprints={stage: self.workflow.fingerprint(stage) for stage in finished},
            data=dict(self.data),
        )
