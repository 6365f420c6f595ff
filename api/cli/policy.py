"""The credit policy: is it sound, what does it say, and what did it say about a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli import options
from api.cli.asking import ask
from api.cli.errors import BAD_INPUT

app = typer.Typer(help="Check, show and explain the credit policy.", no_args_is_help=True)

Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="A data folder or a policy folder; the desk's own data by default.",
    ),
]


@app.command()
def check(folder: Folder = None, as_json: options.AsJson = False) -> None:
    """Check policies, prices, scorecards and the files of chat models. Exit code 2 when the desk
    would refuse one."""
    from api.cli.output import print_json, print_table
    from data.settings import settings
    from tools.policy_folder import check_folder

    files = check_folder(folder or settings().data_dir)
    if as_json:
        print_json(
            {
                "ok": not any(checked.problems for checked in files),
                "files": [
                    checked._asdict() | {"problems": [vars(found) for found in checked.problems]}
                    for checked in files
                ],
            }
        )
    else:
        print_table(
            ("File", "Kind", "Version", "Problems"),
            [(file, kind, version, str(len(found))) for file, kind, version, found in files],
            empty="No files",
        )
    problems = [(checked.file, problem) for checked in files for problem in checked.problems]
    for file, problem in problems:
        typer.echo(f"credit-desk: {file}: {problem}", err=True)
    if problems:
        raise typer.Exit(BAD_INPUT)


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A file in the policy folder, without its suffix.")
    ] = "personal-loan",
    as_json: options.AsJson = False,
) -> None:
    """Show the rules of a policy, in the order in which their reasons rank."""
    from api.cli.output import print_json, print_table
    from data.settings import settings
    from tools.policy import load_policy, pack_sha256
    from tools.policy_expressions import in_words

    pack = load_policy(settings().data_dir, name)
    if as_json:
        print_json(pack.model_dump(mode="json") | {"sha256": pack_sha256(pack)})
        return
    print_table(
        ("Rule", "Outcome", "Severity", "Reason", "When", "Owner", "From", "Until"),
        [
            (
                rule.id,
                rule.outcome.value,
                rule.severity.value,
                rule.reason.value,
                in_words(rule.when),
                rule.owner,
                str(rule.effective_from),
                str(rule.effective_to or ""),
            )
            for rule in pack.rules
        ],
        empty="No rules",
    )
    typer.echo(f"{pack.id} {pack.version}, sha256 {pack_sha256(pack)}")


@app.command()
def explain(
    run_id: options.RunId,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Show what every rule said about a run, with the facts that it used."""
    from api.cli.output import print_json, print_table
    from data.contracts.errors import RecordNotFoundError

    state = ask(api, home, lambda desk: desk.get(f"/runs/{run_id}/state"))
    result = state["state"].get("policy")
    if result is None:
        raise RecordNotFoundError(f"the policy has not judged run {run_id}")
    if as_json:
        print_json(result)
        return
    print_table(
        ("Rule", "Status", "Outcome", "Reason", "Facts"),
        [
            (rule["rule_id"], rule["status"], rule["outcome"], rule["reason"], _facts(rule))
            for rule in result["results"]
        ],
        empty="No rules",
    )
    typer.echo(
        f"{result['recommendation']}, by {result['pack_id']} {result['pack_version']}, "
        f"sha256 {result['pack_sha256']}"
    )


def _facts(rule: dict[str, Any]) -> str:
    """The facts of a rule; one without a value is not known."""
    return ", ".join(
        f"{name}={'unknown' if value is None else value}" for name, value in rule["inputs"].items()
    )
