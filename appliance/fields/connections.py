"""Lists as GraphQL's clients page through them: connections, with positions as cursors."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import strawberry

from appliance.errors import InvalidFieldsError
from appliance.storage.paging import MAX_POSITION, Span, Stretch

T = TypeVar("T")
Item = TypeVar("Item")


@strawberry.type(description="Where a part of a list lies in it")
class PageInfo:
    """Where the part that was answered begins and ends, and whether there is more."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class Edge(Generic[T]):
    """One item and its place."""

    cursor: str
    node: T


@strawberry.type
class Connection(Generic[T]):
    """A part of a list."""

    nodes: list[T]
    edges: list[Edge[T]]
    page_info: PageInfo


def connection(found: Stretch[T]) -> Connection[T]:
    """A part of a list as clients want it."""
    places = [encode_cursor(found.start + index) for index in range(len(found.items))]
    return Connection(
        nodes=list(found.items),
        edges=[
            Edge(cursor=cursor, node=item) for cursor, item in zip(places, found.items, strict=True)
        ],
        page_info=PageInfo(
            has_next_page=found.has_next,
            has_previous_page=found.has_previous,
            start_cursor=places[0] if places else None,
            end_cursor=places[-1] if places else None,
        ),
    )


def connected(items: Sequence[Item], span: Span, show: Callable[[Item], T]) -> Connection[T]:
    """The part of a whole list that `span` means; `show` is asked for that part alone."""
    start, end = span.bounds(len(items))
    shown = [show(each) for each in items[start:end]]
    return connection(Stretch(items=shown, start=start, total=len(items)))


def asked_span(
    *, first: int | None, after: str | None, last: int | None, before: str | None
) -> Span:
    """The part of a list that a field's arguments ask for; each may be left out (UNSET).

    Raises:
        InvalidFieldsError: an argument that cannot be used.
    """
    return Span.asked(
        first=None if first is strawberry.UNSET else first,
        after=decode_cursor(after or None, "after"),
        last=None if last is strawberry.UNSET else last,
        before=decode_cursor(before or None, "before"),
    )


def encode_cursor(position: int) -> str:
    """The cursor of an item, counted from 0."""
    return base64.urlsafe_b64encode(str(position).encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str | None, argument: str) -> int | None:
    """The position behind a cursor.

    Raises:
        InvalidFieldsError: it is none of ours; the sentence names the argument.
    """
    if cursor is None:
        return None
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = int(data.decode("ascii")) if data.isdigit() else -1
    except (binascii.Error, ValueError):
        position = -1
    if not 0 <= position <= MAX_POSITION:
        raise InvalidFieldsError({argument: "is no cursor of this list"})
    return position
