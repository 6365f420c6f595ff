"""The two files of a fair-lending report: decisions, and the groups of their applicants.

Decisions are CSV or JSON Lines, the desk's own `decisions.jsonl` included. Groups are CSV. This is
the only place where attributes of persons meet decisions. Both stay in memory, and the errors name
file, line and column and repeat no value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from data.contracts.errors import ContractViolationError, named
from data.contracts.fairness import Standing
from tools.modelling.csv_rows import csv_rows, refuse_twice

ID = "application_id"
MOST_GROUPS = 20
"""An attribute with more values than this holds values of persons and no groups."""
MOST_PARTS = 60
_LONGEST = 64
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_STANDINGS = {
    "": Standing.OPEN,
    "approve": Standing.APPROVED,
    "approved": Standing.APPROVED,
    "decline": Standing.DENIED,
    "declined": Standing.DENIED,
    "deny": Standing.DENIED,
    "denied": Standing.DENIED,
    "counter_offer": Standing.COUNTER_OFFER,
    "incomplete": Standing.INCOMPLETE,
    "withdrawn": Standing.WITHDRAWN,
    "refer": Standing.OPEN,
    "referred": Standing.OPEN,
    "pending": Standing.OPEN,
}
_SHARES = ("pd", "apr", "rate")
_NUMBERS = (*_SHARES, "score")


@dataclass(frozen=True)
class Case:
    """One decision, as far as the report needs it."""

    application_id: str
    standing: Standing
    product: str = ""
    period: str = ""
    pd: float | None = None
    score: float | None = None
    apr: float | None = None
    rate: float | None = None


@dataclass(frozen=True)
class Groups:
    """The groups of applicants by attribute, in the order of the file's columns."""

    attributes: tuple[str, ...]
    of: Mapping[str, tuple[str, ...]]
    """By application id: its group in each attribute, empty where it is not known."""


def read_decisions(path: Path) -> list[Case]:
    """Every decision of a file. JSON Lines begin with `{`, all else is read as CSV.

    Raises ContractViolationError when the file cannot be read, has no decision, names an
    application twice, or has an outcome or a number that is unknown. PD, APR and rate are shares:
    one above 1 is refused, because a percentage would be read as a hundred times as much.
    """
    records = _json_lines(path) if _first_byte(path) == b"{" else csv_rows(path, (ID, "outcome"))
    cases: list[Case] = []
    lines: dict[str, int] = {}
    for line, record in records:
        case = _case(record, f"{path.name}, line {line}")
        refuse_twice(path, lines, case.application_id, line)
        cases.append(case)
    if not cases:
        raise ContractViolationError(f"{path.name} has no decisions: give one a line")
    _refuse_many(path, "product", {case.product for case in cases})
    _refuse_many(path, "period", {case.period for case in cases})
    return cases


def read_groups(path: Path) -> Groups:
    """The groups of a CSV file with `application_id` and a column for each attribute.

    Raises ContractViolationError when the file cannot be read, has no attribute, names an
    application twice, or has a column of more than twenty groups.
    """
    attributes: tuple[str, ...] | None = None
    found: dict[str, tuple[str, ...]] = {}
    lines: dict[str, int] = {}
    for line, row in csv_rows(path, (ID,)):
        if attributes is None:
            attributes = tuple(column for column in row if column != ID)
        application_id = _id_of(row, f"{path.name}, line {line}")
        refuse_twice(path, lines, application_id, line)
        found[application_id] = tuple(_label(row[column]) for column in attributes)
    if attributes is None:
        raise ContractViolationError(f"{path.name} has no rows: give one for each application")
    if not attributes:
        raise ContractViolationError(
            f"{path.name}: beside application_id there is no column: add one for each attribute"
        )
    for column, attribute in enumerate(attributes):
        if len({groups[column] for groups in found.values()}) > MOST_GROUPS:
            raise ContractViolationError(
                f"{path.name}, column {named(attribute)}: more than {MOST_GROUPS} different"
                " values: give groups, such as bands of age, and no values of persons"
            )
    return Groups(attributes, found)


# -- records of either form ----------------------------------------------------------------------


def _first_byte(path: Path) -> bytes:
    """The first byte that is no space; empty for an empty file."""
    try:
        with path.open("rb") as file:
            return file.read(4096).removeprefix(_BYTE_ORDER_MARK).lstrip()[:1]
    except OSError as error:
        raise ContractViolationError(f"{path} cannot be read: {error.strerror}") from None


def _json_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open("rb") as file:
        for line, raw in enumerate(file, start=1):
            content = raw.removeprefix(_BYTE_ORDER_MARK).strip()
            if not content:
                continue
            try:
                record = from_json(content, allow_inf_nan=False, cache_strings="keys")
            except ValueError:
                record = None
            if not isinstance(record, dict):
                raise ContractViolationError(
                    f"{path.name}, line {line}: not a JSON object: write one decision a line"
                )
            yield line, _flat(record)


def _flat(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A line of the desk's `decisions.jsonl` in the columns of a CSV; any other line as it is."""
    content = record.get("content")
    if not isinstance(content, dict):
        return record
    offer, requested = content.get("offer") or {}, content.get("requested") or {}
    return {
        ID: record.get(ID),
        "outcome": record.get("outcome"),
        "product": requested.get("product"),
        "as_of_date": content.get("as_of_date"),
        "pd": content.get("pd"),
        "apr": offer.get("apr"),
        "rate": offer.get("rate"),
    }


# -- one record ----------------------------------------------------------------------------------


def _case(record: Mapping[str, Any], where: str) -> Case:
    outcome = record.get("outcome")
    written = "" if outcome is None else str(outcome).strip().lower()
    standing = _STANDINGS.get(written.replace("-", "_").replace(" ", "_"))
    if standing is None:
        raise ContractViolationError(
            f"{where}, column outcome: unknown outcome: write approve, decline, counter_offer,"
            " incomplete, withdrawn, or nothing while it is open"
        )
    return Case(
        application_id=_id_of(record, where),
        standing=standing,
        product=_text(record, "product"),
        period=_period(record),
        **{name: _number(record, name, where) for name in _NUMBERS},
    )


def _id_of(record: Mapping[str, Any], where: str) -> str:
    application_id = _text(record, ID)
    if not application_id:
        raise ContractViolationError(f"{where}, column {ID}: it is empty: give the id")
    return application_id


def _text(record: Mapping[str, Any], column: str) -> str:
    value = record.get(column)
    return "" if value is None else _label(str(value))


def _label(text: str) -> str:
    """A text on one line without control characters: it is printed in tables."""
    return "".join(filter(str.isprintable, " ".join(text.split())))[:_LONGEST]


def _period(record: Mapping[str, Any]) -> str:
    """The period as it is given, otherwise the month that the case was decided as of."""
    given = _text(record, "period")
    return given or (_text(record, "as_of_date") or _text(record, "decided_at"))[:7]


def _number(record: Mapping[str, Any], column: str, where: str) -> float | None:
    value = record.get(column)
    if value is None or value == "":
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    is_share = column in _SHARES
    if not math.isfinite(number) or (is_share and not 0 <= number <= 1):
        form = "a share from 0 to 1: write 0.125 for 12.5 %" if is_share else "a plain number"
        raise ContractViolationError(f"{where}, column {column}: not {form}, or leave it empty")
    return number


def _refuse_many(path: Path, column: str, values: set[str]) -> None:
    if len(values) > MOST_PARTS:
        raise ContractViolationError(
            f"{path.name}, column {column}: more than {MOST_PARTS} different values: give fewer,"
            " such as months"
        )
