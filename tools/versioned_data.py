"""Versioned data as the desk ships it: YAML or JSON that is held to a contract or refused.

The hash of such a file is `sha256_of` its contract, so a comment may change and a figure
may not.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import ValidationError

from data.contracts.base import Contract
from data.contracts.errors import ContractViolationError, RecordCorruptError, RecordNotFoundError

T = TypeVar("T", bound=Contract)


def load_versioned(path: Path, contract: type[T]) -> T:
    """Read a file into its contract; an unchanged file is read once per process.

    Raises RecordNotFoundError or RecordCorruptError, which name the file and the fields.
    """
    try:
        found = path.stat()
    except OSError:
        raise RecordNotFoundError(f"no file {path.name}") from None
    return cast(T, _load(path, contract, found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=64)
def _load(path: Path, contract: type[Contract], _changed: int, _size: int) -> Contract:
    try:
        return contract.model_validate(_parse(path))
    except ValidationError as error:
        found = ContractViolationError.of(path.name, error)
        raise RecordCorruptError(found.message) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecordCorruptError(f"{path.name}: {type(error).__name__}") from None


def _parse(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return json.loads(text, object_pairs_hook=_unique)
    return yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506, a SafeLoader that checks more


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML lets the last of two equal keys win; a figure given twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(set(keys)) < len(keys):
            raise yaml.constructor.ConstructorError(problem="a key is given twice")
        return super().construct_mapping(node, deep)
