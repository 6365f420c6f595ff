"""A chat model reads documents a second time: what it is shown, and what becomes of its values."""

from __future__ import annotations

import json
import re

import pytest

from agents.conversation import Conversation, holding
from agents.voice import NO_VOICE, voice_of
from data.contracts.case import CaseFile
from data.contracts.findings import FindingStatus
from data.contracts.second_reading import SecondReading
from data.contracts.wording import MODEL_DEGRADED
from data.settings import Settings
from tests.agents.test_chat_masking import secrets_of
from tests.agents.test_worded import desk
from tests.chat_server import ChatServer, Reply, evidence_in, fields_in
from tools.case_files import case_ids, load_persona

DATA = Settings().data_dir
ADA = load_persona(DATA, "ada-prime").case


async def second_reading(server: ChatServer, case: CaseFile = ADA) -> SecondReading:
    settings = desk(server, agent_backends="doc_intake.reading=chat", chat_repairs=1)
    reader = voice_of(settings).document_reader()
    assert reader is not None
    with holding(Conversation()):
        return await reader.run(case)


async def test_a_careful_model_agrees_with_the_parser_on_every_wanted_field(
    server: ChatServer,
) -> None:
    found = await second_reading(server)

    assert len(found.readings) == 15
    assert {reading.standing.value for reading in found.readings} == {"agrees"}
    assert (found.differences, found.warnings) == (0, ())


async def test_no_personal_data_of_any_persona_is_in_a_request(server: ChatServer) -> None:
    asked = set()
    for persona_id in case_ids(DATA):
        server.forget()
        case = load_persona(DATA, persona_id).case
        found = await second_reading(server, case)

        asked.add(len(server.bodies))
        assert found.warnings == (), persona_id
        assert found.differences == 0
        leaked = [secret for secret in secrets_of(case) if is_in(secret, server.sent)]
        assert not leaked, persona_id

    assert 1 in asked


def is_in(secret: str, sent: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", sent, re.IGNORECASE))


@pytest.mark.parametrize("wrong", ["1.00", "soon"])
async def test_a_value_that_is_not_in_the_document_is_refused_and_its_fault_is_named(
    server: ChatServer, wrong: str
) -> None:
    def invents(body: dict[str, object]) -> Reply:
        fields = fields_in(evidence_in(body)["documents"])
        return Reply(json.dumps({"fields": [*fields[:-1], fields[-1] | {"value": wrong}]}))

    server.script = invents

    found = await second_reading(server)

    assert len(server.bodies) == 2
    assert "hold the value literally" in server.bodies[1]["messages"][-1]["content"]
    assert found.readings == ()
    assert (found.status, found.warnings) == (FindingStatus.DEGRADED, (MODEL_DEGRADED,))


def test_documents_are_read_twice_only_where_the_settings_say_so(server: ChatServer) -> None:
    assert NO_VOICE.document_reader() is None
    assert voice_of(desk(server)).document_reader() is None
