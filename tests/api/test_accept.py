"""Which media type a header `Accept` prefers."""

from __future__ import annotations

import pytest

from api.accept import preferred

JSON, TEXT = "application/json", "text/plain"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", JSON),
        (",", JSON),
        ("*/*", JSON),
        ("image/png", JSON),
        (TEXT, TEXT),
        ("Text/Plain; charset=utf-8", TEXT),
        ("text/*", TEXT),
        (f"{TEXT}, {JSON}", JSON),
        (f"{TEXT}, {JSON};q=0.9", TEXT),
        (f"{TEXT};q=0.2, {JSON};q=0.1", TEXT),
        (f"{TEXT}; Q=0.2, */*;q=0.3", JSON),
        (f"{JSON};q=0, */*", TEXT),
        ("text/*;q=0.9, application/*;q=0.8", TEXT),
        (f"{TEXT};q=many, {JSON}", JSON),
        (f"{TEXT};q=1.000, {JSON};q=0.999", TEXT),
    ],
)
def test_the_highest_quality_wins_and_json_where_it_is_equal(accept: str, media_type: str) -> None:
    assert preferred(accept, (JSON, TEXT)) == media_type
