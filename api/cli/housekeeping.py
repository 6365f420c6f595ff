"""Housekeeping from the command line: deadlines, retention, legal holds, erasure."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli import options
from api.cli.asking import ask


def housekeeping(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be purged.")
    ] = False,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Enforce deadlines and retention now; while the desk is down, retention only."""
    from api.cli.client import chosen_settings
    from api.cli.output import print_json
    from flows.runtime.host.desk_lock import running_desk

    if api is None and running_desk(chosen_settings(home=home).folder) is None:
        report = asyncio.run(_without_a_desk(home, dry_run=dry_run))
    else:
        path = "/housekeeping"
        report = ask(api, home, lambda desk: desk.get(path) if dry_run else desk.post(path, {}))
    if as_json:
        print_json(report)
    else:
        typer.echo("\n".join(report_lines(report)))


def hold(
    run_id: options.RunId,
    release: Annotated[bool, typer.Option("--release", help="End the hold.")] = False,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Put a run under a legal hold: housekeeping purges nothing of it until its release."""
    from api.cli.output import print_json

    path = f"/runs/{run_id}/hold"
    run = ask(api, home, lambda desk: desk.delete(path) if release else desk.post(path, {}))
    if as_json:
        print_json(run)
    else:
        held = "is under a legal hold" if run["legal_hold"] else "is not held"
        typer.echo(f"Run {run['run_id']} {held}")


def erase(
    application_id: Annotated[
        str, typer.Argument(metavar="APPLICATION", help="The id of the application.")
    ],
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Erase the personal data of an application for good: its contents and its documents."""
    from api.cli.output import print_json

    erased = ask(api, home, lambda desk: desk.delete(f"/applications/{application_id}"))
    if as_json:
        print_json(erased)
    else:
        when = erased["erased_at"][:16].replace("T", " ")
        typer.echo(f"Personal data of {erased['application_id']} was erased at {when} UTC")


def report_lines(report: Mapping[str, Any]) -> list[str]:
    """A round of housekeeping in a few lines, one for each purged checkpoint."""
    storage, audit = report["storage"], report["audit"]
    would, was = ("would be ", "would be") if report["dry_run"] else ("", "was")
    lines = [
        f"{purged['run_id']}/{purged['label']}/{purged['version']}  {would}purged"
        f" ({purged['because']}, {purged['bytes']:,} bytes)"
        for purged in storage["purged"]
    ]
    lines.append(
        f"Checkpoints {would}purged: {len(storage['purged'])}"
        f" ({storage['freed_bytes']:,} bytes); bodies {would}swept: {len(storage['swept'])}"
    )
    if storage["kept"]:
        lines.append(f"Kept, because the storage cannot delete: {len(storage['kept'])}")
    if report["erased"]:
        lines.append(f"Applications whose personal data {was} erased: {report['erased']}")
    if report["model_answers"]:
        lines.append(f"Answers of chat models {would}removed: {report['model_answers']}")
    if report["uploads"]:
        lines.append(f"Uploaded portfolios {would}removed: {report['uploads']}")
    lines += [
        f"{found['label']}: {found['due']} due, {found['kept']} kept for longer by it"
        f" ({found['months']} months: {found['citation']})"
        for found in report["records"]
    ]
    if not report["dry_run"]:
        lines.append(
            f"Requests reminded of: {report['reminded']}; passed on: {report['escalated']};"
            f" expired: {report['expired']}"
        )
    lines.append(_verdict(audit))
    return lines


def _verdict(audit: Mapping[str, Any]) -> str:
    if not audit["listed"]:
        return "The storage cannot be listed, so it is unknown whether the index agrees with it"
    if audit["missing"] or audit["unindexed"]:
        return (
            f"Index and storage differ: {len(audit['missing'])} bodies are missing,"
            f" {len(audit['unindexed'])} belong to nothing"
        )
    return "Index and storage agree"


async def _without_a_desk(home: Path | None, *, dry_run: bool) -> dict[str, Any]:
    """Do housekeeping directly on the ledger in the folder.

    Raises RecordNotFoundError when the folder has no ledger.
    """
    from api.cli.desk_folder import use_desk_folder

    chosen = use_desk_folder(home)
    # Imported only now: Prefect reads its environment when it is imported.
    from flows.housekeeping import keep_house
    from flows.runtime.ledger.database import shared_ledger

    with shared_ledger(chosen.ledger) as ledger:
        report = await keep_house(ledger, chosen, dry_run=dry_run)
    return report.model_dump(mode="json")
