"""The rules that a map has to satisfy before a run may use it. Each has its own message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from data.contracts.errors import WorkflowDefinitionError
from flows.runtime.graph.elements import Edge, Kind, Node

Arrows = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Span:
    """A fan-out, the fan-in that closes it, and the nodes between the two."""

    fan_out: str
    fan_in: str
    inside: frozenset[str]


def check_definition(nodes: Sequence[Node], edges: Sequence[Edge]) -> tuple[Span, ...]:
    """Check a map against all rules and return its fan-outs, in table order.

    Raises WorkflowDefinitionError for the first rule that the map breaks.
    """
    _check_names(nodes, edges)
    _check_both_ends(nodes, edges)
    _check_reachability(nodes, edges)
    order = _check_cycles(nodes, edges)
    _check_branching(nodes, edges)
    spans = _match_fan_outs(nodes, edges, order)
    _check_inputs(nodes, edges, spans)
    _check_stages(nodes)
    return spans


def _check_names(nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
    if twice := _repeated(node.id for node in nodes):
        raise WorkflowDefinitionError(f"the node '{twice[0]}' is defined twice")
    known = {node.id for node in nodes}
    for edge in edges:
        for end in (edge.source, edge.target):
            if end not in known:
                raise WorkflowDefinitionError(f"the edge {edge} names an unknown node '{end}'")
    if twice := _repeated(str(edge) for edge in edges):
        raise WorkflowDefinitionError(f"the edge {twice[0]} is defined twice")


def _check_both_ends(nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
    starts = [node.id for node in nodes if node.kind is Kind.START]
    if len(starts) != 1:
        raise WorkflowDefinitionError(f"the map has {len(starts)} start nodes and needs one")
    ends = {node.id for node in nodes if node.kind is Kind.END}
    if not ends:
        raise WorkflowDefinitionError("the map has no end node")
    for edge in edges:
        if edge.source in ends:
            raise WorkflowDefinitionError(f"the edge {edge} leads out of an end node")


def _check_reachability(nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
    starts = [node.id for node in nodes if node.kind is Kind.START]
    ends = [node.id for node in nodes if node.kind is Kind.END]
    entered = reachable(starts, arrows(nodes, edges))
    leaving = reachable(ends, arrows(nodes, (Edge(edge.target, edge.source) for edge in edges)))
    for node in nodes:
        if node.id not in entered:
            raise WorkflowDefinitionError(f"no path from the start reaches the node '{node.id}'")
        if node.id not in leaving:
            raise WorkflowDefinitionError(f"no path leads from the node '{node.id}' to an end")


def _check_cycles(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[str]:
    """Return the nodes in an order in which every forward edge leads to a later node."""
    forward = [edge for edge in edges if not edge.back]
    try:
        backwards = arrows(nodes, (Edge(edge.target, edge.source) for edge in forward))
        order = list(TopologicalSorter(backwards).static_order())
    except CycleError as error:
        cycle = " -> ".join(error.args[1])
        raise WorkflowDefinitionError(
            f"{cycle} is a cycle, and none of its edges is declared as a way back"
        ) from None
    onwards = arrows(nodes, forward)
    for edge in edges:
        if edge.back and edge.source not in reachable([edge.target], onwards):
            raise WorkflowDefinitionError(
                f"the edge {edge} is declared as a way back and closes no cycle"
            )
    return order


def _check_branching(nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
    for node in nodes:
        leaving = [edge for edge in edges if edge.source == node.id]
        if node.kind in (Kind.DECISION, Kind.FAN_OUT) and len(leaving) < 2:
            raise WorkflowDefinitionError(
                f"the {node.kind} '{node.id}' has only one edge leading out of it"
            )
        if node.kind is not Kind.FAN_OUT and sum(edge.when is None for edge in leaving) > 1:
            raise WorkflowDefinitionError(
                f"two unconditional edges lead out of '{node.id}', which is not a fan_out"
            )


def _match_fan_outs(
    nodes: Sequence[Node], edges: Sequence[Edge], order: Sequence[str]
) -> tuple[Span, ...]:
    """Find the fan-in of every fan-out. `order` is the one of `_check_cycles`."""
    fan_ins = sorted((n.id for n in nodes if n.kind is Kind.FAN_IN), key=order.index)
    fan_outs = [node.id for node in nodes if node.kind is Kind.FAN_OUT]
    spans = tuple(_span_of(fan_out, fan_ins, nodes, edges) for fan_out in fan_outs)
    closing = [span.fan_in for span in spans]
    if twice := _repeated(closing):
        raise WorkflowDefinitionError(f"the fan_in '{twice[0]}' closes more than one fan_out")
    for fan_in in fan_ins:
        if fan_in not in closing:
            raise WorkflowDefinitionError(f"the fan_in '{fan_in}' closes no fan_out")
    for span in spans:
        _check_border(span, edges)
    return spans


def _span_of(
    fan_out: str, fan_ins: Sequence[str], nodes: Sequence[Node], edges: Sequence[Edge]
) -> Span:
    """The first fan-in that every path from the fan-out to an end has to enter closes it."""
    onwards = arrows(nodes, (edge for edge in edges if not edge.back))
    ends = {node.id for node in nodes if node.kind is Kind.END}
    for fan_in in fan_ins:
        inside = reachable([fan_out], onwards, without=fan_in)
        if not inside & ends and fan_in in reachable([fan_out], onwards):
            return Span(fan_out, fan_in, inside - {fan_out})
    raise WorkflowDefinitionError(
        f"the branches of the fan_out '{fan_out}' do not all lead to one fan_in"
    )


def _check_border(span: Span, edges: Sequence[Edge]) -> None:
    """A run may enter branches through their fan-out only, and leave them through its fan-in."""
    for edge in edges:
        enters = edge.target in span.inside and edge.source not in span.inside
        leaves = edge.source in span.inside and edge.target not in span.inside
        if (enters and edge.source != span.fan_out) or (leaves and edge.target != span.fan_in):
            raise WorkflowDefinitionError(
                f"the edge {edge} crosses the border of the fan_out '{span.fan_out}'"
            )
        if edge.source == span.fan_out and edge.target == span.fan_in:
            raise WorkflowDefinitionError(f"the edge {edge} is a branch with nothing in it")


def _check_inputs(nodes: Sequence[Node], edges: Sequence[Edge], spans: Collection[Span]) -> None:
    wanted = {taken for node in nodes for taken in node.takes}
    guaranteed = {taken: _guaranteed(taken, nodes, edges, spans) for taken in wanted}
    for node in nodes:
        for taken in node.takes:
            if node.id not in guaranteed[taken]:
                raise WorkflowDefinitionError(
                    f"the node '{node.id}' takes {taken.__name__}, "
                    "which some path to it does not produce"
                )


def _guaranteed(
    wanted: type, nodes: Sequence[Node], edges: Sequence[Edge], spans: Collection[Span]
) -> set[str]:
    """The nodes that a run cannot enter before some node has produced the type `wanted`.

    A node qualifies when all edges into it come from nodes after which the type is there. A
    fan-in qualifies when that holds for all ways through one of the branches that always run.
    The search starts with all nodes and removes those that do not qualify. Starting with none
    would lose nodes inside a loop, which wait for each other.
    """
    giving = {n.id for n in nodes if n.gives is not None and issubclass(n.gives, wanted)}
    entering = {n.id: [e.source for e in edges if e.target == n.id] for n in nodes}
    branches = {span.fan_in: _branch_ends(span, nodes, edges) for span in spans}
    holding = {node.id for node in nodes if node.kind is not Kind.START}

    def produced_after(node_id: str) -> bool:
        return node_id in giving or node_id in holding

    def entered_with(node_id: str) -> bool:
        if node_id in branches:
            return any(all(map(produced_after, ends)) for ends in branches[node_id])
        return all(map(produced_after, entering[node_id]))

    return _shrink(holding, entered_with)


def _branch_ends(span: Span, nodes: Sequence[Node], edges: Sequence[Edge]) -> list[list[str]]:
    """For every branch that always runs, the nodes from which it reaches the fan-in.

    When every branch has a condition, a run may skip them all. Then the fan-in can rely only on
    contracts that were produced before the fan-out.
    """
    onwards = arrows(nodes, edges)
    lasts = {edge.source for edge in edges if edge.target == span.fan_in}
    always = [e.target for e in edges if e.source == span.fan_out and e.when is None]
    ends = [sorted(lasts & reachable([b], onwards, without=span.fan_in)) for b in always]
    return ends or [[span.fan_out]]


def _shrink(members: set[str], keeps: Callable[[str], bool]) -> set[str]:
    """Remove members that `keeps` refuses, in place, until it accepts all the others."""
    while refused := {member for member in members if not keeps(member)}:
        members -= refused
    return members


def _check_stages(nodes: Sequence[Node]) -> None:
    for node in nodes:
        outside = node.kind in (Kind.START, Kind.END)
        if outside and (node.stage or node.weight):
            raise WorkflowDefinitionError(
                f"the {node.kind} node '{node.id}' has a stage or a weight"
            )
        if not outside and not node.stage:
            raise WorkflowDefinitionError(f"the node '{node.id}' belongs to no stage")
    total = sum(node.weight for node in nodes)
    if total != 100:
        raise WorkflowDefinitionError(f"the weights sum to {total} and not to 100")
    if twice := _repeated(node.checkpoint for node in nodes if node.checkpoint):
        raise WorkflowDefinitionError(f"the checkpoint label '{twice[0]}' is used twice")
    if twice := _repeated(node.stage for node in nodes if node.checkpoint):
        raise WorkflowDefinitionError(f"the stage '{twice[0]}' saves more than one checkpoint")


def arrows(nodes: Iterable[Node], edges: Iterable[Edge]) -> dict[str, list[str]]:
    """The targets of every node's edges, in table order."""
    targets: dict[str, list[str]] = {node.id: [] for node in nodes}
    for edge in edges:
        targets[edge.source].append(edge.target)
    return targets


def reachable(origins: Iterable[str], targets: Arrows, *, without: str = "") -> frozenset[str]:
    """The origins, and every node on a path from them that does not enter `without`."""
    found: set[str] = set()
    waiting = list(origins)
    while waiting:
        node_id = waiting.pop()
        if node_id not in found and node_id != without:
            found.add(node_id)
            waiting.extend(targets[node_id])
    return frozenset(found)


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]
