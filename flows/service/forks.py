"""What-if: another run's past up to a checkpoint, with one thing changed.

Everything is checked before anything starts: the checkpoint against today's map and contracts,
each override against the contract of what it changes and against what is finished already, for a
saved finding would go on speaking of the old value, and so would the ruling of a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from opentelemetry import propagate, trace
from pydantic import ValidationError

from data.contracts.base import Contract
from data.contracts.errors import (
    AlreadyDecidedError,
    AuthorityError,
    CheckpointCorruptError,
    CheckpointNotFoundError,
    ConflictError,
    ContractViolationError,
    CreditDeskError,
    Problem,
)
from data.contracts.review import Role
from data.contracts.runs import CheckpointEntry, Lineage, RunOptions, RunStatus
from data.contracts.underwriting import Overrides, Rulebook, Underwriting
from data.settings import FanOutPolicy, settings
from flows.case import case_on_file, overrides_of, with_overrides
from flows.rulebook import current_rulebook
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.checkpoint import START, Checkpoint
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger import applications, checkpoint_index, decisions, pinned, run_requests
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.run_requests import RunRequest
from flows.runtime.ledger.runs import Run
from flows.service.requests import Caller, ResumeRun
from flows.service.submissions import traceparent
from flows.workflow import WORKFLOW
from tools.policy import load_policy
from tools.pricing import load_prices
from tools.scorecard import load_scorecard

READ_FIRST_IN = {
    "as_of_date": "doc_intake",
    "fan_out_policy": "verification",
    "amount_requested": "risk_ensemble",
    "term_months": "risk_ensemble",
    "prices": "risk_ensemble",
    "scorecard": "risk_ensemble",
    "challenger": "risk_ensemble",
    "policy": "policy",
}
"""The first stage whose finding rests on what an override changes.

Intake looks at amount and policy too, to ask for papers or to stop at once. Where it did neither,
policy sees to the same rules again.
"""


async def fork(
    ledger: Ledger, parent: Run, request: ResumeRun, caller: Caller, idempotency_key: str | None
) -> tuple[Run, bool]:
    """Enter a run that goes on from another's checkpoint; True when this call entered it.

    The same idempotency key again is the same run. Raises AuthorityError when a caller who may not
    wants the fork to decide, AlreadyDecidedError, and as `prepare_fork` does.
    """
    if request.decide:
        if Role.SENIOR_UNDERWRITER not in caller.roles:
            raise AuthorityError("a fork that decides needs a senior underwriter")
        if await ledger.read(decisions.is_decided, parent.application_id):
            raise AlreadyDecidedError(f"application {parent.application_id} has been decided")
    lineage = await prepare_fork(
        ledger, parent, request.checkpoint, request.overrides, may_decide=request.decide
    )
    _link_to(parent)
    options = RunOptions.model_validate(parent.options)
    if policy := lineage.overrides.get("fan_out_policy"):
        options = options.model_copy(update={"fan_out_policy": FanOutPolicy(policy)})
    asked = RunRequest(options=options, submitted_by=caller.name, traceparent=traceparent())
    key = idempotency_key or ""
    return await ledger.write(run_requests.fork, parent, lineage, asked, key)


def _link_to(parent: Run) -> None:
    """Let the trace of the request lead to the trace of the parent."""
    context = propagate.extract({"traceparent": parent.traceparent})
    trace.get_current_span().add_link(trace.get_current_span(context).get_span_context())


async def prepare_fork(
    ledger: Ledger,
    parent: Run,
    checkpoint: str | None,
    overrides: dict[str, Any],
    *,
    may_decide: bool,
) -> Lineage:
    """Check everything a fork needs, and fix what it decides by.

    A fork of a fork keeps what its parent changed, as far as it is not changed again. One that
    cannot decide by what its parent pinned can begin at the start, by what is in force now.

    Raises CheckpointNotFoundError for a label that the parent does not have, ConflictError
    while the parent is under way or when the map has changed under its finished stages,
    ContractViolationError naming the override that cannot be or, as the wish to decide, comes
    too late.
    """
    if parent.status in {RunStatus.QUEUED, RunStatus.RUNNING}:
        raise ConflictError(f"run {parent.run_id} is still {parent.status.value}: wait for its end")
    given = _overrides(overrides)
    together = _overrides(overrides_of(parent) | given.given)
    saved = None
    if checkpoint is not None and checkpoint != START:
        saved = await load_checkpoint(ledger, parent, checkpoint)
        require_unchanged(saved)
    _require_possible(await ledger.read(applications.filed, parent.application_id), together)
    data_dir = settings().data_dir
    try:
        parents = await pinned_rulebook(ledger, parent)
        rulebook = _rulebook(parents, given, data_dir)
    except ConflictError:
        if saved is not None:
            raise
        rulebook = _rulebook(current_rulebook(data_dir), together, data_dir)
    if saved is not None:
        readers = _readers(saved, parents, rulebook)
        needed = {f"/overrides/{name}": readers[name] for name in given.given}
        if may_decide:
            needed["/decide"] = "decision"
        _require_in_time(saved, needed, await ledger.read(checkpoint_index.entries, parent.run_id))
    return Lineage(
        parent_run_id=parent.run_id,
        forked_at=f"{saved.label}/{saved.version}" if saved else START,
        overrides=together.given,
        pinned=await ledger.write(pinned.keep_pinned, rulebook),
        may_decide=may_decide,
    )


async def require_able_to_go_on(ledger: Ledger, run: Run) -> None:
    """Refuse an answer to a run, or to resume it, when that could come to no good end.

    Raises AlreadyDecidedError when another run has decided its application, ConflictError with
    both versions when what it has done or decides by cannot be gone on from, and
    CheckpointSchemaError. A checkpoint that is lost is no obstacle: then it starts over.
    """
    if run.lineage is None or run.lineage["may_decide"]:
        await ledger.read(decisions.require_undecided, run)
    if "pinned" in run.versions:
        await pinned_rulebook(ledger, run)
    with suppress(CheckpointNotFoundError, CheckpointCorruptError):
        found = await ledger.read(checkpoint_index.locate, run.run_id)
        if found is not None:
            store = CheckpointStore(settings().checkpoint_storage)
            require_unchanged(await checkpoints.load(store, *found))


async def pinned_rulebook(ledger: Ledger, run: Run) -> Rulebook:
    """What a run decides by. Raises ConflictError when it has pinned nothing that can be read."""
    if "pinned" not in run.versions:
        raise ConflictError(f"run {run.run_id} was never executed: nothing is fixed that it did")
    body = await ledger.read(pinned.pinned_body, run.versions["pinned"])
    return pinned.migrate(Rulebook, body)


def require_unchanged(saved: Checkpoint) -> None:
    """Refuse to go on from stages that would no longer mean the same.

    Raises ConflictError with both versions of the map and the way out, a fork from an earlier
    checkpoint.
    """
    checkpoints.require_usable(saved, WORKFLOW, Underwriting)


def _overrides(overrides: dict[str, Any]) -> Overrides:
    try:
        return Overrides.model_validate(overrides)
    except ValidationError as error:
        raise _named_in_the_order(ContractViolationError.of("overrides", error)) from None


async def load_checkpoint(ledger: Ledger, parent: Run, checkpoint: str) -> Checkpoint:
    """A run's checkpoint by label, the last of it, or by `label/version`.

    Raises CheckpointNotFoundError naming those that there are, or what keeps it from being read.
    """
    label, slash, version = checkpoint.partition("/")
    number = int(version) if version.isdecimal() and len(version) < _LONGEST_NUMBER else None
    found = await ledger.read(checkpoint_index.locate, parent.run_id, label, number)
    if found is None or (slash and number is None):
        entries = await ledger.read(checkpoint_index.entries, parent.run_id)
        known = ", ".join(f"{one.label}/{one.version}" for one in entries) or "none"
        raise CheckpointNotFoundError(
            f"run {parent.run_id} has no such checkpoint; it has: {known}"
        )
    store = CheckpointStore(settings().checkpoint_storage)
    return await checkpoints.load(store, *found)


_LONGEST_NUMBER = 10
"""Digits, below which every number fits into a database's integer."""


