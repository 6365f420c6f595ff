"""Which columns a model may use, and how: what the file, the law and the analyst say."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, RootModel, ValidationError

from data.contracts.base import Contract
from data.contracts.errors import ContractViolationError
from data.contracts.fitted import LeftOut
from tools.modelling.table import Cells, Table, number_in
from tools.policy_law import ground_against, without_accents
from tools.versioned_data import parsed

_SHARE_OF_NUMBERS = 0.95
_MOST_CATEGORIES = 50
_KEY = "a unique key"
_KEY_NAME = re.compile(
    r"(^|_|\s)(id|key|uuid|guid|index|row|no|nr|number|ref)$|^unnamed|^column_1$"
)
_DAY = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T].*)?"
    r"|\d{1,2}[-./]\d{1,2}[-./](\d{2}|\d{4})([ T].*)?"
    r"|(\d{1,2}[- ]?)?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[- ]?(\d{2}|\d{4})"
    r"|(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])",
    re.IGNORECASE,
)
_STANDS_FOR_PROHIBITED = re.compile(
    "citizen|foreignworker|guestworker|nationalorigin|maritalstatus|personalstatus|familystatus"
    "|publicassistance|countryofbirth|birthcountry|placeofbirth|residencystatus|visatype|greencard"
    "|civilstatus|mothertongue|foodstamp|nationality|gender|ethnic|religio|immigra|ismale|isfemale"
    "|geschlecht|familienstand|staatsangehoerig"
)
_PROXY = re.compile("education|schooling|degree|university")


class Role(Contract):
    """What the analyst says of a column."""

    direction: Literal["rising", "falling", "any"] = "any"
    kind: Literal["number", "category"] | None = None
    reason: Annotated[str, Field(min_length=1)] | None = None
    use: bool = True


class Roles(RootModel[dict[str, Role]]):
    """A roles file: column names with their roles."""


class Chosen(Contract):
    """A column of the model."""

    name: str
    kind: Literal["number", "category"]
    role: Role


class Choice(Contract):
    """The columns of the model, those left out, and what the analyst should know."""

    chosen: tuple[Chosen, ...]
    left_out: tuple[LeftOut, ...]
    remarks: tuple[str, ...] = ()


def load_roles(path: Path) -> dict[str, Role]:
    """Read a roles file (YAML or JSON). Raises an error that names the file and the field."""
    if not path.is_file():
        raise ContractViolationError(f"there is no roles file {path.name}")
    try:
        return Roles.model_validate(parsed(path)).root
    except ValidationError as error:
        raise ContractViolationError.of(path.name, error) from None


def legal_ground(name: str) -> str | None:
    """Why a column may not be used by its name; None for a free one."""
    if ground := ground_against(name):
        return ground.value
    squeezed = re.sub("[^a-z]", "", without_accents(name).lower())
    if _STANDS_FOR_PROHIBITED.search(squeezed):
        return "a prohibited basis, or what stands for one (12 CFR 1002.4)"
    return None


def choose_columns(
    table: Table,
    target: str,
    roles: Mapping[str, Role] | None = None,
    features: Iterable[str] | None = None,
) -> Choice:
    """Decide about every column.

    Raises ContractViolationError when a prohibited column or a key is asked for, or no column is
    left.
    """
    roles, wanted = dict(roles or {}), None if features is None else list(features)
    for name in (*roles, *(wanted or ())):
        ground = _never_a_feature(name, table.column(name))
        if ground and roles.get(name, Role()).use:
            raise ContractViolationError(f"column {name!r} may not be a feature: {ground}")
        if name == target:
            raise ContractViolationError(f"column {name!r} is the target and no feature")
    chosen, left_out, remarks = [], [], []
    for name, cells in table.columns.items():
        if name == target:
            continue
        role = roles.get(name, Role())
        why = _why_left_out(name, cells, role, named=name in roles or name in (wanted or ()))
        if why is None and wanted is not None and name not in wanted:
            why = "not among the features asked for"
        if why is not None:
            left_out.append(LeftOut(name=name, why=why))
            continue
        kind = role.kind or _kind(cells)
        chosen.append(Chosen(name=name, kind=kind, role=role))
        if kind == "number" and (strays := _strays(cells)):
            remarks.append(f"column {name}: {strays} cells hold no number and count as missing")
    if not chosen:
        raise ContractViolationError("no column is left to fit on: add attributes to the file")
    return Choice(chosen=tuple(chosen), left_out=tuple(left_out), remarks=tuple(remarks))


def _why_left_out(name: str, cells: Cells, role: Role, *, named: bool) -> str | None:
    if ground := legal_ground(name):
        return ground
    if not role.use:
        return "the roles leave it out"
    filled = [cell for cell in cells if cell is not None]
    different = set(filled)
    if len(different) < 2 and len(filled) == len(cells):
        return "one value in all rows"
    if not filled:
        return "empty in all rows"
    if named:
        return None
    if _PROXY.search(name.lower()):
        return "a known proxy of prohibited bases: name it in --roles to use it"
    if sum(bool(_DAY.fullmatch(cell)) for cell in filled) > len(filled) / 2:
        return "dates: derive a duration from it"
    if _is_key(name, cells):
        return _KEY
    return _too_many(filled, different) if _kind(cells) == "category" else None


def _never_a_feature(name: str, cells: Cells) -> str | None:
    """Why a column stays out even when the analyst names it."""
    return legal_ground(name) or (_KEY if _is_key(name, cells) else None)


def _is_key(name: str, cells: Cells) -> bool:
    filled = [cell for cell in cells if cell is not None]
    if len(set(filled)) < len(filled) or len(filled) < 20:
        return False
    if _kind(cells) == "category":
        return True
    numbers = [number for cell in filled if not math.isnan(number := number_in(cell))]
    whole = all(number.is_integer() for number in numbers)
    consecutive = max(numbers) - min(numbers) == len(numbers) - 1
    named_so = bool(_KEY_NAME.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))
    return whole and (consecutive or named_so)


def _too_many(filled: list[str], different: set[str]) -> str | None:
    if len(different) > max(_MOST_CATEGORIES, len(filled) // 20):
        return f"{len(different)} different texts: group them first"
    return None


def _kind(cells: Cells) -> Literal["number", "category"]:
    filled = sum(cell is not None for cell in cells)
    return "number" if _strays(cells) <= filled * (1 - _SHARE_OF_NUMBERS) else "category"


def _strays(cells: Cells) -> int:
    return sum(cell is not None and math.isnan(number_in(cell)) for cell in cells)
