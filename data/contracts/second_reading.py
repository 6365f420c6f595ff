"""What a chat model reads in documents beside the desk's parser: evidence, and never a number that
the desk computes with."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from data.contracts.base import Contract, Slug
from data.contracts.findings import Finding


class FieldText(Contract):
    """One value as a chat model has read it."""

    document_id: str = Field(description="The id of the document, copied.")
    field: str = Field(description="One of the wanted fields of that document.")
    value: str = Field(description="The plain value: 1900.00, 2026-10-15, 2, biweekly.")
    span: str = Field(description="The words of the document that hold the value, copied.")


class ReadingText(Contract):
    """The form in which a chat model reads documents."""

    fields: tuple[FieldText, ...] = Field(description="Every wanted field that you have found.")


class Standing(StrEnum):
    """A value of the model beside that of the parser."""

    AGREES = "agrees"
    DIFFERS = "differs"
    """The parser's value counts."""
    ADDED = "added"
    """The parser could not use the document. The desk asks for it again, whatever was read."""


class FieldReading(Contract):
    """One value that a chat model has read, in a text that holds it literally."""

    document_id: Slug
    field: str
    value: str
    span: str
    standing: Standing


class SecondReading(Finding):
    """The values of a second reading, in the order of the documents."""

    readings: tuple[FieldReading, ...] = ()

    @property
    def differences(self) -> int:
        """How many values differ from those of the parser."""
        return sum(reading.standing is Standing.DIFFERS for reading in self.readings)
