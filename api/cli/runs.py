"""Runs from the command line: submit, follow, list, resume, cancel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import options
from api.cli.asking import ask
from api.cli.interrupted import goes_on, on_ctrl_c

if TYPE_CHECKING:
    from api.cli.client import DeskClient


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
    """Submit an application. The same application again finds the same run."""

    async def start(desk: DeskClient) -> None:
        from api.cli.following import show_run
        from api.cli.output import run_lines

        afterwards.said = (
            "It is not known whether the desk has the application. Submit it again: the same"
            " application finds the same run."
        )
        run = await desk.post("/runs", body)
        afterwards.goes_on(run["run_id"])
        lines = [*run_lines(run), f"  credit-desk follow {run['run_id']}"]
        await show_run(desk, run, lines, follow=follow, as_json=as_json)

    with on_ctrl_c("Nothing was submitted.") as afterwards:
        body = _body(case, {"as": as_id} if as_id else {})
        ask(api, home, start)


def follow(
    run_id: options.RunId,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Show a run from its first event to its end; as JSON, one event a line."""
    with on_ctrl_c(goes_on(run_id)):
        from api.cli.following import follow_to_end

        ask(api, home, lambda desk: follow_to_end(desk, run_id, as_json=as_json))


def list_runs(
    status: Annotated[
        str | None,
        typer.Option(
            metavar="STATUS",
            help="queued, running, waiting, completed, failed or cancelled.",
        ),
    ] = None,
    application: Annotated[
        str | None, typer.Option(metavar="ID", help="Only runs of this application.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 20,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """List runs, newest first."""
    from api.cli.output import outcome_of, print_json, print_table

    page = ask(
        api,
        home,
        lambda desk: desk.get("/runs", status=status, application_id=application, limit=limit),
    )
    if as_json:
        print_json(page)
        return
    print_table(
        ("Run", "Application", "Status", "Done", "Stage", "Decision", "Since"),
        [
            (
                run["run_id"],
                run["application_id"],
                run["status"],
                f"{run['progress']:.0%}",
                run["phase"],
                outcome_of(run),
                run["created_at"][:16].replace("T", " "),
            )
            for run in page["items"]
        ],
        empty=_none_of(status, application),
        spare=("Stage", "Since"),
    )


def _none_of(status: str | None, application: str | None) -> str:
    """The sentence for an empty list."""
    if status == "waiting" and not application:
        return "None waits."
    if status or application:
        return "No run is like that: `credit-desk runs` lists all."
    return "No runs yet: `credit-desk submit ada-prime` starts one."


def resume(
    run_id: options.RunId,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="LABEL", help="Resume from this checkpoint, as a new run (a fork)."
        ),
    ] = None,
    set_: options.Overrides = None,
    decide: Annotated[
        bool, typer.Option("--decide", help="The fork may issue the application's decision.")
    ] = False,
    follow: options.Follow = False,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Resume from the last checkpoint; with --from or --set, start a what-if in a fork.

    A what-if does not decide, except when a senior underwriter gives --decide.
    """
    from api.cli.values import parse_settings

    body: dict[str, Any] = {
        "overrides": parse_settings(set_, "amount_requested=9000"),
        "decide": decide,
    }
    if from_ is not None:
        body["checkpoint"] = from_

    async def go_on(desk: DeskClient) -> None:
        from api.cli.following import show_run
        from api.cli.output import run_lines

        afterwards.said = (
            "It is not known whether the desk has resumed the run: `credit-desk runs` shows it."
        )
        run = await desk.post(f"/runs/{run_id}/resume", body)
        afterwards.goes_on(run["run_id"])
        await show_run(desk, run, run_lines(run), follow=follow, as_json=as_json)

    with on_ctrl_c("Nothing was resumed.") as afterwards:
        ask(api, home, go_on)


def cancel(
    run_id: options.RunId,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Cancel a run for good, whether it is queued, running or waiting."""
    from api.cli.output import print_json, print_lines, run_lines

    run = ask(api, home, lambda desk: desk.post(f"/runs/{run_id}/cancel", b""))
    if as_json:
        print_json(run)
    else:
        print_lines(run_lines(run))


def _body(case: str, chosen: dict[str, str]) -> bytes:
    """The body of the request. It holds the file's own text, so that the desk checks all of it."""
    import json

    from api.cli.files import read_file
    from data.contracts.errors import ContractViolationError

    if case != "-" and not _is_file(case):
        return json.dumps({"application_id": case, "options": chosen}).encode()
    raw = typer.get_binary_stream("stdin").read() if case == "-" else read_file(Path(case))
    try:
        text = raw.decode("utf-8-sig")
        json.loads(text)
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
    """Whether the argument is a file. Raises ContractViolationError for a missing file."""
    from data.contracts.errors import ContractViolationError

    if Path(case).is_file():
        return True
    if "/" in case or case.endswith(".json"):
        raise ContractViolationError(f"there is no file {case}")
    return False
