"""The drift report as a page of Markdown and as lines of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from data.contracts.drift import Calibration, DriftPeriod, DriftReport

COLUMNS = ("Attribute", "Index", "Value", "By chance", "Level")
BAND_COLUMNS = ("PD", "n", "Bad", "Forecast", "Observed", "95 % interval")


def drift_rows(report: DriftReport) -> list[tuple[str, ...]]:
    """A line for the score and each attribute, under `COLUMNS`."""
    return [
        (
            found.attribute,
            found.index.upper(),
            f"{found.value:.3f}",
            f"{found.by_chance:.3f}",
            found.level.value.replace("_", " "),
        )
        for found in report.attributes
    ]


def band_rows(calibration: Calibration) -> list[tuple[str, ...]]:
    """A line for each band of forecasts, under `BAND_COLUMNS`."""
    return [
        (
            f"{band.lowest:.4f} to {band.highest:.4f}",
            f"{band.n:,}",
            f"{band.bad:,}",
            f"{band.forecast:.2%}",
            f"{band.observed:.2%}",
            f"{band.interval_low:.2%} to {band.interval_high:.2%}",
        )
        for band in calibration.bands
    ]


def period_line(report: DriftReport) -> str:
    """Which decisions were compared, and from when on a shift counts."""
    terms = report.terms
    return (
        f"{_period(report.current)} against {_period(report.baseline)}. Watch from"
        f" {terms.watch_from:g}, act from {terms.act_from:g}, judged from {terms.min_n} decisions"
        " in each period. `By chance` is the mean value without any shift."
    )


def calibration_line(calibration: Calibration) -> str:
    """Whether as many loans went bad as forecast."""
    if not calibration.n:
        return "No outcomes: credit-desk outcomes import FILE brings those of matured loans"
    p_value = "" if calibration.p_value is None else f", p {calibration.p_value:.4f}"
    return (
        f"{calibration.n:,} matured loans: {calibration.bad:,} went bad,"
        f" {calibration.expected_bad:.1f} were forecast{p_value}, Brier {calibration.brier}:"
        f" {_VERDICTS[calibration.level.value]}"
    )


def drift_page(report: DriftReport) -> str:
    """The whole report as Markdown."""
    return "\n".join(_page(report)) + "\n"


def _page(report: DriftReport) -> Iterator[str]:
    yield from ("# Drift", "", period_line(report), "")
    yield (
        "The attributes are the facts that the policy's rules used, as the decisions hold them; the"
        " score is the probability of default."
    )
    yield ""
    yield from _table(COLUMNS, drift_rows(report))
    yield from ("", "## Calibration", "", f"{calibration_line(report.calibration)}.")
    if rows := band_rows(report.calibration):
        yield ""
        yield from _table(BAND_COLUMNS, rows)
    moved = [found for found in report.attributes if found.level.value in {"watch", "act"}]
    for found in moved:
        yield from ("", f"## {found.attribute}: {found.level.value}", "")
        shares = [
            (part.bin.replace("|", "\\|"), f"{part.baseline:.1%}", f"{part.current:.1%}")
            for part in found.bins
        ]
        yield from _table(("Bin", "Baseline", "Current"), shares)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _period(period: DriftPeriod) -> str:
    drawn = "" if period.share == 1 else f" ({period.share:.1%} of them, drawn)"
    return f"{period.since} to {period.until}: {period.decisions:,} decisions{drawn}"


_VERDICTS = {
    "not_judged": "too few to judge",
    "stable": "calibrated",
    "act": "the forecasts are off",
}
