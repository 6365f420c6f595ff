"""A chat model words the points of a letter; the letter of the rules stands whatever it writes."""

from __future__ import annotations

import json
from datetime import date

import pytest

from agents.conversation import Conversation, holding
from agents.voice import NO_VOICE, voice_of
from data.contracts.decision import DecisionContent, Outcome
from data.contracts.notices import LetterWording, Notice
from data.contracts.policy import ReasonCode
from data.contracts.wording import Degradation
from tests.agents.test_worded import desk
from tests.chat_server import ChatServer, Reply
from tests.tools.test_notices import TERMS, _content
from tools.notices import compose_notices

DECLINED = _content(
    Outcome.DECLINE,
    principal_reasons=(ReasonCode.BANKRUPTCY, ReasonCode.INCOME_UNVERIFIABLE),
)
TRUE = {
    "request": "Your request was for a personal loan of $25,000.00 over 48 months.",
    "R21": "We found a bankruptcy.",
    "R10": "We were unable to verify your income.",
}


def answer(**changes: str) -> Reply:
    points = [{"code": code, "text": text} for code, text in (TRUE | changes).items()]
    return Reply(json.dumps({"points": points}))


async def wording(server: ChatServer, content: DecisionContent = DECLINED) -> LetterWording:
    worder = voice_of(desk(server, agent_backends="underwriter.letter=chat")).letter_worder()
    assert worder is not None
    with holding(Conversation()) as held:
        found = await worder.run(content)
    assert held.wording is not None
    assert held.wording.use.degraded == found.degraded
    return found


def letter(found: LetterWording | None) -> Notice:
    (notice,) = compose_notices(DECLINED, TERMS, date(2026, 11, 28), found)
    return notice


async def test_sentences_that_say_the_same_stand_below_the_rules_letter(
    server: ChatServer,
) -> None:
    server.says(answer())

    found = await wording(server)

    assert found.sentences == tuple(TRUE.values())
    by_rules, worded = letter(None), letter(found)
    assert worded.text.startswith(by_rules.text)
    added = worded.text.removeprefix(by_rules.text)
    assert added.strip().splitlines() == [
        "The same in other words, which change nothing of the statements above:",
        *(f"- {sentence}" for sentence in TRUE.values()),
    ]
    assert all(sentence in worded.html for sentence in TRUE.values())
    assert worded.wording == found
    assert (found.model, found.prompt, found.degraded) == ("gpt-4.1-mini", "credit-desk.1", None)


async def test_a_fault_is_named_and_mended_once(server: ChatServer) -> None:
    server.says(answer(R21="We found a bankruptcy and a judgment."), answer())

    found = await wording(server)

    assert found.sentences == tuple(TRUE.values())
    assert "R21: 'judgment' is neither" in server.bodies[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    "wrong",
    [
        answer(R21="We found 2 bankruptcies."),
        answer(R99="We found other things."),
        Reply('{"points": []}'),
        Reply("no JSON"),
        Reply('{"text": "Bankruptcy", "statements": []}'),
    ],
)
async def test_after_one_repair_the_letter_has_the_rules_words_and_the_mark(
    server: ChatServer, wrong: Reply
) -> None:
    server.script = lambda body: wrong

    found = await wording(server)

    assert len(server.bodies) == 2
    assert (found.sentences, found.degraded) == ((), Degradation.REFUSED)
    assert letter(found).text == letter(None).text
    assert letter(found).html == letter(None).html
    assert letter(found).model_dump(mode="json")["wording"]["degraded"] == "refused"


async def test_a_model_that_is_away_leaves_the_rules_letter(server: ChatServer) -> None:
    server.script = lambda body: Reply(status=500)

    found = await wording(server)

    assert found.degraded is Degradation.UNAVAILABLE
    assert letter(found).text == letter(None).text


async def test_the_model_is_shown_the_points_alone(server: ChatServer) -> None:
    server.says(answer())

    await wording(server)

    shown = json.loads(server.bodies[0]["messages"][-1]["content"].partition("\n")[2])
    assert [point["code"] for point in shown["points"]] == list(TRUE)
    assert "tools" not in server.bodies[0]


def test_letters_are_worded_only_where_the_settings_say_so(server: ChatServer) -> None:
    assert NO_VOICE.letter_worder() is None
    assert voice_of(desk(server)).letter_worder() is None
    assert "wording" not in letter(None).model_dump(mode="json")
