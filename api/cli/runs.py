"""Runs from the command line: submit, follow, list, resume, cancel."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli import options


def submit(
    case: Annotated[
        str,
        typer.Argument(
            metavar="FILE|ID", help="A JSON file, - for stdin, or the id of a case on file."
        ),
    ],
    as_id: Annotated[
        str | None, typer.Option("--as", metavar="ID", help="Submit a copy under this id.")
    ] = None,
    follow: options.Follow = False,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Submit an application; the same one again finds the same run."""
    from api.cli.client import find_desk
    from api.cli.following import follow_to_end
    from api.cli.output import print_json, run_lines

    body = _order(case, {"as": as_id} if as_id else {})

    async def asked() -> None:
        async with find_desk(api, home) as desk:
            run = await desk.post("/runs", body)
            if follow:
                await follow_to_end(desk, run["run_id"], as_json=as_json)
            elif as_json:
                print_json(run)
            else:
                typer.echo("\n".join(run_lines(run)))
                typer.echo(f"  credit-desk follow {run['run_id']}")

    asyncio.run(asked())


def follow(
    run_id: options.RunId,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Show a run from its first event to its end; as JSON, one event a line."""
    from api.cli.client import find_desk
    from api.cli.following import follow_to_end

    async def asked() -> None:
        async with find_desk(api, home) as desk:
            await follow_to_end(desk, run_id, as_json=as_json)

    asyncio.run(asked())


def list_runs(
    status: Annotated[str | None, typer.Option(help="Only runs in this status.")] = None,
    application: Annotated[
        str | None, typer.Option(metavar="ID", help="Only runs of this application.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 20,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """List runs, newest first."""
    from api.cli.client import find_desk
    from api.cli.output import print_json, print_table

    async def asked() -> dict[str, Any]:
        async with find_desk(api, home) as desk:
            page: dict[str, Any] = await desk.get(
                "/runs", status=status, application_id=application, limit=limit
            )
            return page

    page = asyncio.run(asked())
    if as_json:
        print_json(page)
        return
    print_table(
        ("Run", "Application", "Status", "Progress", "Stage", "Decision", "Since"),
        [
            (
                run["run_id"],
                run["application_id"],
                run["status"],
                f"{run['progress']:.0%}",
                run["phase"],
                str((run.get("decision") or {}).get("outcome") or ""),
                run["created_at"][:16].replace("T", " "),
            )
            for run in page["items"]
        ],
        empty="No runs yet: `credit-desk submit ada-prime` starts one.",
    )


def resume(
    run_id: options.RunId,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="LABEL", help="Go on from this checkpoint, as a new run (a fork)."
        ),
    ] = None,
    set_: options.Settings = None,
    decide: Annotated[
        bool, typer.Option("--decide", help="The fork may issue the application's decision.")
    ] = False,
    follow: options.Follow = False,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Go on from the last checkpoint; with --from or --set, try a what-if in a fork.

    A what-if decides nothing, unless a senior underwriter says --decide.
    """
    from api.cli.client import find_desk
    from api.cli.following import follow_to_end
    from api.cli.output import print_json, run_lines
    from api.cli.values import parse_settings

    order: dict[str, Any] = {"overrides": parse_settings(set_), "decide": decide}
    if from_ is not None:
        order["checkpoint"] = from_

    async def asked() -> None:
        async with find_desk(api, home) as desk:
            run = await desk.post(f"/runs/{run_id}/resume", order)
            if follow:
                await follow_to_end(desk, run["run_id"], as_json=as_json)
            elif as_json:
                print_json(run)
            else:
                typer.echo("\n".join(run_lines(run)))

    asyncio.run(asked())


def cancel(
    run_id: options.RunId,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Stop a run for good, whether it is under way, waits or is queued."""
    from api.cli.client import find_desk
    from api.cli.output import print_json, run_lines

    async def asked() -> dict[str, Any]:
        async with find_desk(api, home) as desk:
            run: dict[str, Any] = await desk.post(f"/runs/{run_id}/cancel", b"")
            return run

    run = asyncio.run(asked())
    if as_json:
        print_json(run)
    else:
        typer.echo("\n".join(run_lines(run)))


def _order(case: str, chosen: dict[str, str]) -> bytes:
    """The body of the request. The file's own text is sent, so that the desk judges all of it."""
    import json

    from data.contracts.errors import ContractViolationError

    if case != "-" and not _is_file(case):
        return json.dumps({"application_id": case, "options": chosen}).encode()
    try:
        raw = typer.get_binary_stream("stdin").read() if case == "-" else Path(case).read_bytes()
        text = raw.decode("utf-8-sig")
        json.loads(text)
    except OSError as error:
        raise ContractViolationError(f"{case} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ContractViolationError(f"{case} is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        where = (
            f": line {error.lineno}, column {error.colno}"
            if isinstance(error, json.JSONDecodeError)
            else ""
        )
        raise ContractViolationError(f"{case} is not JSON{where}") from None
    return b'{"application": %b, "options": %b}' % (text.encode(), json.dumps(chosen).encode())


def _is_file(case: str) -> bool:
    """Whether a path is meant. Raises ContractViolationError when it is and leads nowhere."""
    from data.contracts.errors import ContractViolationError

    if Path(case).is_file():
        return True
    if "/" in case or case.endswith(".json"):
        raise ContractViolationError(f"there is no file {case}")
    return False
