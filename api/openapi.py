"""The OpenAPI page: FastAPI's page, with what FastAPI cannot know."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import JsonSchemaMode

from api import examples
from api.problems import MEDIA_TYPE, answers
from api.schemas import RunDecision
from api.security.auth import OPEN, SIGN_IN
from data.contracts.base import Contract
from data.contracts.batch import StartBatch

_PROBLEM = {"$ref": "#/components/schemas/ProblemDetails"}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`cdk_<id>_<secret>`"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


class DocumentedApp(FastAPI):
    """An application that shows this page instead of FastAPI's."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            page = super().openapi()
            self.openapi_schema = None  # FastAPI has kept it, but it is not complete yet
            _complete_page(page)
            self.openapi_schema = page
        return self.openapi_schema


def _complete_page(page: dict[str, Any]) -> None:
    for path, operation in _operations(page):
        if path not in OPEN | SIGN_IN:
            _add_access(operation)
        _correct(operation["responses"])
    page["components"]["securitySchemes"] = _SCHEMES
    _complete(page["components"]["schemas"])


def _operations(page: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in page["paths"].items():
        for operation in methods.values():
            yield path, operation


def _add_access(operation: dict[str, Any]) -> None:
    """Add what the authentication asks for and answers."""
    operation["security"] = [{name: []} for name in _SCHEMES]
    for status, answer in answers(401, 403, 429).items():
        described = {name: value for name, value in answer.items() if name != "model"}
        described["content"] = {MEDIA_TYPE: {"schema": _PROBLEM}}
        operation["responses"].setdefault(str(status), described)


def _correct(responses: dict[str, Any]) -> None:
    """Give errors their own media type, and an event stream its own schema."""
    for status, response in responses.items():
        if int(status) >= HTTPStatus.BAD_REQUEST and not _is_readiness(response):
            response["content"] = {MEDIA_TYPE: {"schema": _PROBLEM}}
        if not response.get("headers", True):
            del response["headers"]
        if stream := response.get("content", {}).get("text/event-stream"):
            stream["schema"].pop("type", None)  # FastAPI describes every stream as a string


def _is_readiness(response: dict[str, Any]) -> bool:
    """Whether an answer is the one of 503 that is a report, and not a problem."""
    return "Readiness" in str(response.get("content", ""))


def _complete(schemas: dict[str, Any]) -> None:
    """Add examples, and the schemas of the decision in a run summary and of the start of a batch.

    A run summary holds the decision as the ledger holds it, so its contract does not type it. A
    batch starts from one of two media types, so its route reads the body itself.
    """
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    _add(schemas, RunDecision, "serialization")
    _add(schemas, StartBatch, "validation")
    schemas["RunSummary"]["properties"]["decision"] = {
        "anyOf": [{"$ref": f"#/components/schemas/{RunDecision.__name__}"}, {"type": "null"}]
    }
    for name, example in examples.OF_SCHEMAS.items():
        schemas[name]["examples"] = [example]


def _add(schemas: dict[str, Any], model: type[Contract], mode: JsonSchemaMode) -> None:
    """Add the schema of a contract, and those that it names."""
    schema = model.model_json_schema(mode=mode, ref_template="#/components/schemas/{model}")
    for name, named in schema.pop("$defs", {}).items():
        schemas.setdefault(name, named)
    schemas[model.__name__] = schema
