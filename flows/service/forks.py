"""Forks: a run that goes on from another run's checkpoint, with some inputs changed.

The desk checks everything before the fork starts: the checkpoint against the map and the contracts
of today, each override against its contract, and each override against the finished stages. A
finished stage keeps its finding, and a reviewer keeps the ruling, so an override that such a stage
reads would have no effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from opentelemetry import propagate, trace
from pydantic import ValidationError

from data.contracts.errors import (
    AlreadyDecidedError,
    AuthorityError,
    CheckpointCorruptError,
    CheckpointNotFoundError,
    ConflictError,
    ContractViolationError,
    Problem,
)
from data.contracts.review import Role
from data.contracts.runs import CheckpointEntry, Lineage, RunOptions, RunStatus
from data.contracts.underwriting import Overrides, Rulebook, Underwriting
from data.settings import FanOutPolicy, Settings
from flows.case import case_on_file, overrides_of, with_overrides
from flows.rulebook import current_rulebook, rulebook_of, with_versions
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.checkpoint import START, Checkpoint
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger import applications, checkpoint_index, decisions, pinned, run_requests
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import promised_traceparent
from flows.runtime.ledger.run_requests import RunRequest
from flows.runtime.ledger.runs import Run
from flows.service.requests import Caller, ResumeRun
from flows.service.submissions import name_in_span
from flows.workflow import WORKFLOW

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
"""The first stage whose finding depends on an override.

