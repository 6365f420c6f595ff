"""A desk with API keys that underwrites applicants whose personal values are unique marks.

It keeps every answer, and every text that the desk has stored, sent or printed.
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

from api.mcp.tools import TOOLS
from data.settings import Settings
from tests.command_line import credit_desk
from tests.desk import Desk
from tests.flows.waiting_runs import typed_into_prefect

VAULT = {"applications", "documents"}
"""The tables of the ledger that may hold personal data."""
ENDED = {"completed", "failed", "cancelled"}
PEOPLE = range(8)
SECONDS = 60.0


@dataclass(frozen=True)
class Marks:
    """The personal values of one invented applicant. They occur nowhere else."""

    number: int

    @property
    def given(self) -> dict[str, str]:
        n = self.number
        return {
            "first_name": f"Zqfirst{'abcdefgh'[n]}",
            "last_name": f"Zqlast{'abcdefgh'[n]}",
            "ssn": f"531-4{n}-92{n}7",
            "dob": f"{1983 - 2 * n}-0{n + 1}-23",
            "email": f"zqmail{n}@example.com",
            "phone": f"+1 217 555 0{n}86",
            "street": f"98{n} Zqstreet Lane",
            "licence": f"ZQLIC{n}40718",
            "device": f"zqdevice-{n}",
            "rent": f"Zqrent of house {n}",
        }

    @property
    def needles(self) -> tuple[str, ...]:
        """The texts to search for: each value as given, in other spellings, in base64."""
        given = self.given
        ssn, phone = given["ssn"], re.sub(r"\D", "", given["phone"])
        texts = (*given.values(), ssn.replace("-", ""), phone, phone[1:], given["email"].upper())
        return (*texts, *(part for text in given.values() for part in in_base64(text)))


def in_base64(text: str) -> Iterator[str]:
    """How a text looks inside base64, at each of the three places where it can begin."""
    content = text.encode()
    for shift in range(3):
        written = base64.b64encode(b" " * shift + content).decode()
        yield written[-(-shift * 8 // 6) : (shift + len(content)) * 8 // 6]


@dataclass
class Outputs:
    """Everything that the desk has sent or printed."""

    answers: list[tuple[str, str, str]] = field(default_factory=list)
    posted: dict[str, list[bytes]] = field(default_factory=dict)
    """Spans and notifications, by the path of the request."""
    printed: list[str] = field(default_factory=list)


@dataclass
class Clients:
    """A desk with API keys, and a client for each role. It keeps every answer."""

    desk: Desk
    outputs: Outputs
    keys: dict[str, str]

    async def ask(self, role: str, method: str, path: str, **sent: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[role]}"} | sent.pop("headers", {})
        answer = await self.desk.http.request(method, path, headers=headers, **sent)
        self.outputs.answers.append((role, f"{method} {path}", f"{answer.headers}\n{answer.text}"))
        return answer

    async def submit(self, case: dict[str, Any]) -> str:
        answer = await self.ask("intake", "POST", "/runs", json={"application": case})
        assert answer.status_code == 202, answer.text
        run_id: str = answer.json()["run_id"]
        return run_id

    async def type_in(self, role: str, *arguments: str) -> int:
        """Run a command with the key of a role. Keep its output and return its exit code."""
        code, printed, errors = await credit_desk(self.desk, "--key", self.keys[role], *arguments)
        self.outputs.printed.append(f"{arguments[0]}: {code}\n{printed}\n{errors}")
        return code

    async def until(self, run_id: str, *statuses: str) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS):
            while True:
                run: dict[str, Any] = (await self.ask("viewer", "GET", f"/runs/{run_id}")).json()
                if run["status"] in statuses:
                    return run
                await asyncio.sleep(0.2)

    async def flow_run_id(self, run_id: str) -> str:
        """The id of the Prefect flow run that executes a run."""
        run = (await self.ask("viewer", "GET", f"/runs/{run_id}")).json()
        return str(run["links"]["prefect"].rpartition("/")[2])

    async def answer(self, role: str, run_id: str, **fields: Any) -> httpx.Response:
        answer = {"reviewer": "Rita", "reason": "seen and considered"} | fields
        return await self.ask(role, "POST", f"/runs/{run_id}/hitl", json=answer)


def marked(persona: str, marks: Marks) -> dict[str, Any]:
    """A persona's case file with the marks of an applicant."""
    bundle = json.loads((Settings().data_dir / "synthetic" / f"{persona}.json").read_text())
    later = bundle["later_documents"]
    for name in ("persona", "expected", "later_documents"):
        del bundle[name]
    stated = bundle["application"]["applicants"][0]
    given = marks.given
    full_name = f"{stated['first_name']} {stated['last_name']}"
    swaps = {
        full_name: f"{given['first_name']} {given['last_name']}",
        stated["ssn"]: given["ssn"],
        stated["dob"]: given["dob"],
        stated["email"]: given["email"],
        stated["phone"]: given["phone"],
        stated["addresses"][0]["line1"]: given["street"],
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
def collector(posted: dict[str, list[bytes]]) -> Iterator[str]:
    """A server for spans and webhook calls. It keeps every request body."""

    class Receive(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            posted.setdefault(self.path, []).append(content)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Do not print on the terminal."""

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
    """All stored and sent texts of a desk, by their place."""

    texts: dict[str, str]
    outputs: Outputs

    def places_of(self, needle: str) -> list[str]:
        return sorted(place for place, text in self.texts.items() if needle in text)


async def everything(clients: Clients) -> None:
    silent, approved, declined, referred = await asyncio.gather(
        unanswered(clients, Marks(7)),
        *(
            clients.submit(_submitted(marked(persona, Marks(n))))
            for n, persona in enumerate(("ada-prime", "dee-debtor", "bora-borderline"))
        ),
    )
    assert (await clients.until(approved, *ENDED))["decision"]["outcome"] == "approve"
    assert (await clients.until(declined, *ENDED))["decision"]["outcome"] == "decline"
    await referral(clients, referred, Marks(2))
    await corrupt_document(clients, Marks(3))
    await tool_error(clients, Marks(4))
    await dead_worker(clients, Marks(5))
    await bad_requests(clients, approved, Marks(6))
    await ids_with_personal_data(clients, Marks(6))
    assert (await clients.until(silent, *ENDED))["decision"]["outcome"] == "decline"
    await asyncio.gather(
        command_line(clients, referred),
        *(reading(clients, run_id) for run_id in (approved, declined, referred)),
    )


async def referral(clients: Clients, run_id: str, marks: Marks) -> None:
    """Reasons with personal data through API and Prefect, then an allowed reason."""
    await clients.until(run_id, "waiting")
    given = marks.given
    claimed = await clients.ask(
        "underwriter", "POST", f"/runs/{run_id}/claim", json={"reviewer": given["ssn"]}
    )
    assert claimed.json()["reviewer"] == "underwriter-1"
    command = ("answer", run_id, "--decision", "approve", "--reviewer", "Rita", "--reason")
    assert await clients.type_in("underwriter", *command, f"born {given['dob']}, I saw it") == 2
    for told in ("ssn", "dob", "email", "phone", "street", "licence"):
        refused = await clients.answer(
            "underwriter",
            run_id,
            gate="underwriter",
            decision="approve",
            reason=f"I saw {given[told]} myself",
        )
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/reason")
    await typed_into_prefect(
        clients.desk.prefect_url,
        await clients.flow_run_id(run_id),
        seconds=SECONDS,
        decision="approve",
        reviewer="Rita",
        reason=f"the number is {given['ssn']}",
    )
    async with asyncio.timeout(SECONDS):
        while "hitl.rejected" not in (await journal(clients, run_id)):  # noqa: ASYNC110 - a process
            await asyncio.sleep(0.2)
    await clients.until(run_id, "waiting")
    accepted = await clients.answer(
        "underwriter",
        run_id,
        gate="underwriter",
        decision="approve",
        reason="zqreason, long tenure",
    )
    assert accepted.status_code == 202, accepted.text
    assert (await clients.until(run_id, *ENDED))["decision"]["outcome"] == "approve"


async def unanswered(clients: Clients, marks: Marks) -> str:
    """A name like a listed name. Compliance does not answer before the request expires.

    An answer typed into Prefect's form never reaches the desk and stays in Prefect.
    """
    given = marks.given
    listed = clients.desk.data_dir / "watchlists" / "sanctions.json"
    edition = json.loads(listed.read_text())
    edition["entries"].append(
        {
            "entry_id": "ZQ-1",
            "names": ["Zqlisted Person"],
            "aliases": [f"{given['first_name']} {given['last_name']}"],
            "dobs": ["1969-08-24"],
            "programme": "ZQPROGRAMME",
        }
    )
    listed.write_text(json.dumps(edition))
    run_id = await clients.submit(_submitted(marked("ada-prime", marks)))
    assert (await clients.until(run_id, "waiting"))["waiting_for"]["gate"] == "compliance"
    for role in clients.keys:
        await clients.ask(role, "GET", f"/runs/{run_id}/hitl")
        await clients.ask(role, "GET", "/inbox")
    form = {"decision": "clear", "reviewer": given["phone"], "reason": f"was {given['ssn']}"}
    async with httpx.AsyncClient(base_url=f"{clients.desk.prefect_url}/api") as prefect:
        written = await prefect.post(
            f"/flow_runs/{await clients.flow_run_id(run_id)}/input",
            json={"key": "suspended-compliance-1-1-response", "value": json.dumps(form)},
        )
        assert written.status_code == 201, written.text
    with closing(sqlite3.connect(clients.desk.home / "ledger.db", timeout=SECONDS)) as ledger:
        ledger.execute(
            "update reviews set due_at = '2026-01-01T00:00:00.000000Z' where run_id = ?", (run_id,)
        )
        ledger.commit()
    return run_id


async def journal(clients: Clients, run_id: str) -> set[str]:
    """The types of the events so far, from the audit pack, which needs no ended run."""
    pack = (await clients.ask("operator", "GET", f"/runs/{run_id}/audit")).json()
    return {entry["event"]["type"] for entry in pack["journal"]}


async def corrupt_document(clients: Clients, marks: Marks) -> None:
    case = marked("cora-corrupt", marks)
    run_id = await clients.submit(_submitted(case))
    await clients.until(run_id, "waiting")
    filed_ids = []
    for document in case["later"]:
        wanted = {"document_id", "kind", "media_type", "content_base64", "received_at"}
        sent = {name: value for name, value in document.items() if name in wanted}
        filed = await clients.ask(
            "intake", "POST", f"/applications/case-{marks.number}/documents", json=sent
        )
        assert filed.status_code == 201, filed.text
        filed_ids.append(sent["document_id"])
    broken = {"document_id": "torn", "kind": "paystub", "content_base64": "Zqfirstd"}
    await clients.ask("intake", "POST", f"/applications/case-{marks.number}/documents", json=broken)
    answered = await clients.answer(
        "intake", run_id, gate="documents", decision="supplied", document_ids=filed_ids
    )
    assert answered.status_code == 202, answered.text
    assert (await clients.until(run_id, *ENDED))["status"] == "completed"


async def tool_error(clients: Clients, marks: Marks) -> None:
    """A bureau that does not answer: retries, errors, and a cancelled referral."""
    run_id = await clients.submit(_submitted(marked("tim-timeout", marks)))
    await clients.until(run_id, "waiting")
    assert (await clients.ask("operator", "POST", f"/runs/{run_id}/cancel")).status_code == 202
    await clients.until(run_id, "cancelled")


async def dead_worker(clients: Clients, marks: Marks) -> None:
    run_id = await clients.submit(_submitted(marked("ben-midland", marks)))
    await clients.until(run_id, "running")
    clients.desk.role("worker").kill()
    assert (await clients.until(run_id, *ENDED))["status"] == "completed"


async def bad_requests(clients: Clients, run_id: str, marks: Marks) -> None:
    """Wrong types, unknown fields, and values in unusual places."""
    given = marks.given
    case = _submitted(marked("ada-prime", marks))
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
        refused = await clients.ask("intake", "POST", "/runs", json={"application": wrong})
        assert refused.status_code == 422, name
    torn = json.dumps(case)[:-40].encode()
    json_only = {"Content-Type": "application/json"}
    assert (
        await clients.ask("intake", "POST", "/runs", content=torn, headers=json_only)
    ).status_code == 400
    searched = {"text": given["email"], "agent": given["last_name"]}
    await clients.ask("viewer", "GET", f"/runs/{run_id}/memory", params=searched)
    await clients.ask("viewer", "GET", "/runs", params={"cursor": given["ssn"]})
    await clients.ask(
        "operator",
        "POST",
        f"/runs/{run_id}/resume",
        json={"checkpoint": "verification", "overrides": {"amount_requested": given["phone"]}},
    )
    await clients.ask(
        "operator", "POST", f"/runs/{run_id}/resume", json={"overrides": {given["ssn"]: 1}}
    )
    await clients.ask("viewer", "GET", f"/runs/{run_id}/checkpoints/{given['email']}")
    await clients.ask("viewer", "GET", f"/runs/{run_id}/diff?from={given['ssn']}&to={given['ssn']}")
    await clients.ask(
        "operator", "POST", f"/runs/{run_id}/resume", json={"checkpoint": given["ssn"]}
    )
    await clients.answer("underwriter", run_id, gate=given["email"], decision=given["street"])
    await clients.ask("viewer", "GET", "/runs", headers={"X-Desk-Channel": given["email"]})


async def ids_with_personal_data(clients: Clients, marks: Marks) -> None:
    """Tax numbers as ids: the API refuses them before it writes, and does not repeat them."""
    given = marks.given
    ssn, digits = given["ssn"], given["ssn"].replace("-", "")
    case = _submitted(marked("ada-prime", marks))
    case["documents"][0]["document_id"] = f"scan-{given['licence']}"
    of_a_kind = {"kind": "paystub", "content_base64": "e30="}
    for path, sent, pointer in (
        ("/runs", {"application": case}, "/application/documents/0/document_id"),
        ("/runs", {"application_id": ssn}, "/application_id"),
        ("/runs", {"application_id": "ada-prime", "options": {"as": digits}}, "/options/as"),
        ("/applications/case-0/documents", of_a_kind | {"document_id": ssn}, "/document_id"),
    ):
        refused = await clients.ask("intake", "POST", path, json=sent)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)
    other = Marks(0).given
    told = of_a_kind | {"document_id": f"of-{other['dob']}"}
    refused = await clients.ask("intake", "POST", "/applications/case-0/documents", json=told)
    assert refused.status_code == 422, refused.text


async def command_line(clients: Clients, run_id: str) -> None:
    """The output of commands about a case, and about a file named like a tax number."""
    scan = clients.desk.home.parent / f"{Marks(2).given['ssn']}.json"
    scan.write_text("{}")
    codes = await asyncio.gather(
        clients.type_in("intake", "document", "case-2", str(scan), "--kind", "paystub"),
        clients.type_in("viewer", "follow", run_id),
        clients.type_in("viewer", "memory", run_id),
        clients.type_in("viewer", "runs", "--json"),
    )
    assert [*codes] == [2, 0, 0, 0], clients.outputs.printed


async def reading(clients: Clients, run_id: str) -> None:
    """All requests about a run, by every role that may read."""
    run = (await clients.ask("viewer", "GET", f"/runs/{run_id}")).json()
    for role in ("viewer", "compliance"):
        for part in ("state", "memory", "decision", "checkpoints", "events", "hitl", "audit"):
            await clients.ask(role, "GET", f"/runs/{run_id}/{part}")
        for label in {entry["label"] for entry in await _checkpoints(clients, run_id)}:
            await clients.ask(role, "GET", f"/runs/{run_id}/checkpoints/{label}")
        await clients.ask(role, "GET", f"/runs/{run_id}/diff?from=intake&to=decision")
        await clients.ask(role, "GET", f"/runs/{run_id}/notice")
        await clients.ask(role, "GET", f"/workflow/graph.json?run_id={run_id}")
        await clients.ask(role, "GET", "/inbox")
        await clients.ask(role, "GET", "/runs")
        await through_tools(clients, role, run_id)
    for role in clients.keys:
        await clients.ask(role, "GET", f"/applications/{run['application_id']}")


async def through_tools(clients: Clients, role: str, run_id: str) -> None:
    """All answers of the tools for language models."""
    for tool in TOOLS:
        taken = {"run_id": run_id} if "run_id" in tool.takes.model_fields else {}
        message = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": tool.name, "arguments": taken},
        }
        accepted = {"Accept": "application/json, text/event-stream"}
        answer = await clients.ask(role, "POST", "/mcp", json=message, headers=accepted)
        assert answer.json()["result"]["content"], answer.text


async def _checkpoints(clients: Clients, run_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        await clients.ask("viewer", "GET", f"/runs/{run_id}/checkpoints")
    ).json()
    return found


def _submitted(case: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in case.items() if name != "later"}


def dumped(home: Path) -> Iterator[tuple[str, str]]:
    """Every log and every table of the desk's folder. Compressed values are unpacked."""
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
                yield (
                    f"{name} table {table}",
                    "\n".join(_plain(value) for row in rows for value in row),
                )


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        with suppress(zlib.error):
            value = zlib.decompress(value)
        return value.decode("utf-8", "replace")
    return str(value)
