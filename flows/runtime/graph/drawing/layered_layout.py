"""Where everything stands in a layered drawing of a map: ranks from top to bottom.

The classic recipe: a node's rank is its longest path from the start; long edges are cut into
pieces, one per rank; barycentres order each rank; positions then settle so that every edge is
as upright as the widths allow. Between two ranks of nodes lies one for the edges' labels, so
that a label never covers anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from flows.runtime.graph.drawing import style
from flows.runtime.graph.workflow import Edge, Node, Workflow

GAP = 30.0
"""Room between two neighbours in a rank, in pixels like every measure here."""
LABEL_INDENT = 7.0
LINE_HEIGHT = 13.0
_MARGIN = 14.0
_RANK_GAP = 19.0
_EM = 0.56
"""Width of an average letter of a sans font, as a share of its size."""
_SWEEPS = 16
_SETTLINGS = 240

Point = tuple[float, float]


@dataclass(eq=False)
class Piece:
    """A node, or the piece of an edge that passes through a rank; `x`, `y` is its middle."""

    rank: int
    left: float
    """How far it reaches to the left of `x`: half of a node's width."""
    right: float
    """How far it reaches to the right, with the label that stands beside it."""
    height: float
    node: Node | None = None
    above: list[Piece] = field(default_factory=list)
    below: list[Piece] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0


@dataclass
class Route:
    """An edge with its pieces, from the upper node to the lower."""

    edge: Edge
    pieces: list[Piece]
    label: Piece | None


@dataclass(frozen=True)
class Layout:
    """Every piece in its place."""

    pieces: list[Piece]
    routes: list[Route]
    width: float
    height: float


def lay_out(workflow: Workflow) -> Layout:
    """Give every node and every bend of an edge its place. Equal maps are laid out equally."""
    pieces, routes = _cut(workflow)
    ranks = _by_rank(pieces)
    _order(ranks)
    _settle(ranks)
    width, height = _place(ranks)
    return Layout(pieces, routes, width, height)


def _cut(workflow: Workflow) -> tuple[list[Piece], list[Route]]:
    ranks = _ranks(workflow)
    at = {}
    for node in workflow.nodes:
        width, height = _size(node)
        at[node.id] = Piece(ranks[node.id], width / 2, width / 2, height, node)
    pieces = list(at.values())
    routes = []
    for edge in workflow.edges:
        upper, lower = at[edge.source], at[edge.target]
        if edge.back:
            upper, lower = lower, upper
        labelled = upper.rank + 1 if not edge.back else lower.rank - 1
        between = [Piece(rank, 3.0, 3.0, 0.0) for rank in range(upper.rank + 1, lower.rank)]
        label = next((p for p in between if p.rank == labelled and edge.label), None)
        if label:
            label.right = _label_width(edge)
            label.height = LINE_HEIGHT
        if upper is lower:
            upper.right += GAP / 2 + _label_width(edge)
        route = [upper, *between, lower]
        for above, below in pairwise(route):
            if above is not below:
                above.below.append(below)
                below.above.append(above)
        pieces += between
        routes.append(Route(edge, route, label))
    return pieces, routes


def _ranks(workflow: Workflow) -> dict[str, int]:
    """Even numbers for nodes; the odd ones between them belong to labels."""
    ranks = {node.id: 0 for node in workflow.nodes}
    for _ in workflow.nodes:
        for edge in workflow.edges:
            if not edge.back:
                ranks[edge.target] = max(ranks[edge.target], ranks[edge.source] + 2)
    return ranks


def _by_rank(pieces: Iterable[Piece]) -> list[list[Piece]]:
    ranks: dict[int, list[Piece]] = {}
    for piece in pieces:
        ranks.setdefault(piece.rank, []).append(piece)
    return [ranks[rank] for rank in sorted(ranks)]


def _order(ranks: list[list[Piece]]) -> None:
    """Sweep down and up, each piece to the mean place of its neighbours; keep the best."""
    best, fewest = [list(rank) for rank in ranks], _crossings(ranks)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for rank in ranks if down else ranks[::-1]:
            place = {p: i for other in ranks for i, p in enumerate(other)}
            means = {p: _mean([place[n] for n in _beside(p, down)], place[p]) for p in rank}
            rank.sort(key=means.__getitem__)
        if (crossings := _crossings(ranks)) < fewest:
            best, fewest = [list(rank) for rank in ranks], crossings
    ranks[:] = best


