"""The cache of parsed documents: what makes two documents equal, and what it forgets."""

from __future__ import annotations

import time
from typing import Any

import pytest

from data.contracts.application import ApplicantRole
from data.contracts.documents import Document, DocumentKind
from tools.document_cache import DocumentCache


def _document(**differs: Any) -> Document:
    found: dict[str, Any] = {
        "document_id": "doc-1",
        "kind": DocumentKind.PAYSTUB,
        "media_type": "application/json",
        "size_bytes": 2,
        "sha256": "a" * 64,
        "received_at": "2026-11-02T10:00:00Z",
        "content_base64": "e30=",
    }
    return Document.model_validate(found | differs)


def test_an_equal_document_is_found_under_every_id() -> None:
    cache = DocumentCache()
    cache.keep(_document(), "malformed")

    assert cache.find(_document(document_id="doc-2")) == "malformed"
    assert cache.find(_document(applicant=ApplicantRole.CO)) == "malformed"


@pytest.mark.parametrize(
    "differs",
    [
        {"kind": DocumentKind.W2},
        {"media_type": "application/pdf"},
        {"size_bytes": 3},
        {"sha256": "b" * 64},
        {"content_base64": "e31="},
    ],
)
def test_whatever_changes_the_result_is_another_document(differs: dict[str, Any]) -> None:
    """Above all other content under a digest that was only claimed."""
    cache = DocumentCache()
    cache.keep(_document(), "malformed")

    assert cache.find(_document(**differs)) is None


def test_the_one_not_used_for_longest_is_forgotten_first() -> None:
    cache = DocumentCache(max_documents=2)
    first, second, third = (_document(sha256=sign * 64) for sign in "123")
    cache.keep(first, "malformed")
    cache.keep(second, "malformed")
    assert cache.find(first)

    cache.keep(third, "malformed")

    assert [bool(cache.find(document)) for document in (first, second, third)] == [
        True,
        False,
        True,
    ]


def test_it_holds_no_more_bytes_than_it_may() -> None:
    cache = DocumentCache(max_bytes=10)
    for sign in "1234":
        cache.keep(_document(sha256=sign * 64), "malformed")
        cache.keep(_document(sha256=sign * 64), "malformed")

    assert len(cache) == 2
    cache.keep(_document(content_base64="A" * 12), "malformed")
    assert len(cache) == 0


def test_what_nobody_has_used_in_a_while_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    cache, now = DocumentCache(kept_seconds=60), time.monotonic()
    cache.keep(_document(), "malformed")

    monkeypatch.setattr(time, "monotonic", lambda: now + 59)
    assert cache.find(_document())
    monkeypatch.setattr(time, "monotonic", lambda: now + 120)
    assert cache.find(_document()) is None
    assert len(cache) == 0


def test_its_repr_shows_no_document() -> None:
    cache = DocumentCache()
    cache.keep(_document(), "malformed")

    assert "e30=" not in repr(cache)
