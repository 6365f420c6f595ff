"""Sanctions lists and screening, without a running desk."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import options
from api.cli.asking import ask
from api.cli.errors import DeskGroup

if TYPE_CHECKING:
    from tools.watchlist_index import ScreeningIndex

app = typer.Typer(
    cls=DeskGroup,
    no_args_is_help=True,
    help="The sanctions lists that the desk screens against.",
)


@app.command(name="import")
def import_list(
    sdn: Annotated[Path, typer.Option("--sdn", metavar="FILE", help="SDN.CSV of the Treasury.")],
    alt: Annotated[
        Path | None, typer.Option("--alt", metavar="FILE", help="ALT.CSV, the other names.")
    ] = None,
    add: Annotated[
        Path | None, typer.Option("--add", metavar="FILE", help="ADD.CSV, the addresses.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="The name of the list.")] = "ofac-sdn",
    published: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="The day it was published; today."),
    ] = None,
    as_json: options.AsJson = False,
    home: options.Home = None,
) -> None:
    """Import a list as the US Treasury publishes it. It takes the place of its last edition."""
    from api.cli.client import chosen_settings
    from api.cli.files import read_file
    from api.cli.output import print_json
    from tools.watchlist_import import read_sdn_list, store_watchlist

    watchlist = read_sdn_list(
        name,
        published.date() if published else _today(),
        read_file(sdn),
        read_file(alt) if alt else b"",
        read_file(add) if add else b"",
    )
    path = store_watchlist(watchlist, chosen_settings(home=home).imported_watchlists)
    names = sum(len(entry.names) + len(entry.aliases) for entry in watchlist.entries)
    if as_json:
        told = {"name": name, "list_date": str(watchlist.list_date), "version": watchlist.version}
        print_json(told | {"entries": len(watchlist.entries), "names": names, "path": str(path)})
        return
    typer.echo(
        f"{name} of {watchlist.list_date}: {len(watchlist.entries):,} entries with {names:,} names"
    )


@app.command()
def clearances(
    as_json: options.AsJson = False, api: options.Api = None, home: options.Home = None
) -> None:
    """List whom compliance has cleared against which entry, and until when that counts."""
    from api.cli.output import print_json, print_table

    found = ask(api, home, lambda desk: desk.pages("/clearances"))
    if as_json:
        print_json(found)
        return
    columns = ("Clearance", "Entry", "Run", "Cleared by", "Confirmed by", "Until")
    fields = ("clearance_id", "about", "run_id", "proposed_by", "confirmed_by", "valid_until")
    rows = [tuple(item[field] for field in fields) for item in found]
    print_table(columns, rows, empty="Nothing is cleared.")


@app.command()
def confirm(
    clearance_id: Annotated[str, typer.Argument(metavar="CLEARANCE", help="Its id.")],
    reviewer: Annotated[str, typer.Option(help="The second person of compliance.")],
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Confirm a clearance as a second person, so that the match is not asked about again."""
    from api.cli.output import print_json

    path, body = f"/clearances/{clearance_id}/confirm", {"reviewer": reviewer}
    found = ask(api, home, lambda desk: desk.post(path, body))
    if as_json:
        print_json(found)
    else:
        typer.echo(f"{found['about']} is not asked about again until {found['valid_until']}")


def screen(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The whole name.")] = None,
    dob: Annotated[
        datetime | None,
        typer.Option("--dob", formats=["%Y-%m-%d"], help="The date of birth, if it is known."),
    ] = None,
    country: Annotated[
        str | None, typer.Option("--country", help="A country, by its name or two letters.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="CSV", help="People, with columns name and dob."),
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day of the screening; today."),
    ] = None,
    as_json: options.AsJson = False,
    home: options.Home = None,
) -> None:
    """Screen a name, or a file of names with one JSON result a line, against all lists."""
    from api.cli.client import chosen_settings
    from data.contracts.errors import ContractViolationError
    from tools.watchlist import Watchlists

    if (name is None) == (file is None):
        raise ContractViolationError("give one NAME, or people in a --file")
    lists = Watchlists.of(chosen_settings(home=home))
    indexes = lists.current(as_of.date() if as_of else _today())
    if file is not None:
        _screen_file(file, indexes)
    else:
        assert name is not None
        _screen_name(name, dob.date() if dob else None, country, indexes, as_json)


def _screen_name(
    name: str,
    dob: date | None,
    country: str | None,
    indexes: tuple[ScreeningIndex, ...],
    as_json: bool,
) -> None:
    from api.cli.output import print_json, print_table
    from data.contracts.errors import ContractViolationError
    from tools.countries import country_code
    from tools.screening_file import screened
    from tools.watchlist import Person

    code = country_code(country) if country else None
    if country and code is None:
        raise ContractViolationError("--country is unknown: give two letters as in ISO 3166")
    if not name.strip():
        raise ContractViolationError("NAME is empty")
    result = screened(indexes, Person(name, dob, code))
    if as_json:
        print_json(result)
        return
    typer.echo(f"{result['status'].replace('_', ' ')}")
    rows = [
        (row["entry_id"], row["name"], row["status"], str(row["score"]), ", ".join(row["why"]))
        for row in result["candidates"]
    ]
    print_table(("Entry", "Name", "Status", "Score", "Why"), rows, empty="No candidates")


def _screen_file(file: Path, indexes: tuple[ScreeningIndex, ...]) -> None:
    """Print one result a line, in the order of the file; exit with 2 when a line is invalid."""
    import json

    from api.cli.errors import BAD_INPUT
    from api.cli.files import read_file
    from tools.screening_file import InvalidPerson, people_in, screened

    failed = False
    for line, person in people_in(read_file(file), file.name):
        if isinstance(person, InvalidPerson):
            failed = True
            result: dict[str, Any] = {"line": line, "status": "invalid", "error": person.problem}
        else:
            result = {"line": line, **screened(indexes, person)}
        typer.echo(json.dumps(result, ensure_ascii=False))
    if failed:
        raise typer.Exit(BAD_INPUT)


def _today() -> date:
    """The day of a command. Runs take theirs from the application instead."""
    return datetime.now().astimezone().date()
