"""Traces from the command line: spans that were kept without a collector, sent to one."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli import options

app = typer.Typer(help="Send the spans that were kept without a collector.")

Endpoint = Annotated[
    str | None,
    typer.Option("--to", metavar="URL", help="Base address of the collector (OTLP over HTTP)."),
]


@app.command()
def send(
    endpoint: Endpoint = None, as_json: options.AsJson = False, home: options.Home = None
) -> None:
    """Send kept spans to the collector of the settings, or to another one. A desk may be running.

    Exits with 1 when the collector does not take all of them; the rest stays.
    """
    from api.cli.client import chosen_settings
    from api.cli.output import print_json
    from data.contracts.errors import ContractViolationError
    from flows.runtime.host import telemetry

    settings = chosen_settings(home=home)
    if not endpoint and not telemetry.has_collector(settings):
        raise ContractViolationError("no collector is set: name one with --to, or in OTLP_ENDPOINT")
    sent, left = telemetry.send_kept(settings, endpoint or "")
    if as_json:
        print_json({"sent_batches": sent, "roles_with_spans_left": left})
    else:
        more = "; the collector did not take the rest, which stays" if left else ""
        typer.echo(f"Sent {sent} batches of spans{more}")
    if left:
        raise typer.Exit(1)
