"""The run under way, as stages and the root flow see it.

`open_run` puts it into a ContextVar, which Prefect's subflows and tasks inherit, so that flow
parameters stay plain data. Agents and tools never see it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from opentelemetry import trace

from data.contracts.base import Contract
from data.contracts.errors import InvalidTransitionError, ReviewTimeoutError, WorkflowError
from data.contracts.events import EventType
from data.contracts.review import Channel, ReviewRequest
from data.contracts.runs import Message
from data.contracts.wording import ModelUse
from data.settings import FanOutPolicy
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.execution.executor import Executor
from flows.runtime.execution.gate_form import Answered, F
from flows.runtime.execution.gatekeeper import Gatekeeper, resolved_key
from flows.runtime.execution.model_budget import ModelBudget, Spending
from flows.runtime.execution.recorder import Entry, Record
from flows.runtime.execution.snapshot import PlainForms, Remark, Snapshot
from flows.runtime.graph.progress import Progress
from flows.runtime.graph.walk import Walk
from flows.runtime.graph.workflow import Kind, Node, Workflow
from flows.runtime.ledger.journal import Draft
from flows.runtime.ledger.json_patch import json_patch, summarize_patch
from tools.spans import current_span

S = TypeVar("S", bound=Contract)

_tracer = trace.get_tracer("credit_desk.runtime")
_current: ContextVar[RunContext[Any]] = ContextVar("run")


@dataclass(frozen=True)
class AgentPolicy:
    """How agents are waited for, and what a fan-out does about one that fails."""

    fan_out: FanOutPolicy = FanOutPolicy.BEST_EFFORT
    quorum: int = 2
    timeout_seconds: float = 30.0
    retries: int = 2
    backoff_seconds: float = 0.2
    model_budget: ModelBudget = field(default_factory=ModelBudget)


class RunContext(Generic[S]):
    """One execution of one run: where it stands and what it has said so far."""

    def __init__(
        self,
        workflow: Workflow,
        run_id: str,
        initial: S,
        *,
        record: Record,
        executor: Executor,
        gatekeeper: Gatekeeper,
        agent_policy: AgentPolicy,
        versions: Mapping[str, Any] | None = None,
    ) -> None:
        self.workflow = workflow
        self.run_id = run_id
        self.record = record
        self.executor = executor
        self.gatekeeper = gatekeeper
        self.agent_policy = agent_policy
        self.versions = dict(versions or {})
        self.state: S = initial
        self.thread: list[Remark] = []
        self.spending = Spending(agent_policy.model_budget)
        self.texts: dict[str, str] = {}
        """What chat models have written in this execution, by agent."""
        self.walk = Walk(workflow)
        self.progress = Progress(workflow)
        self.outputs: dict[str, Any] = {}
        """Each finished stage's output by `<stage>#<visit>`: a contract, or its JSON form from a
        checkpoint."""
        self.phase = ""
        self._ordinal = 0
        self._parent = ""
        self._labels: Counter[str] = Counter()
        self._visits: Counter[str] = Counter()
        self._said: Counter[str] = Counter()
        self._remembered: dict[str, int] = {}
        self._unsaved: list[Remark] = []
        self._forms = PlainForms()

    # -- what stages and the root flow use ------------------------------------------------

    async def emit(
        self,
        type: EventType,
        message: str,
        payload: Mapping[str, Any] | None = None,
        *,
        key: str = "",
    ) -> None:
        """Tell the journal, and through it everybody who follows.

        The event keeps its number when the run is executed again: `key` names it, by default
        its type and its place in the order in which this stage said such things.
        """
        await self.record.write(Entry(lambda: [self.draft(type, message, payload, key=key)]))

    async def update(self, **fields: Any) -> None:
        """Change the typed state: all fields or none, told as one event with what changed."""
        before, self.state = self.state, self._with(fields)

        def tell() -> list[Draft]:
            return [self._changed(before, ", ".join(fields))]

        await self.record.write(Entry(tell, change=lambda: {"state": self._plain_state()}))

    @property
    def memory(self) -> list[Message]:
        """The run's thread: what agents and people have said so far."""
        return [remark.message for remark in self.thread]

    def remember(
        self, author: str, text: str | Callable[[], str], model_use: ModelUse | None = None
    ) -> None:
        """Add to the run's thread; it is saved when the stage ends."""
        words = text if callable(text) else lambda: text
        remark = Remark(len(self.thread) + 1, self.phase, author, words, model_use)
        self.thread.append(remark)
        self._unsaved.append(remark)

    async def keep_restricted(self, name: str, document: dict[str, Any]) -> None:
        """Keep what not everybody may read beside the run: never in its state or checkpoints.

        An execution that comes here again replaces the document.
        """
        await self.record.write(Entry(restricted={name: document}))

    async def save_checkpoint(self, label: str, data: Mapping[str, Any] | None = None) -> str:
        """Save everything under a name, outside the ones every stage gets. Returns its name."""
        self._labels[label] += 1
        snapshot = self._stand(label, self._labels[label], data)
        with current_span(_tracer, f"checkpoint {label}"):
            await self.record.write(self._entry(lambda: [self._saved_draft(snapshot)], snapshot))
        self._advance(snapshot)
        return snapshot.name

    async def request_hitl(self, gate: str, form: type[F], request: ReviewRequest) -> Answered[F]:
        """Ask a person and go on with the answer, however many days and restarts later.

        Call it from the root flow or from a stage that is made of gates: only there can the
        run be put to sleep.
        """
        if form.gate != gate:
            raise WorkflowError(f"the form {form.__name__} belongs to '{form.gate}', not '{gate}'")
        visit = self._visit_of(gate)
        replayed = visit <= self._remembered.get(gate, 0)
        if not replayed:
            await self.enter(gate)
            await self.executor.tag(f"gate:{gate}", *request.tags)
        waiting = self.draft(
            EventType.WAITING, request.title, {"gate": gate}, key=f"waiting/{gate}/{visit}"
        )
        try:
            answered = await self.gatekeeper.pass_through(form, visit, request, waiting)
        except ReviewTimeoutError as late:
            if not replayed:
                await self._resolve(gate, visit, late)
            raise
        if not replayed:
            await self._resolve(gate, visit, answered)
        return answered

    # -- what the kit's other rooms use ---------------------------------------------------

    def restore(self, checkpoint: Checkpoint, *, shared: bool = False) -> None:
        """Go on from a checkpoint: of this run, or (`shared`) of the run it was forked from."""
        self.state = type(self.state).model_validate(checkpoint.state)
        self.thread = [Remark.of(message) for message in checkpoint.memory]
        for message in () if shared else checkpoint.memory:
            if message.model_use is not None:
                self.spending.book(message.stage, message.model_use)
        self.outputs = dict(checkpoint.outputs)
        self.versions = dict(checkpoint.versions) | self.versions
        self.walk = Walk.from_dict(self.workflow, checkpoint.walk)
        self.progress = Progress.from_dict(self.workflow, checkpoint.progress)
        self._remembered = self.walk.visits
        self._parent = checkpoint.name
        self._ordinal = 0 if shared else checkpoint.ordinal

    def start_over(self, after: int) -> None:
        """Go on from nothing; what is saved now is newer than the `after` checkpoints so far."""
        self._ordinal = after

    def count_visit(self, name: str) -> int:
        """How many times this execution has come to a stage or gate, this time included."""
        self._visits[name] += 1
        return self._visits[name]

    async def enter(self, node_id: str) -> None:
        """Move to a node of the map, and credit what can no longer be reached.

        Raises InvalidTransitionError when no edge leads there that is true on the state.
        """
        self.walk.enter(node_id, self.state)
        stages: dict[str, list[Node]] = {}
        for node in self.walk.passed_over(node_id):
            stages.setdefault(node.stage, []).append(node)
        drafts = []
        for stage, nodes in stages.items():
            news = [node for node in nodes if node.id not in self.progress]
            for node in news:
                self.progress.skip(node.id)
            if news and not any(node.id in self.walk.visits for node in self._stage(stage)):
                drafts.append(self.skipped(stage))
        if drafts:
            await self.record.write(Entry(lambda: drafts))

    def skipped(self, stage: str) -> Draft:
        """The event that the run does not come to a stage any more."""
        message = f"Skipped {stage.replace('_', ' ')}"
        return self.draft(EventType.STAGE_SKIPPED, message, key=f"skipped/{stage}", phase=stage)

    @property
    def current_visit(self) -> int:
        """Which time this execution is in the stage under way."""
        return self._visits[self.phase]

    def draft(
        self,
        type: EventType,
        message: str,
        payload: Mapping[str, Any] | None = None,
        *,
        key: str = "",
        phase: str | None = None,
    ) -> Draft:
        """An event as it would be told now; it becomes one when its transaction commits."""
        phase = self.phase if phase is None else phase
        if not key:
            place = f"{phase}#{self._visits[phase]}/{type}"
            self._said[place] += 1
            key = f"{place}/{self._said[place]}"
        return Draft(
            key=key,
            type=type,
            phase=phase,
            message=message,
            progress=self.progress.overall,
            step_progress=self.progress.step(phase) if phase else 0.0,
            meta=dict(payload or {}),
        )

    async def finish_stage(
        self, stage: str, visit: int, output: Contract, label: str, seconds: float
    ) -> None:
        """End a stage in one transaction: state, memory, checkpoint, and the news of them."""
        before, self.state = self.state, self._with({stage: output})
        self.outputs[f"{stage}#{visit}"] = output
        for node in self._stage(stage):
            if node.id in self.walk.visits:
                self.progress.finish(node.id)
        snapshot = None
        if label:
            self._labels[label] = visit
            snapshot = self._stand(label, visit)

        def tell() -> list[Draft]:
            spoken = stage.replace("_", " ")
            known = f"{spoken.capitalize()} is known"
            return [
                self._changed(before, known, key=f"state/{stage}/{visit}"),
                *([self._saved_draft(snapshot)] if snapshot else []),
                self.draft(
                    EventType.STAGE_COMPLETED,
                    f"Completed {spoken}",
                    {"seconds": round(seconds, 6)},
                    key=f"completed/{stage}/{visit}",
                ),
            ]

        await self.record.write(self._entry(tell, snapshot))
        if snapshot is not None:
            self._advance(snapshot)

    def _stand(self, label: str, version: int, data: Mapping[str, Any] | None = None) -> Snapshot:
        return Snapshot(
            workflow=self.workflow,
            run_id=self.run_id,
            label=label,
            version=version,
            ordinal=self._ordinal + 1,
            parent=self._parent,
            versions=self.versions,
            state=self.state,
            thread=tuple(self.thread),
            outputs=dict(self.outputs),
            walk=self.walk.as_dict(),
            progress=self.progress.as_dict(),
            data=dict(data or {}),
            forms=self._forms,
        )

    def _changed(self, before: S, message: str, *, key: str = "") -> Draft:
        """The event that the state has changed since `before`."""
        patch = json_patch(self._forms.of_state(before), self._plain_state())
        changed = {"changed": summarize_patch(patch)}
        return self.draft(EventType.STATE_UPDATED, message, changed, key=key)

    def _entry(self, tell: Callable[[], list[Draft]], snapshot: Snapshot | None) -> Entry:
        unsaved, self._unsaved = self._unsaved, []
        return Entry(
            tell,
            snapshot=snapshot,
            remarks=unsaved,
            change=lambda: {"state": self._plain_state(), "phase": self.phase},
        )

    def _advance(self, snapshot: Snapshot) -> None:
        self._ordinal = snapshot.ordinal
        self._parent = snapshot.name

    def _saved_draft(self, snapshot: Snapshot) -> Draft:
        name = f"{snapshot.label}/{snapshot.version}"
        return self.draft(
            EventType.CHECKPOINT_SAVED,
            f"Checkpoint {name}",
            {"label": snapshot.label, "version": snapshot.version},
            key=f"checkpoint/{name}",
        )

    async def _resolve(
        self, gate: str, visit: int, answered: Answered[Any] | ReviewTimeoutError
    ) -> None:
        """Tell how a request ended: who answered it, or what the system declared."""
        self.progress.finish(gate)
        meta: dict[str, Any] = {
            "gate": gate,
            "waited_seconds": round(answered.waited_seconds, 3),
        }
        if isinstance(answered, ReviewTimeoutError):
            author, decision = "system", "expired"
            meta |= {"channel": Channel.SYSTEM.value, "declared": answered.declared.value}
        else:
            author = answered.by.roles[0].value
            decision = getattr(answered.form, "decision", "answered")
            meta |= {
                "channel": answered.by.channel.value,
                "proven": answered.by.proven,
                "reviewer": answered.by.reviewer,
                "role": author,
                "changed": dict(answered.changed),
            }
        meta["decision"] = decision
        self.remember(author, f"{gate}: {decision}")
        resolved = self.draft(
            EventType.HITL_RESOLVED,
            f"{gate.replace('_', ' ').capitalize()}: {decision}",
            meta,
            key=resolved_key(gate, visit),
        )
        await self.record.write(Entry(lambda: [resolved], change=lambda: {"status": "running"}))

    def _visit_of(self, gate: str) -> int:
        """Which time this gate asks.

        Inside a stage that is made of gates it asks once in each of the stage's visits. A count
        of its own would fall behind there: a saved stage is not executed again.
        """
        stage = self.workflow.node(gate).stage
        within = self._visits[stage] and all(n.kind is Kind.HITL for n in self._stage(stage))
        return self._visits[stage] if within else self.count_visit(gate)

    def _stage(self, stage: str) -> tuple[Node, ...]:
        return self.workflow.nodes_of(stage)

    def _with(self, fields: Mapping[str, Any]) -> S:
        unknown = set(fields) - set(type(self.state).model_fields)
        if unknown:
            raise InvalidTransitionError(
                f"the run's state has no field {', '.join(sorted(unknown))}"
            )
        return self.state.model_copy(update=dict(fields))

    def _plain_state(self) -> dict[str, Any]:
        return self._forms.of_state(self.state)


def current_run() -> RunContext[Any]:
    """The run this code is executed for. Raises WorkflowError outside of one."""
    try:
        return _current.get()
    except LookupError:
        raise WorkflowError("this is not executed as part of a run") from None


@contextmanager
def in_run(run: RunContext[Any]) -> Iterator[None]:
    """Make a run the current one inside the block."""
    token = _current.set(run)
    try:
        yield
    finally:
        _current.reset(token)
