"""A run is named by its id, the beginning of it, or its application."""

from __future__ import annotations

import re
from typing import Any

import pytest

from api.cli.references import run_id_of
from data.contracts.errors import ContractViolationError
from flows.runtime.ledger import runs
from flows.runtime.ledger.database import Ledger
from tests.api.desks import RUN_ID

OTHER = "8b0e0000-2f1d-4a55-9d0a-0d6f1f1b2c3d"
FORK = "f0000000-2f1d-4a55-9d0a-0d6f1f1b2c3d"
RUNS: list[dict[str, Any]] = [
    {"run_id": FORK, "application_id": "ada-prime", "lineage": {"parent_run_id": RUN_ID}},
    {"run_id": RUN_ID, "application_id": "ada-prime", "lineage": None},
    {"run_id": OTHER, "application_id": "bora", "lineage": None},
]


async def get(path: str, **query: Any) -> Any:
    """The desk's list of runs, by its two filters."""
    assert path == "/runs"
    begins, application = query.get("run", ""), query.get("application_id")
    return {
        "items": [
            run
            for run in RUNS
            if run["run_id"].startswith(begins) and application in {None, run["application_id"]}
        ]
    }


@pytest.mark.parametrize(
    ("named", "run_id"),
    [(RUN_ID, RUN_ID), ("8b0e6f", RUN_ID), ("8B0E6F0C-2", RUN_ID), ("f000", FORK)],
)
async def test_a_run_is_named_by_its_id_or_the_beginning_of_it(named: str, run_id: str) -> None:
    assert await run_id_of(named, get) == run_id


async def test_an_application_means_its_own_run_and_no_what_if() -> None:
    assert await run_id_of("ada-prime", get) == RUN_ID


async def test_a_beginning_that_several_ids_share_is_refused_with_the_ids() -> None:
    with pytest.raises(ContractViolationError, match=f"{RUN_ID}, {OTHER}"):
        await run_id_of("8b0e", get)


@pytest.mark.parametrize("named", ["nemo", "c1d2"])
async def test_a_name_without_a_run_is_refused_with_the_next_step(named: str) -> None:
    with pytest.raises(ContractViolationError, match="credit-desk runs") as refused:
        await run_id_of(named, get)

    assert "did you mean" not in str(refused.value)


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("ada-prme", "did you mean ada-prime?"),
        ("ADA PRIME", "did you mean ada-prime?"),
        ("8b0e6f0d", f"did you mean {RUN_ID[:8]}"),
    ],
)
async def test_an_id_that_is_nearly_right_is_told_what_it_may_mean(named: str, meant: str) -> None:
    with pytest.raises(ContractViolationError, match=re.escape(meant)):
        await run_id_of(named, get)


async def test_the_ledger_finds_runs_by_the_beginning_of_their_ids(ledger: Ledger) -> None:
    for run_id in (RUN_ID, OTHER, FORK):
        await ledger.write(runs.register, run_id, run_id, application_id="a")

    def begins(connection: Any, text: str) -> set[str]:
        return {run.run_id for run in runs.page(connection, limit=9, begins=text)}

    assert await ledger.read(begins, "8b0e") == {RUN_ID, OTHER}
    assert await ledger.read(begins, "8b0e6") == {RUN_ID}
    assert await ledger.read(begins, "%") == set()
