import pytest
from sqlmodel import Session, col, select

from appliance.errors import InvalidFieldsError
from appliance.storage.engine import Db
from appliance.storage.outbox import OutboxRow, publish
from appliance.storage.paging import MAX_PER_PAGE, Page, Slice, Span, cut, cut_span
from tests.instance_builders import NOW


def _headers(number: int, total: int) -> dict[str, str]:
    nothing: tuple[str, ...] = ()
    found = Slice(items=nothing, page=Page(number=number, size=10), total=total)
    return found.headers("http://i/list")


def test_the_headers_of_a_page_in_the_middle_lead_both_ways() -> None:
    headers = _headers(2, 25)
    assert (headers["x-total"], headers["x-total-pages"]) == ("25", "3")
    assert (headers["x-prev-page"], headers["x-next-page"]) == ("1", "3")
    assert '<http://i/list?page=3&per_page=10>; rel="next"' in headers["link"]
    assert '<http://i/list?page=1&per_page=10>; rel="prev"' in headers["link"]


@pytest.mark.parametrize(("number", "total"), [(1, 0), (1, 10), (9, 10)])
def test_the_last_page_leads_no_further(number: int, total: int) -> None:
    headers = _headers(number, total)
    assert headers["x-next-page"] == ""
    assert 'rel="next"' not in headers["link"]


@pytest.mark.parametrize(("number", "size"), [(0, 20), (-1, 20), (1, 0), (10**9, 20)])
def test_a_page_that_cannot_be_is_refused(number: int, size: int) -> None:
    with pytest.raises(InvalidFieldsError):
        Page.asked(number, size)


def test_a_page_is_never_larger_than_the_largest() -> None:
    assert Page.asked(1, 5000).size == MAX_PER_PAGE


def test_a_list_is_cut_into_pages(db: Db) -> None:
    def fill(session: Session) -> None:
        for number in range(5):
            publish(session, f"t{number}", {}, now=NOW)

    db.write_blocking(fill)
    query = select(OutboxRow).order_by(col(OutboxRow.sequence))
    found = db.read_blocking(lambda session: cut(session, query, Page(number=2, size=2)))
    assert [row.topic for row in found.items] == ["t2", "t3"]
    assert found.total == 5


@pytest.mark.parametrize(
    ("asked", "bounds"),
    [
        ({}, (0, 100)),
        ({"first": 10}, (0, 10)),
        ({"first": 0}, (0, 0)),
        ({"first": 1000}, (0, 100)),
        ({"first": 10, "after": 9}, (10, 20)),
        ({"first": 10, "after": 245}, (246, 250)),
        ({"first": 10, "after": 9999}, (250, 250)),
        ({"first": 10, "before": 5}, (0, 5)),
        ({"last": 10}, (240, 250)),
        ({"last": 1000}, (150, 250)),
        ({"last": 10, "before": 5}, (0, 5)),
        ({"last": 2, "before": 5}, (3, 5)),
        ({"last": 2, "after": 7, "before": 9}, (8, 9)),
        ({"after": 9, "before": 5}, (10, 10)),
    ],
)
def test_a_span_lies_within_the_list(asked: dict[str, int], bounds: tuple[int, int]) -> None:
    nothing = dict.fromkeys(("first", "after", "last", "before"))
    assert Span.asked(**{**nothing, **asked}).bounds(250) == bounds


@pytest.mark.parametrize("asked", [(-1, None), (None, -1), (1, 1)])
def test_a_span_that_cannot_be_is_refused(asked: tuple[int | None, int | None]) -> None:
    with pytest.raises(InvalidFieldsError):
        Span.asked(first=asked[0], after=None, last=asked[1], before=None)


def test_a_stretch_says_what_lies_around_it(db: Db) -> None:
    def fill(session: Session) -> None:
        for number in range(5):
            publish(session, "t", {"number": number}, now=NOW)

    db.write_blocking(fill)
    query = select(OutboxRow).order_by(col(OutboxRow.sequence))

    def read(**asked: int) -> tuple[int, bool, bool]:
        found = db.read_blocking(lambda session: cut_span(session, query, Span(**asked)))
        assert found.total == 5
        return len(found.items), found.has_previous, found.has_next

    assert read(first=2) == (2, False, True)
    assert read(first=2, after=1) == (2, True, True)
    assert read(last=2) == (2, True, False)
    assert read() == (5, False, False)
