"""Bundles: policy, prices, scorecards, workflow and agent backend under one name."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api.deps import CallerDep, DeskDep
from api.json_route import JsonRoute
from api.problems import answers
from data.contracts.bundle import Bundle, BundlePage, CreateBundle

router = APIRouter(prefix="/bundles", tags=["bundles"], route_class=JsonRoute)

Name = Annotated[str, Path(max_length=64, description="The name of the bundle.")]
Reviewer = Annotated[str, Query(max_length=100, description="Who asks, where no API key says so.")]


@router.get("", responses=answers(503))
async def list_bundles(desk: DeskDep) -> BundlePage:
    """All bundles, the newest first, and the one that decides new runs."""
    return await desk.bundles.page()


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses=answers(400, 409, 413, 415, 422, 503)
    | {200: {"model": Bundle, "description": "The same bundle was created before."}},
)
async def create_bundle(
    body: CreateBundle, desk: DeskDep, caller: CallerDep, response: Response
) -> Bundle:
    """Name versions that exist. A bundle keeps their content and never changes."""
    bundle, is_new = await desk.bundles.create(body, caller)
    if not is_new:
        response.status_code = HTTPStatus.OK
    return bundle


@router.get("/{name}", responses=answers(404, 422, 503))
async def read_bundle(name: Name, desk: DeskDep) -> Bundle:
    """One bundle, and when it was put into force, by whom and on which evidence."""
    return await desk.bundles.show(name)


@router.delete("/in-force", responses=answers(409, 422, 503))
async def withdraw_bundle(desk: DeskDep, caller: CallerDep, reviewer: Reviewer = "") -> BundlePage:
    """Let the files of the data folder decide new runs again."""
    return await desk.bundles.withdraw(caller, reviewer)
