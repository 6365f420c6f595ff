"""Canaries: a challenger bundle on a share of the traffic, promoted by evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import options
from api.cli.asking import ask

if TYPE_CHECKING:
    from api.cli.client import DeskClient

app = typer.Typer(
    help="Compare a bundle with what is in force, and promote it by evidence.", no_args_is_help=True
)

CanaryId = Annotated[
    str, typer.Argument(metavar="CANARY", help="The canary's id, or how it begins.")
]
Reviewer = Annotated[
    str, typer.Option("--reviewer", metavar="NAME", help="Who you are, where no API key says so.")
]
Reason = Annotated[str, typer.Option("--reason", help="For the record.")]


@app.command()
def start(
    challenger: Annotated[
        str, typer.Option("--challenger", metavar="BUNDLE", help="The bundle to try.")
    ],
    guards: Annotated[
        list[str],
        typer.Option(
            "--guard",
            metavar="METRIC<=BOUND",
            help="A bound on challenger minus champion, as loss_rate<=0.002; may be repeated.",
        ),
    ],
    better: Annotated[
        list[str] | None,
        typer.Option("--better", metavar="METRIC", help="A metric that must be better."),
    ] = None,
    mode: Annotated[str, typer.Option("--mode", help="shadow or live.")] = "shadow",
    share: Annotated[str, typer.Option("--share", help="The challenger's share, to 0.5.")] = "0.1",
    min_cases: Annotated[
        int, typer.Option("--min-cases", help="Measured cases that each arm needs.")
    ] = 500,
    fallbacks: Annotated[
        str, typer.Option(metavar="SHARE", help="Need an evaluation with at most these fallbacks.")
    ] = "",
    agreement: Annotated[
        str, typer.Option(metavar="SHARE", help="... and at least this agreement of every field.")
    ] = "",
    cost_per_case: Annotated[
        str, typer.Option(metavar="USD", help="... and at most this cost of one case.")
    ] = "",
    reviewer: Reviewer = "",
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Give a bundle a share of the traffic, and declare what its promotion needs."""
    from data.contracts.errors import ContractViolationError

    given = {"fallbacks": fallbacks, "agreement": agreement, "cost_per_case_usd": cost_per_case}
    terms = {name: value for name, value in given.items() if value}
    if terms and not fallbacks:
        raise ContractViolationError("--agreement and --cost-per-case need --fallbacks")
    evidence: dict[str, Any] = {
        "min_cases": min_cases,
        "better": better or [],
        "guards": [_guard(text) for text in guards],
        **({"evaluation": terms} if terms else {}),
    }
    body: dict[str, Any] = {
        "challenger": challenger,
        "mode": mode,
        "share": share,
        "evidence": evidence,
        "reviewer": reviewer,
    }
    _print(ask(api, home, lambda desk: desk.post("/canaries", body)), as_json)


def _guard(text: str) -> dict[str, Any]:
    """A guard as the desk takes it. Raises ContractViolationError, which names the metrics."""
    from data.contracts.canary import CanaryMetric, Guard
    from data.contracts.errors import ContractViolationError

    try:
        return Guard.read(text).model_dump(mode="json", exclude_none=True)
    except ValueError:
        raise ContractViolationError(
            "--guard takes METRIC<=BOUND or METRIC>=BOUND, for example loss_rate<=0.002; the"
            f" metrics are {', '.join(CanaryMetric)}"
        ) from None


@app.command()
def report(
    canary_id: Annotated[
        str,
        typer.Argument(
            metavar="[CANARY]", help="The canary's id, or how it begins; by default the newest."
        ),
    ] = "",
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Compare both arms with confidence intervals, and say what a promotion still needs."""
    _print(ask(api, home, lambda desk: _found(desk, canary_id)), as_json)


@app.command()
def evaluation(
    canary_id: CanaryId,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `credit-desk evaluate --json` has printed.")
    ],
    reviewer: Reviewer = "",
    reason: Reason = "",
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Give a canary the evaluation that its promotion needs."""
    from data.contracts.errors import RecordNotFoundError
    from data.strict_json import parse_json

    try:
        found = parse_json(file.read_bytes(), "the report")
    except OSError:
        raise RecordNotFoundError(f"there is no file {file.name}") from None
    body = {"reviewer": reviewer, "reason": reason, "report": found}
    _print(ask(api, home, lambda desk: _post(desk, canary_id, "evaluation", body)), as_json)


@app.command()
def approve(
    canary_id: CanaryId,
    reviewer: Reviewer = "",
    reason: Reason = "",
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Approve the promotion, as one of the people that it needs."""
    _act("approve", canary_id, reviewer, reason, as_json, api, home)


@app.command()
def promote(
    canary_id: CanaryId,
    reviewer: Reviewer = "",
    reason: Reason = "",
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Put the challenger into force, if its evidence is complete."""
    _act("promote", canary_id, reviewer, reason, as_json, api, home)


@app.command()
def stop(
    canary_id: CanaryId,
    reviewer: Reviewer = "",
    reason: Reason = "",
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """End a canary without a promotion."""
    _act("stop", canary_id, reviewer, reason, as_json, api, home)


def _act(
    act: str,
    canary_id: str,
    reviewer: str,
    reason: str,
    as_json: bool,
    api: str | None,
    home: Any,
) -> None:
    body = {"reviewer": reviewer, "reason": reason}
    _print(ask(api, home, lambda desk: _post(desk, canary_id, act, body)), as_json)


async def _post(desk: DeskClient, named: str, act: str, body: dict[str, Any]) -> Any:
    canary = await _found(desk, named)
    return await desk.post(f"/canaries/{canary['canary_id']}/{act}", body)


async def _found(desk: DeskClient, named: str) -> Any:
    """The canary whose id begins like this, and the newest of all for an empty beginning.

    Raises ContractViolationError where none or several begin so, and RecordNotFoundError on a desk
    that never had one.
    """
    from data.contracts.errors import ContractViolationError, RecordNotFoundError

    items = (await desk.get("/canaries"))["items"]
    if not items:
        raise RecordNotFoundError("there is no canary")
    found = [canary for canary in items if canary["canary_id"].startswith(named.lower())]
    if not found:
        hint = "`credit-desk canary report` shows the newest"
        raise ContractViolationError(f"no canary begins with {named} ({hint})")
    if named and len(found) > 1:
        ids = ", ".join(canary["canary_id"] for canary in found)
        raise ContractViolationError(f"several canaries begin with {named}: {ids}")
    return found[0]


def _print(found: dict[str, Any], as_json: bool) -> None:
    from api.cli.output import print_json, print_table

    if as_json:
        print_json(found)
        return
    print_table(
        ("Metric", "Champion", "Challenger", "Difference", "95 %"),
        [
            (
                one["metric"],
                _figure(one["champion"]),
                _figure(one["challenger"]),
                _figure(one["difference"]),
                _range(one["difference"]),
            )
            for one in found["comparisons"]
        ],
        empty="",
        headed=True,
    )
    for guard in found["guards"]:
        typer.echo(f"guard {guard['guard']}: {guard['state']}")
    for missing in found["missing"]:
        typer.echo(f"missing: {missing}")
    counts = ", ".join(f"{arm} {count:,}" for arm, count in found["cases"].items())
    typer.echo(f"{found['canary_id']}: {found['status']}, {found['mode']}, cases: {counts}")


def _figure(found: dict[str, Any]) -> str:
    return "" if found["value"] is None else f"{found['value']:.4f} (n {found['n']:,})"


def _range(found: dict[str, Any]) -> str:
    return "" if found["low"] is None else f"{found['low']:+.4f} to {found['high']:+.4f}"
