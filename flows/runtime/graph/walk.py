"""The path of one execution over the map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from data.contracts.errors import (
    CheckpointSchemaError,
    InvalidTransitionError,
)
from flows.runtime.graph.checks import Span
from flows.runtime.graph.elements import Edge, Kind, Node

if TYPE_CHECKING:
    from flows.runtime.graph.workflow import Workflow


class Walk:
    """The path of one execution: where it is, how it got there, and what it skipped."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow
        self._frontier: list[str] = []
        self._taken: list[tuple[str, str]] = []
        self._visits: Counter[str] = Counter()

    @property
    def frontier(self) -> tuple[str, ...]:
        """The nodes that the next edge may lead out of.

        A single node, or an open fan-out with the branches that have been entered.
        """
        return tuple(self._frontier)

    @property
    def taken(self) -> tuple[tuple[str, str], ...]:
        """Every edge taken so far, as source and target. A loop takes an edge several times."""
        return tuple(self._taken)

    @property
    def visits(self) -> dict[str, int]:
        """How often each node was entered. Nodes that were never entered are missing."""
        return dict(self._visits)

    def enter(self, node_id: str, state: Any) -> Edge | None:
        """Move to a node and return the edge that allowed it. None at the start.

        Entering a branch keeps its fan-out open for the other branches. Entering the fan-in
        closes the fan-out and takes the edges of all branches that have reached it. The first
        of these edges is returned.

        Raises InvalidTransitionError when no edge from here leads there in this state. Then
        the walk is unchanged.
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
        """The nodes with a weight that the run has skipped when it is at `node_id`.

        These are the nodes earlier in the table that the run never entered. Other branches of
        the same fan-out do not count before the fan-in, because the run may still enter them.
        """
        return tuple(
            node for node in self._workflow.ahead_of(node_id) if node.id not in self._visits
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
        """The walk that a checkpoint holds.

        Raises CheckpointSchemaError when it is at a node, or went through a node, that this
        map does not have.
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