Intake reads amount and policy too, to ask for documents or to stop at once. When it did neither,
the stage `policy` applies the same rules again.
"""


async def fork(
    ledger: Ledger,
    settings: Settings,
    parent: Run,
    request: ResumeRun,
    caller: Caller,
    idempotency_key: str | None,
) -> tuple[Run, bool]:
    """Enter a fork in the ledger; True when this call entered it.

    The same idempotency key again is the same run, also after the application was decided. Raises
    AuthorityError when the caller may not let a fork decide, AlreadyDecidedError, and as
    `prepare_fork` does.
    """
    if request.decide and Role.SENIOR_UNDERWRITER not in caller.roles:
        raise AuthorityError("only a senior underwriter may start a fork that decides")
    lineage = await prepare_fork(
        ledger,
        settings,
        parent,
        request.checkpoint,
        request.overrides,
        may_decide=request.decide,
    )
    _link_to(parent)
    options = RunOptions.model_validate(parent.options)
    if policy := lineage.overrides.get("fan_out_policy"):
        options = options.model_copy(update={"fan_out_policy": FanOutPolicy(policy)})
    asked = RunRequest(
        options=options, submitted_by=caller.person, traceparent=promised_traceparent()
    )

    def enter(connection: sa.Connection) -> tuple[Run, bool]:
        run, is_new = run_requests.fork(connection, parent, lineage, asked, idempotency_key or "")
        if is_new and request.decide and decisions.is_decided(connection, parent.application_id):
            raise AlreadyDecidedError(f"application {parent.application_id} has been decided")
        return run, is_new

    run, is_new = await ledger.write(enter)
    name_in_span(run)
    return run, is_new


def _link_to(parent: Run) -> None:
    """Let the trace of the request lead to the trace of the parent."""
    context = propagate.extract({"traceparent": parent.traceparent})
    trace.get_current_span().add_link(trace.get_current_span(context).get_span_context())


async def prepare_fork(
    ledger: Ledger,
    settings: Settings,
    parent: Run,
    checkpoint: str | None,
    overrides: dict[str, Any],
    *,
    may_decide: bool,
) -> Lineage:
    """Check everything that a fork needs, and pin the rulebook that it decides by.

    A fork of a fork keeps the overrides of its parent, unless it changes them again.

    Raises CheckpointNotFoundError for a label that the parent does not have. Raises ConflictError
    while the parent is under way, and when the map has changed under its finished stages. Raises
    ContractViolationError with each override that is invalid or too late, and with `decide` when
    the parent's decision stage is finished.
    """
    if parent.status in {RunStatus.QUEUED, RunStatus.RUNNING}:
        raise ConflictError(f"run {parent.run_id} is still {parent.status.value}: wait for its end")
    given = _overrides(overrides)
    together = _overrides(overrides_of(parent) | given.given)
    saved = None
    if checkpoint is not None and checkpoint != START:
        saved = await load_checkpoint(ledger, settings, parent, checkpoint)
        require_unchanged(saved)
    _require_possible(await ledger.read(applications.filed, parent.application_id), together)
    if saved is None:
        rulebook = await _rulebook_from_start(ledger, settings.data_dir, parent, given, together)
    else:
        rulebook = await _rulebook_from(
            ledger, settings.data_dir, parent, saved, given, may_decide=may_decide
        )
    return Lineage(
        parent_run_id=parent.run_id,
        forked_at=f"{saved.label}/{saved.version}" if saved else START,
        overrides=together.given,
        pinned=await ledger.write(pinned.keep_pinned, rulebook),
        may_decide=may_decide,
    )


async def _rulebook_from_start(
    ledger: Ledger, data_dir: Path, parent: Run, given: Overrides, together: Overrides
) -> Rulebook:
    """The rulebook of a fork that begins at the start.

    A parent whose rulebook cannot be read is no obstacle: the fork then uses today's rulebook,
    with the overrides of the parent too.
    """
    try:
        parents = await pinned_rulebook(ledger, parent)
    except ConflictError:
        return with_versions(current_rulebook(data_dir), together, data_dir)
    return with_versions(parents, given, data_dir)


async def _rulebook_from(
    ledger: Ledger,
    data_dir: Path,
    parent: Run,
    saved: Checkpoint,
    given: Overrides,
    *,
    may_decide: bool,
) -> Rulebook:
    """The rulebook of a fork that begins at a checkpoint.

    Raises ContractViolationError when a finished stage has read what the fork changes already.
    """
    parents = await pinned_rulebook(ledger, parent)
    rulebook = with_versions(parents, given, data_dir)
    readers = _readers(saved, parents, rulebook)
    needed = {f"/overrides/{name}": readers[name] for name in given.given}
    if may_decide:
        needed["/decide"] = "decision"
    _require_in_time(saved, needed, await ledger.read(checkpoint_index.entries, parent.run_id))
    return rulebook


async def require_able_to_go_on(ledger: Ledger, settings: Settings, run: Run) -> None:
    """Refuse to answer or resume a run that could not go on.

    Raises AlreadyDecidedError when another run has decided its application. Raises ConflictError
    with both versions when its checkpoint or its rulebook cannot be used any more, and
    CheckpointSchemaError. A lost checkpoint is no obstacle: the run then starts over.
    """
    if run.lineage is None or run.lineage["may_decide"]:
        await ledger.read(decisions.require_undecided, run)
    if "pinned" in run.versions:
        await pinned_rulebook(ledger, run)
    with suppress(CheckpointNotFoundError, CheckpointCorruptError):
        found = await ledger.read(checkpoint_index.locate, run.run_id)
        if found is not None:
            store = CheckpointStore(settings.checkpoint_storage)
            require_unchanged(await checkpoints.load(store, *found))


async def pinned_rulebook(ledger: Ledger, run: Run) -> Rulebook:
    """The rulebook that a run has pinned. Raises ConflictError when it cannot be read."""
    if "pinned" not in run.versions:
        raise ConflictError(f"run {run.run_id} was never executed: it has pinned no rulebook")
    return await ledger.read(rulebook_of, run.versions["pinned"])


def require_unchanged(saved: Checkpoint) -> None:
    """Refuse a checkpoint with finished stages that have another meaning today.

    Raises ConflictError with both versions of the map. The error advises a fork from an earlier
    checkpoint.
    """
    checkpoints.require_usable(saved, WORKFLOW, Underwriting)


def _overrides(overrides: dict[str, Any]) -> Overrides:
    try:
        return Overrides.model_validate(overrides)
    except ValidationError as error:
        raise _named_in_the_request(ContractViolationError.of("overrides", error)) from None


async def load_checkpoint(
    ledger: Ledger, settings: Settings, parent: Run, checkpoint: str
) -> Checkpoint:
    """A run's checkpoint by label (its last version) or by `label/version`.

    Raises CheckpointNotFoundError with the checkpoints that the run has, or with the reason why
    the checkpoint cannot be read.
    """
    label, slash, version = checkpoint.partition("/")
    is_number = version.isascii() and version.isdecimal() and len(version) < _LONGEST_NUMBER
    number = int(version) if is_number else None
    found = await ledger.read(checkpoint_index.locate, parent.run_id, label, number)
    if found is None or (slash and number is None):
        entries = await ledger.read(checkpoint_index.entries, parent.run_id)
        known = ", ".join(f"{entry.label}/{entry.version}" for entry in entries) or "none"
        raise CheckpointNotFoundError(
            f"run {parent.run_id} has no such checkpoint; it has: {known}"
        )
    store = CheckpointStore(settings.checkpoint_storage)
    return await checkpoints.load(store, *found)


_LONGEST_NUMBER = 10
"""A number with fewer digits fits into an integer column."""


def _require_in_time(
    saved: Checkpoint, needed: Mapping[str, str], entries: list[CheckpointEntry]
) -> None:
    """Refuse changes that come too late: `needed` names the stage that has yet to read each."""
    finished = {key.partition("#")[0] for key in saved.outputs}
    problems = []
    for pointer, stage in needed.items():
        if stage in finished:
            earlier = _last_before(stage, entries)
            message = f"{stage} is finished there: fork from '{earlier}' or before"
            problems.append(Problem(pointer, "too_late", message))
    if problems:
        names = ", ".join(problem.pointer.rpartition("/")[2] for problem in problems)
        where = f"{names} from '{saved.label}/{saved.version}'"
        raise ContractViolationError(f"{where}: {problems[0].message}", problems)


def _readers(saved: Checkpoint, old: Rulebook, new: Rulebook) -> dict[str, str]:
    """The first stage that reads each override, in a run with this checkpoint."""
    intake = Underwriting.model_validate(saved.state).doc_intake
    if intake and (intake.stopped_by or intake.needs_documents):
        return dict.fromkeys(READ_FIRST_IN, "doc_intake")
    if old.policy.affordability != new.policy.affordability:
        return READ_FIRST_IN | {"policy": "risk_ensemble"}
    return READ_FIRST_IN


def _last_before(stage: str, entries: list[CheckpointEntry]) -> str:
    """The last checkpoint of a run before a stage ended for the first time."""
    last = START
    for entry in entries:
        if entry.label == WORKFLOW.checkpoint_of(stage):
            break
        last = f"{entry.label}/{entry.version}"
    return last


def _require_possible(filed: applications.Filed, given: Overrides) -> None:
    """Refuse inputs that do not fit the rest of the application."""
    try:
        with_overrides(case_on_file(filed), given.given)
    except ContractViolationError as error:
        raise _named_in_the_request(error, "/application") from None


def _named_in_the_request(error: ContractViolationError, place: str = "") -> ContractViolationError:
    """The same problems, with pointers into the client's request."""
    problems = [
        Problem(f"/overrides{problem.pointer.removeprefix(place)}", problem.code, problem.message)
        for problem in error.problems
    ]
    return ContractViolationError(error.message, problems)
