"""What only HTTP clients are answered: problems and probes."""

from __future__ import annotations

from data.contracts.base import Contract


class Liveness(Contract):
    """The process answers."""

    status: str = "ok"


class Readiness(Contract):
    """Whether the desk takes work, part by part."""

    ready: bool
    checks: dict[str, bool]


class FieldProblem(Contract):
    """One thing wrong with one field."""

    pointer: str
    """JSON pointer (RFC 6901) into the request's body, or the name of a parameter."""
    code: str
    message: str


class ProblemDetails(Contract):
    """An error as RFC 9457 writes it, with a `code` for machines. Never repeats an input."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    errors: tuple[FieldProblem, ...] = ()
