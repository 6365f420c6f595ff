"""The form that a person fills in at a gate, and the answer that it becomes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import pydantic
from prefect.input import RunInput
from pydantic import Field, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from data.contracts.errors import (
    AnswerRejectedError,
    AuthorityError,
    named,
)
from data.contracts.personal import Signature
from data.contracts.review import Answerer, ReviewRequest, Role


class GateForm(RunInput):
    """What a person fills in. Derive it with flat fields; a decision has no default.

    The Prefect UI draws the fields in order, with `title` as label and `description` below.
    """

    model_config = pydantic.ConfigDict(extra="forbid", str_strip_whitespace=True)
    gate: ClassVar[str]
    roles: ClassVar[tuple[Role, ...]] = ()
    """Who may answer, besides the role that is asked."""

    reviewer: Signature = Field(
        min_length=1,
        max_length=100,
        title="Your name",
        description="Who takes this decision. Kept in the record.",
    )
    reason: str = Field(
        min_length=3,
        max_length=1000,
        title="Reason",
        description="Why. At least 3 characters; kept in the record.",
    )

    def check(self, request: ReviewRequest, by: Answerer) -> None:
        """Raise AuthorityError or AnswerRejectedError when this answer cannot count."""

    def screen(self) -> None:
        """Raise AnswerRejectedError when the answer says what may not be kept.

        Asked once, before an answer is recorded; never again of one that counts already.
        """

    @classmethod
    def repeated(cls, typed: Mapping[str, Any]) -> dict[str, Any]:
        """What the form begins with after an answer that could not count.

        A person decides and signs each time. The free text of the reason does not stay in Prefect.
        """
        each_time = {"decision", "reviewer", "reason"}
        kept = cls.model_fields.keys() - each_time
        return {name: value for name, value in typed.items() if name in kept}

    def check_documents(self, request: ReviewRequest, handed_in: Collection[str]) -> None:
        """Raise AnswerRejectedError when the answer names a document that is not on file."""

    @classmethod
    def require_role(cls, request: ReviewRequest, roles: Collection[Role]) -> None:
        """Raise AuthorityError when the gate is answered by others than these roles."""
        if not {request.role, *cls.roles} & set(roles):
            asked = request.role.value.replace("_", " ")
            raise AuthorityError(f"this gate is answered by {asked}")

    @classmethod
    def acting_as(cls, request: ReviewRequest, held: Collection[Role]) -> tuple[Role, ...]:
        """The roles of a person, first the one in which they answer here: the record names it."""
        here = (request.role, *cls.roles)
        return tuple(sorted(held, key=lambda role: here.index(role) if role in here else len(here)))

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: pydantic.GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema in the order in which one decides: a form's own fields before those that
        all forms have. (Inheritance alone would begin with the latter.)"""
        schema = handler(core_schema)
        fields = handler.resolve_ref_schema(schema)["properties"]
        shared_by = {
            name: sum(name in getattr(form, "model_fields", ()) for form in cls.__mro__)
            for name in fields
        }
        for position, name in enumerate(sorted(fields, key=shared_by.__getitem__)):
            shown = _without_none(fields.pop(name))
            fields[name] = shown | {"position": position}  # by it the Prefect UI sorts
        return schema


def _without_none(field: dict[str, Any]) -> dict[str, Any]:
    """An optional field as a form shows it: to leave it out is the one way to give no value.

    For `number or null` the Prefect UI draws tabs named "float" and "None".
    """
    choices = [choice for choice in field.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1 or len(choices) == len(field["anyOf"]):
        return field
    kept = {name: value for name, value in field.items() if name != "anyOf"}
    if kept.get("default", ...) is None:
        del kept["default"]
    only: dict[str, Any] = choices[0]
    return kept | only


F = TypeVar("F", bound=GateForm)


F_co = TypeVar("F_co", bound=GateForm, covariant=True)


@dataclass(frozen=True)
class Answered(Generic[F_co]):
    """A form that counts, and who filled it in."""

    form: F_co
    by: Answerer
    waited_seconds: float = 0.0
    changed: Mapping[str, Any] = field(default_factory=dict)
    """Each value that the answer sets, with the one that was asked about."""


def filled_in(form: type[F], fields: dict[str, Any]) -> F:
    """The form with these fields. Raises AnswerRejectedError naming the first bad one."""
    try:
        return form.model_validate(fields)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = "/".join(map(named, found["loc"]))
        raise AnswerRejectedError(found["msg"], field=field) from None


def judge(
    answer: GateForm, request: ReviewRequest, by: Answerer, handed_in: Collection[str]
) -> None:
    """Hold an answer to every rule of its gate, before it is recorded. Every channel calls this.

    `handed_in` are the ids of the documents that came later. Raises AuthorityError or
    AnswerRejectedError.
    """
    answer.check(request, by)
    answer.screen()
    answer.check_documents(request, handed_in)


def prefilled(form: type[F], request: ReviewRequest) -> type[F]:
    """The form with this request's defaults, remark and case summary; all constraints stay.

    (Prefect's own `with_initial_data` drops constraints and descriptions.)
    """
    fields: dict[str, Any] = {}
    for name, value in request.prefill.items():
        info = copy(form.model_fields[name])
        info.default, info.default_factory = value, None
        fields[name] = (info.annotation, info)
    made: type[F] = pydantic.create_model(form.__name__, __base__=form, **fields)
    remark = f"**The last answer could not count: {request.remark}**\n\n" if request.remark else ""
    made._description = remark + request.summary
    return made
