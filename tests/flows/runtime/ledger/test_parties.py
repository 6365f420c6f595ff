"""People of applications: entered once, found by what they share, forgotten with an erasure."""

from __future__ import annotations

import sqlalchemy as sa

from flows.runtime.ledger import applications, erasures, parties, tables
from flows.runtime.ledger.database import Ledger, moment
from flows.runtime.ledger.parties import Party


def party(application_id: str, number: bytes, name: bytes, **more: str) -> Party:
    return Party(
        application_id, more.pop("part", "primary"), number * 16, name * 16, "100.00", **more
    )


async def test_people_are_entered_once_and_get_the_outcome_of_a_batch_later(
    any_ledger: Ledger,
) -> None:
    await any_ledger.write(parties.enter, [party("app-1", b"1", b"a"), party("app-2", b"1", b"b")])
    await any_ledger.write(parties.enter, [party("app-2", b"1", b"b", outcome="decline")])
    await any_ledger.write(parties.enter, [party("app-2", b"1", b"b")])

    (found,) = await any_ledger.read(parties.others, "app-1", 10)

    assert (found.application_id, found.amount, found.outcome) == ("app-2", "100.00", "decline")
    assert (found.by_number, found.by_name) == (["primary"], [])


async def test_the_newest_applications_of_both_applicants_come_first_each_once(
    any_ledger: Ledger,
) -> None:
    joint = [party("app-1", b"1", b"a"), party("app-1", b"2", b"b", part="co")]
    await any_ledger.write(parties.enter, joint)
    for name in ("app-2", "app-3", "app-4"):
        both = [party(name, b"2", b"b"), party(name, b"1", b"x", part="co")]
        await any_ledger.write(parties.enter, both)

    found = await any_ledger.read(parties.others, "app-1", 2)

    assert [other.application_id for other in found] == ["app-4", "app-3"]
    assert sorted(found[0].by_number) == ["co", "primary"]
    assert found[0].by_name == ["co"]


async def test_an_erasure_forgets_the_people_of_its_application_alone(any_ledger: Ledger) -> None:
    await any_ledger.write(applications.accept, "app-1", "a" * 64, b"{}")
    await any_ledger.write(parties.enter, [party("app-1", b"1", b"a"), party("app-2", b"1", b"b")])

    await any_ledger.write(erasures.erase, "app-1", lambda body: "0" * 64)

    def left(connection: sa.Connection) -> list[str]:
        return list(connection.execute(sa.select(tables.parties.c.application_id)).scalars())

    assert await any_ledger.read(left) == ["app-2"]


async def test_old_people_without_a_filed_application_are_forgotten(any_ledger: Ledger) -> None:
    await any_ledger.write(applications.accept, "app-1", "a" * 64, b"{}")
    await any_ledger.write(parties.enter, [party("app-1", b"1", b"a"), party("app-2", b"1", b"b")])

    assert not await any_ledger.write(parties.forget_unfiled, moment(-60))
    assert await any_ledger.write(parties.forget_unfiled, moment(60))
    assert not await any_ledger.write(parties.forget_unfiled, moment(60))

    assert await any_ledger.read(parties.others, "app-1", 10) == []
    await any_ledger.write(parties.enter, [party("app-3", b"1", b"c")])
    (found,) = await any_ledger.read(parties.others, "app-3", 10)
    assert found.application_id == "app-1"
