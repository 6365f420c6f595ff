"""The target column: which rows are bad, and which have no answer."""

from __future__ import annotations

from dataclasses import dataclass

from data.contracts.errors import ContractViolationError
from tools.modelling.table import Table, number_in

FEWEST_OF_A_CLASS = 20
_BAD_OF_PAIR = {
    frozenset({"0", "1"}): "1",
    frozenset({"1", "2"}): "2",
    frozenset({"+", "-"}): "-",
    frozenset({"yes", "no"}): "yes",
    frozenset({"true", "false"}): "true",
    frozenset({"bad", "good"}): "bad",
    frozenset({"b", "g"}): "b",
    frozenset({"charged off", "fully paid"}): "charged off",
    frozenset({"default", "paid"}): "default",
}
"""The usual reading of a pair. `+` is an accepted applicant, and `2` is bad in credit data."""


@dataclass(frozen=True)
class Target:
    """The rows that have an answer, and for each of them whether it is bad."""

    name: str
    bad_value: str
    rows: list[int]
    bad: list[bool]
    left_out: int


def read_target(table: Table, name: str, bad_value: str | None = None) -> Target:
    """Find the bad rows. Rows without an answer are left out.

    Raises ContractViolationError when the column is not binary, has one class only, or when its
    bad value cannot be told without `bad_value`.
    """
    cells = [_plain(cell) for cell in table.column(name)]
    rows = [at for at, cell in enumerate(cells) if cell is not None]
    values = sorted({cell for cell in cells if cell is not None})
    if len(values) != 2:
        raise ContractViolationError(
            f"target {name!r} has {len(values)} different values and needs two: give the column"
            " that says good or bad"
        )
    bad = _plain(bad_value) if bad_value else _BAD_OF_PAIR.get(frozenset(values))
    if bad not in values:
        raise ContractViolationError(
            f"target {name!r}: which of {values[0]!r} and {values[1]!r} is bad is not known; say"
            " it with --bad"
        )
    flags = [cells[at] == bad for at in rows]
    if min(sum(flags), len(flags) - sum(flags)) < FEWEST_OF_A_CLASS:
        raise ContractViolationError(
            f"target {name!r} has fewer than {FEWEST_OF_A_CLASS} rows of one class: add rows"
        )
    return Target(name, bad or "", rows, flags, len(cells) - len(rows))


def _plain(cell: str | None) -> str | None:
    """A cell in its plainest form: `1.0` and `1` are the same answer."""
    if cell is None:
        return None
    number = number_in(cell)
    return str(int(number)) if number == number and number.is_integer() else cell.lower()
