"""Versioned files that the desk ships: YAML or JSON, validated against a contract.

The hash of such a file is `sha256_of` its contract. A changed comment keeps the hash, and a
changed figure does not.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import ValidationError

from data.contracts.base import Contract
from data.contracts.errors import ContractViolationError, RecordCorruptError, RecordNotFoundError
from data.strict_json import StrictJsonError, parse_json

T = TypeVar("T", bound=Contract)


def load_versioned(path: Path, contract: type[T]) -> T:
    """Read a file into its contract. An unchanged file is read once per process.

    Raises RecordNotFoundError or RecordCorruptError, which name the file and the fields.
    """
    try:
        found = path.stat()
    except OSError:
        raise RecordNotFoundError(f"there is no file {path.name}") from None
    return cast(T, _load(path, contract, found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=64)
def _load(path: Path, contract: type[Contract], _changed: int, _size: int) -> Contract:
    try:
        return contract.model_validate(parsed(path))
    except ValidationError as error:
        found = ContractViolationError.of(path.name, error, _key)
        raise RecordCorruptError(found.message) from None


def _key(part: int | str) -> str:
    """A step of a pointer as the file has it: the lender has written it, and no applicant."""
    return str(part).replace("~", "~0").replace("/", "~1")


def parsed(path: Path) -> Any:
    """The content of a YAML or JSON file, before any contract.

    Raises RecordCorruptError, which names the file.
    """
    try:
        return _parse(path)
    except StrictJsonError as error:
        raise RecordCorruptError(f"{path.name}: {error.message}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecordCorruptError(f"{path.name}: {type(error).__name__}") from None


def _parse(path: Path) -> Any:
    if path.suffix == ".json":
        return parse_json(path.read_bytes(), "the file")
    text = path.read_text(encoding="utf-8")
    return yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506, a SafeLoader that checks more


class _UniqueKeyLoader(yaml.SafeLoader):
    """A loader that refuses a key given twice. Plain YAML silently takes the last value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(set(keys)) < len(keys):
            raise yaml.constructor.ConstructorError(problem="a key is given twice")
        return super().construct_mapping(node, deep)
