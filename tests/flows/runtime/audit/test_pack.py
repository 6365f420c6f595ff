"""The audit pack: it proves itself, and shows where it was altered."""

from __future__ import annotations

import copy
import hashlib
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from data.contracts.base import canonical_json
from data.contracts.errors import ContractViolationError, RecordNotFoundError, UnavailableError
from data.contracts.review import Answerer, Channel, ReviewRequest, Role
from data.contracts.runs import RunStatus
from flows.runtime.audit import pack as audit
from flows.runtime.audit.key import FILE, fingerprint, public_text, read_public_key, signing_key
from flows.runtime.audit.pack import AuditError, Proven, collect, signed, verify
from flows.runtime.ledger import (
    applications,
    decision_events,
    decisions,
    journal,
    letters,
    reviews,
    tables,
)
from flows.runtime.ledger.database import Ledger
from tests.flows.runtime.entries import RUN, a_run, draft

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
ENTRIES = 6
QUESTION = ReviewRequest(
    role=Role.UNDERWRITER,
    title="Rule",
    summary="",
    facts={"amount": "12000.00"},
    deadlines_version="d/1",
)
DOCUMENT = b'{"text":"a payslip"}'
ANSWER = {"decision": "adjust", "reviewer": "u-1", "reason": "less is safer", "amount": 9000.0}
BY = Answerer(reviewer="u-1", roles=(Role.UNDERWRITER,), channel=Channel.HTTP, proven=True)


async def with_a_decision(ledger: Ledger) -> str:
    """The story's run decides, a letter is sent, and an offer is answered; the decision's id."""
    await a_story(ledger)
    written = [letters.Letter("primary", "approval", "2026-12-02", {"text": "Dear reader"})]
    await ledger.write(decisions.enter, RUN, QUESTION, written)
    decision_id: str = (await ledger.read(decisions.find, RUN))["decision_id"]

    def answer(connection: sa.Connection) -> None:
        answered = {"accept": True}
        decision_events.record(
            connection, decision_id, "offer", answered, by="ina", by_principal=""
        )

    await ledger.write(answer)
    return decision_id


async def a_story(ledger: Ledger) -> None:
    """A run with six journal entries, one answered question, state and versions."""
    await a_run(ledger, versions={"policy": "p/1"}, submitted_by="intake-1")
    drafts = [draft(f"step {n}", n / ENTRIES) for n in range(1, ENTRIES + 1)]
    await ledger.write(
        journal.append, RUN, drafts, status=RunStatus.COMPLETED, state={"a": {"b": 1}}
    )
    await ledger.write(applications.file_document, f"of-{RUN}", "payslip", DOCUMENT, "intake-1")
    review = await ledger.write(reviews.ask, RUN, "underwriter", 1, QUESTION)
    await ledger.write(reviews.answer, review, ANSWER, BY)


