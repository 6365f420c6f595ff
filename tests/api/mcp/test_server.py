"""The desk's tools over HTTP: what they take, who may use them, what they say when they fail."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import httpx
import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, TextContent
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from api.mcp import endpoint
from api.mcp.tools import TOOLS
from api.security import auth
from data.contracts.errors import UnavailableError
from data.contracts.review import Role
from tests.api.desks import RUN_ID, FakeDesk, app_of, client_of
from tests.api.mcp.conftest import Served, connected
from tests.desk import ROOT

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
TYPED = "Zq-typed-by-a-person"


def text_of(answer: CallToolResult) -> str:
    """The one text of an answer."""
    (part,) = answer.content
    assert isinstance(part, TextContent)
    return part.text


@pytest.mark.parametrize("mode", ["legacy", "auto"], ids=["with a handshake", "without"])
async def test_a_client_of_either_era_finds_tools_that_only_read(url: str, mode: str) -> None:
    async with connected(url, mode) as client:
        listed = (await client.list_tools()).tools

    assert {tool.name for tool in listed} == {tool.name for tool in TOOLS}
    for tool in listed:
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        assert tool.input_schema["additionalProperties"] is False


async def test_a_tool_answers_with_the_json_of_its_route(url: str) -> None:
    async with connected(url) as client, httpx.AsyncClient(base_url=url) as http:
        for name, path in (
            ("read_run", f"/runs/{RUN_ID}"),
            ("read_decision", f"/runs/{RUN_ID}/decision"),
        ):
            answer = await client.call_tool(name, {"run_id": RUN_ID})
            route = (await http.get(path)).json()

            assert not answer.is_error
            assert answer.structured_content == route
            assert json.loads(text_of(answer)) == route


async def test_filters_and_pages_reach_the_desk(url: str, desk: FakeDesk) -> None:
    async with connected(url) as client:
        runs = await client.call_tool("list_runs", {"status": "waiting", "cursor": "next"})
        await client.call_tool("read_inbox", {"role": "compliance", "limit": 3})

    assert runs.structured_content is not None
    assert runs.structured_content["next_cursor"] == "next"
    assert desk.asked[0] == ("waiting", None, 20, "next")
    assert desk.asked[1] == (Role.COMPLIANCE, 3, None)


async def test_a_drawing_of_a_run_is_a_text(url: str, desk: FakeDesk) -> None:
    async with connected(url) as client:
        drawn = await client.call_tool("read_graph", {"run_id": RUN_ID, "form": "dot"})

    assert text_of(drawn) == "the map as dot"
    assert desk.asked == [("dot", RUN_ID)]


@pytest.mark.parametrize(
    ("asked", "found"),
    [({}, "dti-limit"), ({"rule_id": "dti-stop"}, "dti-stop")],
    ids=["the rules that were hit", "one rule"],
)
async def test_a_rule_is_explained_by_its_condition_and_the_facts_that_it_used(
    url: str, asked: dict[str, str], found: str
) -> None:
    async with connected(url) as client:
        answer = await client.call_tool("explain_rule", {"run_id": RUN_ID} | asked)

    explained = answer.structured_content
    assert explained is not None
    assert explained["recommendation"] == "refer"
    (rule,) = explained["rules"]
    assert (rule["rule_id"], rule["condition"]) == (found, "dti > 0.50")
    assert rule["inputs"] == {"dti": "0.51"}


# -- keys and roles ----------------------------------------------------------------------------


async def test_without_a_key_no_tool_is_even_listed(served: Served, desk: FakeDesk) -> None:
    async with httpx.AsyncClient(base_url=served.url) as http:
        refused = await http.post("/mcp", json=PING)

    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert desk.asked == []


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
async def test_a_key_in_either_header_is_passed_on_to_the_routes(
    served: Served, header: str
) -> None:
    key = served.key("viewer")
    shown = f"Bearer {key}" if header == "Authorization" else key

    async with connected(served.url, **{header: shown}) as client:
        answer = await client.call_tool("read_run", {"run_id": RUN_ID})

    assert not answer.is_error


async def test_a_tool_may_do_what_the_role_may_do_on_its_route(
    served: Served, monkeypatch: pytest.MonkeyPatch, desk: FakeDesk
) -> None:
    places = tuple(
        (place, method, frozenset({Role.COMPLIANCE}) if place.match("/inbox") else roles)
        for place, method, roles in auth._PLACES
    )
    monkeypatch.setattr(auth, "_PLACES", places)

    for role, is_refused in (("viewer", True), ("compliance", False)):
        async with connected(served.url, Authorization=f"Bearer {served.key(role)}") as client:
            answer = await client.call_tool("read_inbox")
        assert answer.is_error is is_refused
        if is_refused:
            assert answer.structured_content is not None
            assert answer.structured_content["code"] == "not_allowed"
            assert desk.asked == []


async def test_a_key_that_is_revoked_ends_the_use_of_the_tools(served: Served) -> None:
    key = served.key("viewer")
    async with connected(served.url, "legacy", Authorization=f"Bearer {key}") as client:
        assert not (await client.call_tool("list_runs")).is_error

        served.keys.revoke(key.split("_")[1])

        with pytest.raises(MCPError):
            await client.call_tool("list_runs")


async def test_without_keys_a_page_of_another_site_is_refused(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as http:
        by_origin = await http.post("/mcp", json=PING, headers={"Origin": "https://evil.example"})
        by_name = await http.post("/mcp", json=PING, headers={"Host": "evil.example"})

    assert (by_origin.status_code, by_name.status_code) == (403, 403)


async def test_there_is_no_stream_and_no_session(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as http:
        for method in ("GET", "DELETE"):
            refused = await http.request(method, "/mcp")
            assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "code", "said"),
    [
        ("read_run", {"run_id": RUN_ID[:-1] + "0"}, "record_not_found", "there is no run"),
        ("read_run", {"run_id": f"../inbox?{TYPED}"}, "contract_violation", "/run_id: "),
        ("read_run", {}, "contract_violation", "/run_id: Field required"),
        ("list_runs", {"status": TYPED}, "contract_violation", "/status: "),
        ("list_runs", {"limit": 0}, "contract_violation", "/limit: "),
        ("list_runs", {TYPED: 1}, "contract_violation", "not permitted"),
        (
            "explain_rule",
            {"run_id": RUN_ID, "rule_id": TYPED},
            "record_not_found",
            "has no such rule",
        ),
    ],
)
async def test_an_error_names_what_is_wrong_and_repeats_no_value(
    url: str, name: str, arguments: dict[str, Any], code: str, said: str
) -> None:
    async with connected(url) as client:
        answer = await client.call_tool(name, arguments)

    text = text_of(answer)
    assert answer.is_error
    assert text.startswith(f"{code}: ")
    assert said in text
    assert TYPED not in text
    assert "credit-desk" not in text  # the hint for the command line


async def test_an_unknown_tool_is_an_error_of_the_protocol(url: str) -> None:
    async with connected(url) as client:
        with pytest.raises(MCPError, match="no tool of this name") as raised:
            await client.call_tool(TYPED)

    assert TYPED not in str(raised.value)


async def test_an_outage_is_said_and_a_fault_of_the_desk_is_not_told_in_detail(
    url: str, desk: FakeDesk
) -> None:
    async with connected(url) as client:
        desk.error = UnavailableError("the ledger is out of reach")
        away = await client.call_tool("list_runs")
        desk.error = RuntimeError(TYPED)
        broken = await client.call_tool("list_runs")

    assert away.structured_content == {
        "code": "unavailable",
        "detail": "the ledger is out of reach",
    }
    assert broken.structured_content == {
        "code": "internal_error",
        "detail": "The desk's log has the cause.",
    }


async def test_a_message_that_is_too_large_is_refused(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as http:
        refused = await http.post(
            "/mcp", content=b" " * 2_200_000, headers={"Content-Type": "application/json"}
        )

    assert refused.status_code == 413


async def test_no_span_and_no_log_has_a_value_of_the_client(
    url: str,
    desk: FakeDesk,
    spans: InMemorySpanExporter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with connected(url) as client:
        await client.call_tool("list_runs", {"application_id": TYPED})
        await client.call_tool("read_run", {"run_id": TYPED})
        with pytest.raises(MCPError):
            await client.call_tool(TYPED)

    ours = [record.getMessage() for record in caplog.records if record.name.startswith("api")]
    of_desk = [span for span in spans.get_finished_spans() if span.kind is not SpanKind.CLIENT]
    told = json.dumps([(span.name, dict(span.attributes or {})) for span in of_desk])
    assert "GET /runs" in told
    assert TYPED not in told
    assert TYPED not in "".join(ours)


# -- without the extra -------------------------------------------------------------------------


async def test_without_the_extra_the_address_says_how_to_install_it(
    desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "find_spec", lambda _name: None)

    async with client_of(app_of(desk)) as client:
        refused = await client.post("/mcp", json=PING)

    assert refused.status_code == 501
    assert refused.json()["code"] == "extra_missing"
    assert "pip install 'credit-desk-lite[mcp]'" in refused.json()["detail"]


def test_the_api_and_the_command_line_are_loaded_without_the_extra() -> None:
    probe = (
        "import sys; sys.modules['mcp'] = None; import api.app, api.cli.mcp, api.mcp.tools;"
        " print([name for name in sys.modules if name.split('.')[0] in {'mcp_types', 'httpx2'}])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert shown.stdout.strip() == "[]"
