"""What decisions were based on: the facts of the policy and the probability of default.

A decision's content names the facts that each rule used, for runs and batches alike. It is kept
for as long as the decision; checkpoints are purged.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json

from data.contracts.drift import DriftPeriod
from flows.runtime.ledger import chunks, decisions
from flows.runtime.ledger.database import stamp
from tools.modelling.drift import SCORE, Value

MOST = 50_000
"""Of more decisions in a period a part is drawn."""
_PARTS = ("pd", "grade", "rule_results", "inputs_sha256")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DIGITS = 8

Facts = dict[str, list[Value]]
"""By attribute: a value for each decision, in one order for all attributes."""


def facts_of_period(
    connection: sa.Connection, since: date, until: date, most: int = MOST
) -> tuple[DriftPeriod, Facts]:
    """The facts of all decisions of a period that a policy judged, or of a part of them.

    The part is drawn by the digest of the inputs: the same decisions each time.
    """
    moments = tuple(datetime.combine(day, time(), UTC) for day in (since, until))
    count = decisions.count_between(connection, *moments)
    share = min(1.0, most / count) if count else 1.0
    limit = share * 16**_DIGITS
    found: defaultdict[str, list[Value]] = defaultdict(list)
    drawn = 0
    for content in _contents(connection, *moments):
        if content["rule_results"] and int(content["inputs_sha256"][:_DIGITS], 16) < limit:
            for name, value in _facts(content).items():
                values = found[name]
                values.extend([None] * (drawn - len(values)))
                values.append(value)
            drawn += 1
    for values in found.values():
        values.extend([None] * (drawn - len(values)))
    period = DriftPeriod(since=since, until=until, decisions=drawn, share=round(share, 6))
    return period, dict(found)


def forecasts_of(
    connection: sa.Connection, application_ids: Collection[str]
) -> dict[str, float | None]:
    """The probability of default of each decided one of these applications, None where its
    decision has none."""
    deciders = decisions.deciders(connection, application_ids)
    by_run = {found.run_id: name for name, found in deciders.items() if found.run_id}
    contents = decisions.of_runs(connection, list(by_run))
    forecasts = {by_run[run_id]: _pd(content) for run_id, content in contents.items()}
    wanted = {name for name, found in deciders.items() if found.batch_id and not found.run_id}
    for batch_id in {deciders[name].batch_id for name in wanted}:
        for number in chunks.numbers(connection, batch_id):
            for line in _decided_lines(connection, batch_id, number):
                if line["application_id"] in wanted:
                    forecasts[line["application_id"]] = _pd(line["content"])
    return forecasts


def _contents(
    connection: sa.Connection, since: datetime, until: datetime
) -> Iterator[Mapping[str, Any]]:
    for _, content in decisions.parts(connection, _PARTS, since, until):
        yield content
    for batch_id, number in chunks.written_between(connection, stamp(since), stamp(until)):
        for line in _decided_lines(connection, batch_id, number):
            yield line["content"]


def _decided_lines(
    connection: sa.Connection, batch_id: str, number: int
) -> Iterator[Mapping[str, Any]]:
    """The decisions of a chunk. Those of referred cases are with their runs."""
    for raw in chunks.lines(connection, batch_id, number):
        line = from_json(raw, cache_strings="keys")
        if line.get("content") and line["batch_id"] == batch_id:
            yield line


def _facts(content: Mapping[str, Any]) -> dict[str, Value]:
    facts: dict[str, Value] = {}
    for result in content["rule_results"]:
        for name, written in result["inputs"].items():
            facts[name] = _value(written)
    return facts | {SCORE: _value(content["pd"]), "grade": content["grade"]}


def _value(written: str | None) -> Value:
    if written is None:
        return None
    return float(written) if _NUMBER.fullmatch(written) else written or "none"


def _pd(content: Mapping[str, Any]) -> float | None:
    return None if content.get("pd") is None else float(content["pd"])
