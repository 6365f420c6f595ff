"""After the decision, from the command line: the applicant's answer to an offer, and conditions."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli import options
from api.cli.asking import ask


def offer(
    run_id: options.RunId,
    accept: Annotated[
        bool, typer.Option("--accept/--refuse", help="What the applicant has answered.")
    ],
    choice: Annotated[
        int, typer.Option(help="0 for the offer, 1 for the first of the alternatives, and so on.")
    ] = 0,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Enter the applicant's answer to the offer. The first answer counts."""
    body = {"accept": accept, "choice": choice}
    answered = ask(api, home, lambda desk: desk.post(f"/runs/{run_id}/offer", body))
    _tell(answered, f"The offer is {answered['status']}.", as_json=as_json)


def condition(
    run_id: options.RunId,
    code: Annotated[str, typer.Argument(help="The condition, as `decision` names it.")],
    status: Annotated[str, typer.Argument(help="`received`, `waived` or `failed`.")],
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Note that a condition of the decision was met, was waived, or failed."""
    path = f"/runs/{run_id}/conditions/{code}"
    changed = ask(api, home, lambda desk: desk.post(path, {"status": status}))
    _tell(changed, f"The condition {code} is {changed['status']}.", as_json=as_json)


def _tell(answer: Any, sentence: str, *, as_json: bool) -> None:
    from api.cli.output import print_json

    if as_json:
        print_json(answer)
    else:
        typer.echo(sentence)
