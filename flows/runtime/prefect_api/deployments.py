"""Register what `prefect.yaml` declares: the only source of deployments."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectAlreadyExists
from prefect.flows import load_flow_from_entrypoint
from pydantic import ConfigDict, Field, ValidationError

from data.contracts.base import Contract
from data.contracts.errors import RecordCorruptError, RecordNotFoundError


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


async def register(client: PrefectClient, deployment: Deployment, pool_type: str) -> UUID:
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
                schedule=CronSchedule(cron=one.cron, timezone=one.timezone),
                slug=one.slug,
                active=one.active,
            )
            for one in deployment.schedules
        ],
        parameter_openapi_schema=flow.parameters.model_dump(),
        enforce_parameter_schema=True,
    )
