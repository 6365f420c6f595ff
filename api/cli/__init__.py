"""`credit-desk`: the desk on the command line.

Commands for a running desk call its API and use nothing else of it. Heavy modules are imported
inside the commands that need them, so that help and errors appear at once.
"""

from __future__ import annotations

import typer

from api.cli import (
    after_decision,
    audit,
    batches,
    board,
    bundles,
    canaries,
    documents,
    drawing,
    drift,
    evaluation,
    fair_lending,
    history,
    housekeeping,
    keys,
    letters,
    mcp,
    modelling,
    options,
    policy,
    reports,
    reviews,
    roles,
    runs,
    scorecard,
    screening,
    showing,
    traces,
    up,
    what_if,
)
from api.cli.demo import command
from api.cli.errors import DeskGroup

app = typer.Typer(
    name="credit-desk",
    cls=DeskGroup,
    help="A consumer-credit underwriting desk: agents on Prefect, people at the gates.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_THE_DESK, _CASES, _ROLES = "The desk", "Cases", "Single processes, as containers run them"

app.command(rich_help_panel=_THE_DESK)(up.up)
app.command(rich_help_panel=_THE_DESK)(command.demo)
app.command(rich_help_panel=_CASES)(runs.submit)
app.command(rich_help_panel=_CASES)(showing.show)
app.command(rich_help_panel=_CASES)(runs.follow)
app.command(name="runs", rich_help_panel=_CASES)(runs.list_runs)
app.command(rich_help_panel=_CASES)(board.board)
app.command(rich_help_panel=_CASES)(batches.batch)
app.command(name="batches", rich_help_panel=_CASES)(batches.list_batches)
app.command(rich_help_panel=_CASES)(reviews.inbox)
app.command(rich_help_panel=_CASES)(reviews.answer)
app.command(rich_help_panel=_CASES)(reviews.claim)
app.command(rich_help_panel=_CASES)(reviews.release)
app.command(rich_help_panel=_CASES)(reviews.note)
app.command(rich_help_panel=_CASES)(documents.document)
app.command(rich_help_panel=_CASES)(letters.decision)
app.command(rich_help_panel=_CASES)(letters.notice)
app.command(rich_help_panel=_CASES)(after_decision.offer)
app.command(rich_help_panel=_CASES)(after_decision.condition)
app.command(rich_help_panel=_CASES)(runs.resume)
app.command(rich_help_panel=_CASES)(runs.cancel)
app.command(rich_help_panel=_CASES)(history.checkpoints)
app.command(rich_help_panel=_CASES)(history.diff)
app.command(rich_help_panel=_CASES)(history.memory)
app.command(rich_help_panel=_CASES)(drawing.graph)
app.command(rich_help_panel=_THE_DESK)(housekeeping.housekeeping)
app.command(rich_help_panel=_THE_DESK)(housekeeping.hold)
app.command(rich_help_panel=_THE_DESK)(housekeeping.erase)
app.command(rich_help_panel=_THE_DESK)(modelling.synthesize)
app.command(name="what-if", rich_help_panel=_THE_DESK)(what_if.what_if)
app.command(rich_help_panel=_THE_DESK)(mcp.mcp)
app.command(rich_help_panel=_THE_DESK)(evaluation.evaluate)
app.add_typer(scorecard.app, name="scorecard", rich_help_panel=_THE_DESK)
app.command(rich_help_panel=_THE_DESK)(reports.agreement)
app.command(rich_help_panel=_THE_DESK)(reports.fraud_precision)
app.command(rich_help_panel=_THE_DESK)(fair_lending.fair_lending)
app.add_typer(bundles.app, name="bundle", rich_help_panel=_THE_DESK)
app.add_typer(canaries.app, name="canary", rich_help_panel=_THE_DESK)
app.command(rich_help_panel=_THE_DESK)(drift.drift)
app.add_typer(drift.app, name="outcomes", rich_help_panel=_THE_DESK)
app.add_typer(policy.app, name="policy", rich_help_panel=_THE_DESK)
app.command(rich_help_panel=_THE_DESK)(screening.screen)
app.add_typer(screening.app, name="watchlist", rich_help_panel=_THE_DESK)
app.add_typer(keys.app, name="keys", rich_help_panel=_THE_DESK)
app.add_typer(audit.app, name="audit", rich_help_panel=_THE_DESK)
app.add_typer(traces.app, name="traces", rich_help_panel=_THE_DESK)
app.command(rich_help_panel=_ROLES)(roles.server)
app.command(rich_help_panel=_ROLES)(roles.worker)
app.command(name="api", rich_help_panel=_ROLES)(roles.api)
app.command(rich_help_panel=_ROLES)(roles.deploy)


@app.callback()
def everywhere(key: options.Key = "", version: options.Version = False) -> None:
    """Options that stand before any command."""
    options.given_key.set(key)


def main() -> None:
    """Run the command line; the entry point of the console script."""
    app(prog_name="credit-desk")
