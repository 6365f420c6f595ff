"""What leaves the process for a chat model: read from the requests that a server has received."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from agents.base import Agent
from agents.conversation import Conversation, holding
from agents.doc_intake import DocIntakeAgent
from agents.fraud import FraudAgent
from agents.income import IncomeAgent
from agents.kyc import KycAgent
from agents.voice import voice_of
from data.contracts.case import CaseFile
from data.contracts.wording import Degradation
from data.settings import Settings
from tests.agents.test_worded import desk
from tests.chat_server import ChatServer, Reply
from tools.case_files import case_ids, load_persona
from tools.model_input import ModelInput, PersonalDataLeavesError
from tools.watchlist import Watchlists

DATA = Settings().data_dir
LISTS = Watchlists.shipped(DATA)
AGENTS: list[Agent[Any, Any]] = [DocIntakeAgent(), KycAgent(LISTS), FraudAgent(), IncomeAgent()]

CODES = {"Expired", "Missing", "Potential", "Synthetic"}
"""Surnames of personas that are codes of the desk too. Their full names are looked for."""


def secrets_of(case: CaseFile) -> set[str]:
    """Everything personal in a case, read from its JSON and not by the desk's own marks."""
    found: set[str] = set()
    for applicant in case.application.applicants:
        found |= {applicant.full_name, applicant.last_name, str(applicant.dob)}
        found |= {value for value in (applicant.ssn, applicant.email, applicant.phone) if value}
        found |= {address.line1 for address in applicant.addresses}
    for document in case.documents:
        found.add(document.content_base64)
        try:
            content = json.loads(base64.b64decode(document.content_base64))
        except ValueError:
            continue
        names = ("number", "full_name", "employee_name", "holder_name", "recipient_name")
        found |= {str(content[name]) for name in names if name in content}
        found |= {
            entry["description"]
            for entry in content.get("transactions", [])
            if " " in entry["description"]  # one word such as `Rent` is of no person
        }
    return {secret for secret in found if len(secret) > 3} - CODES


@pytest.mark.parametrize("persona_id", case_ids(DATA))
async def test_no_personal_data_of_a_persona_is_in_any_request(
    server: ChatServer, persona_id: str
) -> None:
    case = load_persona(DATA, persona_id).case
    asked: set[int] = set()

    def uses_its_tools(body: dict[str, Any]) -> Reply | None:
        tools = body.get("tools") or []
        if tools and body["messages"][-1]["role"] == "user":
            asked.add(len(server.bodies))
            return Reply(tool=tools[0]["function"]["name"])
        return None

    server.script = uses_its_tools
    voice = voice_of(desk(server))
    for agent in AGENTS:
        with holding(Conversation()) as held:
            await voice.of(agent).run(case)
        assert held.wording is not None
        assert held.wording.use.degraded is not Degradation.PERSONAL_DATA, agent.label

    assert len(server.bodies) >= len(AGENTS)
    assert asked, "the tools were used"
    sent = server.sent
    found = [
        secret
        for secret in secrets_of(case)
        if re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", sent, re.IGNORECASE)
    ]
    assert not found


async def test_azure_gets_the_same_masked_request_under_its_deployment_with_its_key(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "AZURE_OPENAI_AD_TOKEN"):
        monkeypatch.setenv(name, "of-another-program")
    case = load_persona(DATA, "ada-prime").case
    settings = desk(
        server,
        chat_base_url="",
        chat_azure_endpoint=server.url.removesuffix("/v1"),
        chat_azure_api_version="2024-10-21",
    )
    server.says(Reply(tool="read_documents"))

    agent = voice_of(settings).of(DocIntakeAgent())
    with holding(Conversation()) as held:
        await agent.run(case)

    assert agent.provider == "azure.ai.openai"
    assert held.wording is not None
    assert (held.wording.use.calls, held.wording.use.degraded) == (2, None)
    path = "/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21"
    assert server.paths == [path, path]
    assert {headers["api-key"] for headers in server.headers} == {"secret-key"}
    assert not any("authorization" in headers for headers in server.headers)
    assert "of-another-program" not in str(server.headers)
    assert "Prairie" in server.sent, "the documents were shown"
    assert not [secret for secret in secrets_of(case) if secret in server.sent]


def test_personal_data_that_got_past_the_masks_stops_the_request() -> None:
    case = load_persona(DATA, "ada-prime").case
    shown = ModelInput(case)
    applicant = case.application.primary

    for secret in (applicant.ssn, applicant.phone, applicant.email, f"{applicant.dob:%d %B %Y}"):
        with pytest.raises(PersonalDataLeavesError) as caught:
            shown.checked(f"The reviewer should know: {secret}.")
        assert str(secret) not in str(caught.value)


@pytest.mark.parametrize(
    "written",
    [
        *("JOSÉ GARCÍA", "Jose Garcia", "GARCIA,JOSE", "jose_garcia", "JoseGarcia", "J o s e"),
        *("O'Hara", "OHARA", "O Hara", "Jo\u200bse", "Gar\u00adcía", "Ｇａｒｃｉａ"),
    ],
)
def test_a_name_in_a_text_is_masked_however_it_is_spaced_and_accented(written: str) -> None:
    case = named("José", "García O'Hara")

    shown = ModelInput(case).of_tool({"label": f"Plan of {written}, part 2"})

    assert shown == {"label": "Plan of ***, part 2"}


async def test_a_name_in_the_id_of_a_document_is_masked_and_the_document_is_read_all_the_same(
    server: ChatServer,
) -> None:
    plain = named("José", "García").model_dump()
    for number, document in enumerate(plain["documents"]):
        document["document_id"] = f"Jose_Garcia-{number}.pdf"
    case = CaseFile.model_validate(plain)
    settings = desk(server, agent_backends="doc_intake.reading=chat")
    voice = voice_of(settings)
    reader = voice.document_reader()
    assert reader is not None

    with holding(Conversation()) as held:
        await voice.of(DocIntakeAgent()).run(case)
        assert held.wording is not None
        assert held.wording.use.degraded is None
        found = await reader.run(case)

    assert "garcia" not in server.sent.casefold()
    assert {reading.document_id for reading in found.readings} == set(found.evidence)
    assert "Jose_Garcia-0.pdf" in found.evidence


def named(first: str, last: str) -> CaseFile:
    """Ada Prime under another name."""
    plain = load_persona(DATA, "ada-prime").case.model_dump(mode="json")
    plain["application"]["applicants"][0] |= {"first_name": first, "last_name": last}
    return CaseFile.model_validate(plain)