def _require_in_time(
    saved: Checkpoint, needed: Mapping[str, str], entries: list[CheckpointEntry]
) -> None:
    """Refuse what would change nothing: `needed` says which stage has yet to come for what."""
    finished = {key.partition("#")[0] for key in saved.outputs}
    problems = []
    for pointer, stage in needed.items():
        if stage in finished:
            told = (
                f"{stage} is finished there: fork from '{_last_before(stage, entries)}' or before"
            )
            problems.append(Problem(pointer, "too_late", told))
    if problems:
        names = ", ".join(problem.pointer.rpartition("/")[2] for problem in problems)
        message = f"{names} from '{saved.label}/{saved.version}': {problems[0].message}"
        raise ContractViolationError(message, problems)


def _readers(saved: Checkpoint, old: Rulebook, new: Rulebook) -> dict[str, str]:
    """Which stage reads each override first, in a run that has come this far."""
    intake = Underwriting.model_validate(saved.state).doc_intake
    if intake and (intake.stopped_by or intake.needs_documents):
        return dict.fromkeys(READ_FIRST_IN, "doc_intake")
    if old.policy.affordability != new.policy.affordability:
        return READ_FIRST_IN | {"policy": "risk_ensemble"}
    return READ_FIRST_IN


def _last_before(stage: str, entries: list[CheckpointEntry]) -> str:
    """The last checkpoint of a run before a stage first ended."""
    last = START
    for entry in entries:
        if entry.label == WORKFLOW.checkpoint_of(stage):
            break
        last = f"{entry.label}/{entry.version}"
    return last


def _require_possible(filed: applications.Filed, given: Overrides) -> None:
    """Refuse inputs that do not go with the rest of the application."""
    try:
        with_overrides(case_on_file(filed), given.given)
    except ContractViolationError as error:
        raise _named_in_the_order(error, "/application") from None


def _named_in_the_order(error: ContractViolationError, place: str = "") -> ContractViolationError:
    """The same problems, named as whoever asks has spelled them."""
    problems = [
        Problem(f"/overrides{one.pointer.removeprefix(place)}", one.code, one.message)
        for one in error.problems
    ]
    return ContractViolationError(error.message, problems)


def _rulebook(pinned: Rulebook, given: Overrides, data_dir: Path) -> Rulebook:
    """The parent's rulebook with other versions in place of some of its parts."""
    loaders: dict[str, Callable[[str], Contract]] = {
        "policy": lambda name: load_policy(data_dir, name),
        "prices": lambda name: load_prices(data_dir, name),
        "scorecard": lambda name: load_scorecard(data_dir / "models" / f"{name}.json"),
        "challenger": lambda name: load_scorecard(data_dir / "models" / f"{name}.json"),
    }
    parts: dict[str, Any] = {}
    for part, load in loaders.items():
        name = getattr(given, part)
        if name is not None:
            try:
                parts[part] = load(name)
            except CreditDeskError as error:
                problem = Problem(f"/overrides/{part}", error.code, error.message)
                raise ContractViolationError(f"{part}: {error.message}", [problem]) from None
    return pinned.model_copy(update=parts)
