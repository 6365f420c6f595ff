"""The declarative map of a workflow, and where one execution is on it.

One table says what runs and what may follow what. Progress weights, the drawing and the
transitions that are allowed come from it, and a table that contradicts itself does not load.
The workflow itself stays plain Python: the map watches it, and does not drive it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from data.contracts.base import Contract, sha256_of
from data.contracts.errors import (
    CheckpointSchemaError,
    InvalidTransitionError,
    RecordNotFoundError,
    WorkflowDefinitionError,
)
from flows.runtime.graph.checks import Span, check_definition
from flows.runtime.graph.elements import Edge, Kind, Node

__all__ = ["Edge", "Kind", "Node", "Walk", "Workflow"]


class Workflow:
    """A map that is known to hold together.

    Raises WorkflowDefinitionError when constructed from a table that does not; the rules are
    those of `graph_checks`.
    """

    def __init__(
        self, name: str, version: str, nodes: Iterable[Node], edges: Iterable[Edge]
    ) -> None:
        self.name = name
        self.version = version
        self.nodes = tuple(nodes)
        self.edges = tuple(edges)
        self.spans: tuple[Span, ...] = check_definition(self.nodes, self.edges)
        self.stages = tuple(dict.fromkeys(node.stage for node in self.nodes if node.stage))
        """In the order in which the table first mentions them."""
        self._by_id = {node.id: node for node in self.nodes}

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._by_id

    @property
    def start(self) -> Node:
        """Where every run begins."""
        return next(node for node in self.nodes if node.kind is Kind.START)

    def node(self, node_id: str) -> Node:
        """Raises RecordNotFoundError when the map has no such node."""
        try:
            return self._by_id[node_id]
        except KeyError:
            raise RecordNotFoundError(f"the map {self.name} has no node '{node_id}'") from None

    def nodes_of(self, stage: str) -> tuple[Node, ...]:
        """The nodes of a stage in table order. Raises RecordNotFoundError for no such stage."""
        if stage not in self.stages:
            raise RecordNotFoundError(f"the map {self.name} has no stage '{stage}'")
        return tuple(node for node in self.nodes if node.stage == stage)

    def stage_of(self, node_id: str) -> str:
        """The stage a node belongs to; empty for start and end."""
        return self.node(node_id).stage

    def edges_from(self, node_id: str) -> tuple[Edge, ...]:
        return tuple(edge for edge in self.edges if edge.source == self.node(node_id).id)

    def edges_into(self, node_id: str) -> tuple[Edge, ...]:
        return tuple(edge for edge in self.edges if edge.target == self.node(node_id).id)

    def checkpoint_of(self, stage: str) -> str:
        """The label under which a stage is saved when it ends; empty when it is not."""
        return next((node.checkpoint for node in self.nodes_of(stage) if node.checkpoint), "")

    def gives(self, stage: str) -> type[Contract]:
        """What a stage produces: what the last of its nodes gives that gives anything.

        Raises WorkflowDefinitionError for a stage that produces nothing.
        """
        for node in reversed(self.nodes_of(stage)):
            if node.gives is not None and issubclass(node.gives, Contract):
                return node.gives
        raise WorkflowDefinitionError(f"the stage '{stage}' gives no contract")

    def fingerprint(self, stage: str) -> str:
        """A sha256 that changes when a finished stage would no longer mean the same.

        It covers ids, kinds, types, steps, checkpoint label and the edges between the stage's
        nodes. Titles, weights and the order of the table may change freely.
        """
        nodes = self.nodes_of(stage)
        inside = {node.id for node in nodes}
        return sha256_of(
            {
                "nodes": sorted((_meaning(node) for node in nodes), key=lambda node: node["id"]),
                "edges": sorted(
                    [edge.source, edge.target, edge.predicate, edge.back]
                    for edge in self.edges
                    if edge.source in inside and edge.target in inside
                ),
            }
        )


class Walk:
    """Where one execution is on the map, how it came there and what it left out."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow
        self._frontier: list[str] = []
        self._taken: list[tuple[str, str]] = []
        self._visits: Counter[str] = Counter()

    @property
    def frontier(self) -> tuple[str, ...]:
        """The nodes a next edge may start from: one, or an open fan-out and its branches."""
        return tuple(self._frontier)

    @property
    def taken(self) -> tuple[tuple[str, str], ...]:
        """Every edge taken so far, as source and target, repeated where a loop repeated it."""
        return tuple(self._taken)

    @property
    def visits(self) -> dict[str, int]:
        """How often each node was entered; nodes never entered are missing."""
        return dict(self._visits)

    def enter(self, node_id: str, state: Any) -> Edge | None:
        """Move to a node and return the edge that allowed it; None at the start.

        Entering a branch leaves its fan-out open for the others. Entering the fan-in closes
        the fan-out and takes the edge of every branch that has come this far; the first of
        them is returned.

        Raises InvalidTransitionError when no edge from here leads there in this state; the
        walk is then unchanged.
        """
        if not self._frontier:
            self._begin(node_id)
            return None
        allowed = [
            edge
            for source in self._frontier
            for edge in self._workflow.edges_from(source)
            if edge.target == node_id and edge.holds(state)
        ]
        if not allowed:
            here = "', '".join(self._frontier)
            raise InvalidTransitionError(
                f"no edge that is open now leads from '{here}' to '{node_id}'"
            )
        span = next((span for span in self._workflow.spans if span.fan_in == node_id), None)
        if span is not None:
            self._close(span)
        else:
            del allowed[1:]
            self._leave(allowed[0].source)
        self._arrive(node_id)
        self._taken.extend((edge.source, edge.target) for edge in allowed)
        return allowed[0]

    def passed_over(self, node_id: str) -> tuple[Node, ...]:
        """The nodes with a weight that are left out when the run is at `node_id`.

        That is: earlier in the table and never entered. Branches beside the node are not
        left out, their turn may still come; the fan-in settles it.
        """
        here = self._workflow.nodes.index(self._workflow.node(node_id))
        beside = {
            other
            for span in self._workflow.spans
            if node_id in span.inside
            for other in span.inside
        }
        return tuple(
            node
            for node in self._workflow.nodes[:here]
            if node.weight and node.id not in self._visits and node.id not in beside
        )

    def as_dict(self) -> dict[str, Any]:
        """The walk as plain JSON values, for a checkpoint."""
        return {
            "frontier": list(self._frontier),
            "taken": [list(edge) for edge in self._taken],
            "visits": dict(self._visits),
        }

    @classmethod
    def from_dict(cls, workflow: Workflow, saved: Mapping[str, Any]) -> Walk:
        """Continue a walk that was saved, on a map that still knows where it is.

        Raises CheckpointSchemaError when the walk stands at, or went through, a node that
        this map does not have.
        """
        walk = cls(workflow)
        walk._frontier = list(saved["frontier"])
        walk._taken = [(source, target) for source, target in saved["taken"]]
        walk._visits = Counter(saved["visits"])
        for node_id in (*walk._frontier, *walk._visits):
            if node_id not in workflow:
                raise CheckpointSchemaError(
                    f"the saved walk knows a node '{node_id}' that the map {workflow.name} "
                    f"{workflow.version} does not have"
                )
        return walk

    def _begin(self, node_id: str) -> None:
        start = self._workflow.start.id
        if node_id != start:
            raise InvalidTransitionError(f"a run begins at '{start}' and not at '{node_id}'")
        self._arrive(node_id)

    def _leave(self, source: str) -> None:
        if self._workflow.node(source).kind is not Kind.FAN_OUT:
            self._frontier.remove(source)

    def _close(self, span: Span) -> None:
        closed = span.inside | {span.fan_out}
        self._frontier = [node_id for node_id in self._frontier if node_id not in closed]

    def _arrive(self, node_id: str) -> None:
        if node_id not in self._frontier:
            self._frontier.append(node_id)
        self._visits[node_id] += 1


def _meaning(node: Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "kind": node.kind,
        "takes": [_qualified(taken) for taken in node.takes],
        "gives": _qualified(node.gives) if node.gives else None,
        "steps": list(node.steps),
        "checkpoint": node.checkpoint,
    }


def _qualified(contract: type) -> str:
    return f"{contract.__module__}.{contract.__qualname__}"
