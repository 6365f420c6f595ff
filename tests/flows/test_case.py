"""The case file: what the vault holds, put together, and found again by its own digest."""

from __future__ import annotations

import base64
import hashlib

from data.contracts.base import canonical_json
from data.settings import Settings
from flows.case import case_on_file, document_sha256
from flows.runtime.ledger.applications import Filed
from tools.case_files import load_case

ADA = load_case(Settings().data_dir, "ada-prime")


def test_a_case_on_file_has_the_papers_that_came_later() -> None:
    [first, *_] = ADA.documents
    later = first.model_copy(update={"document_id": "later"})

    case = case_on_file(Filed(canonical_json(ADA), (canonical_json(later),)))

    assert case.documents == (*ADA.documents, later)


def test_a_filed_paper_has_the_digest_of_the_file_that_was_handed_in() -> None:
    [document, *_] = ADA.documents
    content = base64.b64decode(document.content_base64)

    digest = document_sha256(canonical_json(document))

    assert digest == hashlib.sha256(content).hexdigest() == document.sha256


def test_a_digest_is_of_what_is_there_and_not_of_what_is_promised() -> None:
    [document, *_] = ADA.documents
    altered = document.model_copy(update={"content_base64": base64.b64encode(b"{}").decode()})

    assert document_sha256(canonical_json(altered)) == hashlib.sha256(b"{}").hexdigest()
