"""The elements of a workflow map: nodes of a kind, and the edges between them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from data.contracts.errors import WorkflowDefinitionError

_IDENTIFIER = re.compile(r"[a-z_]+")


class Kind(StrEnum):
    """What happens at a node. It decides the node's shape and which edges it may have."""

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
    """A place on the map. Raises WorkflowDefinitionError for an invalid id or weight."""

    id: str
    kind: Kind
    stage: str = ""
    """The stage it belongs to. Several nodes may share a stage. Empty for start and end."""
    weight: int = 0
    """Its share of the run's progress, in percent."""
    takes: tuple[type, ...] = ()
    """Contracts that every path to the node has to produce before a run enters it."""
    gives: type | None = None
    """The contract that it adds to the run. At the start node: the run's input."""
    steps: tuple[str, ...] = ()
    """Labels of the agents that the stage asks at this node."""
    checkpoint: str = ""
    """Label of the checkpoint that its stage saves when it ends."""
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
        """The title. Without a title, the id in words."""
        return self.title or in_words(self.id)


@dataclass(frozen=True)
class Edge:
    """A transition that a run may take.

    An edge without a predicate is always open, even when other edges out of the same node have
    predicates. Raises WorkflowDefinitionError for a predicate without a name, because the name
    is the label of the arrow.
    """

    source: str
    target: str
    when: Callable[[Any], bool] | None = None
    """Called with the run's typed state at the moment of the transition."""
    back: bool = False
    """A declared way back. Only such edges may close a cycle."""
    text: str = ""
    """What the arrow says. Without a text, it says the predicate's name in words."""

    def __post_init__(self) -> None:
        if self.when is not None and getattr(self.when, "__name__", "<lambda>") == "<lambda>":
            raise WorkflowDefinitionError(f"the predicate of the edge {self} has no name")

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"

    @property
    def predicate(self) -> str:
        """The predicate's name. Empty when the edge is always open."""
        return "" if self.when is None else self.when.__name__

    @property
    def label(self) -> str:
        """The text. Without a text, the predicate's name in words, or nothing."""
        return self.text or self.predicate.replace("_", " ").strip()

    def holds(self, state: Any) -> bool:
        """Whether a run in this state may take the edge."""
        return self.when is None or self.when(state)


def in_words(identifier: str) -> str:
    """`second_opinion` becomes `Second opinion`."""
    return identifier.replace("_", " ").strip().capitalize()
