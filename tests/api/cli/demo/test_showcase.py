"""The demonstration on a desk of a few lines: submitted, answered by a script, shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from api.cli.client import DeskClient
from api.cli.demo.ruling import SCRIPTED_REVIEWER
from api.cli.demo.showcase import Showcase
from data.contracts.errors import CreditDeskError
from data.contracts.events import EventType
from data.contracts.runs import RunStatus, RunSummary
from flows.review_forms import UnderwriterRuling
from flows.runtime.ledger import runs as register
from flows.runtime.ledger.database import Ledger
from flows.service.requests import Answer, Caller, OpenRequest, RunPage, StartRun
from tests.api.cli.conftest import serving
from tests.api.desks import DECISION, REVIEW, RUN_ID, FakeDesk, summary
from tests.api.journals import a_run, tell

OFFER = {"amount": "12000.00", "term_months": 48, "rate": "0.2249", "payment": "381.27"}


class DemoDesk(FakeDesk):
    """Waits at the underwriter's gate until the script answers."""

    end = EventType.RUN_COMPLETED
    decided: tuple[str, ...] = ()

    async def runs(
        self,
        *,
        status: RunStatus | None = None,
        application_id: str | None = None,
        begins: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> RunPage:
        known = application_id in self.decided
        return RunPage(items=(summary(status=RunStatus.COMPLETED),) if known else ())

    async def submit(self, request: StartRun, caller: Caller) -> tuple[RunSummary, bool]:
        self.asked.append(request)
        await a_run(self.ledger)
        await tell(self.ledger, RUN_ID, EventType.WAITING, status=RunStatus.WAITING)
        return summary(), True

    async def open_request(self, run_id: str, caller: Caller) -> OpenRequest:
        return OpenRequest(
            request_id=REVIEW.request_id,
            review=REVIEW,
            form_schema=UnderwriterRuling.model_json_schema(),
        )

    async def answer(
        self,
        run_id: str,
        answer: Answer,
        caller: Caller,
        idempotency_key: str | None = None,
        request_id: str | None = None,
    ) -> RunSummary:
        self.asked.append(answer)
        ended = RunStatus.COMPLETED if self.end is EventType.RUN_COMPLETED else RunStatus.FAILED
        self.status = ended
        await tell(self.ledger, RUN_ID, self.end, status=ended)
        self.woken.put_nowait(RUN_ID)
        return summary()

    async def graph(self, fmt: Any, run_id: str | None = None) -> str:
        return json.dumps({"stages": [{"name": "bureau", "weight": 10}]})

    async def decision(self, run_id: str) -> dict[str, Any]:
        return DECISION | {
            "content": {
                "outcome": "approve",
                "principal_reasons": [],
                "offer": OFFER,
                "rulings": [{"reviewer": SCRIPTED_REVIEWER}],
            },
        }


@pytest.fixture
def desk(ledger: Ledger) -> DemoDesk:
    return DemoDesk(ledger)


async def play(desk: DemoDesk, folder: Path, *personas: str) -> None:
    with serving(desk) as url:
        async with DeskClient(url) as client:
            await Showcase(client, folder, by_script=True).play(personas)


async def test_an_applicant_goes_from_submission_to_a_decision_on_file(
    desk: DemoDesk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await play(desk, tmp_path, "bora-borderline")

    request, answer = desk.asked[:2]
    shown = capsys.readouterr().out
    file = tmp_path / "decisions" / "bora-borderline.json"
    assert request.application_id == "bora-borderline"
    assert answer.request_id == REVIEW.request_id
    assert (answer.gate, answer.decision) == ("underwriter", "approve")
    assert answer.reviewer == SCRIPTED_REVIEWER
    assert json.loads(file.read_text())["content"]["outcome"] == "approve"
    for text in (
        f"At the gates, {SCRIPTED_REVIEWER} answers.",
        "bora-borderline",
        "$12,000.00",
        "http://prefect/1",
        "http://traces/1",
        "http://desk/workflow/graph.svg",
        str(file),
        "make up",
    ):
        assert text in shown


async def test_an_applicant_who_was_decided_before_comes_as_a_new_copy(
    desk: DemoDesk, tmp_path: Path
) -> None:
    desk.decided = ("bora-borderline", "bora-borderline-2")

    await play(desk, tmp_path, "bora-borderline")

    request = desk.asked[0]
    assert (request.application_id, request.options.as_) == ("bora-borderline", "bora-borderline-3")
    assert (tmp_path / "decisions" / "bora-borderline-3.json").exists()


async def test_a_run_that_fails_is_named(desk: DemoDesk, tmp_path: Path, ledger: Ledger) -> None:
    desk.end = EventType.RUN_FAILED

    with pytest.raises(CreditDeskError, match="bora-borderline ended as failed"):
        await play(desk, tmp_path, "bora-borderline")

    def status(connection: sa.Connection) -> RunStatus:
        return register.find(connection, RUN_ID).status

    assert await ledger.read(status) is RunStatus.FAILED
