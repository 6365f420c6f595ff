"""Canaries: a challenger bundle gets a share of the traffic, and the ledger remembers each case.

Which arm a case belongs to follows from its id alone, so it is the same however often it is asked,
and another one in another canary. It is fixed when a run is first executed, in the transaction that
pins what it decides by: a run stays with its arm, also when the canary has ended meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self
from uuid import uuid4

import sqlalchemy as sa

from data.contracts.errors import ConflictError, RecordNotFoundError
from data.contracts.review import Person
from data.contracts.runs import RunStatus
from flows.runtime.ledger import bundles
from flows.runtime.ledger.bundles import BundleRow
from flows.runtime.ledger.database import insert_or_ignore, now
from flows.runtime.ledger.runs import Run
from flows.runtime.ledger.tables import UNMEASURED, canaries, canary_acts, canary_cases, runs

RUNNING, PROMOTED, STOPPED = "running", "promoted", "stopped"
STATES = (RUNNING, PROMOTED, STOPPED)
LIVE, SHADOW = "live", "shadow"
CHAMPION, CHALLENGER = "champion", "challenger"
SYSTEM = Person(name="system")
"""Who stops a canary that breaks its guard."""


@dataclass(frozen=True)
class CanaryRow:
    """One canary."""

    canary_id: str
    status: str
    mode: str
    share: float
    champion: str
    champion_bundle: str
    challenger: str
    challenger_bundle: str
    workflow_version: str
    evidence: Mapping[str, Any]
    started_at: str
    ended_at: str
    checked: int

    @classmethod
    def of(cls, row: sa.Row[Any]) -> Self:
        return cls(**row._mapping)

    def has_in_share(self, case_id: str) -> bool:
        """Whether a case is in the challenger's share: by a hash of its id, salted with ours."""
        digest = hashlib.sha256(f"{self.canary_id}:{case_id}".encode()).digest()
        return int.from_bytes(digest[:8]) / 2**64 < self.share

    def arm_of(self, case_id: str) -> str | None:
        """The arm of a case. In shadow, only the share is looked at."""
        if self.mode == SHADOW:
            return SHADOW if self.has_in_share(case_id) else None
        return CHALLENGER if self.has_in_share(case_id) else CHAMPION


@dataclass(frozen=True)
class Chosen:
    """What a run decides by, and where that came from. None: what the caller has in force."""

    pinned: str | None = None
    named: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CaseRow:
    """A case of a canary. `champion` and `challenger` are the measurements in each arm."""

    canary_id: str
    application_id: str
    arm: str
    run_id: str = ""
    batch_id: str = ""
    champion: Mapping[str, Any] | None = None
    challenger: Mapping[str, Any] | None = None
    is_settled: bool = False


_COLUMNS = [canaries.c[found.name] for found in fields(CanaryRow)]
_CASE = [canary_cases.c[found.name] for found in fields(CaseRow)]


def start(
    connection: sa.Connection,
    challenger: BundleRow,
    champion: str,
    *,
    mode: str,
    share: float,
    evidence: Mapping[str, Any],
    by: Person,
) -> CanaryRow:
    """Enter a canary against what is in force. Raises ConflictError while another one runs, and
    for a challenger that is in force already."""
    if (known := running(connection)) is not None:
        raise ConflictError(f"canary {known.canary_id} is running: one at a time")
    if challenger.pinned == champion:
        raise ConflictError(f"bundle {challenger.name} is in force already")
    force = bundles.in_force(connection)
    canary_id = uuid4().hex
    connection.execute(
        canaries.insert().values(
            canary_id=canary_id,
            status=RUNNING,
            mode=mode,
            share=share,
            champion=champion,
            champion_bundle=force.bundle if force else "",
            challenger=challenger.pinned,
            challenger_bundle=challenger.name,
            workflow_version=challenger.workflow_version,
            evidence=dict(evidence),
            started_at=now(),
            ended_at="",
            checked=0,
        )
    )
    note(connection, canary_id, "started", by)
    return find(connection, canary_id)


