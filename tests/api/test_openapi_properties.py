"""Every operation answers what its page says it may answer, whatever a client sends.

Schemathesis makes the requests from the OpenAPI page: valid ones, and ones that break the page's
rules. They meet the real application with the real service on a real ledger. Prefect is not there.
"""

from __future__ import annotations

import asyncio
import shutil
import tarfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import hypothesis
import pytest
import schemathesis
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from prefect.client.orchestration import PrefectClient
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.python.asgi import ASGIClient, get_client, shutdown_lifespans
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app
from api.security.auth import PERMISSIONS
from data.contracts.batch import BatchLine, BatchTotals, LineStatus, RejectedLine
from data.contracts.review import Person, Review
from data.settings import Settings, settings
from flows.runtime.ledger import batch_driver, batch_ends, batches, chunks
from flows.runtime.ledger.batches import batch_id_of
from flows.runtime.ledger.chunks import FinishedChunk
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.runs import Run
from flows.service.desk import DeskService

PAGE = schemathesis.openapi.from_dict(create_app(Settings(home=Path("unused"))).openapi())
OPERATIONS = [found.ok() for found in PAGE.get_all_operations() if isinstance(found, Ok)]
LEDGER = Path(__file__).parents[1] / "flows" / "desk_folder_of_cb69e8f.tar.xz"
"""A desk's ledger with three decided runs and two that wait: for an underwriter, for documents."""

DECIDED = ["42b45474-fd04-49ed-ae90-c47d7a3056ed", "e1938b08-1037-413e-9832-cf0319a22901"]
WAITING = ["8c037541-979e-454e-a390-d7e9c3d08ad2", "666535fc-356d-4d63-8332-f283b0b617b5"]
CHECKPOINTS = ["intake", "verification", "decision"]
KNOWN: dict[str, list[str]] = {
    "run_id": DECIDED + WAITING,
    "batch_id": [batch_id_of("a" * 64, {})],
    "other": DECIDED,
    "application_id": ["ada-prime", "bora-borderline", "connie-counter"],
    "label": CHECKPOINTS,
    "version": ["1"],
    "from": CHECKPOINTS,
    "to": CHECKPOINTS,
    "checkpoint": CHECKPOINTS,
}
"""Values of parameters that the ledger knows. A made-up value never is one."""

CHECKED = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def enter_batch(connection: sa.Connection) -> None:
    """A batch that has ended, with a line and a reject."""
    batch, _ = batches.register(
        connection,
        "a" * 64,
        {},
        path="/inbox/p.jsonl",
        file_name="p.jsonl",
        is_copy=False,
        submitted_by=Person(name="Ola"),
    )
    batch_driver.begin(connection, batch.batch_id, "", 0)
    line = BatchLine(line=1, application_id="ada-prime", status=LineStatus.DECIDED)
    reject = RejectedLine(line=2, field="", code="malformed_json", message="not JSON")
    chunk = FinishedChunk(
        number=0,
        rows=2,
        lines=[line.model_dump_json().encode()],
        rejects=[reject.model_dump_json().encode()],
        restricted=[],
        totals=BatchTotals(rows=2, rejected=1).model_dump(mode="json"),
        claims=[],
        referrals=[],
        chain="c" * 64,
        decided_at="2026-11-22T08:23:14.123000Z",
    )
    chunks.finish(connection, batch.batch_id, chunk)
    batch_ends.complete(connection, batch.batch_id, "Batch completed", {})


class DeskWithoutPrefect(DeskService):
    """The service as it is, except that it tells Prefect nothing and hears nothing from it."""

    async def _launch(self, run: Run) -> None:
        pass

    async def _tell(self, call: Coroutine[Any, Any, None]) -> None:
        call.close()

    async def _wake(self, review: Review) -> None:
        pass

    async def is_ready(self) -> dict[str, bool]:
        return {"ledger": await self._ledger_answers()}

    async def _workers_heard_of(self) -> set[str]:
        return set()

    async def wakeups(self) -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield ""


@pytest.fixture(scope="session")
def filled_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the ledger, with the tables of today."""
    folder = tmp_path_factory.mktemp("filled")
    with tarfile.open(LEDGER) as archive:
        archive.extract("ledger.db", folder, filter="data")
    with Ledger(f"sqlite:///{folder / 'ledger.db'}") as opened:
        opened.migrate()
        with opened.writing() as connection:
            enter_batch(connection)
    return folder / "ledger.db"


@pytest.fixture
def filled_home(filled_ledger: Path, tmp_path: Path) -> None:
    """Where `settings_ledger` will open its ledger, with the filled one, of this test alone."""
    home = tmp_path / "desk"
    home.mkdir(mode=0o700)
    shutil.copy(filled_ledger, home / "ledger.db")


@pytest.fixture
def http(filled_home: None, settings_ledger: Ledger) -> Iterator[ASGIClient]:
    """A client of the application while it is up."""

    @asynccontextmanager
    async def open_desk(chosen: Settings) -> AsyncIterator[DeskService]:
        yield DeskWithoutPrefect(chosen, settings_ledger, cast(PrefectClient, None))

    with get_client(cast(Any, create_app(settings(), open_desk))) as client:
        yield client
    shutdown_lifespans()


def requests_of(operation: APIOperation[Any, Any, Any, Any]) -> st.SearchStrategy[Case[Any]]:
    """The examples of an operation, valid requests and invalid ones."""
    return st.one_of(
        *operation.get_strategies_from_examples(),
        operation.as_strategy(GenerationMode.POSITIVE),
        operation.as_strategy(GenerationMode.NEGATIVE),
    ).flatmap(about_known)


@st.composite
def about_known(draw: st.DrawFn, case: Case[Any]) -> Case[Any]:
    """The request, in most cases about something that the ledger knows."""
    for parameters in (case.path_parameters, case.query):
        for name in sorted(parameters.keys() & KNOWN.keys()):
            parameters[name] = draw(st.sampled_from([*KNOWN[name], parameters[name]]))
    return case


def test_every_operation_of_the_page_is_tried() -> None:
    probes = {("GET", "/health/live"), ("GET", "/health/ready")}
    sign_in = {(method, "/session") for method in ("GET", "POST", "DELETE")}
    own_protocol = {("POST", "/mcp")}  # its messages describe themselves

    found = {(operation.method.upper(), operation.path) for operation in OPERATIONS}
    assert found == (probes | sign_in | set(PERMISSIONS)) - own_protocol


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_an_operation_answers_only_what_its_page_says(
    operation: APIOperation[Any, Any, Any, Any], http: ASGIClient, soak: bool
) -> None:
    is_stream = operation.path.endswith("/events")
    # The page gives the schema of one frame or line, because OpenAPI 3.1 has none for many.
    has_parts = is_stream or operation.path.endswith(("/decisions", "/rejects"))
    checks = [check for check in CHECKED if not has_parts or check != response_schema_conformance]

    @hypothesis.settings(
        max_examples=500 if soak else 10,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=requests_of(operation))
    def conforms(case: Case[Any]) -> None:
        if is_stream:
            # The stream of a waiting run stays open. A decided run's stream ends by itself.
            hypothesis.assume(case.path_parameters.get("run_id") not in WAITING)
        answer = case.call(session=http, base_url="http://localhost")
        case.validate_response(answer, checks=checks)

    conforms()
