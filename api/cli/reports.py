"""Reports about people's rulings: how far they agree with the policy, and how right it was."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli import options
from api.cli.asking import ask

Since = Annotated[str | None, typer.Option(metavar="DAY", help="The first day, as 2026-11-01.")]
Until = Annotated[str | None, typer.Option(metavar="DAY", help="The first day after the period.")]


def agreement(
    since: Since = None,
    until: Until = None,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Say how often people followed the policy, overrode it, and why. Names no person."""
    from api.cli.output import print_json, print_table

    days = {"since": since, "until": until}
    report = ask(api, home, lambda desk: desk.get("/reviews/agreement", **days))
    if as_json:
        print_json(report)
        return
    print_table(
        ("Recommended", "Cases", "Followed", "Overridden", "Outcomes", "Reasons"),
        [_row(found) for found in report["recommendations"]],
        empty="No person has ruled on a case that was decided then.",
        headed=True,
    )
    rate = report["follow_rate"]
    followed = f"{float(rate):.1%} followed" if rate is not None else "none with a recommendation"
    typer.echo(
        f"{report['since']} to {report['until']}: {report['cases']} cases, {followed};"
        f" {report['second_refusals']} of {report['second_approvals']} second approvals refused"
    )


def fraud_precision(
    since: Since = None,
    until: Until = None,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Say how often signs of fraud were fraud, as underwriters found: in total, by band, signal."""
    from api.cli.output import print_json, print_table

    days = {"since": since, "until": until}
    report = ask(api, home, lambda desk: desk.get("/reviews/fraud-precision", **days))
    if as_json:
        print_json(report)
        return
    lines = [report["total"], *report["bands"], *report["signals"]]
    print_table(
        ("Sign", "Confirmed", "False positives", "Precision"),
        [
            (
                line["name"],
                str(line["confirmed"]),
                str(line["false_positives"]),
                "" if line["precision"] is None else f"{float(line['precision']):.1%}",
            )
            for line in lines
        ],
        empty="",
        headed=True,
    )


def _row(found: dict[str, Any]) -> tuple[str, ...]:
    return (
        found["recommendation"],
        str(found["cases"]),
        "" if found["followed"] is None else str(found["followed"]),
        str(found["overridden"]),
        ", ".join(f"{outcome} {count}" for outcome, count in found["outcomes"].items()),
        ", ".join(f"{given['reason_code']} {given['cases']}" for given in found["reasons"]),
    )
