"""A what-if for people: Markdown, and two plots as SVG files that the Markdown shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from data.contracts.what_if import Segment, Side, Verdict, WhatIfReport

SWAP_PLOT, SEGMENT_PLOT = "swap-set.svg", "segments.svg"

_CELL, _LEFT, _TOP = 84, 120, 46
_BAR, _WIDTH = 14, 320


def markdown(report: WhatIfReport) -> str:
    """The report as a page. It names no applicant: application ids and figures only."""
    set_to = ", ".join(f"{part} = {name}" for part, name in report.versions.items())
    lines = [
        f"# What if: {set_to or 'the pinned versions again'}",
        "",
        f"{report.cases:,} stored applications of {report.source}, decided again in"
        f" {report.seconds:.1f} s. Nothing was stored. A case on which people ruled counts as"
        " referred on both sides: how they would rule under other versions is not known.",
        *(["", _left_out(report)] if report.left_out else []),
        "",
        "## Swap set",
        "",
        f"![Cases by verdict before and after]({SWAP_PLOT})",
        "",
        *_table(("before \\ after", *_verdicts(report), "together"), _swap_rows(report)),
        "",
        "## Moves",
        "",
        *_table(
            ("from", "to", "cases", "first application ids"),
            [
                (move.before.value, move.after.value, f"{move.cases:,}", ", ".join(move.examples))
                for move in report.moves
            ],
        ),
        "",
        f"{report.repriced:,} further cases are approved on both sides at another rate.",
        "",
        f"## By {report.segmented_by}",
        "",
        f"![Approval rate by {report.segmented_by}]({SEGMENT_PLOT})",
        "",
        *_table(_SEGMENT_TITLES, [_segment_row(one) for one in (*report.segments, report.total)]),
        "",
        "## Reasons",
        "",
        *_table(("reason", "before", "after"), _reason_rows(report.total)),
        "",
    ]
    return "\n".join(lines)


def swap_plot(report: WhatIfReport) -> str:
    """The swap set as a grid: the darker a cell, the more of its row's cases are in it."""
    names = _verdicts(report)
    width, height = _LEFT + _CELL * len(names) + 8, _TOP + _CELL // 2 * len(names) + 8
    parts = [
        _text(_LEFT + _CELL * place + _CELL // 2, _TOP - 12, name, anchor="middle")
        for place, name in enumerate(names)
    ]
    for row, before in enumerate(names):
        y = _TOP + _CELL // 2 * row
        counts = [_count(report, before, after) for after in names]
        parts.append(_text(_LEFT - 8, y + 26, before, anchor="end"))
        for place, count in enumerate(counts):
            x, share = _LEFT + _CELL * place, count / max(1, sum(counts))
            colour = "#2f6f4f" if place == row else "#b3541e"
            parts.append(
                f'<rect x="{x}" y="{y}" width="{_CELL - 2}" height="{_CELL // 2 - 2}"'
                f' fill="{colour}" fill-opacity="{0.08 + 0.8 * share:.2f}"/>'
            )
            parts.append(_text(x + _CELL // 2, y + 26, f"{count:,}", anchor="middle"))
    return _svg(width, height, "Cases by verdict before and after", parts)


def segment_plot(report: WhatIfReport) -> str:
    """The approval rate of every segment on both sides, as bars."""
    parts, y = [], 24
    for one in (*report.segments, report.total):
        parts.append(_text(_LEFT - 8, y + _BAR + 4, one.name, anchor="end"))
        for side, colour in ((one.before, "#8a97a6"), (one.after, "#2f6f4f")):
            share = float(side.approval_rate)
            parts.append(
                f'<rect x="{_LEFT}" y="{y}" width="{max(1, round(_WIDTH * share))}"'
                f' height="{_BAR - 2}" fill="{colour}"/>'
            )
            parts.append(_text(_LEFT + round(_WIDTH * share) + 6, y + _BAR - 3, f"{share:.1%}"))
            y += _BAR
        y += 10
    parts.append(_text(_LEFT, y + 8, "grey: as decided; green: under the other versions"))
    return _svg(_LEFT + _WIDTH + 70, y + 20, "Approval rate before and after", parts)


_SEGMENT_TITLES = (
    *("segment", "cases", "approved before", "approved after"),
    *("expected loss before", "expected loss after", "mean rate before", "mean rate after"),
)


def _segment_row(one: Segment) -> tuple[str, ...]:
    sides = (one.before, one.after)
    return (
        one.name,
        f"{one.cases:,}",
        *(f"{float(side.approval_rate):.1%}" for side in sides),
        *(f"{side.expected_loss:,.2f}" for side in sides),
        *(_rate(side) for side in sides),
    )


def _rate(side: Side) -> str:
    return "" if side.mean_rate is None else f"{float(side.mean_rate):.2%}"


def _reason_rows(one: Segment) -> list[tuple[str, ...]]:
    known = dict.fromkeys((*one.before.reasons, *one.after.reasons))
    return [
        (reason, *(f"{side.reasons.get(reason, 0):,}" for side in (one.before, one.after)))
        for reason in known
    ]


def _left_out(report: WhatIfReport) -> str:
    said = ", ".join(f"{count:,} {reason}" for reason, count in sorted(report.left_out.items()))
    return f"Left out: {said}."


def _verdicts(report: WhatIfReport) -> tuple[str, ...]:
    """The verdicts that occur on either side."""
    rows = report.swap_set
    seen = {*rows, *(after for row in rows.values() for after in row)}
    return tuple(verdict.value for verdict in Verdict if verdict in seen)


def _swap_rows(report: WhatIfReport) -> list[tuple[str, ...]]:
    names = _verdicts(report)
    rows = []
    for before in names:
        counts = [_count(report, before, after) for after in names]
        rows.append((before, *(f"{count:,}" for count in counts), f"{sum(counts):,}"))
    columns = [sum(_count(report, before, after) for before in names) for after in names]
    return [*rows, ("together", *(f"{count:,}" for count in columns), f"{report.cases:,}")]


def _count(report: WhatIfReport, before: str, after: str) -> int:
    return report.swap_set.get(Verdict(before), {}).get(Verdict(after), 0)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(titles) + " |",
        "|" + "---|" * len(titles),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def _text(x: int, y: int, said: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(said)}</text>'


def _svg(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" font-family="sans-serif" font-size="12" role="img">\n'
        f'<title>{escape(title)}</title>\n<rect width="100%" height="100%" fill="white"/>\n'
        f"{body}\n</svg>\n"
    )
