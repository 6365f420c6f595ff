"""One case, as a client or a portfolio hands it in: an application, a bundle, or a persona file."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from data.contracts.application import Application
from data.contracts.case import CaseFile, Persona
from tools.personal_data_filter import PersonalDataFilter

_BUNDLED = frozenset(CaseFile.model_fields) - frozenset(Application.model_fields)
"""The fields that a bundle has and an application has not."""


def read_case(value: object) -> CaseFile:
    """Read one of the three forms of a case. A persona's expected results are left out.

    Its own contract checks each form, so the pointers of errors fit the sender's document. Raises
    ValidationError, also for an id that repeats personal data of the case.
    """
    if isinstance(value, dict):
        if "persona" in value:
            return _with_discreet_ids(Persona.model_validate(value).case, "application")
        if _BUNDLED.isdisjoint(value):
            return _with_discreet_ids(CaseFile(application=Application.model_validate(value)))
    return _with_discreet_ids(CaseFile.model_validate(value), "application")


def _with_discreet_ids(case: CaseFile, *inside: str) -> CaseFile:
    """The case. Refuses ids that repeat personal data of the case."""
    withheld, application = PersonalDataFilter(case), case.application
    ids: dict[tuple[str | int, ...], str] = {
        (*inside, "application_id"): application.application_id,
        (*inside, "partner_id"): application.partner_id or "",
    } | {
        ("documents", position, "document_id"): document.document_id
        for position, document in enumerate(case.documents)
    }
    problems = [
        InitErrorDetails(
            type=PydanticCustomError(
                "personal_data", "leave out the {repeated}: other people read ids", found
            ),
            loc=where,
            input=None,
        )
        for where, chosen in ids.items()
        if (found := {"repeated": withheld.find(chosen)})["repeated"]
    ]
    if problems:
        raise ValidationError.from_exception_data("CaseFile", problems)
    return case
