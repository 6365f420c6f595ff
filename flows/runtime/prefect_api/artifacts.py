"""Pages and progress bars that a flow run leaves in Prefect for people."""

from __future__ import annotations

from uuid import UUID

from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate

from flows.runtime.prefect_api.client import PrefectClient, at_border


@at_border
async def start_progress(
    client: PrefectClient, flow_run_id: str, key: str, description: str
) -> UUID:
    """Show a progress bar on the page of a flow run; its id."""
    made = await client.create_artifact(
        ArtifactCreate(
            type="progress",
            key=key,
            description=description,
            data=0.0,
            flow_run_id=UUID(flow_run_id),
        )
    )
    return made.id


@at_border
async def show_progress(client: PrefectClient, artifact_id: UUID, progress: float) -> None:
    """Move a progress bar; `progress` is a share from 0 to 1."""
    await client.update_artifact(artifact_id, ArtifactUpdate(data=round(100 * progress, 2)))


@at_border
async def show_page(client: PrefectClient, flow_run_id: str, key: str, markdown: str) -> None:
    """Show a page of Markdown; a later one with this key is shown in its place."""
    await client.create_artifact(
        ArtifactCreate(type="markdown", key=key, data=markdown, flow_run_id=UUID(flow_run_id))
    )
