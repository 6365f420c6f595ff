"""A document is parsed once in a process, on a thread beside the event loop."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from data.contracts.documents import Document
from flows.runtime.execution.executor import InlineExecutor, OrchestratedExecutor
from flows.stages.doc_intake import take_in
from flows.stages.verification import verify_applicant
from tests.flows.inline import persona, supplies, underwritten
from tests.flows.stages.at_work import at_work
from tools import documents
from tools.document_cache import DocumentCache, Parsed


class Watched:
    """`parse`, with how often and on which thread it was called for each document."""

    def __init__(self) -> None:
        self.parsed: Counter[str] = Counter()
        self.threads: set[threading.Thread] = set()

    def __call__(self, document: Document) -> Parsed:
        self.parsed[document.document_id] += 1
        self.threads.add(threading.current_thread())
        return documents_parse(document)


documents_parse = documents.parse


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    found = Watched()
    monkeypatch.setattr(documents, "parse", found)
    monkeypatch.setattr(documents, "_parsed", DocumentCache())
    return found


@pytest.fixture
def as_in_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is done where a run of the worker does it, whose loop has other runs to serve."""
    monkeypatch.setattr(InlineExecutor, "compute", OrchestratedExecutor.compute)


@pytest.mark.usefixtures("as_in_prefect")
@pytest.mark.parametrize("name", ["ada-prime", "jo-kit-joint", "cora-corrupt", "erin-expired"])
async def test_a_run_parses_each_document_once_and_never_on_the_loop(
    watched: Watched, name: str
) -> None:
    case = persona(name)

    await underwritten(case, supplies(case))

    sent = {document.document_id for document in case.documents}
    assert sent <= set(watched.parsed)
    assert set(watched.parsed.values()) == {1}
    assert threading.main_thread() not in watched.threads


async def test_an_inline_run_parses_each_document_once_and_starts_no_thread(
    watched: Watched,
) -> None:
    await underwritten(persona("ada-prime"))

    assert set(watched.parsed.values()) == {1}
    assert watched.threads == {threading.main_thread()}


@pytest.mark.usefixtures("as_in_prefect")
async def test_a_run_that_goes_on_elsewhere_parses_on_a_thread_too(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = persona("ada-prime").case
    with at_work():
        intake = await take_in(case)
        monkeypatch.setattr(documents, "_parsed", DocumentCache())  # another process
        await verify_applicant(case, intake)

    assert set(watched.parsed.values()) == {2}
    assert threading.main_thread() not in watched.threads
