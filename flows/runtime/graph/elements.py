"""The words a workflow map is written in: nodes of a kind, and the edges between them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from data.contracts.errors import WorkflowDefinitionError

_IDENTIFIER = re.compile(r"[a-z_]+")


class Kind(StrEnum):
    """What happens at a node, and so how it is drawn and what may follow it."""

    START = "start"
    AGENT = "agent"
    DECISION = "decision"
    FAN_OUT = "fan_out"
    FAN_IN = "fan_in"
    HITL = "hitl"
    SUB_WORKFLOW = "sub_workflow"
    END = "end"


@dataclass(frozen=True)
class Node:
    """One place on the map. Raises WorkflowDefinitionError for an id or weight out of form."""

    id: str
    kind: Kind
    stage: str = ""
    """The stage it belongs to; several nodes may share one. Empty for start and end."""
    weight: int = 0
    """Its part of the whole run's progress, in percent."""
    takes: tuple[type, ...] = ()
    """What must have been produced before the node is entered, on every path to it."""
    gives: type | None = None
    """What it adds to the run; at the start node, what the run begins with."""
    steps: tuple[str, ...] = ()
    """Labels of the agents that are asked inside this node."""
    checkpoint: str = ""
    """Label of the checkpoint that is saved when its stage ends."""
    title: str = ""

    def __post_init__(self) -> None:
        if not _IDENTIFIER.fullmatch(self.id):
            raise WorkflowDefinitionError(
                f"the node id '{self.id}' is not written in small letters and underscores"
            )
        if self.weight < 0:
            raise WorkflowDefinitionError(f"the node '{self.id}' has a negative weight")

    @property
    def label(self) -> str:
        """The title, or the id in words."""
        return self.title or in_words(self.id)


@dataclass(frozen=True)
class Edge:
    """A transition that a run may take.

    An edge without a predicate is always open, also beside edges that have one. Raises
    WorkflowDefinitionError for a predicate without a name: the name labels the arrow.
    """

    source: str
    target: str
    when: Callable[[Any], bool] | None = None
    """Asked with the run's typed state at the moment of the transition."""
    back: bool = False
    """A declared way back: the only edges that may close a cycle."""

    def __post_init__(self) -> None:
        if self.when is not None and getattr(self.when, "__name__", "<lambda>") == "<lambda>":
            raise WorkflowDefinitionError(f"the predicate of the edge {self} has no name")

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"

    @property
    def predicate(self) -> str:
        """The predicate's name; empty when the edge is always open."""
        return "" if self.when is None else self.when.__name__

    @property
    def label(self) -> str:
        """The predicate's name in words; empty when the edge is always open."""
        return self.predicate.replace("_", " ").strip()

    def holds(self, state: Any) -> bool:
        """Whether a run in this state may take the edge."""
        return self.when is None or self.when(state)


def in_words(identifier: str) -> str:
    """`second_opinion` as people write it: `Second opinion`."""
    return identifier.replace("_", " ").strip().capitalize()
