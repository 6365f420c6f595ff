"""Marks for the fields that hold personal data. Masking is derived from the marks.

A contract with personal data derives from `PersonalRecord` and marks such fields with one of the
types below. `masked` gives the form that the desk may show, log or store in a state.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from data.contracts.base import Contract, Day, Slug
from data.contracts.ssn import has_shape_of_ssn

Kind = Literal["name", "dob", "ssn", "account", "phone", "email", "street", "device", "text"]

_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class Personal:
    """Marks a field as personal data of one kind. The kind decides what a mask keeps."""

    kind: Kind


class PersonalRecord(Contract):
    """A contract with personal data, which its repr and its errors do not show."""

    model_config = ConfigDict(hide_input_in_errors=True)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        hidden = personal_fields(type(self))
        for name, value in super().__repr_args__():
            if name not in hidden:
                yield name, value


_AMERICAN_PHONE = re.compile(
    r"(?:\+?1[ .-]*)?\(?([2-9][0-9]{2})\)?[ .-]*([2-9][0-9]{2})[ .-]*([0-9]{4})"
    r"(?: *(?:x|ext\.?|extension) ?([0-9]{1,6}))?",
    re.IGNORECASE | re.ASCII,
)

_CONTROLS = frozenset({"Cc", "Zl", "Zp"})
"""Unicode categories that end a line or control a terminal."""


def _without_controls(text: str) -> str:
    if text.isprintable():
        return text
    if any(unicodedata.category(sign) in _CONTROLS or sign in _BIDI_CONTROLS for sign in text):
        raise PydanticCustomError("control_character", "control characters are not allowed")
    return text


def _lines_without_controls(text: str) -> str:
    return "\n".join(map(_without_controls, text.replace("\r\n", "\n").split("\n")))


def _composed(text: str) -> str:
    """The text in NFC, so that a name has the same characters from every keyboard."""
    return unicodedata.normalize("NFC", text)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "may not be blank")
    return text


def _no_tax_number(text: str) -> str:
    if has_shape_of_ssn(text):
        raise PydanticCustomError("personal_id", "an id may not have the shape of a tax number")
    return text


def _normal_phone(text: str) -> str:
    found = _AMERICAN_PHONE.fullmatch(text.strip(" .-"))
    if found is None:
        return text
    area, exchange, line, extension = found.groups()
    return f"+1 {area} {exchange} {line}" + (f" x{extension}" if extension else "")


def without_extension(phone: str) -> str:
    """The number that is dialled first."""
    return phone.casefold().partition("x")[0].removesuffix("e").strip()


ChosenId = Annotated[Slug, AfterValidator(_no_tax_number)]
"""An id that a caller has chosen. It must not be a tax number, because names, logs and URLs show
ids."""

Signature = Annotated[str, AfterValidator(_without_controls), AfterValidator(_composed)]
"""The name that a reviewer gives. The desk shows it to other people, on one line."""

Lines = Annotated[str, AfterValidator(_lines_without_controls)]
"""Free text of several lines."""

Line = Annotated[str, Field(max_length=300), AfterValidator(_without_controls)]
"""One line of free text; may be empty."""

PersonName = Annotated[Line, Personal("name")]
"""A name or a part of one, in any script; may be empty."""

RequiredName = Annotated[PersonName, AfterValidator(_not_blank)]

Dob = Annotated[Day, Personal("dob")]
AccountNumber = Annotated[str, Field(min_length=1, max_length=64), Personal("account")]
Last4 = Annotated[str, Field(pattern=r"^[0-9]{4}$"), Personal("ssn")]
StreetLine = Annotated[Line, AfterValidator(_not_blank), Personal("street")]
Email = Annotated[
    str, Field(max_length=254, pattern=r"^[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+$"), Personal("email")
]
Phone = Annotated[
    str,
    Field(
        pattern=r"^(\+?[0-9]|\()[0-9 ().-]{6,20}( ?([xX]|[eE][xX][tT](\.|ension)?) ?[0-9]{1,6})?$"
    ),
    AfterValidator(_normal_phone),
    Personal("phone"),
]
"""A telephone number. One of North America is kept as `+1 217 555 0123 x45`."""
PersonalText = Annotated[Line, Personal("text")]
"""Free text that may contain any personal data."""


@cache
def personal_fields(contract: type[BaseModel]) -> Mapping[str, Kind]:
    """The personal fields of a contract by name, without those of nested contracts."""
    found: dict[str, Kind] = {}
    for name, field in contract.model_fields.items():
        for mark in (*field.metadata, *_marks(field.annotation)):
            if isinstance(mark, Personal):
                found[name] = mark.kind
    return found


def _marks(annotation: object) -> Iterator[object]:
    """All parts of an annotation. The mark of `Phone | None` is one level deeper."""
    for part in get_args(annotation):
        yield part
        yield from _marks(part)


def masked(contract: Contract, shown_kinds: Collection[Kind] = ()) -> dict[str, Any]:
    """The JSON form of a contract with its personal values masked.

    `shown_kinds` are the kinds that stay readable, because the reader needs them.
    """
    shown = contract.model_dump(mode="json")
    hidden = personal_fields(type(contract))
    for name in shown:
        if name not in hidden:
            shown[name] = _masked_inside(getattr(contract, name), shown[name], shown_kinds)
        elif hidden[name] not in shown_kinds:
            shown[name] = _tokens(hidden[name], shown[name])
    return shown


def _masked_inside(value: object, shown: Any, shown_kinds: Collection[Kind]) -> Any:
    if isinstance(value, Contract):
        return masked(value, shown_kinds)
    if isinstance(value, tuple | list):
        return [
            _masked_inside(item, form, shown_kinds) for item, form in zip(value, shown, strict=True)
        ]
    if isinstance(value, dict):
        return {key: _masked_inside(value[key], shown[key], shown_kinds) for key in shown}
    return shown


def _tokens(kind: Kind, shown: Any) -> Any:
    if shown is None:
        return None
    if isinstance(shown, list):
        return [_tokens(kind, item) for item in shown]
    return _token(kind, str(shown))


def _token(kind: Kind, value: str) -> str:
    match kind:
        case "phone" if value != without_extension(value):
            return _token(kind, without_extension(value))
        case "ssn" | "account" | "phone":
            signs = "".join(sign for sign in value if sign.isalnum())
            return f"***{signs[-4:]}" if len(signs) >= 4 else "***"
        case "dob":
            return value[:4]
        case "name":
            return f"{value.strip()[0]}***" if value.strip() else ""
        case _:
            return "***"
