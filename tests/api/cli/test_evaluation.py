"""`credit-desk evaluate` compares a chat model with rules, and says what it has cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from data.contracts.evaluation import Evaluation
from tests.chat_server import ChatServer, Reply, agent_of, chat_server, worded

RUNNER = CliRunner()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    with chat_server() as running:
        monkeypatch.setenv("CREDIT_DESK_CHAT_MODEL", "gpt-4.1-mini")
        monkeypatch.setenv("CREDIT_DESK_CHAT_BASE_URL", running.url)
        monkeypatch.setenv("CREDIT_DESK_CHAT_RETRIES", "0")
        yield running


def run(*words: str) -> tuple[int, str, str]:
    done = RUNNER.invoke(app, ["evaluate", *words])
    return done.exit_code, done.stdout, done.stderr


def test_json_has_agreement_refusals_fallbacks_tokens_cost_and_latency(server: ChatServer) -> None:
    lie = Reply(worded("Approved for 99999.00."))
    broken = Reply(status=500)
    server.script = lambda body: {"kyc": broken, "fraud": lie}.get(agent_of(body))

    code, told, _ = run("--personas", "ada-prime, bora-borderline", "--json")

    report = Evaluation.model_validate(json.loads(told))
    assert code == 0
    assert (report.backend, report.model, report.prompt) == (
        "chat",
        "gpt-4.1-mini",
        "credit-desk.1",
    )
    assert report.cases == 2
    assert report.differing == {}
    assert all(found.agreed == found.cases for found in report.fields.values())
    assert {"outcome", "content_sha256", "gate"} <= set(report.fields)
    assert report.agents["kyc"].fallbacks == {"unavailable": 2}
    assert report.agents["fraud"].fallbacks == {"refused": 2}
    assert report.agents["fraud"].refusals == 6
    assert report.agents["income"].accepted == 2
    assert report.agents["income"].use.tokens == 300
    assert report.agents["income"].latency_ms_max > 0
    costs = [found.use.cost_usd or 0 for found in report.agents.values()]
    assert report.total.cost_usd == sum(costs) > 0


def test_generated_cases_are_compared_too(server: ChatServer, tmp_path: Path) -> None:
    made = RUNNER.invoke(app, ["synthesize", "--n", "6", "--out", str(tmp_path)])
    assert made.exit_code == 0

    code, told, _ = run("--personas", "none", "--portfolio", str(tmp_path / "applications.jsonl"))

    assert code == 0
    assert told.splitlines()[-1].startswith("6 cases, 0 differ; ")
    assert any(line.startswith("income\t") for line in told.splitlines())
    assert server.bodies


def test_rules_ask_no_model(server: ChatServer) -> None:
    code, told, _ = run("--backend", "rules", "--personas", "ada-prime")

    assert code == 0
    assert "No chat model was asked." in told
    assert server.bodies == []


def test_an_unknown_backend_or_persona_is_named(server: ChatServer) -> None:
    assert run("--backend", "magic") == (2, "", "credit-desk: --backend: name rules or chat\n")

    code, told, errors = run("--personas", "no-such-one")
    assert (code, told) == (1, "")
    assert "no-such-one" in errors
