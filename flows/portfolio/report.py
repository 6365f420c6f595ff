"""The summary of a batch as a page for people, in Prefect and beside the result files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from data.contracts.batch import BatchSummary, most_frequent
from data.contracts.policy import ReasonCode, Recommendation

_BAR = 30
"""The longest bar, in characters."""

_RATES = (
    ("Approved", Recommendation.APPROVE),
    ("Counter-offer", Recommendation.COUNTER_OFFER),
    ("Referred", Recommendation.REFER),
    ("Declined", Recommendation.DECLINE),
    ("Incomplete", Recommendation.INCOMPLETE),
)


def markdown_of(batch: BatchSummary) -> str:
    """The page. It holds counts, codes and sums, and nothing of a single applicant."""
    return "\n".join([f"# Batch {batch.file_name}", "", *_lines(batch)]) + "\n"


def _lines(batch: BatchSummary) -> Iterator[str]:
    totals, reviews = batch.totals, batch.reviews
    yield f"Batch `{batch.batch_id}` is **{batch.status.value}**."
    if batch.error:
        yield f"{batch.error.message} (`{batch.error.code}`)."
    if trace := batch.links.get("trace"):
        yield f"[Trace]({trace})"
    yield ""
    yield from _table(
        ("Rows", "Accepted", "Rejected", "Seconds", "Rows per second"),
        (
            f"{totals.rows:,}",
            f"{totals.accepted:,}",
            f"{totals.rejected:,}",
            f"{batch.seconds:,.1f}",
            f"{batch.rows_per_second:,.1f}",
        ),
    )
    yield from _table(
        ("Requested", "Approved", "Expected loss"),
        (_dollars(totals.requested), _dollars(totals.approved), _dollars(totals.expected_loss)),
    )
    yield from _bars(
        "Policy",
        {name: totals.recommendations.get(found.value, 0) for name, found in _RATES},
    )
    yield from _bars("Grades", dict(sorted(totals.grades.items())))
    yield from _bars("Reasons", _named(most_frequent(totals.reasons)))
    yield from _bars("Rejected rows", dict(most_frequent(totals.reject_codes)))
    waiting = {"not asked yet": reviews.pending, "asked": reviews.open, "ended": reviews.ended}
    yield from _bars("Referred to people", waiting)
    yield from _bars("Rulings", dict(most_frequent(reviews.outcomes)))
    for fault in batch.faults:
        yield f"- line {fault.line}, `{fault.field or '/'}`: {fault.message} (`{fault.code}`)"


def _bars(title: str, counts: Mapping[str, int]) -> Iterator[str]:
    """Counts as a table with bars: a plot that every reader of Markdown shows."""
    total, largest = sum(counts.values()), max(counts.values(), default=0)
    if not total:
        return
    yield f"## {title}"
    yield ""
    yield "| | count | share | |"
    yield "|---|---:|---:|:---|"
    for name, count in counts.items():
        bar = "█" * round(_BAR * count / largest)
        yield f"| {name} | {count:,} | {count / total:.1%} | {bar} |"
    yield ""


def _table(names: tuple[str, ...], values: tuple[str, ...]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|{'---:|' * len(names)}"
    yield f"| {' | '.join(values)} |"
    yield ""


def _named(reasons: list[tuple[str, int]]) -> dict[str, int]:
    names = {code.value: code.name.lower().replace("_", " ") for code in ReasonCode}
    return {_reason(names, code): count for code, count in reasons}


def _reason(names: Mapping[str, str], code: str) -> str:
    return f"{code.partition('_')[0]} {names[code]}" if code in names else code.replace("-", " ")


def _dollars(amount: Decimal) -> str:
    return f"${amount:,.2f}"
