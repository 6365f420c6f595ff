"""How far a run has come: whole percents of the map's weights, credited once and never lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.contracts.errors import CheckpointSchemaError
from flows.runtime.graph.workflow import Workflow


class Progress:
    """The nodes of one run that are done or left out. Waiting credits nothing."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow
        self._credited: set[str] = set()

    def finish(self, node_id: str) -> None:
        """Credit a node that is done. A loop that comes by again credits nothing more.

        Raises RecordNotFoundError when the map has no such node.
        """
        self._credited.add(self._workflow.node(node_id).id)

    def skip(self, node_id: str) -> None:
        """Credit a node that the run leaves out, so that the rest still adds up to the whole.

        Raises RecordNotFoundError when the map has no such node.
        """
        self.finish(node_id)

    def __contains__(self, node_id: object) -> bool:
        """Whether a node is credited."""
        return node_id in self._credited

    @property
    def overall(self) -> float:
        """Share of the whole run that is credited, from 0 to 1. Never falls."""
        done = sum(node.weight for node in self._workflow.nodes if node.id in self._credited)
        return done / 100

    def step(self, stage: str) -> float:
        """Share of one stage's weight that is credited, from 0 to 1.

        A stage without weight counts as done with its first credited node: its other nodes
        are ways around that a run need not take.

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
        """Continue where a saved run was.

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
