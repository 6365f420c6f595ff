"""A bundle: versions of everything that a decision depends on, under one name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from data.contracts.base import Contract, Moment, Sha256, Slug
from data.settings import AgentBackend


class BundleParts(Contract):
    """The versions that a bundle names."""

    policy: Slug = "personal-loan"
    """A rule pack of `data/policy`, by its file name without the suffix."""
    prices: Slug = "prices"
    scorecard: Slug = "scorecard-v2"
    """A scorecard of `data/models`, by its file name without the suffix."""
    challenger: Slug = "challenger-v2"
    workflow: str = ""
    """The version of the workflow; empty for that of this desk. A desk has one."""
    agent_backend: AgentBackend | None = None
    """Who words the findings of the agents; None for the desk's own setting. Agents that
    `CREDIT_DESK_AGENT_BACKENDS` names keep theirs."""


class CreateBundle(Contract):
    """Name versions. They have to exist, and the desk has to be able to decide by them."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "autumn", "parts": {"policy": "personal-loan"}}]}
    )

    name: Slug
    parts: BundleParts = BundleParts()
    reviewer: Annotated[str, Field(max_length=100)] = ""
    """Who creates it, where no API key says so."""


class BundleBody(Contract):
    """What the ledger stores of a bundle beside the rulebook."""

    schema_version: Literal[2] = 2
    parts: BundleParts
    versions: dict[str, str]


class Bundle(Contract):
    """A bundle as it was created: it never changes, also when its files do."""

    name: Slug
    parts: BundleParts
    versions: dict[str, str] = Field(default_factory=dict)
    """The version that each part had when the bundle was created."""
    pinned: Sha256
    """The digest of all that it decides by."""
    is_in_force: bool = False
    """Whether new runs are decided by it."""
    created_by: str
    created_at: Moment
    promotions: tuple[dict[str, Any], ...] = ()
    """When it was put into force, by whom, and on which evidence."""


class BundlePage(Contract):
    """All bundles, the newest first."""

    items: tuple[Bundle, ...]
    in_force: str
    """The bundle that decides new runs; empty while the files of the data folder do."""
