"""Frames are predictable bytes."""

from __future__ import annotations

import pytest

from api.problems import MalformedRequestError
from api.sse import last_event_id, to_frame
from data.contracts.events import EventType


def test_a_frame_has_id_event_and_data() -> None:
    entry = '{"id":17,"message":"Scorecard complete","type":"progress"}'

    assert to_frame(entry) == (
        b"id: 17\n"
        b"event: progress\n"
        b'data: {"id":17,"message":"Scorecard complete","type":"progress"}\n\n'
    )


@pytest.mark.parametrize(
    ("message", "written"),
    [
        ("two\\nlines", b"two\\nlines"),
        ("Größe ≥ 2", "Größe ≥ 2".encode()),
        ("line\u2028separator", b"line\xe2\x80\xa8separator"),
    ],
)
def test_text_stays_on_one_data_line(message: str, written: bytes) -> None:
    frame = to_frame(f'{{"id":1,"message":"{message}","type":"waiting"}}')

    assert frame == b'id: 1\nevent: waiting\ndata: {"id":1,"message":"' + written + (
        b'","type":"waiting"}\n\n'
    )


def test_no_frame_has_the_name_that_browsers_dispatch_to_onerror() -> None:
    frame = to_frame('{"id":1,"type":"error"}')

    assert frame == b'id: 1\nevent: run.error\ndata: {"id":1,"type":"error"}\n\n'


@pytest.mark.parametrize("kind", sorted(set(EventType) - {EventType.ERROR}))
def test_every_other_frame_is_named_after_its_event(kind: EventType) -> None:
    assert f"\nevent: {kind.value}\n".encode() in to_frame(f'{{"id":1,"type":"{kind.value}"}}')


@pytest.mark.parametrize(
    ("header", "query", "expected"),
    [
        (None, None, 0),
        ("", "", 0),
        ("36", None, 36),
        (None, "36", 36),
        ("40", "36", 40),
        ("0", None, 0),
    ],
)
def test_a_client_goes_on_after_the_event_it_names(
    header: str | None, query: str | None, expected: int
) -> None:
    assert last_event_id(header, query) == expected


@pytest.mark.parametrize("given", ["-1", "1.0", "x", "1 ", "٣", "9" * 16, "1,2"])
def test_anything_but_a_number_is_refused_without_repeating_it(given: str) -> None:
    with pytest.raises(
        MalformedRequestError, match=r"^after is the number of an event$"
    ) as by_query:
        last_event_id(None, given)
    with pytest.raises(
        MalformedRequestError, match=r"^Last-Event-ID is the number of an event$"
    ) as by_header:
        last_event_id(given, None)
    assert by_query.value.pointer == "/query/after"
    assert by_header.value.pointer == "/header/last-event-id"
