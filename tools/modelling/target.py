"""The target column: which rows are bad, and which have no answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from shlex import quote

from data.contracts.errors import ContractViolationError
from tools.modelling.bad_value import BadValue, bad_value_of
from tools.modelling.table import Table, number_in

FEWEST_OF_A_CLASS = 20
_MOST_NAMED = 6
"""A target with more values than these is the wrong column, and the error names none of them."""


@dataclass(frozen=True)
class Target:
    """The rows that have an answer, and for each of them whether it is bad."""

    name: str
    bad_value: str
    bad_because: str
    good_value: str
    rows: list[int]
    bad: list[bool]
    left_out: int

    @property
    def remark(self) -> str:
        """Which value is bad, why, and how to turn it round."""
        return (
            f"target {self.name}: {self.bad_value!r} is bad ({self.bad_because}); to turn it round,"
            f" give --bad={quote(self.good_value)}"
        )


def read_target(table: Table, name: str, bad_value: str | None = None) -> Target:
    """Find the bad rows. Rows without an answer are left out.

    Without `bad_value` the bad one of the two values is found as `bad_value_of` says. Raises
    ContractViolationError when the column has not two values, or too few rows of one.
    """
    cells = [_plain(cell) for cell in table.column(name)]
    rows = [at for at, cell in enumerate(cells) if cell is not None]
    rows_of = Counter(cell for cell in cells if cell is not None)
    if len(rows_of) != 2:
        raise ContractViolationError(_not_two(name, rows_of))
    bad = _chosen(name, bad_value, rows_of) if bad_value else bad_value_of(name, rows_of)
    if min(rows_of.values()) < FEWEST_OF_A_CLASS:
        raise ContractViolationError(
            f"target {name!r} has fewer than {FEWEST_OF_A_CLASS} rows of one class: add rows"
        )
    (good,) = rows_of.keys() - {bad.value}
    flags = [cells[at] == bad.value for at in rows]
    return Target(name, bad.value, bad.why, good, rows, flags, len(cells) - len(rows))


def _chosen(name: str, bad_value: str, rows_of: Counter[str]) -> BadValue:
    plain = _plain(bad_value)
    if plain is None or plain not in rows_of:
        first, second = sorted(rows_of)
        raise ContractViolationError(
            f"--bad {bad_value!r} is no value of target {name!r}: give {first!r} or {second!r}"
        )
    return BadValue(plain, "named by --bad")


def _not_two(name: str, rows_of: Counter[str]) -> str:
    many = 2 < len(rows_of) <= _MOST_NAMED
    found = ", ".join(f"{value!r} in {rows:,} rows" for value, rows in rows_of.most_common())
    next_step = "leave the other rows out of the file" if many else "give the column that has both"
    return (
        f"target {name!r} has {len(rows_of)} different values{f' ({found})' if many else ''} and"
        f" needs two, good and bad: {next_step}"
    )


def _plain(cell: str | None) -> str | None:
    """A cell in its plainest form: `1.0` and `1` are the same answer."""
    if cell is None:
        return None
    text = cell.strip(" '\"").lower()
    number = number_in(text)
    return str(int(number)) if number == number and number.is_integer() else text