def find(connection: sa.Connection, canary_id: str, *, lock: bool = False) -> CanaryRow:
    """One canary. Raises RecordNotFoundError. With `lock`, no other transaction changes it."""
    query = sa.select(*_COLUMNS).where(canaries.c.canary_id == canary_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise RecordNotFoundError(f"there is no canary {canary_id}")
    return CanaryRow.of(row)


def all_canaries(connection: sa.Connection) -> list[CanaryRow]:
    """Every canary, the newest first."""
    order = (canaries.c.started_at.desc(), canaries.c.canary_id)
    return [CanaryRow.of(row) for row in connection.execute(sa.select(*_COLUMNS).order_by(*order))]


def running(connection: sa.Connection) -> CanaryRow | None:
    """The canary that takes traffic now."""
    query = sa.select(*_COLUMNS).where(canaries.c.status == RUNNING)
    row = connection.execute(query.order_by(canaries.c.started_at).limit(1)).one_or_none()
    return CanaryRow.of(row) if row else None


def taking_part(
    connection: sa.Connection, in_force: str, workflow_version: str
) -> CanaryRow | None:
    """The running canary, if it compares its challenger with this: another champion or another
    workflow would mix two changes in one comparison."""
    found = running(connection)
    fits = found and (found.champion, found.workflow_version) == (in_force, workflow_version)
    return found if fits else None


def choose(connection: sa.Connection, run: Run, workflow_version: str, in_force: str) -> Chosen:
    """What a run that is first executed decides by: the bundle that it asks for, the one in force,
    or the challenger of a canary. `in_force` is the digest that decides without any bundle."""
    if run.workflow_version:
        return Chosen()  # it has pinned what it decides by
    if asked := run.options.get("bundle"):
        return Chosen(bundles.find(connection, asked).pinned, {"bundle": asked})
    force = bundles.in_force(connection)
    named = {"bundle": force.bundle} if force else {}
    chosen = Chosen(force.pinned if force else None, named)
    canary = taking_part(connection, chosen.pinned or in_force, workflow_version)
    arm = canary.arm_of(run.application_id) if canary else None
    if canary is None or arm is None:
        return chosen
    enter(connection, [CaseRow(canary.canary_id, run.application_id, arm, run_id=run.run_id)])
    named = named | {"canary": canary.canary_id, "arm": arm}
    if arm == CHALLENGER:
        return Chosen(canary.challenger, named | {"bundle": canary.challenger_bundle})
    return Chosen(chosen.pinned, named)


def enter(connection: sa.Connection, cases: Iterable[CaseRow]) -> None:
    """Enter cases, each once per canary."""
    for case in cases:
        insert_or_ignore(connection, canary_cases, vars(case) | {"assigned_at": now()})


def measure(connection: sa.Connection, case: CaseRow) -> None:
    """Keep the measurements of a case."""
    this = (canary_cases.c.canary_id == case.canary_id) & (
        canary_cases.c.application_id == case.application_id
    )
    connection.execute(
        canary_cases.update()
        .where(this)
        .values(champion=case.champion, challenger=case.challenger, is_settled=case.is_settled)
    )


def cases(connection: sa.Connection, canary_id: str) -> list[CaseRow]:
    """Every case of a canary, in the order of the ids."""
    query = sa.select(*_CASE).where(canary_cases.c.canary_id == canary_id)
    found = connection.execute(query.order_by(canary_cases.c.application_id))
    return [CaseRow(**row._mapping) for row in found]


def unmeasured(connection: sa.Connection, limit: int = 100) -> list[CaseRow]:
    """Cases with something new to measure: shadows, runs that have ended or wait for a person."""
    has_ended = runs.c.status.in_([status for status in RunStatus if status.has_ended])
    is_asked = (
        (runs.c.status == RunStatus.WAITING)
        & canary_cases.c.champion.is_(None)
        & canary_cases.c.challenger.is_(None)
    )
    query = (
        sa.select(*_CASE)
        .join(runs, runs.c.run_id == canary_cases.c.run_id)
        .where(UNMEASURED, sa.or_(canary_cases.c.arm == SHADOW, has_ended, is_asked))
        .order_by(canary_cases.c.canary_id, canary_cases.c.application_id)
        .limit(limit)
    )
    return [CaseRow(**row._mapping) for row in connection.execute(query)]


def measured(connection: sa.Connection, canary_id: str) -> int:
    """How many cases of a canary have been measured."""
    is_measured = canary_cases.c.champion.is_not(None) | canary_cases.c.challenger.is_not(None)
    query = sa.select(sa.func.count()).select_from(canary_cases)
    return int(
        connection.execute(
            query.where(canary_cases.c.canary_id == canary_id, is_measured)
        ).scalar_one()
    )


def has_news(connection: sa.Connection) -> bool:
    """Whether a case is to be measured, or a running canary has cases that no look has seen."""
    if unmeasured(connection, 1):
        return True
    found = running(connection)
    return found is not None and measured(connection, found.canary_id) != found.checked


def note_look(connection: sa.Connection, canary_id: str, checked: int) -> None:
    """Remember how many cases the last look at the guards has seen."""
    this = canaries.c.canary_id == canary_id
    connection.execute(canaries.update().where(this).values(checked=checked))


def end(
    connection: sa.Connection,
    canary_id: str,
    status: str,
    by: Person,
    body: Mapping[str, Any] | None = None,
) -> None:
    """End a canary: it takes no further case. Raises ConflictError when it has ended."""
    require_running(connection, canary_id)
    this = canaries.c.canary_id == canary_id
    connection.execute(canaries.update().where(this).values(status=status, ended_at=now()))
    note(connection, canary_id, status, by, body)


def require_running(connection: sa.Connection, canary_id: str) -> CanaryRow:
    """One canary, locked. Raises ConflictError when it has ended."""
    canary = find(connection, canary_id, lock=True)
    if canary.status != RUNNING:
        raise ConflictError(f"canary {canary.canary_id} has ended: it is {canary.status}")
    return canary


def note(
    connection: sa.Connection,
    canary_id: str,
    act: str,
    by: Person,
    body: Mapping[str, Any] | None = None,
) -> None:
    """Write down what a person, or the desk itself, did to a canary. The caller holds its row."""
    this = canary_acts.c.canary_id == canary_id
    last = connection.execute(sa.select(sa.func.max(canary_acts.c.number)).where(this)).scalar()
    connection.execute(
        canary_acts.insert().values(
            canary_id=canary_id,
            number=(last or 0) + 1,
            act=act,
            by=by.name,
            by_principal=by.principal,
            at=now(),
            body=dict(body or {}),
        )
    )


def acts(connection: sa.Connection, canary_id: str) -> Sequence[Mapping[str, Any]]:
    """The acts on a canary, in order."""
    query = sa.select(canary_acts).where(canary_acts.c.canary_id == canary_id)
    return [dict(row._mapping) for row in connection.execute(query.order_by(canary_acts.c.number))]
