"""Register what `prefect.yaml` declares: the only source of deployments."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from prefect import Flow
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.flows import load_flow_from_entrypoint
from pydantic import ConfigDict, Field, ValidationError

from data.contracts.base import Contract
from data.contracts.errors import (
    RecordCorruptError,
    RecordNotFoundError,
    UnavailableError,
    UnknownToPrefectError,
)
from flows.runtime.prefect_api.client import (
    PrefectClient,
    at_border,
    prefect_client,
    translated_errors,
)

POOL_TYPE = "credit-desk"
SILENT_SECONDS = 90.0
"""A worker without a heartbeat for so long is not there."""


class Schedule(Contract):
    """When a deployment is run by the clock."""

    model_config = ConfigDict(extra="ignore")

    cron: str
    timezone: str = "UTC"
    slug: str
    """Names the schedule, so that registering it again changes it instead of adding one."""
    active: bool = True


class Deployment(Contract):
    """One deployment of `prefect.yaml`, as far as we register it ourselves."""

    name: str
    entrypoint: str
    """Module path of the flow: `package.module.function`."""
    description: str = ""
    pool: str
    tags: tuple[str, ...] = ()
    parameters: dict[str, Any] = Field(default_factory=dict)
    schedules: tuple[Schedule, ...] = ()

    def load(self) -> Flow[..., Any]:
        return load_flow_from_entrypoint(self.entrypoint)


def declared(path: Path) -> list[Deployment]:
    """What a `prefect.yaml` declares.

    Raises RecordNotFoundError or RecordCorruptError naming the file.
    """
    if not path.is_file():
        raise RecordNotFoundError(f"there is no {path.name} in {path.parent}")
    try:
        found = yaml.safe_load(path.read_text())["deployments"]
        return [
            Deployment(
                name=entry["name"],
                entrypoint=entry["entrypoint"],
                description=entry.get("description", ""),
                pool=entry["work_pool"]["name"],
                tags=tuple(entry.get("tags", ())),
                parameters=entry.get("parameters", {}),
                schedules=entry.get("schedules", ()),
            )
            for entry in found
        ]
    except (yaml.YAMLError, KeyError, TypeError, ValidationError) as error:
        raise RecordCorruptError(
            f"{path.name} cannot be read as a list of deployments: {type(error).__name__}"
        ) from None


def declared_as(path: Path, name: str) -> Deployment:
    """The deployment of this name in a `prefect.yaml`. Raises RecordNotFoundError."""
    for deployment in declared(path):
        if deployment.name == name:
            return deployment
    raise RecordNotFoundError(f"{path.name} declares no deployment '{name}'")


@at_border
async def register(
    client: PrefectClient, deployment: Deployment, pool_type: str = POOL_TYPE
) -> UUID:
    """Create or update one deployment, with its pool; returns its id. Harmless to repeat."""
    with suppress(ObjectAlreadyExists):
        await client.create_work_pool(WorkPoolCreate(name=deployment.pool, type=pool_type))
    flow = deployment.load()
    flow_id = await client.create_flow(flow)
    return await client.create_deployment(
        flow_id=flow_id,
        name=deployment.name,
        entrypoint=deployment.entrypoint,
        version=flow.version,
        description=deployment.description,
        work_pool_name=deployment.pool,
        tags=list(deployment.tags),
        parameters=deployment.parameters,
        schedules=[
            DeploymentScheduleCreate(
                schedule=CronSchedule(cron=schedule.cron, timezone=schedule.timezone),
                slug=schedule.slug,
                active=schedule.active,
            )
            for schedule in deployment.schedules
        ],
        parameter_openapi_schema=flow.parameters.model_dump(),
        enforce_parameter_schema=True,
    )


@at_border
async def register_all(path: Path) -> list[str]:
    """Register every deployment that a `prefect.yaml` declares; returns their names."""
    deployments = declared(path)
    async with prefect_client() as client:
        for deployment in deployments:
            await register(client, deployment)
    return [deployment.name for deployment in deployments]


@at_border
async def find(client: PrefectClient, deployment: Deployment) -> UUID:
    """The id of a registered deployment. Raises UnavailableError until a worker has done so."""
    try:
        name = f"{deployment.load().name}/{deployment.name}"
        return (await client.read_deployment_by_name(name)).id
    except ObjectNotFound:
        raise UnavailableError("no worker has registered the deployment") from None


@at_border
async def heartbeat(
    client: PrefectClient, pools: Sequence[str], worker: str, seconds: float
) -> bool:
    """Keep the pools green in the UI: this worker is there. False when Prefect lost the pools."""
    try:
        with translated_errors():
            for pool in pools:
                await client.send_worker_heartbeat(pool, worker, seconds)
    except UnknownToPrefectError:
        return False
    return True


@at_border
async def workers_heard_of(client: PrefectClient, pools: Sequence[str]) -> set[str]:
    """The names of the workers of these pools that sent a heartbeat lately."""
    since = datetime.now(UTC) - timedelta(seconds=SILENT_SECONDS)
    heard: set[str] = set()
    for pool in pools:
        with suppress(ObjectNotFound):
            heard |= {
                worker.name
                for worker in await client.read_workers_for_work_pool(pool)
                if worker.last_heartbeat_time and worker.last_heartbeat_time > since
            }
    return heard
