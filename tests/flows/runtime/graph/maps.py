"""Small maps, made in a line or two: a chain, a fan-out, and a fan-out inside a branch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from flows.runtime.graph.workflow import Edge, Kind, Node, Workflow
from tests.flows.runtime.maps import Opinion

START = Node("start", Kind.START)
END = Node("end", Kind.END)


def work(name: str, weight: int = 0, **more: Any) -> Node:
    return Node(name, Kind.AGENT, "work", weight, **more)


def chain(*names: str) -> list[Edge]:
    return [Edge(source, target) for source, target in pairwise(names)]


def fanned(*more: Edge, nodes: Sequence[Node] = (), without: str = "") -> tuple[Any, Any]:
    """start -> split -> (left, right) -> join -> after -> end, with changes."""
    table = [
        START,
        Node("split", Kind.FAN_OUT, "work"),
        work("left", 50, gives=Opinion),
        work("right", 50),
        Node("join", Kind.FAN_IN, "work"),
        work("after"),
        END,
    ]
    named = {node.id: node for node in nodes}
    table = [named.pop(node.id, node) for node in table] + list(named.values())
    edges = [
        *chain("start", "split", "left", "join", "after", "end"),
        *chain("split", "right", "join"),
    ]
    return table, [edge for edge in edges if str(edge) != without] + list(more)


def nested() -> Workflow:
    """That map with a fan-out inside its left branch, closed by a fan-in of its own."""
    nodes, edges = fanned(
        *chain("left", "inner", "one", "inner_join", "join"),
        *chain("inner", "two", "inner_join"),
        nodes=[
            Node("inner", Kind.FAN_OUT, "work"),
            work("one"),
            work("two"),
            Node("inner_join", Kind.FAN_IN, "work"),
        ],
        without="left -> join",
    )
    return Workflow("nested", "1", nodes, edges)
