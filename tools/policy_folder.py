"""Checks policies, scorecards, prompts and prices before a desk uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from data.contracts.authority import AuthorityMatrix
from data.contracts.base import Contract
from data.contracts.errors import PackProblem, PolicyRefusedError, RecordCorruptError
from data.contracts.notices import NoticeTerms
from data.contracts.retention import RetentionRules
from data.contracts.scorecard import Ensemble
from data.contracts.watchlist import ScreeningTerms
from data.contracts.wording import ModelPrices, Prompts
from tools.deadlines import DeadlinePolicy
from tools.policy_pack import load_pack
from tools.pricing import load_price_table
from tools.scorecard import load_challenger, load_scorecard
from tools.versioned_data import load_versioned, parsed


class CheckedFile(NamedTuple):
    """A file with its problems; it may decide when there are none."""

    file: str
    kind: str
    version: str
    problems: tuple[PackProblem, ...]


def _contract(contract: type[Contract]) -> Callable[[Path], Contract]:
    return lambda path: load_versioned(path, contract)


_KINDS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "retention": ("retention", _contract(RetentionRules)),  # it has rules too
    "rules": ("policy", load_pack),
    "affordability": ("policy", load_pack),
    "matrix": ("authority", _contract(AuthorityMatrix)),
    "deadlines": ("deadlines", _contract(DeadlinePolicy)),
    "creditor": ("notices", _contract(NoticeTerms)),
    "table": ("prices", load_price_table),
    "max_list_age_days": ("screening", _contract(ScreeningTerms)),
    "attributes": ("scorecard", load_scorecard),
    "trees": ("challenger", load_challenger),
    "bands": ("ensemble", _contract(Ensemble)),
    "prices": ("model prices", _contract(ModelPrices)),
    "prompts": ("prompts", _contract(Prompts)),
}
"""The kind of a file and its loader, by a field that only files of this kind have."""


def _refuse(path: Path) -> None:
    known = ", ".join(sorted({kind for kind, _ in _KINDS.values()}))
    raise RecordCorruptError(f"{path.name}: a file of no known kind; the desk reads {known}")


_UNKNOWN = ("unknown", _refuse)


def check_folder(folder: Path) -> tuple[CheckedFile, ...]:
    """Every file of a policy folder, or of those for policies, models and chat in a data folder."""
    root = folder if (folder / "policy").is_dir() else None
    policies = sorted((root / "policy" if root else folder).glob("*.yaml"))
    cards = sorted((root / "models").glob("*.json")) if root else []
    found = tuple(_checked(path, path.name) for path in (*policies, *cards))
    # The prices of chat models are in a file of the same name as those of the policy.
    chat = sorted((root / "chat").glob("*.yaml")) if root else []
    found += tuple(_checked(path, f"chat/{path.name}") for path in chat)
    if any(checked.kind == "policy" for checked in found):
        return found
    missing = PackProblem("", "rules", "there is no rule pack in this folder")
    return (*found, CheckedFile(str(folder), "policy", "", (missing,)))


def _checked(path: Path, file: str) -> CheckedFile:
    try:
        content = parsed(path)
    except RecordCorruptError as error:
        return CheckedFile(file, "unknown", "", (_as_problem(path, error),))
    fields = content if isinstance(content, dict) else {}
    kind, load = next((_KINDS[field] for field in _KINDS if field in fields), _UNKNOWN)
    version = str(fields.get("version", ""))
    return CheckedFile(file, kind, version, tuple(_problems(path, load)))


def _problems(path: Path, load: Callable[[Path], Any]) -> Iterator[PackProblem]:
    try:
        load(path)
    except PolicyRefusedError as error:
        yield from error.problems
    except RecordCorruptError as error:
        yield _as_problem(path, error)


def _as_problem(path: Path, error: RecordCorruptError) -> PackProblem:
    """A problem from the text of an error, which is `file: field: message`."""
    said = error.message.removeprefix(f"{path.name}: ")
    field, colon, message = said.partition(": ")
    return PackProblem("", field.strip("/"), message) if colon else PackProblem("", "", said)
