"""Every error has one form and one status, and repeats nothing of the request."""

from __future__ import annotations

import logging
import time
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from api.json_route import MAX_NODES
from api.problems import MOST_FIELDS, STATUS, NotAllowedError, Unexpected, status_of
from data.contracts import errors
from data.contracts.errors import (
    AnswerRejectedError,
    ContractViolationError,
    CreditDeskError,
    Problem,
)
from flows.service.summaries import place_of as place_of_cursor
from tests.api.desks import RUN_ID, FakeDesk

SECRET = "516-24-3907"

BY_CLASS: list[tuple[CreditDeskError, int, str]] = [
    (errors.RecordNotFoundError("no run"), 404, "record_not_found"),
    (errors.RecordErasedError("erased"), 404, "erased"),
    (errors.GateNotFoundError("no gate"), 404, "gate_not_found"),
    (errors.CheckpointNotFoundError("no checkpoint"), 404, "checkpoint_not_found"),
    (errors.ContractViolationError("bad"), 422, "contract_violation"),
    (errors.AnswerRejectedError("bad", field="amount"), 422, "answer_rejected"),
    (errors.RecordCorruptError("cora-corrupt.json: broken"), 422, "record_corrupt"),
    (errors.ConflictError("other content"), 409, "conflict"),
    (errors.AlreadyDecidedError("by a fork"), 409, "already_decided"),
    (errors.EvidenceMissingError("approvals: 0 of 2"), 409, "evidence_missing"),
    (errors.AlreadyAnsweredError("too late"), 409, "already_answered"),
    (errors.InvalidTransitionError("no edge"), 409, "invalid_transition"),
    (errors.CheckpointSchemaError("newer"), 409, "checkpoint_schema"),
    (errors.AuthorityError("beyond"), 403, "beyond_authority"),
    (errors.ReviewTimeoutError("expired"), 410, "review_expired"),
    (errors.UnavailableError("away"), 503, "unavailable"),
    (errors.AgentError("inside"), 500, "internal_error"),
    (errors.CheckpointCorruptError("unreadable"), 409, "checkpoint_corrupt"),
    (errors.LeaseLostError("inside"), 500, "internal_error"),
]


@pytest.mark.parametrize(
    ("error", "status", "code"), BY_CLASS, ids=[type(error).__name__ for error, _, _ in BY_CLASS]
)
async def test_an_error_is_answered_by_its_class(
    client: httpx.AsyncClient, desk: FakeDesk, error: CreditDeskError, status: int, code: str
) -> None:
    desk.error = error

    answer = await client.get(f"/runs/{RUN_ID}")

    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == code
    assert problem["type"] == f"urn:credit-desk:problem:{code}"
    assert problem["instance"] == f"/runs/{RUN_ID}"
    assert problem["title"]
    assert answer.headers.get("Retry-After") == ("1" if status == 503 else None)
    if status != 500:
        assert problem["detail"] == error.message


