"""Housekeeping from the command line: what would go, what went, and what is held back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli import options


def housekeeping(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be purged.")
    ] = False,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Enforce deadlines and retention now; of a desk that is closed, retention only."""
    from api.cli.client import chosen_settings
    from api.cli.output import print_json
    from flows.runtime.host.desk_lock import running_desk

    closed = api is None and running_desk(chosen_settings(home=home).folder) is None
    report = (
        asyncio.run(_behind_closed_doors(home, dry_run=dry_run))
        if closed
        else asyncio.run(_at_the_desk(api, home, dry_run=dry_run))
    )
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
    """Put a run under a legal hold: nothing of it is purged until it is released."""
    from api.cli.client import find_desk
    from api.cli.output import print_json

    async def asked() -> dict[str, Any]:
        async with find_desk(api, home) as desk:
            if release:
                await desk.delete(f"/runs/{run_id}/hold")
            else:
                await desk.post(f"/runs/{run_id}/hold", {})
            run: dict[str, Any] = await desk.get(f"/runs/{run_id}")
            return run

    run = asyncio.run(asked())
    if as_json:
        print_json(run)
    else:
        held = "is under a legal hold" if run["legal_hold"] else "is not held"
        typer.echo(f"Run {run['run_id']} {held}")


def report_lines(report: Mapping[str, Any]) -> list[str]:
    """A round of housekeeping in a few lines, one for each checkpoint that goes."""
    storage, audit = report["storage"], report["audit"]
    would = "would be " if report["dry_run"] else ""
    lines = [
        f"{one['run_id']}/{one['label']}/{one['version']}  {would}purged ({one['because']},"
        f" {one['bytes']:,} bytes)"
        for one in storage["purged"]
    ]
    lines.append(
        f"Checkpoints {would}purged: {len(storage['purged'])}"
        f" ({storage['freed_bytes']:,} bytes); bodies {would}swept: {len(storage['swept'])}"
    )
    if storage["kept"]:
        lines.append(f"Kept, for the storage cannot delete: {len(storage['kept'])}")
    if not report["dry_run"]:
        lines.append(
            f"Requests reminded of: {report['reminded']}; passed on: {report['escalated']};"
            f" expired: {report['expired']}"
        )
    lines.append(_verdict(audit))
    return lines


def _verdict(audit: Mapping[str, Any]) -> str:
    if not audit["listed"]:
        return "The storage cannot be listed, so nobody can say whether the index agrees with it"
    if audit["missing"] or audit["unindexed"]:
        return (
            f"Index and storage differ: {len(audit['missing'])} bodies are missing,"
            f" {len(audit['unindexed'])} belong to nothing"
        )
    return "Index and storage agree"


async def _at_the_desk(api: str | None, home: Path | None, *, dry_run: bool) -> dict[str, Any]:
    from api.cli.client import find_desk

    async with find_desk(api, home) as desk:
        answer = await (desk.get("/housekeeping") if dry_run else desk.post("/housekeeping", {}))
        report: dict[str, Any] = answer
        return report


async def _behind_closed_doors(home: Path | None, *, dry_run: bool) -> dict[str, Any]:
    """Directly on the ledger in the folder, which has to be there."""
    import os

    from api.cli.client import chosen_settings
    from data.contracts.errors import RecordNotFoundError
    from data.settings import settings
    from flows.runtime.host.environment import apply_prefect_environment

    chosen = chosen_settings(home=home)
    if not chosen.ledger_url and not (chosen.folder / "ledger.db").is_file():
        raise RecordNotFoundError(f"there is no desk in {chosen.folder}")
    os.environ["CREDIT_DESK_HOME"] = str(chosen.folder)
    settings.cache_clear()
    apply_prefect_environment(chosen)

    from flows.housekeeping import keep_house
    from flows.runtime.ledger.database import shared_ledger

    with shared_ledger(chosen.ledger) as ledger:
        report = await keep_house(ledger, chosen, dry_run=dry_run)
    return report.model_dump(mode="json")
