"""Personal data stays in the vault: no other output of the desk shows it.

A separate desk, with API keys and a collector of spans, underwrites applicants whose personal
values are unique marks. Afterwards the test searches every output for the marks: logs, Prefect's
database, the ledger without its vault, spans, answers of the API, output of the command line, and
webhook calls.
"""

from __future__ import annotations

import asyncio

import pytest

from api.security.keys import KeyFile
from data.contracts.review import Role
from data.contracts.ssn import normal_ssn
from tests.desk import desk_in
from tests.marked_desk import (
    PEOPLE,
    Clients,
    Marks,
    Outputs,
    Written,
    collector,
    dumped,
    everything,
)

pytestmark = pytest.mark.timeout(400)  # the fixture runs a whole desk, also on a busy machine


@pytest.fixture(scope="module")
async def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The texts of a desk that processed cases of every kind."""
    folder, outputs = tmp_path_factory.mktemp("masking"), Outputs()
    keys = KeyFile(folder / "keys.json")
    tokens = {role.value: keys.create(f"{role.value}-1", [role])[1] for role in Role}
    with collector(outputs.posted) as endpoint:
        async with desk_in(
            folder,
            CREDIT_DESK_API_KEYS_FILE=str(keys.path),
            CREDIT_DESK_LOG_LEVEL="DEBUG",
            CREDIT_DESK_NOTIFY_URL=f"{endpoint}/hook",
            OTLP_ENDPOINT=endpoint,
        ) as desk:
            clients = Clients(desk, outputs, tokens)
            await everything(clients)
            await asyncio.sleep(1.5)  # Prefect's event writer finishes last
    texts = dict(dumped(folder / "home"))
    for role, path, text in outputs.answers:
        texts[f"answer to {role}: {path} #{len(texts)}"] = text
    for path, bodies in outputs.posted.items():
        name = {"/hook": "webhook", "/v1/traces": "spans", "/v1/metrics": "metrics"}[path]
        texts[name] = b"\n".join(bodies).decode("utf-8", "replace")
    texts["command line"] = "\n".join(outputs.printed)
    return Written(texts, outputs)


@pytest.mark.parametrize("number", PEOPLE)
def test_no_mark_is_anywhere_but_in_the_vault(written: Written, number: int) -> None:
    names = {Marks(number).given["first_name"], Marks(number).given["last_name"]}
    found = {
        needle: [
            place
            for place in written.places_of(needle)
            # The letter shows names, and so do some answers to underwriters and compliance.
            if not (needle in names and _may_read_names(place))
        ]
        for needle in Marks(number).needles
    }

    assert {needle: places for needle, places in found.items() if places} == {}


def _may_read_names(place: str) -> bool:
    if "/notice" in place:
        return True
    role = place.removeprefix("answer to ").split(":")[0]
    if "GET /applications/" in place:
        return role in {"underwriter", "senior_underwriter", "compliance"}
    return "/hitl #" in place and role == "compliance"


def test_every_kind_of_output_was_searched(written: Written) -> None:
    searched = " ".join(written.texts)

    for place in (
        *("log api.log", "log worker.log", "log server.log"),
        *("ledger table events", "ledger table blobs", "ledger table reviews"),
        *("prefect table flow_run", "prefect table events", "prefect table flow_run_input"),
        *("GET /applications/case-0", "spans", "webhook", "command line"),
    ):
        assert place in searched
    assert "Application case-2 waits for underwriter" in written.texts["webhook"]
    assert "Application case-7 waits for compliance" in written.texts["webhook"]
    for printed in ("answer: 2", "document: 2", "follow: 0", "memory: 0", "runs: 0"):
        assert printed in written.texts["command line"]
    assert "credit-desk-lite" in written.texts["spans"]
    assert "kyc" in written.texts["ledger table blobs"]
    assert "underwrite case-2" in written.texts["prefect table flow_run"]


def test_the_marks_are_values_that_the_desk_accepts(written: Written) -> None:
    for number in PEOPLE:
        given = Marks(number).given
        assert normal_ssn(given["ssn"]) == given["ssn"]
        assert len(set(Marks(number).needles)) >= len(given)


def test_the_reason_of_a_reviewer_is_in_the_ledger_and_not_in_prefect(written: Written) -> None:
    places = written.places_of("zqreason")

    assert "ledger table reviews" in places
    assert [place for place in places if place.startswith(("prefect", "log", "spans"))] == []


def test_an_answer_to_an_expired_form_is_not_kept_in_prefect(written: Written) -> None:
    forms = written.texts["prefect table flow_run_input"]

    assert "suspended-compliance-1-" in forms
    assert "-response" not in forms


def test_list_entries_are_shown_to_compliance_only_and_not_stored(
    written: Written,
) -> None:
    for told in ("Zqlisted Person", "ZQPROGRAMME", "1969-08-24"):
        places = written.places_of(told)

        assert places
        assert all(
            place.startswith("answer to compliance: GET /runs/") and "/hitl #" in place
            for place in places
        )


def test_deciding_roles_read_an_application_with_names_and_others_without(
    written: Written,
) -> None:
    first = Marks(0).given["first_name"]
    answers = {
        place.split(":")[0].removeprefix("answer to "): text
        for place, text in written.texts.items()
        if "GET /applications/case-0" in place
    }

    assert {role for role, text in answers.items() if first in text} == {
        "underwriter",
        "senior_underwriter",
        "compliance",
    }
    assert '"first_name":"Z***"' in answers["intake"]
    for role in ("intake", "underwriter", "compliance"):
        assert '"ssn":"***9207"' in answers[role]
        assert '"dob":"1983"' in answers[role]
    for role in ("operator", "viewer"):
        assert '"code":"not_allowed"' in answers[role]
