"""Everything that can go wrong, as one tree.

CreditDeskError
├── RecordNotFoundError (LookupError)       nothing is filed under that name
│   └── RecordErasedError                   its personal data was erased; a tombstone is left
├── RecordCorruptError (ValueError)         a file is there and cannot be trusted
│   └── PolicyRefusedError                  rules or scorecards that must not decide; names each
├── ContractViolationError (ValueError)     input or output breaks its contract; names the fields
├── ConflictError                           the request contradicts what is already recorded
│   ├── AlreadyDecidedError                 another run has decided the application
│   ├── OfferClosedError                    the offer has lapsed, or was answered
│   └── EvidenceMissingError                a canary may not be promoted yet; says what is missing
├── TooLargeError                           more bytes than the desk takes; says how many it takes
├── ExtraMissingError (ImportError)         an optional package is needed; says how to install it
├── ToolError
│   └── ToolUnavailableError                worth another try
├── AgentError
│   ├── AgentTimeoutError (TimeoutError)
│   └── FanOutError                         too few answers for the fan-out's policy
├── WorkflowError
│   ├── WorkflowDefinitionError (ValueError)  the map itself is wrong; raised at import
│   └── InvalidTransitionError              a stage was entered that no edge leads to
├── CheckpointError
│   ├── CheckpointNotFoundError (LookupError)
│   ├── CheckpointCorruptError (ValueError)
│   └── CheckpointSchemaError (ValueError)
├── ReviewError
│   ├── GateNotFoundError (LookupError)     404
│   ├── AuthorityError (PermissionError)    403
│   ├── AlreadyAnsweredError                409
│   ├── StaleRequestError                   409, the run asks something else by now
│   ├── ClaimedError                        409, another reviewer works on it
│   ├── ReviewTimeoutError (TimeoutError)   410
│   └── AnswerRejectedError (ValueError)    422, with the field
├── StopRequestedError                      the run was asked to stop; it ends as cancelled
├── LeaseLostError                          another worker owns the run now; write nothing
├── RefusedByPrefectError                   Prefect answers that a call of the desk is wrong
└── UnavailableError                        ledger or Prefect server out of reach; try again later
    └── UnknownToPrefectError               Prefect lost it; the sweep makes it again

An error remembers where it happened (`agent`, `tool` or `stage`) and carries a
machine-readable `code`. Its text names fields, files and identifiers and never
repeats a value that a person typed in: texts end up in logs, spans and flow states.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from data.contracts.ssn import has_shape_of_ssn
from data.settings import HitlOnTimeout


def named(part: int | str) -> str:
    """A step of a pointer, as far as it is the name of a field: anybody may send any key."""
    if isinstance(part, int):
        return str(part)
    return part if _FIELD.fullmatch(part) and not has_shape_of_ssn(part) else "?"


_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one field."""

    pointer: str
    """JSON pointer (RFC 6901) to the field, for example `/applicants/0/dob`."""
    code: str
    message: str


class CreditDeskError(Exception):
    """Base of every error that the desk raises on purpose."""

    code = "credit_desk_error"

    def __init__(
        self,
        message: str,
        *,
        agent: str | None = None,
        tool: str | None = None,
        stage: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.agent = agent
        self.tool = tool
        self.stage = stage

    def attributed(
        self, *, agent: str | None = None, tool: str | None = None, stage: str | None = None
    ) -> Self:
        """Fill in where it happened, without overwriting what is known already."""
        self.agent = self.agent or agent
        self.tool = self.tool or tool
        self.stage = self.stage or stage
        return self

    @property
    def origin(self) -> str:
        """Where it happened, from the outside in: `stage bureau, agent credit_risk`."""
        named = {"stage": self.stage, "agent": self.agent, "tool": self.tool}
        return ", ".join(f"{kind} {name}" for kind, name in named.items() if name)

    def __str__(self) -> str:
        return f"{self.message} ({self.origin})" if self.origin else self.message


class RecordNotFoundError(CreditDeskError, LookupError):
    code = "record_not_found"


class RecordErasedError(RecordNotFoundError):
    """The personal data of an application was erased; only its tombstone is left."""

    code = "erased"


class RecordCorruptError(CreditDeskError, ValueError):
    code = "record_corrupt"


@dataclass(frozen=True)
class PackProblem:
    """One thing wrong with a rule of a policy, or with an attribute of a scorecard."""

    rule: str
    """The id of the rule or attribute; empty for the file as a whole."""
    field: str
    """The field of the rule, or the fact that it compares."""
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.rule, self.field, self.message) if part)


class PolicyRefusedError(RecordCorruptError):
    """A policy or a scorecard that must not decide. Its message is about the first problem."""

    code = "policy_refused"

    def __init__(self, file: str, problems: Sequence[PackProblem], **origin: str | None) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{file}: {problems[0]}{more}", **origin)
        self.file = file
        self.problems = tuple(problems)


