"""The declarative map of a workflow.

One table lists the nodes and the edges. Progress weights, the drawing and the allowed
transitions come from it. A table that contradicts itself raises an error when it is imported.
The workflow itself stays plain Python: the map checks each transition and does not drive it.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources.abc import Traversable
from typing import Any

from data.contracts.base import Contract, sha256_of
from data.contracts.errors import (
    RecordNotFoundError,
    WorkflowDefinitionError,
)
from flows.runtime.graph.checks import Span, check_definition
from flows.runtime.graph.elements import Edge, Kind, Node

__all__ = ["Edge", "Kind", "Node", "Workflow"]


class Workflow:
    """A map whose table has passed every check.

    Raises WorkflowDefinitionError for a table that breaks a rule of `checks.py`.
    """

    def __init__(
        self,
        name: str,
        version: str,
        nodes: Iterable[Node],
        edges: Iterable[Edge],
        drawing: Traversable | None = None,
        verb: str = "",
    ) -> None:
        self.name = name
        self.verb = verb or name
        """What an execution does, in a word: traces name it so."""
        self.version = version
        self.nodes = tuple(nodes)
        self.edges = tuple(edges)
        self.spans: tuple[Span, ...] = check_definition(self.nodes, self.edges)
        self.stages = tuple(dict.fromkeys(node.stage for node in self.nodes if node.stage))
        """In the order in which the table first mentions them."""
        self.drawing = drawing
        """The checked-in SVG file that shows this map. It is read when a drawing is asked for."""
        self._by_id = {node.id: node for node in self.nodes}
        self._by_stage = {
            stage: tuple(node for node in self.nodes if node.stage == stage)
            for stage in self.stages
        }
        self._out_of = {
            node.id: tuple(edge for edge in self.edges if edge.source == node.id)
            for node in self.nodes
        }
        self._ahead_of = {node.id: self._find_ahead(node) for node in self.nodes}
        self._fingerprints: dict[str, str] = {}

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._by_id

    @property
    def start(self) -> Node:
        """The node at which every run begins."""
        return next(node for node in self.nodes if node.kind is Kind.START)

    def node(self, node_id: str) -> Node:
        """The node with this id. Raises RecordNotFoundError when the map has no such node."""
        try:
            return self._by_id[node_id]
        except KeyError:
            raise RecordNotFoundError(f"the map {self.name} has no node '{node_id}'") from None

    def nodes_of(self, stage: str) -> tuple[Node, ...]:
        """The nodes of a stage, in table order.

        Raises RecordNotFoundError when the map has no such stage.
        """
        try:
            return self._by_stage[stage]
        except KeyError:
            raise RecordNotFoundError(f"the map {self.name} has no stage '{stage}'") from None

    def stage_of(self, node_id: str) -> str:
        """The stage that a node belongs to. Empty for start and end."""
        return self.node(node_id).stage

    def edges_from(self, node_id: str) -> tuple[Edge, ...]:
        return self._out_of[self.node(node_id).id]

    def edges_into(self, node_id: str) -> tuple[Edge, ...]:
        return tuple(edge for edge in self.edges if edge.target == self.node(node_id).id)

    def ahead_of(self, node_id: str) -> tuple[Node, ...]:
        """The nodes with a weight earlier in the table, without the other branches of a fan-out
        that the node is in."""
        return self._ahead_of[self.node(node_id).id]

    def checkpoint_of(self, stage: str) -> str:
        """The label of the checkpoint that a stage saves when it ends. Empty when it saves none."""
        return next((node.checkpoint for node in self.nodes_of(stage) if node.checkpoint), "")

    def gives(self, stage: str) -> type[Contract]:
        """The contract that a stage produces: the one of its last node that gives a contract.

        Raises WorkflowDefinitionError for a stage that produces nothing.
        """
        for node in reversed(self.nodes_of(stage)):
            if node.gives is not None and issubclass(node.gives, Contract):
                return node.gives
        raise WorkflowDefinitionError(f"the stage '{stage}' gives no contract")

    def fingerprint(self, stage: str) -> str:
        """A sha256 that changes when the stage's result would no longer have the same meaning.

        It covers ids, kinds, types, steps, checkpoint labels and the edges between the stage's
        nodes. Titles, weights and the order of the table do not change it.
        """
        if stage not in self._fingerprints:
            self._fingerprints[stage] = self._fingerprint(self.nodes_of(stage))
        return self._fingerprints[stage]

    def _find_ahead(self, node: Node) -> tuple[Node, ...]:
        beside = {other for span in self.spans if node.id in span.inside for other in span.inside}
        earlier = self.nodes[: self.nodes.index(node)]
        return tuple(other for other in earlier if other.weight and other.id not in beside)

    def _fingerprint(self, nodes: tuple[Node, ...]) -> str:
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
