"""What changed, as JSON Patch: applied to the one it gives the other."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.runtime.ledger.json_patch import json_patch, summarize_patch

PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
DOCUMENTS = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab/~", max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


def applied(document: Any, patch: list[dict[str, Any]]) -> Any:
    """RFC 6902, as far as objects go."""
    holder = {"": copy.deepcopy(document)}
    for operation in patch:
        parts = operation["path"].split("/")
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in parts]
        target: Any = holder
        for part in way:
            target = target[part]
        if operation["op"] == "remove":
            del target[last]
        else:
            target[last] = operation["value"]
    return holder[""]


@given(DOCUMENTS, DOCUMENTS)
def test_a_patch_leads_from_the_one_to_the_other(before: Any, after: Any) -> None:
    assert applied(before, json_patch(before, after)) == after


@given(DOCUMENTS)
def test_nothing_has_changed_in_what_is_equal(document: Any) -> None:
    assert json_patch(document, copy.deepcopy(document)) == []


def test_a_patch_names_what_was_added_replaced_and_removed() -> None:
    patch = json_patch({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 5}, "e": [1]})

    assert patch == [
        {"op": "replace", "path": "/b/c", "value": 5},
        {"op": "remove", "path": "/b/d"},
        {"op": "add", "path": "/e", "value": [1]},
    ]


@pytest.mark.parametrize(
    ("value", "short"),
    [
        (list(range(9)), "9 items"),
        (list(range(8)), list(range(8))),
        ({"plain": 1, "deep": {"a": 1, "b": 2}}, {"plain": 1, "deep": "2 values"}),
        ("text", "text"),
    ],
)
def test_long_values_are_told_by_their_size(value: Any, short: Any) -> None:
    assert summarize_patch([{"op": "add", "path": "/a", "value": value}]) == [
        {"op": "add", "path": "/a", "value": short}
    ]


def test_a_long_patch_is_told_by_its_head() -> None:
    patch = json_patch({}, {f"{n:03}": n for n in range(60)})

    assert summarize_patch(patch) == patch[:40]
