"""Add up a what-if: the swap set, and both sides of each segment."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from data.contracts.batch import most_frequent
from data.contracts.what_if import (
    Judged,
    Judgement,
    Move,
    Segment,
    Side,
    Verdict,
    WhatIfReport,
    share_of,
)
from data.rounding import rate

_EXAMPLES = 5
_REASONS = 10


def add_up(
    judgements: Sequence[Judgement],
    *,
    source: str,
    versions: Mapping[str, str],
    segmented_by: str,
    left_out: Mapping[str, int],
    seconds: float,
) -> WhatIfReport:
    """The report of a what-if. The swap set holds every case once."""
    by_segment: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        by_segment[judgement.segment].append(judgement)
    return WhatIfReport(
        source=source,
        versions=dict(versions),
        segmented_by=segmented_by,
        cases=len(judgements),
        left_out=dict(left_out),
        swap_set=swap_set(judgements),
        moves=_moves(judgements),
        repriced=sum(_is_repriced(judgement) for judgement in judgements),
        total=_segment("all", judgements),
        segments=tuple(_segment(name, by_segment[name]) for name in sorted(by_segment)),
        seconds=round(seconds, 3),
    )


def swap_set(judgements: Iterable[Judgement]) -> dict[Verdict, dict[Verdict, int]]:
    """How many cases have each verdict before and each verdict after."""
    found = Counter((one.before.verdict, one.after.verdict) for one in judgements)
    return {
        before: row
        for before in Verdict
        if (row := {after: found[before, after] for after in Verdict if found[before, after]})
    }


def _moves(judgements: Iterable[Judgement]) -> tuple[Move, ...]:
    moved: dict[tuple[Verdict, Verdict], list[str]] = defaultdict(list)
    for one in judgements:
        if one.before.verdict is not one.after.verdict:
            moved[one.before.verdict, one.after.verdict].append(one.application_id)
    ranked = sorted(moved.items(), key=lambda found: (-len(found[1]), found[0]))
    return tuple(
        Move(before=before, after=after, cases=len(ids), examples=tuple(sorted(ids)[:_EXAMPLES]))
        for (before, after), ids in ranked
    )


def _is_repriced(one: Judgement) -> bool:
    both = one.before.verdict is Verdict.APPROVE and one.after.verdict is Verdict.APPROVE
    return both and one.before.rate != one.after.rate


def _segment(name: str, cases: Sequence[Judgement]) -> Segment:
    return Segment(
        name=name,
        cases=len(cases),
        before=_side([one.before for one in cases]),
        after=_side([one.after for one in cases]),
    )


def _side(judged: Sequence[Judged]) -> Side:
    verdicts = Counter(one.verdict for one in judged)
    approved = [one for one in judged if one.verdict is Verdict.APPROVE]
    rates = [one.rate for one in approved if one.rate is not None]
    reasons = Counter(reason for one in judged for reason in one.reasons)
    return Side(
        verdicts={verdict: verdicts[verdict] for verdict in Verdict if verdicts[verdict]},
        approval_rate=share_of(len(approved), len(judged)),
        approved=sum((one.amount or Decimal(0) for one in approved), Decimal(0)),
        expected_loss=sum((one.expected_loss or Decimal(0) for one in approved), Decimal(0)),
        mean_rate=rate(sum(rates, Decimal(0)) / len(rates)) if rates else None,
        reasons=dict(most_frequent(reasons, _REASONS)),
    )
