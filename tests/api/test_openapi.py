"""The OpenAPI page: every operation typed, every reference resolved, every example valid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from api import examples
from api import openapi as pages
from api.app import create_app
from api.schemas import ApplicantView, ApplicationView, AuditPack, DecisionRecord, RunDecision
from data.contracts.application import Applicant, Application
from data.contracts.base import Contract
from data.contracts.decision import DecisionContent
from data.contracts.personal import masked, personal_fields
from data.settings import Settings
from flows.agent_registry import AgentRegistry
from flows.rulebook import current_rulebook
from flows.service.requests import StartRun
from flows.workflow import WORKFLOW
from tests.api.desks import FakeDesk
from tools.case_files import load_persona

PERSONAS = sorted(
    file.stem
    for file in (Settings().data_dir / "synthetic").glob("*.json")
    if file.stem != "cora-corrupt"
)
DRAWN = {"/workflow/graph.{form}"}
"""Answers pictures."""
TEXTS = {"text/plain", "text/html", "application/openmetrics-text"}
PROBLEM = {"$ref": "#/components/schemas/ProblemDetails"}


def openapi() -> dict[str, Any]:
    return create_app(Settings(home=Path("unused"))).openapi()


PAGE = openapi()
SCHEMAS: dict[str, Any] = PAGE["components"]["schemas"]
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, methods in PAGE["paths"].items()
    for method, operation in methods.items()
}


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object inside a value."""
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from parts(part)
    elif isinstance(value, list):
        for part in value:
            yield from parts(part)


def contracts(base: type[BaseModel] = Contract) -> Iterator[type[BaseModel]]:
    for contract in base.__subclasses__():
        yield contract
        yield from contracts(contract)


def contract_of(schema_name: str) -> type[BaseModel]:
    name = schema_name.removesuffix("-Input").removesuffix("-Output")
    return next(contract for contract in contracts() if contract.__name__ == name)


def test_a_page_that_could_not_be_completed_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_page: dict[str, Any]) -> None:
        raise KeyError("schemas")

    app = create_app(Settings())
    monkeypatch.setattr(pages, "_complete_page", fail)
    with pytest.raises(KeyError):
        app.openapi()
    monkeypatch.undo()

    assert "securitySchemes" in app.openapi()["components"]
    assert app.openapi() is app.openapi()


async def test_the_page_is_served(client: httpx.AsyncClient) -> None:
    assert (await client.get("/openapi.json")).json()["paths"].keys() == PAGE["paths"].keys()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_has_a_typed_success(operation: str) -> None:
    responses = OPERATIONS[operation]["responses"]
    successes = {status: answer for status, answer in responses.items() if status < "300"}
    assert successes

    for status, answer in successes.items():
        if status == "204":
            assert "content" not in answer
            continue
        assert answer["content"], operation
        for media_type, content in answer["content"].items():
            if operation.partition(" ")[2] in DRAWN:
                continue
            schema = content["schema"]
            typed = schema.get("$ref") or schema.get("items", {}).get("$ref")
            assert typed or media_type in TEXTS, (operation, media_type, schema)


def test_every_reference_resolves() -> None:
    references = {part["$ref"] for part in parts(PAGE) if isinstance(part.get("$ref"), str)}

    assert references
    for reference in references:
        assert reference.removeprefix("#/components/schemas/") in SCHEMAS, reference


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_error_is_a_problem_and_names_its_headers(operation: str) -> None:
    expected = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}
    for status, answer in OPERATIONS[operation]["responses"].items():
        if status >= "400" and "Readiness" not in str(answer):
            assert answer["content"] == {"application/problem+json": {"schema": PROBLEM}}
        if status in expected:
            assert expected[status] in answer["headers"], (operation, status)


@pytest.mark.parametrize(
    ("operation", "status", "name"),
    [
        ("POST /runs", "200", "Location"),
        ("POST /runs", "202", "Location"),
        ("POST /runs/{run_id}/resume", "202", "Location"),
        ("GET /runs/{run_id}/hitl", "200", "ETag"),
    ],
)
def test_headers_are_declared_where_they_are_sent(operation: str, status: str, name: str) -> None:
    assert name in OPERATIONS[operation]["responses"][status]["headers"]