def _beside(piece: Piece, above: bool) -> list[Piece]:
    return piece.above if above else piece.below


def _crossings(ranks: Sequence[Sequence[Piece]]) -> int:
    place = {p: i for rank in ranks for i, p in enumerate(rank)}
    crossings = 0
    for rank in ranks:
        ends = [(place[p], place[below]) for p in rank for below in p.below]
        crossings += sum(
            (a - c) * (b - d) < 0 for i, (a, b) in enumerate(ends) for c, d in ends[:i]
        )
    return crossings


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _settle(ranks: Sequence[Sequence[Piece]]) -> None:
    """Make the edges as upright as they can be, those with a long way to go first of all."""
    for turn in range(_SETTLINGS):
        _move(ranks if turn % 2 == 0 else ranks[::-1], _balance)
    _move(ranks, lambda piece: _followed(piece).x)


def _move(ranks: Sequence[Sequence[Piece]], wish: Callable[[Piece], float]) -> None:
    for rank in ranks:
        wanted = [wish(piece) for piece in rank]
        gaps = [a.right + b.left + GAP for a, b in pairwise(rank)]
        for piece, x in zip(rank, _spread(wanted, gaps), strict=True):
            piece.x = x


def _followed(piece: Piece) -> Piece:
    """The piece that this one stands under exactly, when the two have no other company."""
    match piece.above:
        case [only] if len(only.below) == 1:
            return only
        case _:
            return piece


def _balance(piece: Piece) -> float:
    """Where the neighbours pull a piece to.

    A neighbour's pull fades with its distance (that minimises the sum of the distances, not of
    their squares): one bend is better than a slant everywhere.
    """
    pulls = [
        ((1.0 if piece.node else 3.0) * (1.0 if other.node else 3.0), other.x)
        for other in (*piece.above, *piece.below)
    ]
    weights = [strength / (abs(x - piece.x) + 1.0) for strength, x in pulls]
    return sum(w * x for w, (_, x) in zip(weights, pulls, strict=True)) / sum(weights)


def _spread(wanted: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """The places nearest to those wanted (least squares) that keep order and gaps.

    Pool adjacent violators: neighbours that want the same room share the mean of it.
    """
    offsets = [sum(gaps[:i]) for i in range(len(wanted))]
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        mean, size = want - offset, 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        pools.append((mean, size))
    flat = [mean for mean, size in pools for _ in range(size)]
    return [mean + offset for mean, offset in zip(flat, offsets, strict=True)]


def _place(ranks: Sequence[Sequence[Piece]]) -> Point:
    """Move everything to positive coordinates and return the drawing's size.

    The pieces of edges become as high as their rank, so that a line goes past it upright.
    """
    every = [piece for rank in ranks for piece in rank]
    left = min(p.x - p.left for p in every) - _MARGIN
    top = _MARGIN
    for rank in ranks:
        tallest = max(p.height for p in rank)
        for piece in rank:
            piece.x -= left
            piece.y = top + tallest / 2
            if not piece.node:
                piece.height = tallest
        top += tallest + _RANK_GAP
    return max(p.x + p.right for p in every) + _MARGIN, top - _RANK_GAP + _MARGIN


def _label_width(edge: Edge) -> float:
    return LABEL_INDENT + _text_width(edge.label, style.LABEL_SIZE)


def _text_width(words: str, size: float) -> float:
    return len(words) * size * _EM


def _size(node: Node) -> Point:
    """Width and height, in pixels, of a node's shape around its text."""
    steps = style.step_lines(node)
    text = max(
        _text_width(node.label, style.TITLE_SIZE),
        *(_text_width(line, style.STEP_SIZE) for line in steps),
        0.0,
    )
    lines = style.TITLE_SIZE + LINE_HEIGHT * len(steps)
    match style.SHAPES[node.kind]:
        case "diamond":
            return text * 1.5 + 28, lines * 2.4 + 24
        case "oval":
            return text * 1.2 + 28, lines + 21
        case "box":
            return text + 30, lines + 21
        case "doubleoctagon":
            return text + 42, lines + 27
        case _:
            return text + 44, lines + 21
