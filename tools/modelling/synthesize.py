"""Synthetic portfolios: realistic applications with papers and bureau reports, by seed.

Every row is made for one branch of underwriting, and the manifest says which. A row depends on
the seed and its own number only, so a longer portfolio begins with the rows of a shorter one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import chain, cycle
from pathlib import Path
from random import Random

from data.contracts.case import CaseFile
from data.contracts.errors import ContractViolationError
from data.contracts.synthetic import BranchRows, FaultRows, PortfolioManifest
from data.synthetic.builder import AS_OF
from tools.modelling.branches import BRANCHES, Branch
from tools.modelling.cases import Draw
from tools.modelling.faults import FAULTS, TOO_LARGE, Fault

APPLICATIONS, MANIFEST = "applications.jsonl", "manifest.json"

_ALL_SHARES = sum(branch.share for branch in BRANCHES)


@dataclass(frozen=True)
class Recipe:
    """What makes a portfolio. Equal recipes give equal bytes."""

    rows: int
    seed: int
    as_of: date = AS_OF
    """The day on which everybody applies and is decided."""
    bad_share: Decimal = Decimal(0)
    """The share of rows that have a fault, from 0 to 1."""


def synthesize(
    folder: Path, recipe: Recipe, written: Callable[[], None] = lambda: None
) -> PortfolioManifest:
    """Write `applications.jsonl` and `manifest.json` into a folder. Calls `written` for each row.

    Raises ContractViolationError when one of the files is there already, or cannot be written.
    """
    for name in (APPLICATIONS, MANIFEST):
        if (folder / name).exists():
            raise ContractViolationError(f"{name} is there already: choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        manifest = _write(folder / APPLICATIONS, recipe, written)
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ContractViolationError(f"{folder} cannot be written: {error.strerror}") from None
    return manifest


def rows_of(recipe: Recipe) -> Iterator[tuple[Branch | Fault, bytes]]:
    """Every row with what it was made for."""
    branches, faults, earlier = _in_turn(), chain([TOO_LARGE], cycle(FAULTS)), ""
    for number in range(recipe.rows):
        if int((number + 1) * recipe.bad_share) > int(number * recipe.bad_share):
            fault = next(faults)
            value = _case(recipe, number, BRANCHES[0]).model_dump(mode="json")
            yield fault, fault.damage(value, earlier)
        else:
            branch = next(branches)
            case = _case(recipe, number, branch)
            earlier = case.application.application_id
            yield branch, case.model_dump_json().encode()


def _case(recipe: Recipe, number: int, branch: Branch) -> CaseFile:
    # Letters only: the digits of a seed such as 19841102 would repeat a birthday in the id.
    digest = hashlib.sha256(f"{recipe.seed}".encode()).digest()
    series = "".join(chr(ord("a") + byte % 26) for byte in digest[:6])
    rng = Random(f"{recipe.seed}/{number}")  # noqa: S311 - invented data, no secret
    return branch.make(Draw(rng, f"syn-{series}-{number:07d}", number, recipe.as_of))


def _write(path: Path, recipe: Recipe, written: Callable[[], None]) -> PortfolioManifest:
    digest = hashlib.sha256()
    lines: dict[str, list[int]] = {}
    with path.open("xb") as file:
        for line, (purpose, row) in enumerate(rows_of(recipe), start=1):
            name = purpose.name if isinstance(purpose, Branch) else purpose.kind
            lines.setdefault(name, []).append(line)
            for part in (row, b"\n"):
                file.write(part)
                digest.update(part)
            written()
    return PortfolioManifest(
        seed=recipe.seed,
        as_of=recipe.as_of,
        rows=recipe.rows,
        sha256=digest.hexdigest(),
        branches=tuple(_branch_rows(branch, lines.get(branch.name, [])) for branch in BRANCHES),
        faults=tuple(
            FaultRows(
                kind=fault.kind,
                pointer=fault.pointer,
                code=fault.code,
                lines=tuple(lines[fault.kind]),
            )
            for fault in (TOO_LARGE, *FAULTS)
            if fault.kind in lines
        ),
    )


def _branch_rows(branch: Branch, lines: list[int]) -> BranchRows:
    return BranchRows(
        name=branch.name,
        recommendation=branch.recommendation,
        gate=branch.gate,
        reason=branch.reason,
        planned_share=Decimal(branch.share) / _ALL_SHARES,
        lines=tuple(lines),
    )


def _in_turn() -> Iterator[Branch]:
    """The branches in turn, each as often as its share says, spread evenly over the portfolio."""
    due = [0] * len(BRANCHES)
    while True:
        due = [waiting + branch.share for waiting, branch in zip(due, BRANCHES, strict=True)]
        chosen = max(range(len(due)), key=due.__getitem__)
        due[chosen] -= _ALL_SHARES
        yield BRANCHES[chosen]
