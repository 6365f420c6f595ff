"""The difference between two states or checkpoints, as JSON Patch (RFC 6902)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_MISSING: Any = object()


def json_patch(before: Any, after: Any) -> list[dict[str, Any]]:
    """The operations that turn one JSON value into another, in a stable order.

    Objects are compared member by member, arrays are replaced whole.
    """
    return list(_operations("", before, after))


def summarize_patch(patch: list[dict[str, Any]], most: int = 40) -> list[dict[str, Any]]:
    """A patch short enough for an event: long values by their size, long patches by their head."""
    short = [
        operation | {"value": _short(operation["value"])} if "value" in operation else operation
        for operation in patch
    ]
    return short[:most]


def _operations(path: str, before: Any, after: Any) -> Iterator[dict[str, Any]]:
    if before == after and before is not _MISSING:
        return
    if after is _MISSING:
        yield {"op": "remove", "path": path}
    elif isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            escaped = name.replace("~", "~0").replace("/", "~1")
            yield from _operations(
                f"{path}/{escaped}", before.get(name, _MISSING), after.get(name, _MISSING)
            )
    elif before is _MISSING:
        yield {"op": "add", "path": path, "value": after}
    else:
        yield {"op": "replace", "path": path, "value": after}


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: inner if not isinstance(inner, dict | list) else f"{len(inner)} values"
            for name, inner in value.items()
        }
    if isinstance(value, list) and len(value) > 8:
        return f"{len(value)} items"
    return value
