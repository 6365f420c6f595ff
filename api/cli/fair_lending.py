"""Outcomes by group, from two files and without a desk: the fair-lending report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from api.cli import options

if TYPE_CHECKING:
    from data.contracts.fairness import FairLendingReport


def fair_lending(
    decisions: Annotated[
        Path,
        typer.Option(
            "--decisions",
            metavar="FILE",
            help="CSV or JSON Lines; decisions.jsonl. PD, APR and rate as shares: 0.125 is 12.5 %.",
        ),
    ],
    groups: Annotated[
        Path,
        typer.Option(
            "--groups", metavar="FILE", help="CSV: application_id, then an attribute each."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write the report here as well.")
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "--reference",
            metavar="ATTRIBUTE=GROUP",
            help="The group to compare with; the one with the highest approval rate. Repeatable.",
        ),
    ] = None,
    counter_offers: Annotated[
        Literal["denied", "approved", "left_out"],
        typer.Option(help="What a counter-offer counts as."),
    ] = "denied",
    min_n: Annotated[int, typer.Option("--min-n", min=1, help="Judge no smaller group.")] = 30,
    resamples: Annotated[int, typer.Option(min=100, max=100_000, help="Of the bootstrap.")] = 1_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same intervals.")] = 1,
    as_json: options.AsJson = False,
) -> None:
    """Compare approvals, scores and prices between groups. A monitor, and no legal test.

    Groups are joined to decisions here alone, and nothing of them is stored but the report.
    """
    from api.cli.output import print_json
    from data.contracts.fairness import CounterOfferAs, FairnessTerms
    from tools.modelling.fairness import fair_lending_report
    from tools.modelling.fairness_files import read_decisions, read_groups

    terms = FairnessTerms(
        min_n=min_n,
        counter_offers=CounterOfferAs(counter_offers),
        resamples=resamples,
        seed=seed,
        references=dict(map(_reference, reference or ())),
    )
    report = fair_lending_report(read_decisions(decisions), read_groups(groups), terms)
    if out is not None:
        _write(out, report)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        _show(report)


def _reference(option: str) -> tuple[str, str]:
    from data.contracts.errors import ContractViolationError

    attribute, equals, group = option.partition("=")
    if not (attribute and equals and group):
        raise ContractViolationError("--reference: write ATTRIBUTE=GROUP")
    return attribute, group


def _write(folder: Path, report: FairLendingReport) -> None:
    from api.cli.files import make_folder, write_file
    from api.cli.output import as_lines
    from tools.modelling.fairness_page import fair_lending_page

    make_folder(folder)
    write_file(folder / "fair-lending.md", fair_lending_page(report))
    write_file(folder / "fair-lending.json", as_lines(report.model_dump(mode="json")))


def _show(report: FairLendingReport) -> None:
    from api.cli.output import print_table
    from tools.modelling.fairness_page import (
        COLUMNS,
        counted_line,
        cut_off_columns,
        cut_off_rows,
        rule_line,
        table_rows,
        title_of,
    )

    rows = [row for comparison in report.comparisons for row in table_rows(comparison)]
    print_table(COLUMNS, rows, empty="No groups", headed=True)
    for search in report.searches:
        typer.echo(f"\nCut-offs of {search.measure}, in search of a less discriminatory one:")
        columns, cut_offs = cut_off_columns(search), cut_off_rows(search)
        print_table(columns, cut_offs, empty="No cut-offs", headed=True)
    notes = [f"{title_of(found)}: {found.note}" for found in report.comparisons if found.note]
    typer.echo("\n" + "\n".join([counted_line(report), *notes, rule_line(report)]))
    typer.echo("\n".join(report.statement[:2]))
    typer.echo(f"{report.flagged} groups are flagged over all cases")
