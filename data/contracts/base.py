"""The base of every contract: frozen, without unknown fields, with exact numbers."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

_CENT = Decimal("0.01")
_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    rf"{_DAY.pattern}T[0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,6}})?)?(Z|[+-][0-9]{{2}}:?[0-9]{{2}})?"
)


def _plain_decimal(value: object) -> object:
    """Accept a plain number. Refuse '12,000.00', '1e4', NaN and booleans."""
    if isinstance(value, bool):
        raise ValueError("a number is required")
    if isinstance(value, float):
        value = repr(value)
    if isinstance(value, str) and not _PLAIN_NUMBER.fullmatch(value):
        raise ValueError("write a plain number, for example 12000.00")
    return value


def _written_day(value: object) -> object:
    """Accept a date, or its text. Pydantic would also read seconds since 1970, as 1 or `"1"`."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        return value
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise PydanticCustomError("date_format", "write a date as YYYY-MM-DD")


def _written_moment(value: object) -> object:
    """Accept a datetime, or its text."""
    if isinstance(value, datetime) or (isinstance(value, str) and _MOMENT.fullmatch(value)):
        return value
    raise PydanticCustomError(
        "moment_format", "write date, time and offset from UTC, such as 2026-11-02T14:05:00Z"
    )


def _in_every_zone(value: datetime) -> datetime:
    """Refuse an instant at the edge of the calendar: in another zone its year would not exist."""
    if not 1 < value.year < 9999:
        raise PydanticCustomError("moment_range", "the year must be from 2 to 9998")
    return value


def _whole_number(value: object) -> object:
    """Refuse true and 1.0, which are equal to 1 in Python."""
    if type(value) is not int:
        raise PydanticCustomError("int_type", "a whole number is required")
    return value


def _two_places(value: Decimal) -> str:
    return f"{value:.2f}"


def _as_written(value: Decimal) -> str:
    return f"{value.normalize():f}"


# A computed value must have the same form as a stored value that was loaded again. Equal Decimals
# with different exponents print differently, and a resumed run would write other decision bytes.
def _in_cents(value: Decimal) -> Decimal:
    return value.quantize(_CENT) + 0


def _shortest(value: Decimal) -> Decimal:
    return Decimal(_as_written(value)) + 0


class _Published:
    """Limits that the published schema names. What enforces them stands inside, next to the type:
    outside of another validator they would take several times as long."""

    def __init__(self, **limits: int) -> None:
        self._limits = limits

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        return schema | self._limits if handler.mode == "validation" else schema


Money = Annotated[
    Decimal,
    Field(max_digits=12, decimal_places=2),
    BeforeValidator(_plain_decimal),
    _Published(max_digits=12, decimal_places=2),
    AfterValidator(_in_cents),
    PlainSerializer(_two_places, return_type=str, when_used="json"),
]
"""An amount in the application's currency (US dollars), exact to the cent."""

Rate = Annotated[
    Decimal,
    Field(max_digits=12, decimal_places=6),
    BeforeValidator(_plain_decimal),
    _Published(max_digits=12, decimal_places=6),
    AfterValidator(_shortest),
    PlainSerializer(_as_written, return_type=str, when_used="json"),
]
"""A fraction, not a percentage: 0.1299 is 12.99 %."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]

Day = Annotated[date, BeforeValidator(_written_day)]
"""A day. From outside it is a text as in ISO 8601, `2026-11-02`; a number is no date."""

Moment = Annotated[AwareDatetime, BeforeValidator(_written_moment), AfterValidator(_in_every_zone)]
"""An instant. From outside it is a text as in ISO 8601 with the offset from UTC."""

SchemaVersion = Annotated[Literal[1], BeforeValidator(_whole_number)]
"""The version of a contract's form. There is one so far."""

Flag = Annotated[bool, Field(strict=True)]
"""Yes or no: only true and false. A number or a word is refused."""


class Contract(BaseModel):
    """A value that passes between layers: immutable, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def canonical_json(value: Contract | dict[str, Any] | list[Any]) -> bytes:
    """JSON with sorted keys and no spaces, as UTF-8. Equal values give equal bytes."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(
        plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def sha256_of(value: Contract | dict[str, Any] | list[Any]) -> str:
    """The hex digest of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