@pytest.mark.parametrize(
    ("error", "status", "logged"),
    [
        (NotAllowedError("another role"), 403, []),
        (CreditDeskError("of no known kind"), 500, ["GET /runs failed: of no known kind"]),
    ],
)
async def test_an_error_of_a_middleware_is_answered_by_its_class_too(
    error: CreditDeskError, status: int, logged: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def middleware(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise error

    transport = httpx.ASGITransport(Unexpected(middleware))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/runs")

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert [record.message for record in caplog.records if record.name == "api.problems"] == logged


def test_the_table_names_no_class_twice_over() -> None:
    """A subclass that is to be answered otherwise stands in the table itself."""

    class RefinedError(errors.ConflictError):
        code = "refined"

    assert status_of(RefinedError("x")) == STATUS[errors.ConflictError]
    assert status_of(CreditDeskError("x")) == 500


async def test_the_fields_of_a_violation_are_listed(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    desk.error = ContractViolationError(
        "application: bad", [Problem("/applicants/0/dob", "dob_impossible", "lies in the future")]
    )

    answer = await client.post("/runs", json={"application_id": "ada-prime"})

    assert answer.json()["errors"] == [
        {
            "pointer": "/applicants/0/dob",
            "code": "dob_impossible",
            "message": "lies in the future",
        }
    ]


async def test_a_rejected_answer_names_its_field(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    desk.error = AnswerRejectedError("from 1,000.00 to 50,000.00", field="amount")

    answer = await client.post(
        f"/runs/{RUN_ID}/hitl",
        json={"gate": "underwriter", "decision": "adjust", "reviewer": "u", "reason": "r"},
    )

    assert answer.json()["errors"] == [
        {
            "pointer": "/amount",
            "code": "answer_rejected",
            "message": "from 1,000.00 to 50,000.00",
        }
    ]


async def test_an_unexpected_error_is_500_without_details_and_logged_by_place(
    client: httpx.AsyncClient, desk: FakeDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.error = ZeroDivisionError(f"while looking at {SECRET}")

    with caplog.at_level(logging.INFO):
        answer = await client.get(f"/runs/{RUN_ID}")

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert SECRET not in answer.text
    assert SECRET not in caplog.text
    assert "Traceback" not in answer.text
    logged = [record.getMessage() for record in caplog.records if record.name == "api.problems"]
    assert len(logged) == 1
    assert f"GET /runs/{RUN_ID} failed: ZeroDivisionError at desks.py:" in logged[0]


INVALID = {
    "unknown field": ({"application_id": "ada-prime", "hurry": SECRET}, "/hurry"),
    "unknown option": ({"application_id": "a", "options": {"hurry": 1}}, "/options/hurry"),
    "wrong type": ({"application_id": 5162439}, "/application_id"),
    "no slug": ({"application_id": f"../{SECRET}"}, "/application_id"),
    "option of no kind": (
        {"application_id": "a", "options": {"fan_out_policy": SECRET}},
        "/options/fan_out_policy",
    ),
    "neither": ({"options": {}}, ""),
    "both": ({"application_id": "a", "application": {"applicants": []}}, None),
    "no object": ([SECRET], ""),
    "application of no kind": ({"application": SECRET}, "/application"),
    "empty application": ({"application": {}}, "/application/applicants"),
    "bundle without its application": (
        {"application": {"documents": []}},
        "/application/application",
    ),
    "plain application": (
        {"application": {"applicants": [{"dob": SECRET}]}},
        "/application/applicants/0/dob",
    ),
    "bundle": (
        {"application": {"application": {"applicants": [{"dob": SECRET}]}}},
        "/application/application/applicants/0/dob",
    ),
    "key that is no field's name": ({"a/b~c": 1}, "/?"),
    "key that is a tax number": ({"531-40-9207": 1}, "/?"),
    "key with a tax number in it": ({"ssn_531_40_9207": 1}, "/?"),
}


@pytest.mark.parametrize(("body", "pointer"), INVALID.values(), ids=INVALID.keys())
async def test_an_invalid_body_is_422_with_a_pointer_and_without_what_was_sent(
    client: httpx.AsyncClient, desk: FakeDesk, body: object, pointer: str | None
) -> None:
    answer = await client.post("/runs", json=body)

    problem = answer.json()
    assert answer.status_code == 422
    assert problem["code"] == "contract_violation"
    assert all(set(found) == {"pointer", "code", "message"} for found in problem["errors"])
    assert pointer is None or pointer in {found["pointer"] for found in problem["errors"]}
    assert SECRET not in answer.text
    assert desk.asked == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/runs?limit=0", 422, "contract_violation"),
        ("/runs?limit=many", 422, "contract_violation"),
        ("/runs?status=asleep", 422, "contract_violation"),
        ("/inbox?role=king", 422, "contract_violation"),
        ("/workflow/graph.png", 422, "contract_violation"),
        ("/workflow/graph.svg?run_id=x", 404, "record_not_found"),
        ("/runs/unheard-of", 404, "record_not_found"),
        ("/nowhere", 404, "not_found"),
    ],
)
async def test_addresses_that_lead_nowhere_are_problems_too(
    client: httpx.AsyncClient, path: str, status: int, code: str
) -> None:
    answer = await client.get(path)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("id", ["531-40-9207", "ssn-531-40-9207", "Zq lives here"])
async def test_no_problem_repeats_an_address_that_holds_a_tax_number(
    client: httpx.AsyncClient, id: str
) -> None:
    answer = await client.get(f"/runs/{id}/state")

    assert (answer.status_code, answer.json()["instance"]) == (404, "/runs/?/state")
    assert id not in answer.text


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/runs?limit=0", "/query/limit"),
        ("/runs?status=asleep", "/query/status"),
        (f"/runs/{RUN_ID}/diff?from=a", "/query/to"),
        ("/workflow/graph.png", "/path/form"),
        (f"/runs/{RUN_ID}/checkpoints/a/b", "/path/version"),
    ],
)
async def test_a_parameter_is_named_with_the_place_where_it_stands(
    client: httpx.AsyncClient, path: str, pointer: str
) -> None:
    answer = await client.get(path)

    assert [found["pointer"] for found in answer.json()["errors"]] == [pointer]


async def test_a_header_is_named_with_the_place_where_it_stands(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"/runs/{RUN_ID}/resume", headers={"Idempotency-Key": "k" * 200})

    assert [found["pointer"] for found in answer.json()["errors"]] == ["/header/idempotency-key"]


def test_the_service_names_a_parameter_in_the_same_form() -> None:
    with pytest.raises(ContractViolationError) as refused:
        place_of_cursor("no cursor")

    assert [found.pointer for found in refused.value.problems] == ["/query/cursor"]


async def test_a_violation_of_many_fields_lists_twenty_and_counts_all(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    unknown = {f"field_{number}": 1 for number in range(300)}

    by_contract = (await client.post("/runs", json={"application_id": "a"} | unknown)).json()
    desk.error = ContractViolationError(
        "bad", [Problem(f"/{name}", "unknown", "no such field") for name in unknown]
    )
    by_desk = (await client.post("/runs", json={"application_id": "a"})).json()

    for problem in (by_contract, by_desk):
        assert (len(problem["errors"]), problem["error_count"]) == (MOST_FIELDS, 300)
    assert by_contract["detail"].endswith("(and 299 more)")


async def test_a_body_of_too_many_values_is_413_at_once(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    unknown = {f"k{number}": 1 for number in range(150_000)}
    nested: dict[str, Any] = {"application": {"applicants": [[{}]] * MAX_NODES}}

    started = time.process_time()
    for body in (unknown, nested):
        refused = await client.post("/runs", json=body)
        assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
        assert f"at most {MAX_NODES:,}" in refused.json()["detail"]
        assert len(refused.content) < 1000
    assert time.process_time() - started < 2
    assert desk.asked == []


async def test_a_body_with_as_many_values_as_allowed_is_judged_soon(
    client: httpx.AsyncClient,
) -> None:
    empty: dict[str, Any] = {"application": {"applicants": [{}] * (MAX_NODES - 3)}}

    started = time.process_time()
    refused = await client.post("/runs", json=empty)

    assert refused.status_code == 422
    assert refused.json()["error_count"] > MAX_NODES
    assert len(refused.content) < 10_000
    assert time.process_time() - started < 2


async def test_another_method_is_405(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/runs")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
