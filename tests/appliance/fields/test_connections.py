import pytest
import strawberry

from appliance.errors import InvalidFieldsError
from appliance.fields.connections import (
    asked_span,
    connected,
    connection,
    decode_cursor,
    encode_cursor,
)
from appliance.storage.paging import MAX_POSITION, Span, Stretch


def test_a_cursor_leads_back_to_its_place() -> None:
    for position in (0, 7, MAX_POSITION):
        assert decode_cursor(encode_cursor(position), "after") == position
    assert decode_cursor(None, "after") is None


@pytest.mark.parametrize(
    "cursor", ["x", "!", "7", "\u00e9", "LTE", "MS4w", encode_cursor(MAX_POSITION + 1), "9" * 5000]
)
def test_a_cursor_of_somebody_else_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidFieldsError, match="before: is no cursor"):
        decode_cursor(cursor, "before")


def test_arguments_that_are_left_out_ask_for_nothing() -> None:
    out = strawberry.UNSET
    assert asked_span(first=out, after=out, last=out, before=out) == Span()
    assert asked_span(first=0, after=encode_cursor(3), last=None, before=None) == Span(
        first=0, after=3
    )


def test_a_connection_says_where_its_items_lie() -> None:
    found = connection(Stretch(items=["c", "d"], start=2, total=5))
    assert found.nodes == ["c", "d"]
    assert [(edge.cursor, edge.node) for edge in found.edges] == [
        (encode_cursor(2), "c"),
        (encode_cursor(3), "d"),
    ]
    info = found.page_info
    assert (info.start_cursor, info.end_cursor) == (encode_cursor(2), encode_cursor(3))
    assert (info.has_previous_page, info.has_next_page) == (True, True)


def test_an_empty_connection_has_no_places() -> None:
    nothing: list[str] = []
    info = connection(Stretch(items=nothing, start=0, total=0)).page_info
    assert (info.start_cursor, info.end_cursor) == (None, None)
    assert (info.has_previous_page, info.has_next_page) == (False, False)


def test_of_a_whole_list_only_the_part_that_is_asked_for_is_shown() -> None:
    shown: list[int] = []

    def show(number: int) -> str:
        shown.append(number)
        return str(number)

    found = connected(range(1000), Span(first=2, after=500), show)
    assert (found.nodes, shown) == (["501", "502"], [501, 502])
    assert (found.page_info.has_previous_page, found.page_info.has_next_page) == (True, True)
    assert len(connected(range(1000), Span(), show).nodes) == 100