@pytest.mark.parametrize(
    ("operation", "place", "name"),
    [
        ("GET /runs/{run_id}/events", "header", "Last-Event-ID"),
        ("GET /runs/{run_id}/events", "query", "after"),
        ("GET /runs/{run_id}/events", "query", "ticket"),
        ("POST /runs/{run_id}/hitl", "header", "If-Match"),
        ("POST /runs/{run_id}/hitl", "header", "Idempotency-Key"),
        ("POST /runs/{run_id}/resume", "header", "Idempotency-Key"),
    ],
)
def test_headers_are_declared_where_they_are_read(operation: str, place: str, name: str) -> None:
    found = {
        (parameter["in"], parameter["name"].lower())
        for parameter in OPERATIONS[operation]["parameters"]
    }

    assert (place, name.lower()) in found


def test_every_example_of_a_schema_is_valid() -> None:
    with_examples = {
        name: schema["examples"] for name, schema in SCHEMAS.items() if "examples" in schema
    }

    assert set(examples.OF_SCHEMAS) | {"StartRun", "ProblemDetails"} <= set(with_examples)
    for name, given in with_examples.items():
        for example in given:
            contract_of(name).model_validate(example)


def test_every_example_of_a_body_is_valid() -> None:
    body = OPERATIONS["POST /runs"]["requestBody"]["content"]["application/json"]

    assert set(body["examples"]) == {"on file", "copy", "application", "bundle"}
    for example in body["examples"].values():
        StartRun.model_validate(example["value"])


def test_the_examples_name_the_versions_that_are_shipped() -> None:
    data_dir = Settings().data_dir
    agents = AgentRegistry.with_rulebook(current_rulebook(data_dir), data_dir)
    shipped = agents.versions(WORKFLOW.version, None).model_dump(exclude={"watchlist", "code"})

    named = examples.OF_SCHEMAS["DecisionRecord"]["content"]["versions"]
    assert shipped.items() <= named.items()
    assert examples.OF_SCHEMAS["RunSummary"]["versions"].items() <= named.items()


def test_the_example_of_a_decision_carries_its_own_digest() -> None:
    record = DecisionRecord.model_validate(examples.OF_SCHEMAS["DecisionRecord"])

    assert record.content.content_sha256 == record.content_sha256


def test_the_forms_of_an_application_are_components() -> None:
    forms = SCHEMAS["StartRun"]["properties"]["application"]["anyOf"]

    names = [form["$ref"].rpartition("/")[2] for form in forms if "$ref" in form]
    assert [name.partition("-")[0] for name in names] == ["Application", "CaseFile", "Persona"]
    assert all(SCHEMAS[name]["properties"] for name in names)


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("GET /runs/{run_id}", "RunSummary"),
        ("GET /runs/{run_id}/decision", "DecisionRecord"),
        ("GET /applications/{application_id}", "ApplicationView"),
        ("GET /runs/{run_id}/audit", "AuditPack"),
    ],
)
def test_records_are_typed(operation: str, name: str) -> None:
    content = OPERATIONS[operation]["responses"]["200"]["content"]

    assert content == {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def test_a_run_summary_describes_its_decision() -> None:
    described = SCHEMAS["RunSummary"]["properties"]["decision"]

    assert {"$ref": "#/components/schemas/RunDecision"} in described["anyOf"]
    RunDecision.model_validate({"recommendation": "refer"})


def test_a_stream_is_described_by_its_event() -> None:
    content = OPERATIONS["GET /runs/{run_id}/events"]["responses"]["200"]["content"]

    assert content == {"text/event-stream": {"schema": {"$ref": "#/components/schemas/Event"}}}
    assert "HTTPValidationError" not in SCHEMAS


def test_a_view_has_every_field_and_masked_ones_are_strings() -> None:
    for view, contract in ((ApplicationView, Application), (ApplicantView, Applicant)):
        assert list(view.model_fields) == list(contract.model_fields)
        for name in personal_fields(contract):
            assert view.model_fields[name].annotation in {str, str | None}, name


@pytest.mark.parametrize("persona", PERSONAS)
async def test_an_application_fits_its_view_and_keeps_its_bytes(
    client: httpx.AsyncClient, desk: FakeDesk, persona: str
) -> None:
    answer = await client.get(f"/applications/{persona}")

    plain = masked(load_persona(Settings().data_dir, persona).application)
    assert answer.json() == plain
    assert ApplicationView.model_validate(plain).model_dump(mode="json") == plain


def test_the_content_of_a_decision_record_is_the_decision_s() -> None:
    assert DecisionRecord.model_fields["content"].annotation is DecisionContent


def test_an_audit_pack_is_described_section_by_section() -> None:
    sections = {"run", "journal", "checkpoints", "memory", "findings", "reviews", "decision"}

    assert sections | {"digests", "signature"} <= set(AuditPack.model_fields)
