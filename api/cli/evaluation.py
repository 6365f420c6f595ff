"""`credit-desk evaluate`: what a chat model changes, and what it costs, without a running desk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import options

if TYPE_CHECKING:
    from decimal import Decimal

    from data.contracts.case import CaseFile
    from data.contracts.evaluation import Evaluation
    from data.settings import AgentBackend, Settings


def evaluate(
    backend: Annotated[str, typer.Option(metavar="rules|chat", help="What to compare.")] = "chat",
    personas: Annotated[
        str, typer.Option(metavar="NAMES", help="Separated by commas; `all`, or `none`.")
    ] = "all",
    portfolio: Annotated[
        Path | None, typer.Option(metavar="FILE", help="More cases, as `synthesize` makes them.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Compare agents on a chat model with rules, field by field. Ends with 1 if any differs."""
    import asyncio

    from agents.voice import voice_of
    from api.cli.client import chosen_settings
    from api.cli.output import print_json
    from flows.rulebook import current_rulebook
    from flows.runtime.execution.desk import agent_policy_of
    from flows.service.evaluation import evaluate as compare

    settings = chosen_settings(agent_backend=_backend(backend))
    report = asyncio.run(
        compare(
            _cases(settings, personas, portfolio),
            current_rulebook(settings.data_dir),
            backend,
            voice_of(settings),
            agent_policy_of(settings),
        )
    )
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        _print(report)
    raise typer.Exit(1 if report.differing else 0)


def _backend(name: str) -> AgentBackend:
    from data.contracts.errors import ContractViolationError
    from data.settings import AgentBackend

    try:
        return AgentBackend(name)
    except ValueError:
        raise ContractViolationError("--backend: name rules or chat") from None


def _cases(settings: Settings, personas: str, portfolio: Path | None) -> Iterator[CaseFile]:
    """The cases one by one. Rows of a portfolio that the desk would reject are left out."""
    from data.contracts.portfolio import PortfolioRow
    from tools.case_files import case_ids, load_persona
    from tools.portfolio.reader import index_portfolio, read_chunk

    names = {"all": case_ids(settings.data_dir), "none": ()}.get(personas)
    for name in personas.split(",") if names is None else names:
        yield load_persona(settings.data_dir, name.strip()).case
    if portfolio is not None:
        for chunk in index_portfolio(portfolio).chunks:
            for row in read_chunk(portfolio, chunk):
                if isinstance(row, PortfolioRow):
                    yield row.case


def _print(report: Evaluation) -> None:
    from api.cli.output import print_table

    print_table(
        ("Field", "Cases", "Agreed"),
        [(name, str(found.cases), str(found.agreed)) for name, found in report.fields.items()],
        empty="No cases.",
    )
    print_table(
        ("Agent", "Texts", "Accepted", "Refusals", "Fallbacks", "Tokens", "USD", "ms"),
        [
            (
                label,
                str(found.texts),
                str(found.accepted),
                str(found.refusals),
                ", ".join(f"{why} {count}" for why, count in found.fallbacks.items()),
                str(found.use.tokens),
                "unknown" if found.use.cost_usd is None else str(found.use.cost_usd),
                f"{found.latency_ms_median:.0f}",
            )
            for label, found in report.agents.items()
        ],
        empty="No chat model was asked.",
    )
    typer.echo(
        f"{report.cases} cases, {len(report.differing)} differ; {report.total.tokens} tokens,"
        f" {_spent(report.total.cost_usd)}"
    )


def _spent(cost: Decimal | None) -> str:
    return "cost unknown" if cost is None else f"{cost} US dollars"
