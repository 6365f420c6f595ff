"""A map of realistic size for the tests of the kit: an editor's desk."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources.abc import Traversable

from flows.runtime.graph.workflow import Edge, Kind, Node, Workflow


@dataclass(frozen=True)
class Manuscript:
    """The input of a run."""


@dataclass(frozen=True)
class Opinion:
    """The result of a reader."""


@dataclass(frozen=True)
class LongOpinion(Opinion):
    """An opinion with its reasons."""


@dataclass(frozen=True)
class Opinions:
    """The opinions of all readers."""


@dataclass
class Desk:
    """The state that the predicates look at."""

    pages_missing: bool = False
    verdict: str = "clear"
    revised: bool = False


def pages_are_missing(desk: Desk) -> bool:
    return desk.pages_missing


def pages_are_complete(desk: Desk) -> bool:
    return not desk.pages_missing


def is_clear(desk: Desk) -> bool:
    return desk.verdict == "clear"


def needs_an_editor(desk: Desk) -> bool:
    return desk.verdict == "doubtful"


def needs_the_lawyer(desk: Desk) -> bool:
    return desk.verdict == "delicate"


def needs_a_second_voice(desk: Desk) -> bool:
    return desk.verdict == "bold"


def was_revised(desk: Desk) -> bool:
    return desk.revised


def stands_as_it_is(desk: Desk) -> bool:
    return not desk.revised


NODES = (
    Node("start", Kind.START, gives=Manuscript),
    Node("arrival", Kind.AGENT, "arrival", 6, takes=(Manuscript,), checkpoint="arrived"),
    Node("missing_pages", Kind.HITL, "arrival"),
    Node("reading", Kind.FAN_OUT, "reading"),
    Node(
        "facts",
        Kind.SUB_WORKFLOW,
        "reading",
        10,
        takes=(Manuscript,),
        gives=LongOpinion,
        steps=("names", "dates", "quotations"),
    ),
    Node("style", Kind.AGENT, "reading", 10, takes=(Manuscript,), gives=Opinion),
    Node("market", Kind.AGENT, "reading", 12, takes=(Manuscript,), gives=Opinion),
    Node("read", Kind.FAN_IN, "reading", takes=(Opinion,), gives=Opinions, checkpoint="read"),
    Node("archive", Kind.AGENT, "archive", 10, takes=(Opinions,)),
    Node(
        "costing",
        Kind.SUB_WORKFLOW,
        "costing",
        22,
        steps=("paper", "print run", "freight", "combine"),
    ),
    Node("house_rules", Kind.DECISION, "house_rules", 8, takes=(Opinions,)),
    Node("lawyer", Kind.HITL, "review", 4, title="Lawyer's office"),
    Node("editor", Kind.HITL, "review", 4),
    Node("second_voice", Kind.HITL, "review", 2),
    Node("offer", Kind.AGENT, "offer", 6),
    Node("letter", Kind.AGENT, "letter", 6, checkpoint="sent"),
    Node("end", Kind.END),
)

EDGES = (
    Edge("start", "arrival"),
    Edge("arrival", "missing_pages", pages_are_missing),
    Edge("missing_pages", "arrival", back=True),
    Edge("arrival", "reading", pages_are_complete),
    Edge("reading", "facts"),
    Edge("reading", "style"),
    Edge("reading", "market"),
    Edge("facts", "read"),
    Edge("style", "read"),
    Edge("market", "read"),
    Edge("read", "archive"),
    Edge("archive", "costing"),
    Edge("costing", "house_rules"),
    Edge("house_rules", "lawyer", needs_the_lawyer),
    Edge("house_rules", "editor", needs_an_editor),
    Edge("house_rules", "offer", is_clear),
    Edge("lawyer", "offer"),
    Edge("editor", "second_voice", needs_a_second_voice),
    Edge("editor", "offer", is_clear),
    Edge("second_voice", "offer"),
    Edge("offer", "house_rules", was_revised, back=True),
    Edge("offer", "letter", stands_as_it_is),
    Edge("letter", "end"),
)


def editors_desk(drawing: Traversable | None = None) -> Workflow:
    """Seventeen nodes with everything a map may hold."""
    return Workflow("editors-desk", "1", NODES, EDGES, drawing)
