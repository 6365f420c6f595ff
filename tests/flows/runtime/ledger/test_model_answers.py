"""Replies of chat models for other runs: found by digest, for a time, and erased with the case."""

from __future__ import annotations

import sqlalchemy as sa

from data.contracts.wording import KeptReply, ModelUse
from flows.runtime.ledger import erasures, model_answers, tables
from flows.runtime.ledger.database import Ledger, moment
from tests.flows.runtime.ledger.test_erasures import APPLICATION, digest, filed

DIGEST = "d" * 64


def reply(text: str) -> KeptReply:
    return KeptReply(reply={"text": text}, use=ModelUse(model="gpt", prompt_tokens=120))


async def kept(ledger: Ledger, run_id: str, text: str, digest: str = DIGEST) -> None:
    await ledger.write(model_answers.keep, run_id, {digest: reply(text)})


async def test_the_first_reply_to_a_request_is_found_by_its_digest(any_ledger: Ledger) -> None:
    await kept(any_ledger, "run-1", "first")
    await kept(any_ledger, "run-2", "second")

    found = await any_ledger.read(model_answers.find, DIGEST, 30)

    assert found is not None
    assert KeptReply.model_validate(found) == reply("first")
    assert await any_ledger.read(model_answers.find, "e" * 64, 30) is None


async def test_an_old_reply_is_not_found_and_housekeeping_removes_it(any_ledger: Ledger) -> None:
    await kept(any_ledger, "run-1", "old")
    await kept(any_ledger, "run-1", "young", "e" * 64)
    old = tables.model_answers.update().where(tables.model_answers.c.digest == DIGEST)
    days_ago = moment(-31 * 86_400)
    await any_ledger.write(lambda connection: connection.execute(old.values(kept_at=days_ago)))

    assert await any_ledger.read(model_answers.find, DIGEST, 30) is None
    assert await any_ledger.read(model_answers.find, DIGEST, 32) is not None
    assert await any_ledger.read(model_answers.count_old, 30) == 1
    assert await any_ledger.write(model_answers.purge, 30) == 1
    assert await any_ledger.read(model_answers.find, DIGEST, 32) is None
    assert await any_ledger.read(model_answers.find, "e" * 64, 30) is not None


async def test_the_replies_of_an_erased_application_go_with_it(any_ledger: Ledger) -> None:
    await filed(any_ledger)
    await kept(any_ledger, "run-1", "mine")
    await kept(any_ledger, "run-2", "of another", "e" * 64)

    await any_ledger.write(erasures.erase, APPLICATION, digest)

    with any_ledger.reading() as connection:
        left = connection.execute(sa.select(tables.model_answers.c.digest)).scalars().all()
    assert left == ["e" * 64]