class ContractViolationError(CreditDeskError, ValueError):
    """Input or output that breaks its contract, field by field."""

    code = "contract_violation"

    def __init__(self, message: str, problems: Sequence[Problem] = (), **origin: str | None):
        super().__init__(message, **origin)
        self.problems = tuple(problems)

    @classmethod
    def of(
        cls, subject: str, error: ValidationError, name: Callable[[int | str], str] = named
    ) -> ContractViolationError:
        """Say what Pydantic found, without the values it found it in.

        `name` spells a step of a pointer; by default a key that is no name of a field is hidden.
        """
        problems = tuple(
            Problem(
                pointer="".join(f"/{name(part)}" for part in found["loc"]),
                code=found["type"],
                message=found["msg"],
            )
            for found in error.errors(include_url=False, include_context=False, include_input=False)
        )
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        where = first.pointer or "/"
        return cls(f"{subject}: {where}: {first.message}{more}", problems)


class ConflictError(CreditDeskError):
    code = "conflict"


class AlreadyDecidedError(ConflictError):
    code = "already_decided"


class EvidenceMissingError(ConflictError):
    code = "evidence_missing"


class OfferClosedError(ConflictError):
    code = "offer_closed"


class TooLargeError(CreditDeskError):
    """More bytes than the desk takes, in a body or in an application's file."""

    code = "too_large"


class ExtraMissingError(CreditDeskError, ImportError):
    """What is asked for needs packages that are installed on request only."""

    code = "extra_missing"

    def __init__(self, extra: str, subject: str) -> None:
        super().__init__(f"{subject} need an extra: pip install 'credit-desk-lite[{extra}]'")


class ToolError(CreditDeskError):
    code = "tool_error"


class ToolUnavailableError(ToolError):
    code = "tool_unavailable"


class AgentError(CreditDeskError):
    code = "agent_error"


class AgentTimeoutError(AgentError, TimeoutError):
    code = "agent_timeout"


class FanOutError(AgentError):
    code = "fan_out_failed"


class WorkflowError(CreditDeskError):
    code = "workflow_error"


class WorkflowDefinitionError(WorkflowError, ValueError):
    code = "workflow_definition"


class InvalidTransitionError(WorkflowError):
    code = "invalid_transition"


class CheckpointError(CreditDeskError):
    code = "checkpoint_error"


class CheckpointNotFoundError(CheckpointError, LookupError):
    code = "checkpoint_not_found"


class CheckpointCorruptError(CheckpointError, ValueError):
    code = "checkpoint_corrupt"


class CheckpointSchemaError(CheckpointError, ValueError):
    code = "checkpoint_schema"


class ReviewError(CreditDeskError):
    code = "review_error"


class GateNotFoundError(ReviewError, LookupError):
    code = "gate_not_found"


class AuthorityError(ReviewError, PermissionError):
    code = "beyond_authority"


class AlreadyAnsweredError(ReviewError):
    code = "already_answered"


class StaleRequestError(ReviewError):
    """An answer names a request that is not the open one any more."""

    code = "stale_request"


class ClaimedError(ReviewError):
    code = "claimed"


class ReviewTimeoutError(ReviewError, TimeoutError):
    """No answer came in time; carries the outcome that the system declares."""

    code = "review_expired"

    def __init__(
        self,
        message: str,
        *,
        gate: str = "",
        declared: HitlOnTimeout = HitlOnTimeout.EXPIRE,
        waited_seconds: float = 0.0,
        **origin: str | None,
    ) -> None:
        super().__init__(message, **origin)
        self.gate = gate
        self.declared = declared
        self.waited_seconds = waited_seconds


class AnswerRejectedError(ReviewError, ValueError):
    """An answer that is well formed and still cannot count; names the field."""

    code = "answer_rejected"

    def __init__(self, message: str, *, field: str, **origin: str | None) -> None:
        super().__init__(message, **origin)
        self.field = field


class StopRequestedError(CreditDeskError):
    code = "stop_requested"


class LeaseLostError(CreditDeskError):
    code = "lease_lost"


class RefusedByPrefectError(CreditDeskError):
    """The Prefect server understood a call of the desk and refused it: trying again is in vain."""

    code = "refused_by_prefect"


class UnavailableError(CreditDeskError):
    code = "unavailable"


class UnknownToPrefectError(UnavailableError):
    """What a call is about is not in Prefect's database, which may be a new one.

    The sweep makes the run there again, so another try later succeeds.
    """

    code = "unknown_to_prefect"


def as_desk_error(error: Exception, otherwise: type[CreditDeskError]) -> CreditDeskError:
    """Translate at a border: our own errors pass, others keep only their class and place.

    The text of a foreign error may hold the value it stumbled over, so it is dropped.
    """
    if isinstance(error, CreditDeskError):
        return error
    if isinstance(error, ValidationError):
        return ContractViolationError.of(error.title, error)
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f" at {Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno}" if where else ""
    return otherwise(f"{type(error).__name__}{place}")
