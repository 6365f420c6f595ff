"""Submitting an application: from what a client sends to a run in the ledger."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa
from opentelemetry import trace

from data import traces
from data.contracts.base import canonical_json
from data.contracts.case import CaseFile
from data.contracts.errors import (
    AlreadyDecidedError,
    ConflictError,
    ContractViolationError,
    Problem,
    RecordNotFoundError,
)
from data.settings import Settings
from flows.parties import PartyDigests
from flows.rulebook import rulebook_in_force
from flows.runtime.host.promised_spans import promise
from flows.runtime.ledger import applications, bundles, decisions, parties, run_requests
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import promised_traceparent
from flows.runtime.ledger.parties import Party
from flows.runtime.ledger.run_requests import RunRequest
from flows.runtime.ledger.runs import Run
from flows.service.requests import Caller, StartRun
from tools.case_files import load_case
from tools.personal_data_filter import require_no_personal_data


async def submit(
    ledger: Ledger, settings: Settings, request: StartRun, caller: Caller
) -> tuple[Run, bool]:
    """Put an application into the vault and enter its run; True when this call entered it.

    The same application with the same content and options is the same run. Raises ConflictError
    when something else is filed under its id, RecordNotFoundError or RecordCorruptError for an
    application that is not on file, ContractViolationError for an id that repeats personal data of
    the application, and UnavailableError when the secret for its people cannot be read.
    """
    options = request.options.run_options
    if options.bundle is not None:
        bundle = await ledger.read(_named, settings.data_dir, options.bundle)
        options = options.model_copy(update={"bundle": bundle})
    case = await _case(ledger, settings.data_dir, request)
    application_id = case.application.application_id
    asked = RunRequest(
        options=options, submitted_by=caller.person, traceparent=promised_traceparent()
    )

    digest, body, people = await asyncio.to_thread(_prepared, case, settings.parties_secret)

    def enter(connection: sa.Connection) -> tuple[Run, bool]:
        require_not_decided_by_batch(connection, application_id)
        run, is_new = run_requests.submit(connection, application_id, digest, body, asked)
        if is_new:
            parties.enter(connection, people)
        return run, is_new

    run, is_new = await ledger.write(enter)
    name_in_span(run)
    if dict(run.options) != options.model_dump(mode="json"):
        raise ConflictError(
            f"{application_id} is underwritten with other options: submit it under another id"
        )
    return run, is_new


def _prepared(case: CaseFile, secret_file: Path) -> tuple[str, bytes, list[Party]]:
    """Digest, content and people of a case, before the ledger is locked for them."""
    people = PartyDigests.of_desk(secret_file).parties(case.application)
    return case.inputs_sha256(), canonical_json(case), list(people)


def require_not_decided_by_batch(connection: sa.Connection, application_id: str) -> None:
    """Raise AlreadyDecidedError for an application that a batch has decided without a run."""
    decider = decisions.deciders(connection, [application_id]).get(application_id)
    if decider is not None and decider.batch_id:
        raise AlreadyDecidedError(
            f"application {application_id} has been decided by {decider.name}: submit it under"
            " another id to underwrite it once more"
        )


def name_in_span(run: Run) -> None:
    """Let the span of the request that began a run name the run."""
    span = trace.get_current_span()
    span.set_attribute(traces.CONVERSATION_ID, run.run_id)
    promise(span)


def _named(connection: sa.Connection, data_dir: Path, bundle: str) -> str | None:
    """The bundle that a request names; None for what is in force, by the version of its policy.

    A run for another bundle is refused, and not decided by what is in force.
    """
    with suppress(RecordNotFoundError):
        return bundles.find(connection, bundle).name
    in_force = rulebook_in_force(connection, data_dir, None).policy.version
    if bundle != in_force:
        problem = Problem("/options/bundle", "unknown_bundle", f"in force is {in_force}")
        raise ContractViolationError("there is no decision bundle of that version", [problem])
    return None


async def _case(ledger: Ledger, data_dir: Path, request: StartRun) -> CaseFile:
    case = request.application
    if case is None:
        assert request.application_id is not None
        case = await _on_file(ledger, data_dir, request.application_id)
    if request.chosen_ids:
        await asyncio.to_thread(require_no_personal_data, case, request.chosen_ids)
    return case.renamed(request.options.as_) if request.options.as_ else case


async def _on_file(ledger: Ledger, data_dir: Path, application_id: str) -> CaseFile:
    """From the vault if it was accepted before, else from the data folder."""
    try:
        filed = await ledger.read(applications.filed, application_id)
    except RecordNotFoundError:
        return await asyncio.to_thread(load_case, data_dir, application_id)
    return CaseFile.model_validate_json(filed.body)
