"""Where bad input arrives, and the answers that a row of the table may expect."""

from __future__ import annotations

import json
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from data.contracts.case import CaseFile
from data.contracts.decision import Outcome
from data.contracts.policy import ReasonCode, Recommendation
from data.settings import settings
from flows.runtime.ledger import runs
from flows.service.desk import DeskService
from tests.flows.cases import set_at
from tests.flows.inline import Says, Underwritten, persona, underwritten


@dataclass
class Place:
    """A desk on a ledger of its own, behind its HTTP routes, with a data folder of its own."""

    client: httpx.AsyncClient
    desk: DeskService
    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def own_data(self) -> Path:
        """A copy of the versioned data. The settings of this process name it from now on."""
        copy = self.folder / "data"
        shutil.copytree(settings().data_dir, copy, ignore=shutil.ignore_patterns("*.py*"))
        self.monkeypatch.setenv("CREDIT_DESK_DATA_DIR", str(copy))
        settings.cache_clear()
        return copy


Look = Callable[[Any], object]
"""Looks at what the root flow left. A finding that is missing fails the look, as False does."""

Attempt = Callable[[Place], Awaitable[None]]
"""One input, handed in, and its answer looked at."""

SECRET = "Zebedee"
"""The middle name in every application that is sent; no answer repeats it."""


def _nothing_more(_done: Underwritten) -> None:
    """The place where the case ended says enough."""


def _sent(**changes: Any) -> dict[str, Any]:
    content = persona("ada-prime").case.model_dump(mode="json")
    content["application"]["applicants"][0]["middle_name"] = SECRET
    return set_at(content, **changes)


def refused(pointer: str, code: str, **changes: Any) -> Attempt:
    """Ada with these changes is 422 at this field, and no run and no bureau call follows."""

    async def attempt(place: Place) -> None:
        answer = await place.client.post("/runs", json={"application": _sent(**changes)})
        assert answer.status_code == 422, answer.text
        found = {(problem["pointer"], problem["code"]) for problem in answer.json()["errors"]}
        assert (f"/application{pointer}", code) in found
        await _kept_nothing(place, answer)

    return attempt


def malformed(body: Callable[[bytes], bytes], status: int = 400) -> Attempt:
    """A body that is not one JSON value is refused before any field is looked at."""

    async def attempt(place: Place) -> None:
        whole = json.dumps({"application": _sent()}).encode()
        answer = await place.client.post(
            "/runs", content=body(whole), headers={"Content-Type": "application/json"}
        )
        code = {400: "malformed_json", 413: "too_large"}[status]
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        await _kept_nothing(place, answer)

    return attempt


async def _kept_nothing(place: Place, answer: httpx.Response) -> None:
    assert answer.headers["content-type"] == "application/problem+json"
    assert SECRET not in answer.text
    assert (await place.client.get("/runs")).json()["items"] == []


def accepted(**changes: Any) -> Attempt:
    """Ada with these changes is an application like any other."""

    async def attempt(place: Place) -> None:
        answer = await place.client.post("/runs", json={"application": _sent(**changes)})
        assert answer.status_code == 202, answer.text
        run = await place.desk.ledger.read(runs.find, answer.json()["run_id"])
        assert run.application_id == "ada-prime"

    return attempt


def ends(
    case: CaseFile,
    *steps: Says,
    outcome: Outcome | None = None,
    recommendation: Recommendation | None = None,
    gate: str = "",
    rule: str = "",
    reason: ReasonCode | None = None,
    asked: str = "",
    also: Look = _nothing_more,
) -> Attempt:
    """The case through the root flow: where it ends, and why."""

    async def attempt(_place: Place) -> None:
        done = await underwritten(case, *steps)
        policy = done.run.state.policy
        if outcome is not None:
            assert done.content.outcome is outcome
        if recommendation is not None:
            assert policy is not None, done.error
            assert policy.recommendation is recommendation
        if gate:
            assert done.gates[-1:] == (gate,), done.error
        if rule:
            assert policy is not None
            assert rule in policy.refer_reasons
        if reason is not None:
            assert reason in done.content.principal_reasons
        if asked:
            assert asked in {condition.code for condition in done.content.conditions}
        assert also(done) is not False

    return attempt
