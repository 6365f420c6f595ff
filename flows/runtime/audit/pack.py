"""The audit pack: one run's whole record in one signed file that proves itself offline.

Three things hold it together. Each journal entry carries the digest of itself and of all before
it, written when it happened. Each section's digest stands in the pack. And an Ed25519 signature
over the digest of all of it says which desk handed it out: verified against a public key that
the reader has from elsewhere, never against one that the pack brings along.

A pack proves what the desk held when it was exported. A person who can write to the ledger and has
the key can make another past; keep packs, or the journal's last digest, where they cannot.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from data.contracts.base import canonical_json, sha256_of
from data.contracts.errors import CreditDeskError
from data.contracts.review import Review
from flows.runtime.audit.key import fingerprint
from flows.runtime.ledger import (
    checkpoint_index,
    decision_events,
    letters,
    messages,
    notes,
    reviews,
    runs,
    tables,
)
from flows.runtime.ledger.applications import unpacked
from flows.runtime.ledger.runs import Run

SCHEMA_VERSION = 1
_SECTIONS = ("run", "journal", "checkpoints", "memory", "findings", "reviews", "decision")
"""What is told, in the order in which it is verified."""
_LATER_SECTIONS = ("notes",)
"""What packs of an earlier version do not tell."""

_UNWRITABLE = (ValueError, RecursionError)
"""What canonical JSON makes of a number that is none, half a character, a bottomless nesting."""


class AuditError(CreditDeskError):
    """A pack that does not prove what it says."""

    code = "audit_failed"

    def __init__(self, message: str, *, entry: int | None = None) -> None:
        super().__init__(message)
        self.entry = entry
        """The id of the first journal entry that is not as it was written, if it is one."""


@dataclass(frozen=True)
class Proven:
    """What a verified pack is about."""

    run_id: str
    application_id: str
    entries: int
    signed_by: str
    """Fingerprint of the public key that it was verified with."""


def sha256_of_bytes(content: bytes) -> str:
    """The hex digest of the bytes themselves, as `sha256sum` prints it."""
    return hashlib.sha256(content).hexdigest()


def collect(
    connection: sa.Connection,
    run_id: str,
    code_version: str,
    document_sha256: Callable[[bytes], str] = sha256_of_bytes,
) -> dict[str, Any]:
    """The record of a run as the ledger holds it, not judged. Raises RecordNotFoundError.

    A workflow that wraps a filed document says by `document_sha256` how the
    document in it is digested, so that a reader who has the document finds it in the pack.
    """
    run = runs.find(connection, run_id)
    pack: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "kind": "credit-desk-audit",
        "code_version": code_version,
        "run": _run(connection, run, document_sha256),
        "journal": _journal(connection, run_id),
        "checkpoints": [
            entry.model_dump(mode="json") for entry in checkpoint_index.entries(connection, run_id)
        ],
        "memory": [said.model_dump(mode="json") for said in messages.of_run(connection, run_id)],
        "findings": dict(run.state),
        "reviews": [_review(review) for review in reviews.of_run(connection, run_id)],
        "decision": _decision(connection, run_id),
        "notes": notes.record_of(connection, run_id),
    }
    told = (*_SECTIONS, *_LATER_SECTIONS)
    return pack | {"digests": {name: _digest(pack[name]) for name in told}}


def signed(pack: Mapping[str, Any], key: Ed25519PrivateKey) -> bytes:
    """The pack as the bytes of its file."""
    digest = hashlib.sha256(canonical_json(dict(pack))).digest()
    return canonical_json({**pack, "signature": _signature(key.sign(digest), key.public_key())})


def verify(content: bytes, key: Ed25519PublicKey) -> Proven:
    """Hold a pack against itself and against the key. Raises AuditError saying what is wrong.

    The first altered journal entry is named by its id, also when other parts are altered.
    """
    pack = _parsed(content)
    _verify_journal(pack)
    try:
        written = canonical_json(pack)
    except _UNWRITABLE:
        raise AuditError("the file was altered: it holds values that no pack can hold") from None
    digests = pack.get("digests")
    for name in (*_SECTIONS, *(name for name in _LATER_SECTIONS if name in pack)):
        if name not in pack or not isinstance(digests, dict) or name not in digests:
            raise AuditError(f"the section '{name}' or its digest is missing")
        if _digest(pack[name]) != digests[name]:
            raise AuditError(f"the section '{name}' was altered")
    _verify_signature(pack, key)
    if written != content:
        raise AuditError("the file is not in canonical form: another program has written it")
    return Proven(
        run_id=pack["run"]["run_id"],
        application_id=pack["run"]["application_id"],
        entries=len(pack["journal"]),
        signed_by=fingerprint(key),
    )


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        pack = json.loads(content)
    except (ValueError, RecursionError):
        raise AuditError("the file is not JSON any more") from None
    if not isinstance(pack, dict) or not isinstance(pack.get("journal"), list):
        raise AuditError("the file is not an audit pack")
    if not isinstance(pack.get("run"), dict):
        raise AuditError("the section 'run' or its digest is missing")
    if pack.get("schema_version") != SCHEMA_VERSION:
        raise AuditError(f"this desk reads audit packs of schema {SCHEMA_VERSION}")
    return pack


def _verify_journal(pack: Mapping[str, Any]) -> None:
    chain = ""
    for number, entry in enumerate(pack["journal"], 1):
        event = entry.get("event") if isinstance(entry, dict) else None
        if not isinstance(event, dict) or event.get("id") != number:
            raise _altered(number, "is missing, moved, or no longer what it was")
        try:
            chain = hashlib.sha256(chain.encode() + canonical_json(event)).hexdigest()
        except _UNWRITABLE:
            raise _altered(number, "was altered") from None
        if entry.get("chain") != chain or set(entry) != {"event", "chain"}:
            raise _altered(number, "was altered")
    head = pack["run"]
    number = len(pack["journal"])
    if head.get("last_event_id") != number:
        raise _altered(number + 1, "is missing, or the run's number of entries was altered")
    if head.get("chain") != chain:
        raise _altered(number, "is not the last one that the run knows of")


def _altered(number: int, how: str) -> AuditError:
    return AuditError(f"journal entry {number} {how}", entry=number)


def _verify_signature(pack: Mapping[str, Any], key: Ed25519PublicKey) -> None:
    unsigned = {name: value for name, value in pack.items() if name != "signature"}
    try:
        value = base64.b64decode(pack["signature"]["value"], validate=True)
        key.verify(value, hashlib.sha256(canonical_json(unsigned)).digest())
    except (KeyError, TypeError, ValueError):
        raise AuditError("the signature is missing or cannot be read") from None
    except InvalidSignature:
        raise AuditError(
            "the signature does not fit: the pack was altered, or another desk's key was given"
        ) from None
    if pack["signature"] != _signature(value, key):  # base64 has several spellings, say
        raise AuditError("what the pack says about its signature was altered")


def _signature(value: bytes, key: Ed25519PublicKey) -> dict[str, str]:
    return {
        "algorithm": "Ed25519 over SHA-256 of the canonical JSON without `signature`",
        "key": fingerprint(key),
        "value": base64.b64encode(value).decode(),
    }


def _run(
    connection: sa.Connection, run: Run, document_sha256: Callable[[bytes], str]
) -> dict[str, Any]:
    """How it was asked for and what it was decided by; the inputs as digests only."""
    applications = tables.applications
    filed = connection.execute(
        sa.select(applications.c.content_sha256, applications.c.received_at).where(
            applications.c.application_id == run.application_id
        )
    ).one_or_none()
    handed_in = connection.execute(
        sa.select(tables.documents)
        .where(tables.documents.c.application_id == run.application_id)
        .order_by(tables.documents.c.filed_at, tables.documents.c.document_id)
    )
    return {
        "run_id": run.run_id,
        "application_id": run.application_id,
        "origin": run.origin,
        "status": run.status.value,
        "submitted_by": run.submitted_by,
        "submitted_by_principal": run.submitted_by_principal,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "workflow_version": run.workflow_version,
        "versions": dict(run.versions),
        "options": dict(run.options),
        "lineage": dict(run.lineage) if run.lineage else None,
        "trace_id": run.trace_id,
        "last_event_id": run.last_event_id,
        "chain": run.chain,
        "inputs": {
            "sha256": filed.content_sha256 if filed else None,
            "received_at": filed.received_at if filed else None,
            "documents": [_document(document, document_sha256) for document in handed_in],
        },
    }


def _document(
    row: sa.Row[Any, Any, Any], document_sha256: Callable[[bytes], str]
) -> dict[str, Any]:
    """Who filed which document: its own digest, and that of all that is filed about it."""
    filed = unpacked(row.body) if row.body else None  # an erased one keeps its digests
    return {
        "document_id": row.document_id,
        "sha256": document_sha256(filed) if filed is not None else row.sha256,
        "filed_sha256": sha256_of_bytes(filed) if filed is not None else row.filed_sha256,
        "filed_by": row.filed_by,
        "filed_at": row.filed_at,
    }


def _journal(connection: sa.Connection, run_id: str) -> list[dict[str, Any]]:
    entries = tables.events
    found = connection.execute(
        sa.select(entries.c.body, entries.c.chain)
        .where(entries.c.run_id == run_id)
        .order_by(entries.c.id)
    )
    return [{"event": json.loads(row.body), "chain": row.chain} for row in found]


def _review(review: Review) -> dict[str, Any]:
    """Who answered what, when, through which door, and what became different by it."""
    return {
        "gate": review.gate,
        "attempt": review.attempt,
        "visit": review.visit,
        "status": review.status.value,
        "asked": {
            "role": review.request.role.value,
            "title": review.request.title,
            "reasons": list(review.request.reasons),
            "facts": review.request.facts,
            "opened_at": review.opened_at.isoformat(),
            "due_at": review.due_at.isoformat(),
            "deadlines_version": review.request.deadlines_version,
        },
        "answered_by": review.by.model_dump(mode="json") if review.by else None,
        "answered_at": review.answered_at.isoformat() if review.answered_at else None,
        "waited_seconds": review.waited_seconds,
        "answer": review.fields,
        "changed": review.changes,
    }


def _decision(connection: sa.Connection, run_id: str) -> dict[str, Any] | None:
    decided = connection.execute(
        sa.select(tables.decisions).where(tables.decisions.c.run_id == run_id)
    ).one_or_none()
    return (
        None
        if decided is None
        else {
            "decision_id": decided.decision_id,
            "decided_at": decided.decided_at,
            "content_sha256": decided.content_sha256,
            "content": decided.body,
            "letters": [
                vars(sent) for sent in letters.of_decision(connection, decided.decision_id)
            ],
            "afterwards": [
                vars(event)
                for event in decision_events.of_decision(connection, decided.decision_id)
            ],
        }
    )


def _digest(section: Any) -> str:
    return sha256_of({"section": section})
