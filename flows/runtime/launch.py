"""From an accepted application to a Prefect run that the worker will find.

The ledger is written first. If this process dies before the run exists, `recovery` starts it
from what the ledger holds; the idempotency key makes both ways end in the same run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import PrefectHTTPStatusError

from data.contracts.base import Contract
from data.contracts.errors import UnavailableError
from data.contracts.runs import Lineage, RunOptions
from flows.runtime import runs
from flows.runtime.ledger import Ledger
from flows.runtime.runs import Run


class Order(Contract):
    """How a run was asked for, kept with the application until the run exists."""

    name: str
    """What the run is called in Prefect; an id, never a person's name."""
    options: RunOptions = RunOptions()
    submitted_by: str = ""
    traceparent: str = ""
    tags: tuple[str, ...] = ()


async def launch(
    client: PrefectClient, ledger: Ledger, deployment_id: UUID, application_id: str, order: Order
) -> Run:
    """Create the run of an application, or find it if it exists.

    Raises UnavailableError when the Prefect server does not answer.
    """
    origin = f"application:{application_id}"
    parameters = {
        "application_id": application_id,
        "options": order.options.model_dump(mode="json"),
    }
    return await _create(client, ledger, deployment_id, origin, application_id, parameters, order)


async def launch_fork(
    client: PrefectClient,
    ledger: Ledger,
    deployment_id: UUID,
    parent: Run,
    fork: Lineage,
    order: Order,
) -> Run:
    """Create a run that goes on from another's checkpoint. Every call makes a new one."""
    parameters = {
        "application_id": parent.application_id,
        "options": order.options.model_dump(mode="json"),
        "fork": fork.model_dump(mode="json"),
    }
    return await _create(
        client,
        ledger,
        deployment_id,
        "",
        parent.application_id,
        parameters,
        order,
        lineage=fork.model_dump(mode="json"),
    )


async def _create(
    client: PrefectClient,
    ledger: Ledger,
    deployment_id: UUID,
    origin: str,
    application_id: str,
    parameters: dict[str, Any],
    order: Order,
    **fields: Any,
) -> Run:
    labels: Mapping[str, str] = (
        {"__OTEL_TRACEPARENT": order.traceparent, "desk.traceparent": order.traceparent}
        if order.traceparent
        else {}
    )
    try:
        flow_run = await client.create_flow_run_from_deployment(
            deployment_id,
            parameters=parameters,
            idempotency_key=origin or None,
            name=order.name,
            tags=list(order.tags),
            labels=dict(labels),
        )
    except (httpx.TransportError, PrefectHTTPStatusError) as error:
        raise UnavailableError(
            f"the Prefect server did not take the run: {type(error).__name__}"
        ) from None
    return await ledger.write(
        runs.register,
        str(flow_run.id),
        origin or f"fork:{flow_run.id}",
        application_id=application_id,
        options=parameters["options"],
        traceparent=order.traceparent,
        submitted_by=order.submitted_by,
        **fields,
    )
