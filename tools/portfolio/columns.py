"""Dotted column names: `application.applicants.0.first_name` is one field of a bundle.

The names come from the contract of a case. The parts of a name are the fields, and items of a
list by their number from 0. A column that names a whole application, report or document holds the
path of its file, as does `documents.0.path` (see `tools.portfolio.row_files`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum, auto
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from data.contracts.base import SchemaVersion
from data.contracts.case import CaseFile
from data.contracts.errors import ContractViolationError, Problem, named

_INDEX = re.compile(r"0|[1-9][0-9]{0,2}")
_DOCUMENT_PATH = re.compile(rf"documents\.({_INDEX.pattern})\.path")


class Kind(Enum):
    """What the cells of a column hold."""

    TEXT = auto()
    """Text, dates and amounts: everything that JSON writes as a text."""
    WHOLE_NUMBER = auto()
    FLAG = auto()
    OBJECT = auto()
    """An object or a list. In CSV, the path of a file."""


_Tree = dict[str, Any]
"""Names of fields or items, each with its own tree or the number of a column."""


class Columns:
    """The columns of a table of bundles.

    Raises ContractViolationError for a name that no bundle has, a name given twice, and a list
    whose items are not numbered without gaps.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.kinds = [_known(number, name) for number, name in enumerate(names, start=1)]
        self._tree: _Tree = {}
        for number, name in enumerate(names):
            self._insert(number, name)
        _require_items_without_gaps(self._tree, "")

    def nested(self, values: Sequence[object]) -> object:
        """The value of one row. None is a field that the row has not."""
        return _assembled(self._tree, values) or {}

    def _insert(self, number: int, name: str) -> None:
        *outer, last = name.split(".")
        tree = self._tree
        for part in outer:
            tree = tree.setdefault(part, {})
            if not isinstance(tree, dict):
                raise _refused("duplicate_column", number + 1, "repeats a part of another column")
        if last in tree:
            raise _refused("duplicate_column", number + 1, "repeats another column")
        tree[last] = number


def kind_of(name: str) -> Kind | None:
    """What a column of this name holds; None when no bundle has such a field."""
    if _DOCUMENT_PATH.fullmatch(name):
        return Kind.TEXT
    annotation: Any = CaseFile
    for part in name.split("."):
        annotation = _part_of(annotation, part)
        if annotation is None:
            return None
    types = set(_alternatives(annotation))
    if bool in types:
        return Kind.FLAG
    if types & {int, *_alternatives(SchemaVersion)}:
        return Kind.WHOLE_NUMBER
    return Kind.OBJECT if any(map(_is_object, types)) else Kind.TEXT


def _known(number: int, name: str) -> Kind:
    kind = kind_of(name)
    if kind is None:
        raise _refused("unknown_column", number, "no bundle has a field of this name")
    return kind


def _part_of(annotation: Any, part: str) -> Any:
    """The type of one field or item of a type; None when it has none of that name."""
    for choice in _alternatives(annotation):
        if get_origin(choice) is tuple and _INDEX.fullmatch(part):
            return get_args(choice)[0]
        if isinstance(choice, type) and issubclass(choice, BaseModel):
            field = choice.model_fields.get(part)
            return field.annotation if field else None
    return None


def _alternatives(annotation: Any) -> list[Any]:
    """The types that an annotation allows, without marks and None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [choice for part in get_args(annotation) for choice in _alternatives(part)]
    return [] if annotation is type(None) else [annotation]


def _is_object(choice: Any) -> bool:
    return get_origin(choice) is tuple or (
        isinstance(choice, type) and issubclass(choice, BaseModel)
    )


def _is_list(tree: _Tree) -> bool:
    return next(iter(tree), "").isdecimal()


def _require_items_without_gaps(tree: _Tree, inside: str) -> None:
    if _is_list(tree) and set(tree) != {str(number) for number in range(len(tree))}:
        message = f"{inside}: number the items of a list from 0, without gaps"
        raise ContractViolationError(message, [Problem(inside, "unknown_column", message)])
    for name, part in tree.items():
        if isinstance(part, dict):
            _require_items_without_gaps(part, f"{inside}/{named(name)}")


def _assembled(tree: _Tree | int, values: Sequence[object]) -> object:
    if isinstance(tree, int):
        return values[tree]
    if _is_list(tree):
        items = [_assembled(tree[str(number)], values) for number in range(len(tree))]
        while items and items[-1] is None:
            items.pop()
        return items or None
    parts = {name: _assembled(part, values) for name, part in tree.items()}
    return {name: part for name, part in parts.items() if part is not None} or None


def _refused(code: str, number: int, message: str) -> ContractViolationError:
    """A refusal of the whole table, by the number of the column: its name may be a value."""
    text = f"column {number}: {message}"
    return ContractViolationError(text, [Problem("", code, text)])
