"""The engine of batches: one setting, refused where it does not fit or is not installed."""

from __future__ import annotations

import importlib.util

import pytest
from pydantic import ValidationError

from data.contracts.errors import ContractViolationError
from data.settings import Settings
from flows.runtime.execution import task_engine

POSTGRES = "postgresql://desk@db/desk"
SCHEDULER = "tcp://scheduler:8786"


@pytest.mark.parametrize("engine", ["threads", "processes", "dask", "ray"])
def test_the_engines_of_one_machine_need_no_other_ledger(engine: str) -> None:
    assert Settings(batch_engine=engine).batch_engine == engine


def test_a_scheduler_of_other_machines_needs_postgresql() -> None:
    with pytest.raises(ValidationError, match="cannot write to SQLite"):
        Settings(batch_engine=SCHEDULER)

    assert Settings(batch_engine=SCHEDULER, ledger_url=POSTGRES).batch_engine == SCHEDULER


@pytest.mark.parametrize("engine", ["thread", "http://scheduler:8786", "tcp://", "tcp://a b"])
def test_an_unknown_engine_is_refused(engine: str) -> None:
    with pytest.raises(ValidationError):
        Settings(batch_engine=engine, ledger_url=POSTGRES)


@pytest.mark.parametrize(
    ("engine", "package"), [("ray", "prefect-ray"), (SCHEDULER, r"credit-desk-lite\[dask\]")]
)
def test_an_engine_that_is_not_installed_names_the_install_line(
    engine: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = importlib.util.find_spec
    missing = {"prefect_dask", "prefect_ray"}
    monkeypatch.setattr(
        task_engine, "find_spec", lambda name: None if name in missing else known(name)
    )

    with pytest.raises(ContractViolationError, match=f"pip install '{package}'"):
        task_engine.require_installed(Settings(batch_engine=engine, ledger_url=POSTGRES))


def test_a_body_is_executed_here_without_warm_processes() -> None:
    assert task_engine.on_a_processor(max, 1, 2) == 2
