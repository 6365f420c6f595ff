"""From an order in the ledger to a Prefect run that the worker will find.

The ledger is written first. If this process dies before an application's run exists, `recovery`
starts it from what the ledger holds; the idempotency key makes both ways end in the same run.
"""

from __future__ import annotations

from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import PrefectHTTPStatusError

from data.contracts.errors import UnavailableError
from flows.runtime.ledger import run_requests
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.run_requests import ForkOrder, Order
from flows.runtime.ledger.runs import Run


async def launch(
    client: PrefectClient, ledger: Ledger, deployment_id: UUID, application_id: str, order: Order
) -> Run:
    """Create the run of an application in the vault, or find it if it exists.

    Raises UnavailableError when the Prefect server does not answer.
    """
    return await _create(client, ledger, deployment_id, application_id, order)


async def launch_fork(
    client: PrefectClient, ledger: Ledger, deployment_id: UUID, order: ForkOrder
) -> Run:
    """Create a run that goes on from another's checkpoint. Every order makes a new one."""
    fork = await ledger.write(run_requests.keep, order)
    return await _create(client, ledger, deployment_id, order.application_id, order, fork)


async def _create(
    client: PrefectClient,
    ledger: Ledger,
    deployment_id: UUID,
    application_id: str,
    order: Order,
    fork: str = "",
) -> Run:
    parameters = {
        "application_id": application_id,
        "options": order.options.model_dump(mode="json"),
    }
    trace = order.traceparent
    try:
        flow_run = await client.create_flow_run_from_deployment(
            deployment_id,
            parameters=parameters | ({"fork": fork} if fork else {}),
            idempotency_key=f"fork:{fork}" if fork else f"application:{application_id}",
            name=order.name,
            tags=list(order.tags),
            labels={"__OTEL_TRACEPARENT": trace, "desk.traceparent": trace} if trace else {},
        )
    except (httpx.TransportError, PrefectHTTPStatusError) as error:
        raise UnavailableError(
            f"the Prefect server did not take the run: {type(error).__name__}"
        ) from None
    return await ledger.write(run_requests.enter, str(flow_run.id), application_id, fork, trace)
