"""A run as people name it: by its id, by the first characters of it, or by its application."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from typing import Any

from data.contracts.errors import ContractViolationError

SHOWN = 8
"""How many characters of a run's id a table on a terminal shows."""
_LIKENESS = 0.75
"""How alike two ids are, of 1, for the one to be meant by the other."""

_WHOLE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_BEGINNING = re.compile(r"[0-9a-f][0-9a-f-]{3,35}", re.IGNORECASE)

Get = Callable[..., Awaitable[Any]]


def is_whole(named: str) -> bool:
    """Whether this is the whole id of a run."""
    return _WHOLE.fullmatch(named) is not None


async def run_id_of(named: str, get: Get) -> str:
    """The id of the run that is meant; `get` asks the desk.

    The newest run of an application is meant that is no what-if. Raises ContractViolationError
    where several ids begin like this, or no run is meant.
    """
    if is_whole(named):
        return named
    return await _by_beginning(named, get) or await _by_application(named, get)


async def _by_beginning(named: str, get: Get) -> str:
    if not _BEGINNING.fullmatch(named):
        return ""
    begins = named.lower()
    items = (await get("/runs", run=begins, limit=5))["items"]
    # An older desk does not know the filter, and answers with all runs.
    found = [str(run["run_id"]) for run in items if run["run_id"].startswith(begins)]
    if len(found) > 1:
        raise ContractViolationError(f"several runs begin with {named}: {', '.join(found)}")
    return found[0] if found else ""


async def _by_application(named: str, get: Get) -> str:
    found = (await get("/runs", application_id=named[:64], limit=200))["items"]
    if not found:
        meant = await _similar(named, get)
        raise ContractViolationError(
            "no run has this id, no id begins with it, and no application of this id has a run"
            + (f": did you mean {' or '.join(meant)}?" if meant else "")
            + " (`credit-desk runs` lists the runs)"
        )
    own = [run for run in found if not run.get("lineage")]
    return str((own or found)[0]["run_id"])


async def _similar(named: str, get: Get) -> list[str]:
    """Applications and runs that are called almost so, of the newest that the caller may see."""
    items = (await get("/runs", limit=200))["items"]
    known = {str(run["application_id"]).lower(): str(run["application_id"]) for run in items}
    if _BEGINNING.fullmatch(named):
        length = max(len(named), SHOWN)
        known |= {str(run["run_id"])[:length]: str(run["run_id"])[:length] for run in items}
    close = get_close_matches(named.lower().replace(" ", "-"), known, n=3, cutoff=_LIKENESS)
    return [known[name] for name in close]
