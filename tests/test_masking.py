"""What is personal stays in the vault: marked values go in by every door, and come out by none.

A desk of its own, with API keys and a collector of spans, underwrites people whose every personal
value is a mark. Afterwards all that it has written and said is searched for the marks: logs,
Prefect's database, the ledger without its vault, spans, answers.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import re
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.keys import KeyFile
from data.contracts.review import Role
from data.contracts.ssn import normal_ssn
from data.settings import Settings
from tests.desk import Desk, desk_in

VAULT = {"applications", "papers"}
ENDED = {"completed", "failed", "cancelled"}
SECONDS = 60.0


@dataclass(frozen=True)
class Marks:
    """The personal values of one invented person, of a kind that occurs nowhere else."""

    number: int

    @property
    def given(self) -> dict[str, str]:
        n = self.number
        return {
            "first_name": f"Zqfirst{'abcdefgh'[n]}",
            "last_name": f"Zqlast{'abcdefgh'[n]}",
            "ssn": f"531-4{n}-92{n}7",
            "dob": f"1983-0{n + 1}-23",
            "email": f"zqmail{n}@example.com",
            "phone": f"+1 217 555 0{n}86",
            "street": f"98{n} Zqstreet Lane",
            "licence": f"ZQLIC{n}40718",
            "device": f"zqdevice-{n}",
            "rent": f"Zqrent of house {n}",
        }

    @property
    def needles(self) -> tuple[str, ...]:
        """What is searched for: each value as it was given, and as others may write it."""
        given = self.given
        ssn, phone = given["ssn"], re.sub(r"\D", "", given["phone"])
        return (*given.values(), ssn.replace("-", ""), phone, phone[1:], given["email"].upper())


@dataclass
class Heard:
    """Everything the desk has said, by whom it was said to."""

    answers: list[tuple[str, str, str]] = field(default_factory=list)
    spans: list[bytes] = field(default_factory=list)


@dataclass
class Doors:
    """A desk with keys, and one client for each role; what they are answered is kept."""

    desk: Desk
    heard: Heard
    keys: dict[str, str]

    async def ask(self, role: str, method: str, path: str, **sent: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[role]}"} | sent.pop("headers", {})
        answer = await self.desk.http.request(method, path, headers=headers, **sent)
        self.heard.answers.append((role, f"{method} {path}", f"{answer.headers}\n{answer.text}"))
        return answer

    async def submit(self, case: dict[str, Any]) -> str:
        answer = await self.ask("intake", "POST", "/runs", json={"application": case})
        assert answer.status_code == 202, answer.text
        run_id: str = answer.json()["run_id"]
        return run_id

    async def until(self, run_id: str, *statuses: str) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS):
            while True:
                run: dict[str, Any] = (await self.ask("viewer", "GET", f"/runs/{run_id}")).json()
                if run["status"] in statuses:
                    return run
                await asyncio.sleep(0.2)

    async def answer(self, role: str, run_id: str, **fields: Any) -> httpx.Response:
        named = {"reviewer": "somebody", "reason": "seen and considered"} | fields
        return await self.ask(role, "POST", f"/runs/{run_id}/hitl", json=named)


def marked(persona: str, marks: Marks) -> dict[str, Any]:
    """A persona's bundle as handed in by the marked person."""
    bundle = json.loads((Settings().data_dir / "synthetic" / f"{persona}.json").read_text())
    later = bundle["later_documents"]
    for name in ("persona", "expected", "later_documents"):
        del bundle[name]
    one = bundle["application"]["applicants"][0]
    given = marks.given
    swaps = {
        f"{one['first_name']} {one['last_name']}": f"{given['first_name']} {given['last_name']}",
        one["ssn"]: given["ssn"],
        one["dob"]: given["dob"],
        one["email"]: given["email"],
        one["phone"]: given["phone"],
        one["addresses"][0]["line1"]: given["street"],
        '"Rent"': f'"{given["rent"]}"',
    }
    for document in [*bundle["documents"], *later]:
        _swap_inside(document, swaps, given["licence"])
    text = json.dumps(bundle)
    for old, new in swaps.items():
        text = text.replace(old, new)
    case: dict[str, Any] = json.loads(text)
    case["application"]["application_id"] = f"case-{marks.number}"
    applicant = case["application"]["applicants"][0]
    applicant["first_name"], applicant["last_name"] = given["first_name"], given["last_name"]
    if case["fraud_signals"]:
        case["fraud_signals"]["device_id"] = given["device"]
    if case["bureau_report"]:
        case["bureau_report"]["subject_ssn_last4"] = given["ssn"][-4:]
    case["later"] = later
    return case


