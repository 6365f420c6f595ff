"""The progress of a run: the weights of the nodes that are done or skipped.

A node is credited once. Its credit is never taken back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.contracts.errors import CheckpointSchemaError
from flows.runtime.graph.workflow import Workflow


class Progress:
    """The credited nodes of a run: those that are done or skipped. Waiting credits nothing."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow
        self._credited: set[str] = set()

    def finish(self, node_id: str) -> None:
        """Credit a node that is done. A second visit in a loop changes nothing.

        Raises RecordNotFoundError when the map has no such node.
        """
        self._credited.add(self._workflow.node(node_id).id)

    def skip(self, node_id: str) -> None:
        """Credit a node that the run skips. Otherwise progress would never reach 100 percent.

        Raises RecordNotFoundError when the map has no such node.
        """
        self.finish(node_id)

    def __contains__(self, node_id: object) -> bool:
        """Whether a node is credited."""
        return node_id in self._credited

    @property
    def overall(self) -> float:
        """The credited share of the run, from 0 to 1. It never falls."""
        done = sum(node.weight for node in self._workflow.nodes if node.id in self._credited)
        return done / 100

    def step(self, stage: str) -> float:
        """The credited share of a stage's weight, from 0 to 1.

        A stage without weight is done when its first node is credited. A run does not have to
        enter the other nodes of such a stage.

        Raises RecordNotFoundError when the map has no such stage.
        """
        nodes = self._workflow.nodes_of(stage)
        credited = [node for node in nodes if node.id in self._credited]
        whole = sum(node.weight for node in nodes)
        return sum(node.weight for node in credited) / whole if whole else float(bool(credited))

    def as_dict(self) -> dict[str, Any]:
        """The progress as plain JSON values, for a checkpoint."""
        return {"credited": [n.id for n in self._workflow.nodes if n.id in self._credited]}

    @classmethod
    def from_dict(cls, workflow: Workflow, saved: Mapping[str, Any]) -> Progress:
        """The progress that a checkpoint holds.

        Raises CheckpointSchemaError when it credits a node that this map does not have.
        """
        progress = cls(workflow)
        for node_id in saved["credited"]:
            if node_id not in workflow:
                raise CheckpointSchemaError(
                    f"the saved progress knows a node '{node_id}' that the map {workflow.name} "
                    f"{workflow.version} does not have"
                )
            progress.finish(node_id)
        return progress
