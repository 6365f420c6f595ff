"""An error that the desk answered, with the command that helps next."""

from __future__ import annotations

import re
from typing import Any

from api.cli.errors import BAD_INPUT, FAILURE
from data.contracts.bundle import BundleParts
from data.contracts.errors import CreditDeskError
from data.contracts.underwriting import Overrides

_NEXT_STEP = {
    "record_not_found": (
        "`credit-desk runs` lists the runs, `credit-desk submit --help` says what to submit"
    ),
    "gate_not_found": "`credit-desk inbox` lists the open requests",
    "claimed": "`credit-desk inbox` shows the requests that are free",
    "already_answered": "`credit-desk follow RUN` shows how the run went on",
    "stale_request": "`credit-desk inbox` shows what the run asks now",
    "checkpoint_not_found": "`credit-desk checkpoints RUN` lists the checkpoints",
    "beyond_authority": "a reviewer with more authority has to answer",
    "review_expired": "`credit-desk follow RUN` shows what the desk declared instead",
    "unauthenticated": "give one with --key or CREDIT_DESK_API_KEY",
    "not_allowed": "`credit-desk keys create` makes a key with other roles",
    "unavailable": "try again in a moment",
    "internal_error": "see logs/api.log in the desk's folder",
}

_LISTED_BY = {
    "bundle": "`credit-desk bundle list` lists the bundles",
    "batch": "`credit-desk batches` lists the batches",
}
"""The command that lists what the desk does not have, in the desk's own word for it."""

_KEYS = {"/overrides": Overrides.model_fields, "/parts": BundleParts.model_fields}
"""What `--set` takes, by the field of the request that it fills."""


class AnsweredError(CreditDeskError):
    """The desk answered with an error; carries the code of the problem."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.code = str(problem.get("code", "unknown"))
        self.status = status
        fields = problem.get("errors", ())
        self.pointers = tuple(str(field.get("pointer")) for field in fields)
        listed = "; ".join(map(_told, fields))
        said = listed or str(problem.get("detail") or problem.get("title") or f"status {status}")
        hint = _LISTED_BY.get(_missing_in(said)) or _NEXT_STEP.get(self.code)
        self.detail = said
        """The error without the hint for the command line."""
        super().__init__(f"{said} ({hint})" if hint else said)

    @property
    def exit_code(self) -> int:
        return BAD_INPUT if self.status in {400, 404, 413, 415, 422} else FAILURE


def _missing_in(said: str) -> str:
    """The word for what there is not; empty for other errors."""
    found = re.match(r"there is no (\w+)", said)
    return found[1] if found else ""


def _told(field: dict[str, Any]) -> str:
    """A field and what is wrong with it; for an unknown key of `--set`, the keys that there are."""
    pointer, message = str(field.get("pointer")), str(field.get("message"))
    keys = _KEYS.get(pointer.rpartition("/")[0])
    if keys and field.get("code") == "extra_forbidden":
        message = f"unknown key; the keys are {', '.join(keys)}"
    return f"{pointer}: {message}"