def _swap_inside(document: dict[str, Any], swaps: dict[str, str], licence: str) -> None:
    try:
        text = base64.b64decode(document["content_base64"], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    for old, new in swaps.items():
        text = text.replace(old, new)
    content = re.sub(r'"number":"[^"]*"', f'"number":"{licence}"', text).encode()
    document["content_base64"] = base64.b64encode(content).decode()
    document["size_bytes"] = len(content)
    document["sha256"] = hashlib.sha256(content).hexdigest()


@contextmanager
def collector(spans: list[bytes]) -> Iterator[str]:
    """A collector of spans that keeps whatever it is sent."""

    class Receive(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            spans.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receive) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Written:
    """All that a desk has left behind, as text by where it lies."""

    texts: dict[str, str]
    heard: Heard

    def places_of(self, needle: str) -> list[str]:
        return sorted(place for place, text in self.texts.items() if needle in text)


@pytest.fixture(scope="module")
async def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """What is left of a desk at which everything happened that can happen to a case."""
    folder, heard = tmp_path_factory.mktemp("masking"), Heard()
    keys = KeyFile(folder / "keys.json")
    tokens = {role.value: keys.create(f"{role.value}-1", [role])[1] for role in Role}
    with collector(heard.spans) as endpoint:
        async with desk_in(
            folder,
            CREDIT_DESK_API_KEYS_FILE=str(keys.path),
            CREDIT_DESK_LOG_LEVEL="DEBUG",
            OTLP_ENDPOINT=endpoint,
        ) as desk:
            doors = Doors(desk, heard, tokens)
            await everything(doors)
            await asyncio.sleep(1.5)  # Prefect's event writer is the last to know
    texts = dict(_dumped(folder / "home"))
    for role, path, text in heard.answers:
        texts[f"answer to {role}: {path} #{len(texts)}"] = text
    texts["spans"] = b"\n".join(heard.spans).decode("utf-8", "replace")
    return Written(texts, heard)


async def everything(doors: Doors) -> None:
    approved, declined, referred = await asyncio.gather(
        *(
            doors.submit(_handed_in(marked(persona, Marks(n))))
            for n, persona in enumerate(("ada-prime", "dee-debtor", "bora-borderline"))
        )
    )
    assert (await doors.until(approved, *ENDED))["decision"]["outcome"] == "approve"
    assert (await doors.until(declined, *ENDED))["decision"]["outcome"] == "decline"
    await referral(doors, referred, Marks(2))
    await corrupt_paper(doors, Marks(3))
    await tool_error(doors, Marks(4))
    await dead_worker(doors, Marks(5))
    await bad_requests(doors, approved, Marks(6))
    for run_id in (approved, declined, referred):
        await reading(doors, run_id)


async def referral(doors: Doors, run_id: str, marks: Marks) -> None:
    """Reasons that tell too much, by both doors; then one that may stand."""
    await doors.until(run_id, "waiting")
    given = marks.given
    for told in ("ssn", "dob", "email", "phone", "street", "licence"):
        refused = await doors.answer(
            "underwriter",
            run_id,
            gate="underwriter",
            decision="approve",
            reason=f"I saw {given[told]} myself",
        )
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/reason")
    await typed_into_prefect(doors, run_id, reason=f"the number is {given['ssn']}")
    async with asyncio.timeout(SECONDS):
        while "hitl.rejected" not in (await journal(doors, run_id)):  # noqa: ASYNC110 - a process
            await asyncio.sleep(0.2)
    await doors.until(run_id, "waiting")
    accepted = await doors.answer(
        "underwriter",
        run_id,
        gate="underwriter",
        decision="approve",
        reason="zqreason, long tenure",
    )
    assert accepted.status_code == 202, accepted.text
    assert (await doors.until(run_id, *ENDED))["decision"]["outcome"] == "approve"


async def typed_into_prefect(doors: Doors, run_id: str, **fields: str) -> None:
    """Fill in the form that the Prefect UI draws, as soon as the run is asleep."""
    form = {"decision": "approve", "reviewer": "somebody", "reason": "seen"} | fields
    async with httpx.AsyncClient(base_url=f"{doors.desk.prefect_url}/api") as prefect:
        async with asyncio.timeout(SECONDS):
            while True:
                answer = await prefect.post(f"/flow_runs/{run_id}/resume", json={"run_input": form})
                if answer.status_code == 201 and answer.json()["status"] == "ACCEPT":
                    return
                await asyncio.sleep(0.2)


async def journal(doors: Doors, run_id: str) -> set[str]:
    """The types of the events so far, from the audit pack, which does not wait for the end."""
    pack = (await doors.ask("operator", "GET", f"/runs/{run_id}/audit")).json()
    return {entry["event"]["type"] for entry in pack["journal"]}


async def corrupt_paper(doors: Doors, marks: Marks) -> None:
    case = marked("cora-corrupt", marks)
    run_id = await doors.submit(_handed_in(case))
    await doors.until(run_id, "waiting")
    papers = []
    for paper in case["later"]:
        wanted = {"document_id", "kind", "media_type", "content_base64", "received_at"}
        sent = {name: value for name, value in paper.items() if name in wanted}
        filed = await doors.ask(
            "intake", "POST", f"/applications/case-{marks.number}/documents", json=sent
        )
        assert filed.status_code == 201, filed.text
        papers.append(sent["document_id"])
    broken = {"document_id": "torn", "kind": "paystub", "content_base64": "Zqfirstd"}
    await doors.ask("intake", "POST", f"/applications/case-{marks.number}/documents", json=broken)
    answered = await doors.answer(
        "intake", run_id, gate="documents", decision="supplied", document_ids=papers
    )
    assert answered.status_code == 202, answered.text
    assert (await doors.until(run_id, *ENDED))["status"] == "completed"


async def tool_error(doors: Doors, marks: Marks) -> None:
    """A bureau that does not answer: retries, errors, and a referral that is cancelled."""
    run_id = await doors.submit(_handed_in(marked("tim-timeout", marks)))
    await doors.until(run_id, "waiting")
    assert (await doors.ask("operator", "POST", f"/runs/{run_id}/cancel")).status_code == 202
    await doors.until(run_id, "cancelled")


async def dead_worker(doors: Doors, marks: Marks) -> None:
    run_id = await doors.submit(_handed_in(marked("ben-midland", marks)))
    await doors.until(run_id, "running")
    doors.desk.role("worker").kill()
    assert (await doors.until(run_id, *ENDED))["status"] == "completed"


async def bad_requests(doors: Doors, run_id: str, marks: Marks) -> None:
    """Wrong types, unknown fields, values in places where nobody expects any."""
    given = marks.given
    case = _handed_in(marked("ada-prime", marks))
    for name, value in {
        "ssn": {"number": given["ssn"]},
        "dob": f"{given['dob']} at noon",
        "phone": [given["phone"]],
        "email": f"not {given['email']}",
        given["street"]: given["street"],
        "residency": given["last_name"],
    }.items():
        wrong = json.loads(json.dumps(case))
        wrong["application"]["applicants"][0][name] = value
        refused = await doors.ask("intake", "POST", "/runs", json={"application": wrong})
        assert refused.status_code == 422, name
    torn = json.dumps(case)[:-40].encode()
    json_only = {"Content-Type": "application/json"}
    assert (
        await doors.ask("intake", "POST", "/runs", content=torn, headers=json_only)
    ).status_code == 400
    searched = {"text": given["email"], "agent": given["last_name"]}
    await doors.ask("viewer", "GET", f"/runs/{run_id}/memory", params=searched)
    await doors.ask("viewer", "GET", "/runs", params={"cursor": given["ssn"]})
    await doors.ask(
        "operator",
        "POST",
        f"/runs/{run_id}/resume",
        json={"checkpoint": "verification", "overrides": {"amount_requested": given["phone"]}},
    )
    await doors.ask(
        "operator", "POST", f"/runs/{run_id}/resume", json={"overrides": {given["ssn"]: 1}}
    )
    await doors.ask("viewer", "GET", f"/runs/{run_id}/checkpoints/{given['email']}")
    await doors.ask("viewer", "GET", f"/runs/{run_id}/diff?from={given['ssn']}&to={given['ssn']}")
    await doors.ask("operator", "POST", f"/runs/{run_id}/resume", json={"checkpoint": given["ssn"]})
    await doors.answer("underwriter", run_id, gate=given["email"], decision=given["street"])
    await doors.ask("viewer", "GET", "/runs", headers={"X-Desk-Channel": given["email"]})


async def reading(doors: Doors, run_id: str) -> None:
    """Everything that can be asked about a run, by everybody."""
    run = (await doors.ask("viewer", "GET", f"/runs/{run_id}")).json()
    for role in ("viewer", "compliance"):
        for part in ("state", "memory", "decision", "checkpoints", "events", "hitl", "audit"):
            await doors.ask(role, "GET", f"/runs/{run_id}/{part}")
        for label in {entry["label"] for entry in await _checkpoints(doors, run_id)}:
            await doors.ask(role, "GET", f"/runs/{run_id}/checkpoints/{label}")
        await doors.ask(role, "GET", f"/runs/{run_id}/diff?from=intake&to=decision")
        await doors.ask(role, "GET", f"/runs/{run_id}/notice")
        await doors.ask(role, "GET", f"/workflow/graph.json?run_id={run_id}")
        await doors.ask(role, "GET", "/inbox")
        await doors.ask(role, "GET", "/runs")
    for role in doors.keys:
        await doors.ask(role, "GET", f"/applications/{run['application_id']}")


async def _checkpoints(doors: Doors, run_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        await doors.ask("viewer", "GET", f"/runs/{run_id}/checkpoints")
    ).json()
    return found


def _handed_in(case: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in case.items() if name != "later"}


def _dumped(home: Path) -> Iterator[tuple[str, str]]:
    """Every log and every table of the desk's folder; what is compressed, unpacked."""
    for log in sorted((home / "logs").iterdir()):
        yield f"log {log.name}", log.read_text(errors="replace")
    for file, name in (
        (home / "ledger.db", "ledger"),
        (home / "prefect" / "prefect.db", "prefect"),
    ):
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            tables = connection.execute("select name from sqlite_master where type = 'table'")
            for (table,) in tables.fetchall():
                if name == "ledger" and table in VAULT:
                    continue
                rows = connection.execute(f'select * from "{table}"').fetchall()  # noqa: S608
                yield f"{name} table {table}", "\n".join(_plain(one) for row in rows for one in row)


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        with suppress(zlib.error):
            value = zlib.decompress(value)
        return value.decode("utf-8", "replace")
    return str(value)


# -- what was written ----------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(7))
def test_no_mark_is_anywhere_but_in_the_vault(written: Written, number: int) -> None:
    names = {Marks(number).given["first_name"], Marks(number).given["last_name"]}
    found = {
        needle: [
            place
            for place in written.places_of(needle)
            # Names are on the letter and before an underwriter's eyes; nothing else is.
            if not (needle in names and _may_read_names(place))
        ]
        for needle in Marks(number).needles
    }

    assert {needle: places for needle, places in found.items() if places} == {}


def _may_read_names(place: str) -> bool:
    return "/notice" in place or (
        "GET /applications/" in place and "underwriter:" in place.replace("senior_", "")
    )


def test_every_kind_of_output_was_searched(written: Written) -> None:
    searched = " ".join(written.texts)

    for place in (
        *("log api.log", "log worker.log", "log server.log"),
        *("ledger table events", "ledger table blobs", "ledger table reviews"),
        *("prefect table flow_run", "prefect table events", "prefect table flow_run_input"),
        *("GET /applications/case-0", "spans"),
    ):
        assert place in searched
    assert "credit-desk-lite" in written.texts["spans"]
    assert "kyc" in written.texts["ledger table blobs"]
    assert "underwrite case-2" in written.texts["prefect table flow_run"]


def test_the_marks_are_in_the_vault_and_are_values_that_the_desk_takes(written: Written) -> None:
    for number in range(7):
        given = Marks(number).given
        assert normal_ssn(given["ssn"]) == given["ssn"]
        assert len(set(Marks(number).needles)) >= len(given)


def test_what_a_reviewer_wrote_is_in_the_ledger_and_not_in_prefect(written: Written) -> None:
    places = written.places_of("zqreason")

    assert "ledger table reviews" in places
    assert [place for place in places if place.startswith(("prefect", "log", "spans"))] == []


def test_an_application_is_read_with_names_by_underwriters_and_masked_by_others(
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
    }
    for role in ("intake", "compliance"):
        assert '"first_name":"Z***"' in answers[role]
        assert '"ssn":"***9207"' in answers[role]
        assert '"dob":"1983"' in answers[role]
    for role in ("operator", "viewer"):
        assert '"code":"not_allowed"' in answers[role]
