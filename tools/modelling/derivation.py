"""Declared derivations: attributes computed from the columns of a CSV, as data.

A derivation names each attribute, the function of its value, and the columns that go in, with the
latest month first. A function gives None where its value is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from data.contracts.base import Contract, Slug
from data.contracts.errors import ContractViolationError
from tools.modelling.roles import Role, legal_ground
from tools.modelling.table import Table, number_in
from tools.versioned_data import parsed

Numbers = Sequence[float]


class Derived(Contract):
    """One attribute."""

    name: Annotated[str, Field(min_length=1)]
    function: Literal[
        "value", "largest", "smallest", "mean", "total", "at_least", "first_at_least", "ratio",
        "mean_ratio", "change_over",
    ]  # fmt: skip
    of: Annotated[tuple[str, ...], Field(min_length=1)]
    over: tuple[str, ...] = ()
    """The divisors of a ratio, one for all or one for each of `of`."""
    bound: float = 0.0
    """The number that `at_least` and `first_at_least` compare with."""
    otherwise: float | None = None
    """The value where the function finds none."""
    lowest: float | None = None
    highest: float | None = None
    """The range that the result is brought into, before it is multiplied by `times`."""
    times: float = 1.0
    role: Role = Role()


class Exclusion(Contract):
    """Rows that a fit leaves out. They are scored all the same."""

    attribute: str
    below: float
    why: Annotated[str, Field(min_length=1)]


class Derivation(Contract):
    """The attributes of a file of declared data."""

    id: Slug
    version: str
    source: str
    licence: str
    event: str = ""
    """What a bad row stands for, in words."""
    attributes: Annotated[tuple[Derived, ...], Field(min_length=1)]
    exclusions: tuple[Exclusion, ...] = ()
    remarks: tuple[str, ...] = ()
    """What the reader of a model report should know about the data."""

    @property
    def roles(self) -> dict[str, Role]:
        return {attribute.name: attribute.role for attribute in self.attributes}


def load_derivation(path: Path) -> Derivation:
    """Read a derivation (YAML or JSON). Raises ContractViolationError, which names the field."""
    if not path.is_file():
        raise ContractViolationError(f"there is no attributes file {path.name}")
    try:
        derivation = Derivation.model_validate(parsed(path))
    except ValidationError as error:
        raise ContractViolationError.of(path.name, error) from None
    for attribute in derivation.attributes:
        for name in (attribute.name, *attribute.of, *attribute.over):
            if ground := legal_ground(name):
                raise ContractViolationError(f"{path.name}: {name!r} may not be used: {ground}")
    return derivation


def derivations_for(columns: Iterable[str], folder: Path) -> list[Path]:
    """The derivations in a folder that find all the columns that they read."""
    there, fitting = set(columns), []
    for path in sorted(folder.glob("*.yaml")):
        try:
            derivation = Derivation.model_validate(parsed(path))
        except ValidationError:
            continue  # The folder also holds other declarations, such as overlays.
        read = {name for part in derivation.attributes for name in (*part.of, *part.over)}
        if read <= there:
            fitting.append(path)
    return fitting


def derive_table(table: Table, derivation: Derivation) -> Table:
    """The table with the derived attributes beside its own columns.

    Raises ContractViolationError, which names a column that is not there.
    """
    numbers = {
        name: [number_in(cell) for cell in table.column(name)]
        for attribute in derivation.attributes
        for name in (*attribute.of, *attribute.over)
    }
    derived = {
        attribute.name: tuple(
            value_of(
                attribute,
                [numbers[name][at] for name in attribute.of],
                [numbers[name][at] for name in attribute.over],
            )
            for at in range(table.rows)
        )
        for attribute in derivation.attributes
    }
    texts = {name: tuple(map(_text, values)) for name, values in derived.items()}
    return replace(table, columns=table.columns | texts)


def without_excluded(table: Table, derivation: Derivation) -> tuple[Table, tuple[str, ...]]:
    """The rows of a derived table that the fit takes, and a remark for each exclusion.

    Raises ContractViolationError, which names an attribute that is not there.
    """
    remarks = []
    for exclusion in derivation.exclusions:
        cells = table.column(exclusion.attribute)
        kept = [at for at, cell in enumerate(cells) if not number_in(cell) < exclusion.below]
        remarks.append(
            f"{table.rows - len(kept):,} rows with {exclusion.attribute} below"
            f" {exclusion.below:g} are left out: {exclusion.why}"
        )
        table = table.only(kept)
    return table, tuple(remarks)


def value_of(attribute: Derived, of: Numbers, over: Numbers) -> float | None:
    """The value of one row; None when it is not known."""
    found = _FUNCTIONS[attribute.function](of, over, attribute.bound)
    found = attribute.otherwise if found is None else found
    if found is None:
        return None
    if attribute.lowest is not None:
        found = max(found, attribute.lowest)
    if attribute.highest is not None:
        found = min(found, attribute.highest)
    return found * attribute.times


def _known(numbers: Numbers) -> list[float]:
    return [number for number in numbers if not math.isnan(number)]


def _first(of: Numbers, bound: float) -> float | None:
    return next((float(at) for at, number in enumerate(of) if number >= bound), None)


def _divided(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 and not math.isnan(part) else None


def _ratios(of: Numbers, over: Numbers) -> list[float]:
    divisors = over if len(over) == len(of) else [over[0]] * len(of)
    found = (_divided(part, whole) for part, whole in zip(of, divisors, strict=True))
    return [ratio for ratio in found if ratio is not None]


def _mean(numbers: Numbers) -> float | None:
    return math.fsum(numbers) / len(numbers) if numbers else None


_FUNCTIONS: dict[str, Callable[[Numbers, Numbers, float], float | None]] = {
    "value": lambda of, _, __: of[0],
    "largest": lambda of, _, __: max(_known(of), default=None),
    "smallest": lambda of, _, __: min(_known(of), default=None),
    "mean": lambda of, _, __: _mean(_known(of)),
    "total": lambda of, _, __: math.fsum(_known(of)),
    "at_least": lambda of, _, bound: float(sum(number >= bound for number in of)),
    "first_at_least": lambda of, _, bound: _first(of, bound),
    "ratio": lambda of, over, _: _divided(math.fsum(of), math.fsum(over)),
    "mean_ratio": lambda of, over, _: _mean(_ratios(of, over)),
    "change_over": lambda of, over, _: _divided(of[0] - of[-1], over[0]),
}


def _text(value: float | None) -> str | None:
    return None if value is None or math.isnan(value) else repr(value)
