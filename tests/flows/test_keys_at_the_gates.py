"""A desk with API keys: a name is proven, and the roles of a key limit every action."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from api.security.keys import KeyFile
from data.contracts.decision import Outcome
from data.contracts.events import EventType
from data.contracts.review import Role
from tests.desk import Desk, StartedRun, desk_in
from tests.flows.waiting_runs import OVERRIDE, at_gate, at_rest, everything, typed_into_prefect

pytestmark = pytest.mark.timeout(400)  # a desk of its own, and seven people
PEOPLE = {
    "ines": (Role.INTAKE,),
    "una": (Role.UNDERWRITER,),
    "both": (Role.INTAKE, Role.SENIOR_UNDERWRITER),
    "sara": (Role.SENIOR_UNDERWRITER,),
    "carl": (Role.COMPLIANCE,),
    "cora": (Role.INTAKE, Role.COMPLIANCE),
    "vera": (Role.VIEWER,),
}


@dataclass
class KeyedDesk:
    """A desk, and the key of each person."""

    desk: Desk
    keys: dict[str, str]

    def act_as(self, name: str) -> None:
        """Send the next requests with this person's key."""
        self.desk.http.headers["Authorization"] = f"Bearer {self.keys[name]}"

    def act_without_a_key(self) -> None:
        self.desk.http.headers.pop("Authorization", None)

    async def at_gate(self, persona: str, submitted_by: str = "both") -> StartedRun:
        self.act_as(submitted_by)
        return await at_gate(self.desk, persona)

    async def answered(self, run: StartedRun, name: str, **fields: Any) -> int:
        """The status of a person's answer. It names another reviewer than its key does."""
        self.act_as(name)
        return (await run.answer(reviewer="somebody else", **fields)).status_code


@pytest.fixture(scope="module")
async def keyed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KeyedDesk]:
    async with desk_in(tmp_path_factory.mktemp("keyed")) as desk:
        keys = KeyFile(desk.home / "keys.json")
        made = {
            name: keys.create(name, [role.value for role in roles])[1]
            for name, roles in PEOPLE.items()
        }
        yield KeyedDesk(desk, made)


async def test_without_a_key_nothing_is_answered_and_without_the_role_nothing_is_submitted(
    keyed: KeyedDesk,
) -> None:
    run = await keyed.at_gate("bora-borderline")

    keyed.act_without_a_key()
    unnamed = await keyed.desk.http.post(f"{run.url}/hitl", json={})
    keyed.act_as("una")
    not_intake = await keyed.desk.http.post("/runs", json={"application_id": "ada-prime"})

    assert (unnamed.status_code, not_intake.status_code) == (401, 403)


async def test_a_large_amount_takes_two_proven_people_other_than_the_submitter(
    keyed: KeyedDesk,
) -> None:
    run = await keyed.at_gate("leo-large", submitted_by="both")

    before = await at_rest(run)
    wrong_role = [await keyed.answered(run, name, decision="approve") for name in ("carl", "vera")]
    assert wrong_role == [403, 403]
    assert await everything(run) == before
    assert await keyed.answered(run, "una", decision="approve") == 202
    await run.until(EventType.WAITING)
    before = await at_rest(run)
    wrong_person = [await keyed.answered(run, name, decision="approve") for name in ("una", "both")]
    assert wrong_person == [403, 403]
    assert await everything(run) == before
    assert await keyed.answered(run, "sara", decision="approve") == 202

    decision = await run.decision()
    assert decision.outcome is Outcome.APPROVE
    assert [(ruling.reviewer, ruling.proven) for ruling in decision.rulings] == [
        ("una", True),
        ("sara", True),
    ]


async def test_an_override_takes_two_proven_people(keyed: KeyedDesk) -> None:
    run = await keyed.at_gate("uma-override")

    assert await keyed.answered(run, "una", decision="approve", reason_code=OVERRIDE) == 202
    await run.until(EventType.WAITING)
    assert await keyed.answered(run, "sara", decision="approve", reason_code=OVERRIDE) == 202

    assert [ruling.override for ruling in (await run.decision()).rulings] == [True, True]


async def test_an_override_that_is_typed_into_prefect_is_unproven_and_does_not_count(
    keyed: KeyedDesk,
) -> None:
    run = await keyed.at_gate("bora-borderline")
    shorter: dict[str, Any] = {"decision": "adjust", "term_months": 12}

    assert await keyed.answered(run, "una", **shorter) == 422
    flow_run_id = await run.flow_run_id()
    await typed_into_prefect(run.desk.prefect_url, flow_run_id, **shorter, reason_code=OVERRIDE)
    rejected = await run.until(EventType.HITL_REJECTED)
    assert rejected.meta["code"] == "beyond_authority"
    await run.until(EventType.WAITING)
    assert await keyed.answered(run, "una", **shorter, reason_code=OVERRIDE) == 202
    await run.until(EventType.WAITING)
    assert await keyed.answered(run, "sara", decision="approve", reason_code=OVERRIDE) == 202

    assert [ruling.override for ruling in (await run.decision()).rulings] == [True, True]


async def test_only_compliance_clears_a_hit_and_claims_it_under_the_name_of_the_key(
    keyed: KeyedDesk,
) -> None:
    run = await keyed.at_gate("pat-potential")
    document = {"document_id": "late", "kind": "w2", "content_base64": "e30="}
    somebody_else = {"reviewer": "somebody else"}

    keyed.act_as("vera")
    filed = await keyed.desk.http.post(
        f"/applications/{run.application_id}/documents", json=document
    )
    assert filed.status_code == 403
    assert await keyed.answered(run, "sara", decision="clear") == 403
    refused = await keyed.desk.http.post(f"{run.url}/claim", json=somebody_else)
    assert refused.status_code == 403
    keyed.act_as("carl")
    claimed = await keyed.desk.http.post(f"{run.url}/claim", json=somebody_else)
    assert claimed.json()["reviewer"] == "carl"
    assert await keyed.answered(run, "carl", decision="clear") == 202

    assert (await run.decision()).rulings[0].reviewer == "carl"


async def test_compliance_does_not_clear_an_application_of_its_own(keyed: KeyedDesk) -> None:
    run = await keyed.at_gate("pat-potential", submitted_by="cora")
    before = await at_rest(run)

    assert await keyed.answered(run, "cora", decision="clear") == 403

    assert await everything(run) == before
