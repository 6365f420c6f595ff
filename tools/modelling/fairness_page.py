"""The fair-lending report as a page of Markdown and as lines of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from data.contracts.fairness import (
    Comparison,
    CutOff,
    FairLendingReport,
    GroupFigures,
    Interval,
    Search,
)

STATEMENT = (
    "This report is a monitor. It shows where outcomes differ between groups, so that people look"
    " for the cause. It finds no discrimination and excludes none, and it is no legal advice.",
    "It is not the legal test. Since 21 July 2026 Regulation B knows disparate treatment only, and"
    " proxies that are chosen with intent; state law, the Fair Housing Act and private suits still"
    " look at disparate impact. The four-fifths rule is from 29 CFR 1607.4(D), about employment,"
    " and was never codified for credit.",
    "Groups differ in what they ask for and in what decides. No figure here is adjusted for that,"
    " except by the part of the cases that it is taken over.",
    "With many groups some figures are beyond a threshold by chance. The reference group is the one"
    " with the highest approval rate over all cases unless it is named, which makes such figures"
    " more frequent.",
    "The groups come from a file that this report alone has read. They are in no decision, model,"
    " price or log.",
)

COLUMNS = (
    *("Cases", "Group", "n", "Approved", "AIR", "p", "Odds of denial", "SMD", "Price gap"),
    "Judgement",
)


def table_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """A line for each group of a comparison, under `COLUMNS`."""
    return [_row(comparison, figures) for figures in comparison.groups]


def cut_off_columns(search: Search) -> tuple[str, ...]:
    """The columns of `cut_off_rows`."""
    lowest = (f"Lowest AIR, {found.attribute}" for found in search.cut_offs[0].lowest)
    return ("Cut-off", "Approved", "Expected default", *lowest, "")


def cut_off_rows(search: Search) -> list[tuple[str, ...]]:
    """A line for each cut-off of a search."""
    return [_cut_off_row(cut_off) for cut_off in search.cut_offs]


def fair_lending_page(report: FairLendingReport) -> str:
    """The whole report as Markdown."""
    return "\n".join(_page(report)) + "\n"


def counted_line(report: FairLendingReport) -> str:
    """How many decisions the report is about, and which it leaves aside."""
    standings = ", ".join(f"{count:,} {_words(name)}" for name, count in report.standings.items())
    return (
        f"{report.matched:,} of {report.decisions:,} decisions have groups ({standings});"
        f" {report.without_groups:,} have none, and {report.groups_without_decision:,} rows of"
        " groups have no decision"
    )


def rule_line(report: FairLendingReport) -> str:
    """What counts as a denial, and when a group is flagged."""
    terms = report.terms
    counter_offers = {
        "denied": "a counter-offer counts as a denial of the requested terms",
        "approved": "a counter-offer counts as an approval",
        "left_out": "a counter-offer does not count",
    }[terms.counter_offers.value]
    return (
        f"Approved and denied cases count, and {counter_offers}. Incomplete, withdrawn and open"
        " cases do not count: see how many each group has. A group is judged from"
        f" {terms.min_n} cases on. It is flagged for an AIR below {terms.air_below:g} with p below"
        f" {terms.significance:g}, an SMD of {terms.smd_from:g} or more, or a price gap of"
        f" {terms.price_gap_from:.2%} or more, either way; `watch` where chance may explain it."
    )


def _page(report: FairLendingReport) -> Iterator[str]:
    yield from ("# Fair lending", "", f"{counted_line(report)}.", "", rule_line(report), "")
    yield from ("## What this report is, and what it is not", "")
    yield from (f"- {sentence}" for sentence in report.statement)
    for comparison in report.comparisons:
        yield from ("", f"## {title_of(comparison)}", "")
        if comparison.note:
            yield from (f"{_cell(comparison.note[0].upper() + comparison.note[1:])}.", "")
        yield from _table(COLUMNS[1:], [row[1:] for row in table_rows(comparison)])
        yield from _left_out(comparison)
    for search in report.searches:
        yield from _search(search, report)


def _search(search: Search, report: FairLendingReport) -> Iterator[str]:
    yield from ("", f"## Less discriminatory alternatives: the cut-off of `{search.measure}`", "")
    yield (
        f"{search.cases:,} judged cases by one cut-off alone. The cut-off of today approves as many"
        f" as the decisions did, and agrees with {search.agreement:.1%} of them: where that is low,"
        " other rules decide. An alternative is marked when no lowest AIR falls, one rises, and the"
        f" expected default rate is at most {report.terms.risk_tolerance:.2%} above today's. Other"
        " models and attributes are not searched here."
    )
    yield ""
    yield from _table(cut_off_columns(search), cut_off_rows(search))


def _left_out(comparison: Comparison) -> Iterator[str]:
    lines = [
        f"{_cell(_name(figures))}: "
        + ", ".join(f"{count:,} {_words(name)}" for name, count in figures.left_out.items())
        for figures in comparison.groups
        if figures.left_out
    ]
    if lines:
        yield from ("", f"Not counted: {'; '.join(lines)}.")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|'}{'---:|' * (len(columns) - 2)}{'---|'}"
    yield from (f"| {' | '.join(map(_cell, row))} |" for row in rows)


def _row(comparison: Comparison, figures: GroupFigures) -> tuple[str, ...]:
    rate = "" if figures.approval_rate is None else f"{figures.approval_rate:.1%}"
    gap = "" if figures.price_gap is None else f"{figures.price_gap:+.2%}"
    findings = ", ".join(_finding(comparison, figures, name) for name in figures.findings)
    return (
        title_of(comparison),
        _name(figures),
        f"{figures.n:,}",
        rate,
        _with_interval(figures.air, figures.air_interval),
        "" if figures.p_value is None else f"{_p_value(figures.p_value)} {figures.test}",
        _with_interval(figures.odds_ratio, figures.odds_interval),
        ", ".join(f"{measure} {smd:+.2f}" for measure, smd in figures.smd.items()),
        gap + _percents(figures.price_interval),
        _words(figures.judgement.value) + (f" ({findings})" if findings else ""),
    )


def _finding(comparison: Comparison, figures: GroupFigures, name: str) -> str:
    """A finding; of prices also which of the two groups pays more."""
    if name != "price" or figures.price_gap is None:
        return name
    dearer = figures.group if figures.price_gap > 0 else comparison.reference
    return f"price: {dearer} pays more"


def _cut_off_row(cut_off: CutOff) -> tuple[str, ...]:
    expected = cut_off.expected_default_rate
    mark = "today" if cut_off.is_current else ""
    return (
        f"{cut_off.cut_off:.6g}",
        f"{cut_off.approval_rate:.1%}",
        "" if expected is None else f"{expected:.2%}",
        *(f"{found.air:.3f} ({found.group})" for found in cut_off.lowest),
        "less discriminatory" if cut_off.less_discriminatory else mark,
    )


def title_of(comparison: Comparison) -> str:
    """The attribute, and the product or period that a comparison is about."""
    return (
        f"{comparison.attribute}, {comparison.value}" if comparison.part else comparison.attribute
    )


def _name(figures: GroupFigures) -> str:
    return figures.group or "not known"


def _with_interval(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" + (f" ({interval.low:.3f} to {interval.high:.3f})" if interval else "")


def _p_value(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else "<0.0001"


def _percents(interval: Interval | None) -> str:
    return f" ({interval.low:+.2%} to {interval.high:+.2%})" if interval else ""


def _cell(text: str) -> str:
    """A text that breaks no table and is no markup: labels come from a file."""
    escaped = "".join(f"\\{sign}" if sign in r"\`*_[]<>|#" else sign for sign in text)
    return " ".join(escaped.split())


def _words(name: str) -> str:
    return name.replace("_", " ")