@pytest.fixture(scope="module")
async def pack(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A signed pack, parsed: alter a copy."""
    with Ledger(f"sqlite:///{tmp_path_factory.mktemp('audit') / 'ledger.db'}") as ledger:
        ledger.migrate()
        await a_story(ledger)
        found: dict[str, Any] = json.loads(signed(await ledger.read(collect, RUN, "1.2.3"), KEY))
    return found


def verified(pack: dict[str, Any]) -> Proven:
    return verify(canonical_json(pack), KEY.public_key())


def problem_of(pack: dict[str, Any]) -> AuditError:
    with pytest.raises(AuditError) as found:
        verified(pack)
    return found.value


def paths_in(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where single values stand in a document; an empty collection is one."""
    inside: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    found = [place for name, part in inside for place in paths_in(part, (*path, name))]
    return found or [path]


def changed(value: Any) -> Any:
    """Another value, as near as can be."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value} "
        case _:
            return "something"


# -- what is in it -----------------------------------------------------------------------------


async def test_a_pack_of_either_database_proves_itself(any_ledger: Ledger) -> None:
    await a_story(any_ledger)

    content = signed(await any_ledger.read(collect, RUN, "1.2.3"), KEY)

    assert verify(content, KEY.public_key()) == Proven(
        run_id=RUN,
        application_id=f"of-{RUN}",
        entries=ENTRIES,
        signed_by=fingerprint(KEY.public_key()),
    )


def test_a_pack_tells_who_did_what_and_what_became_different(pack: dict[str, Any]) -> None:
    [review] = pack["reviews"]

    assert review["answered_by"] == {
        "reviewer": "u-1",
        "principal": "",
        "roles": ["underwriter"],
        "channel": "http",
        "proven": True,
        "keyed": False,
    }
    assert review["changed"] == {"amount": {"before": "12000.00", "after": 9000.0}}
    assert review["answer"]["reason"] == "less is safer"
    assert review["asked"]["deadlines_version"] == "d/1"
    assert (pack["run"]["submitted_by"], pack["run"]["versions"]) == ("intake-1", {"policy": "p/1"})
    assert (pack["code_version"], pack["findings"]) == ("1.2.3", {"a": {"b": 1}})


async def test_a_document_is_found_by_its_own_digest_whatever_it_was_filed_in(
    any_ledger: Ledger,
) -> None:
    await a_story(any_ledger)

    def of_the_slip_in(filed: bytes) -> str:
        return hashlib.sha256(json.loads(filed)["text"].encode()).hexdigest()

    plain = await any_ledger.read(collect, RUN, "1")
    told = await any_ledger.read(collect, RUN, "1", of_the_slip_in)

    [before], [document] = (pack["run"]["inputs"]["documents"] for pack in (plain, told))
    assert before["sha256"] == before["filed_sha256"] == hashlib.sha256(DOCUMENT).hexdigest()
    assert document["sha256"] == hashlib.sha256(b"a payslip").hexdigest()
    assert document["filed_sha256"] == before["filed_sha256"]
    assert (document["document_id"], document["filed_by"]) == ("payslip", "intake-1")


async def test_there_is_no_pack_of_an_unknown_run(any_ledger: Ledger) -> None:
    with pytest.raises(RecordNotFoundError):
        await any_ledger.read(collect, "unknown", "1")


# -- what is wrong with it ---------------------------------------------------------------------


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_value_that_is_changed_is_noticed(pack: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths_in(pack)))
    altered = copy.deepcopy(pack)
    place: Any = altered
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = changed(place[path[-1]])

    found = problem_of(altered)

    if path[0] == "journal":
        assert found.entry == int(path[1]) + 1


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_byte_that_is_changed_is_noticed(pack: dict[str, Any], data: st.DataObject) -> None:
    content = bytearray(canonical_json(pack))
    place = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    content[place] = byte

    with pytest.raises(AuditError):
        verify(bytes(content), KEY.public_key())


UNWRITABLE = ("NaN", "Infinity", "-Infinity", '"\\ud800"', "[" * 800 + "]" * 800)
"""What JSON readers take and no pack can hold."""


@given(st.data(), st.sampled_from(UNWRITABLE))
@settings(max_examples=200, deadline=None)
def test_what_no_pack_can_hold_is_noticed_wherever_it_stands(
    pack: dict[str, Any], data: st.DataObject, unwritable: str
) -> None:
    path = data.draw(st.sampled_from(paths_in(pack)))
    altered = copy.deepcopy(pack)
    place: Any = altered
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = "put it here"
    content = canonical_json(altered).replace(b'"put it here"', unwritable.encode())

    with pytest.raises(AuditError) as found:
        verify(content, KEY.public_key())

    if path[0] == "journal":
        assert found.value.entry == int(path[1]) + 1


@pytest.mark.parametrize(
    ("written", "otherwise"),
    [
        ('"findings":{', '"findings":{"a":1,'),
        ('"code_version":', '"code_version":"1.2.3","code_version":'),
        ('"progress":1.0', '"progress":1.00'),
        ('"progress":1.0', '"progress":1e0'),
        ('"progress":1.0', '"progress":1'),
        ('"progress":0.5', '"progress":5e-1'),
        ('"amount":9000.0', '"amount":9000.00'),
        ('"amount":9000.0', '"amount":9e3'),
        ('"amount":9000.0', '"amount":9000'),
        ('"reason":"less', '"reason":"\\u006cess'),
    ],
)
def test_another_spelling_of_the_same_values_is_noticed(
    pack: dict[str, Any], written: str, otherwise: str
) -> None:
    content = canonical_json(pack).decode()
    assert written in content

    with pytest.raises(AuditError):
        verify(content.replace(written, otherwise, 1).encode(), KEY.public_key())


@given(st.integers(0, ENTRIES - 1))
def test_a_removed_entry_is_missed_by_its_id(pack: dict[str, Any], place: int) -> None:
    altered = copy.deepcopy(pack)
    del altered["journal"][place]

    assert problem_of(altered).entry == place + 1


@given(st.permutations(range(ENTRIES)).filter(lambda order: order != list(range(ENTRIES))))
def test_entries_in_another_order_are_noticed_at_the_first(
    pack: dict[str, Any], order: list[int]
) -> None:
    altered = copy.deepcopy(pack)
    altered["journal"] = [pack["journal"][place] for place in order]

    first = next(place for place, entry in enumerate(order) if place != entry)
    assert problem_of(altered).entry == first + 1


@given(st.integers(0, ENTRIES))
def test_an_added_entry_is_noticed_where_it_stands(pack: dict[str, Any], place: int) -> None:
    altered = copy.deepcopy(pack)
    added = copy.deepcopy(pack["journal"][0])
    added["event"] |= {"id": place + 1, "message": "no one wrote this"}
    altered["journal"].insert(place, added)

    assert problem_of(altered).entry == place + 1


@given(st.sampled_from(["journal", "run", "reviews", "findings", "digests", "signature", "memory"]))
def test_a_section_that_is_left_out_is_noticed(pack: dict[str, Any], section: str) -> None:
    altered = {name: value for name, value in pack.items() if name != section}

    assert problem_of(altered).code == "audit_failed"


def test_of_several_altered_entries_the_first_is_named(pack: dict[str, Any]) -> None:
    altered = copy.deepcopy(pack)
    for place in (4, 2):
        altered["journal"][place]["event"]["message"] = "nothing happened"
    altered["decision"] = {"outcome": "approve"}

    found = problem_of(altered)

    assert found.entry == 3
    assert found.message == "journal entry 3 was altered"


def test_a_section_whose_digest_was_made_anew_is_caught_by_the_signature(
    pack: dict[str, Any],
) -> None:
    altered = copy.deepcopy(pack)
    altered["findings"] = {"a": {"b": 2}}
    altered["digests"]["findings"] = audit._digest(altered["findings"])

    found = problem_of(altered)

    assert "signature does not fit" in found.message
    assert found.entry is None


def test_a_pack_signed_anew_by_another_key_is_not_believed(pack: dict[str, Any]) -> None:
    altered = {name: value for name, value in pack.items() if name != "signature"}

    with pytest.raises(AuditError, match="signature does not fit"):
        verify(signed(altered, OTHER), KEY.public_key())


def test_the_same_values_written_otherwise_are_another_file(pack: dict[str, Any]) -> None:
    with pytest.raises(AuditError, match="canonical"):
        verify(json.dumps(pack, indent=1).encode(), KEY.public_key())


def test_a_signature_that_is_spelled_otherwise_is_noticed(pack: dict[str, Any]) -> None:
    altered = copy.deepcopy(pack)
    value = altered["signature"]["value"]
    assert value.endswith("==")
    # The last sign holds two bits that count and four that a decoder passes over.
    alike = {"A": "B", "Q": "R", "g": "h", "w": "x"}[value[-3]]
    altered["signature"]["value"] = f"{value[:-3]}{alike}=="

    assert "about its signature" in problem_of(altered).message


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"journal":[]}', b"\xff", b"[" * 100_000])
def test_what_is_no_pack_is_refused(content: bytes) -> None:
    with pytest.raises(AuditError):
        verify(content, KEY.public_key())


async def test_an_entry_altered_in_the_ledger_is_named_by_the_pack(any_ledger: Ledger) -> None:
    await a_story(any_ledger)

    def alter(connection: sa.Connection) -> None:
        entry = tables.events.c.id == 4
        body: str = connection.execute(sa.select(tables.events.c.body).where(entry)).scalar_one()
        connection.execute(
            tables.events.update().where(entry).values(body=body.replace("step 4", "step 9"))
        )

    await any_ledger.write(alter)
    content = signed(await any_ledger.read(collect, RUN, "1"), KEY)

    with pytest.raises(AuditError, match="journal entry 4 was altered"):
        verify(content, KEY.public_key())


async def test_entries_cut_off_in_the_ledger_are_missed(any_ledger: Ledger) -> None:
    await a_story(any_ledger)
    await any_ledger.write(
        lambda connection: connection.execute(tables.events.delete().where(tables.events.c.id > 4))
    )
    content = signed(await any_ledger.read(collect, RUN, "1"), KEY)

    with pytest.raises(AuditError) as found:
        verify(content, KEY.public_key())
    assert found.value.entry == 5


# -- the key -----------------------------------------------------------------------------------


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: public_text(signing_key(tmp_path / "desk")), range(8)))

    assert len(set(made)) == 1
    assert stat.S_IMODE((tmp_path / "desk" / FILE).stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "desk").iterdir()] == [FILE]


def test_a_public_key_is_read_as_printed_or_as_pem() -> None:
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    for text in (public_text(KEY), f"{public_text(KEY)}\n", pem):
        assert fingerprint(read_public_key(text)) == fingerprint(KEY.public_key())


def test_what_is_no_public_key_is_refused() -> None:
    curve = generate_private_key(SECP256R1()).public_key()
    pem = curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    for text in ("", "abc", "é", public_text(KEY)[:-4], "-----BEGIN PUBLIC KEY-----\n", pem):
        with pytest.raises(ContractViolationError):
            read_public_key(text)


def test_a_broken_key_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("not a key")

    with pytest.raises(UnavailableError):
        signing_key(tmp_path)

    assert (tmp_path / FILE).read_text() == "not a key"


async def test_a_pack_has_the_letters_as_sent_and_what_came_after_the_decision(
    any_ledger: Ledger,
) -> None:
    await with_a_decision(any_ledger)

    file = signed(await any_ledger.read(collect, RUN, "1"), KEY)

    verify(file, KEY.public_key())
    decision = json.loads(file)["decision"]
    (letter,), (event,) = decision["letters"], decision["afterwards"]
    assert letter["body"] == {"text": "Dear reader"}
    assert letter["sha256"] == hashlib.sha256(canonical_json(letter["body"])).hexdigest()
    assert (event["key"], event["body"], event["by"]) == ("offer", {"accept": True}, "ina")
