"""The law of the room: what is in the ledger is done by plain functions of one transaction."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import flows.runtime.ledger
from flows.runtime.ledger.database import Ledger

PURE = {
    "batches.batch_id_of",
    "batches.draft",
    "chunks.decision_id_of",
    "referrals.is_pending",
    "referrals.run_id_of",
    "checkpoint_index.is_of_batch",
    "checkpoint_index.storage_key",
    "database.moment",
    "database.now",
    "database.stamp",
    "database.shared_ledger",
    "journal.current_trace",
    "journal.current_traceparent",
    "journal.promised_traceparent",
    "journal.draft_event",
    "json_patch.json_patch",
    "json_patch.summarize_patch",
    "leases.is_abandoned",
    "messages.fits",
    "pinned.digest_of",
    "pinned.migrate",
    "reviews.place_of",
    "schemas.migrate",
    "schemas.migrates_from",
    "schemas.schema_of",
    "schemas.version_of",
    "applications.unpacked",
}
"""Public functions without a transaction: they neither read nor write the database."""


def modules() -> list[ModuleType]:
    """Every module of the room, without the scripts that Alembic executes."""
    found = pkgutil.iter_modules(flows.runtime.ledger.__path__)
    return [import_module(f"flows.runtime.ledger.{module.name}") for module in found]


def defined_in(module: ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions and methods that a module defines itself, by their names."""
    for name, member in vars(module).items():
        if getattr(member, "__module__", "") != module.__name__:
            continue
        if inspect.isclass(member):
            for method_name, method in vars(member).items():
                function = getattr(method, "__func__", getattr(method, "fget", method))
                if inspect.isfunction(function):
                    yield f"{name}.{method_name}", function
        elif callable(member) and hasattr(member, "__qualname__"):
            yield name, inspect.unwrap(member)


def is_public(name: str) -> bool:
    return not any(part.startswith("_") for part in name.split("."))


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_nothing_in_the_ledger_waits_except_the_ledger_itself(module: ModuleType) -> None:
    waiting = {
        name
        for name, function in defined_in(module)
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    }

    # `_Lane` is the part of `Ledger` that hands a transaction to a thread.
    itself = {"Ledger.read", "Ledger.write", "_Lane.run"}
    assert waiting == (itself if module.__name__ == Ledger.__module__ else set())


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_a_public_function_belongs_to_a_transaction_or_to_none_at_all(module: ModuleType) -> None:
    room = module.__name__.rpartition(".")[2]
    without = {
        f"{room}.{name}"
        for name, function in defined_in(module)
        if "." not in name
        and is_public(name)
        and next(iter(inspect.signature(function).parameters), "") != "connection"
    }

    assert without == {name for name in PURE if name.startswith(f"{room}.")}
