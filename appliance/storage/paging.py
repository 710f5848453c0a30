"""Cuts long lists into pages, and says so in the headers that GitLab's clients read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

from sqlalchemy import func
from sqlmodel import select
from sqlmodel.sql.expression import SelectOfScalar

from appliance.errors import InvalidFieldsError
from appliance.storage.engine import Session

T = TypeVar("T")

DEFAULT_PER_PAGE = 20
MAX_PER_PAGE = 100
# An offset beyond PostgreSQL's bigint would be a fault of the database, not of the caller.
MAX_PAGE = 1_000_000
MAX_POSITION = MAX_PAGE * MAX_PER_PAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list is asked for; `number` counts from 1."""

    number: int
    size: int

    @classmethod
    def asked(cls, number: int, size: int) -> "Page":
        """The page a caller asks for; a larger size than the largest is taken as that.

        Raises:
            InvalidFieldsError: a number or size below 1, or a number past a million.
        """
        problems = {}
        if not 1 <= number <= MAX_PAGE:
            problems["page"] = f"must be between 1 and {MAX_PAGE}"
        if size < 1:
            problems["per_page"] = "must be at least 1"
        if problems:
            raise InvalidFieldsError(problems)
        return cls(number=number, size=min(size, MAX_PER_PAGE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Generic[T]):
    """One page of a list that has `total` items."""

    items: Sequence[T]
    page: Page
    total: int

    def headers(self, url: str, *, asked: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
        """GitLab's pagination headers; `url` is the list's own, without a query.

        `asked` is the query of the request, which the links to other pages repeat.
        """
        kept = [each for each in asked if each[0] not in {"page", "per_page"}]
        last = max(1, -(-self.total // self.page.size))
        number = self.page.number
        following = number + 1 if number < last else None
        previous = number - 1 if 1 < number <= last + 1 else None
        relations = {"prev": previous, "next": following, "first": 1, "last": last}
        links = (
            f"<{url}?{urlencode([('page', target), ('per_page', self.page.size), *kept])}>; "
            f'rel="{relation}"'
            for relation, target in relations.items()
            if target is not None
        )
        return {
            "x-total": str(self.total),
            "x-total-pages": str(last),
            "x-page": str(number),
            "x-per-page": str(self.page.size),
            "x-next-page": str(following or ""),
            "x-prev-page": str(previous or ""),
            "link": ", ".join(links),
        }


def cut(session: Session, query: SelectOfScalar[T], page: Page) -> Slice[T]:
    """Reads one page of what `query`, which must be ordered, finds."""
    total = _count(session, query)
    found = session.exec(query.offset((page.number - 1) * page.size).limit(page.size)).all()
    return Slice(items=found, page=page, total=total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which part of a list is asked for, from a place in it; `after` and `before` are outside."""

    first: int | None = None
    after: int | None = None
    last: int | None = None
    before: int | None = None

    @classmethod
    def asked(
        cls, *, first: int | None, after: int | None, last: int | None, before: int | None
    ) -> "Span":
        """The part a caller asks for; of a longer one only the longest page is meant.

        Raises:
            InvalidFieldsError: a negative length, or both ends of the list at once.
        """
        problems = {
            name: "must be at least 0"
            for name, length in (("first", first), ("last", last))
            if length is not None and length < 0
        }
        if first is not None and last is not None:
            problems["last"] = "leave it out where `first` is given"
        if problems:
            raise InvalidFieldsError(problems)
        return cls(first=first, after=after, last=last, before=before)

    def bounds(self, total: int) -> tuple[int, int]:
        """Where the part begins, and the place after its end, in a list of `total` items."""
        start = 0 if self.after is None else min(self.after + 1, total)
        end = total if self.before is None else max(start, min(self.before, total))
        if self.last is not None:
            return max(start, end - min(self.last, MAX_PER_PAGE)), end
        length = MAX_PER_PAGE if self.first is None else min(self.first, MAX_PER_PAGE)
        return start, min(end, start + length)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch(Generic[T]):
    """A part of a list that has `total` items; `start` counts from 0."""

    items: Sequence[T]
    start: int
    total: int

    @property
    def has_previous(self) -> bool:
        """Whether there is something before it."""
        return self.start > 0

    @property
    def has_next(self) -> bool:
        """Whether there is something behind it."""
        return self.start + len(self.items) < self.total


def cut_span(session: Session, query: SelectOfScalar[T], span: Span) -> Stretch[T]:
    """Reads the part that `span` means of what `query`, which must be ordered, finds."""
    total = _count(session, query)
    start, end = span.bounds(total)
    found = session.exec(query.offset(start).limit(end - start)).all()
    return Stretch(items=found, start=start, total=total)


def _count(session: Session, query: SelectOfScalar[T]) -> int:
    counted = select(func.count()).select_from(query.order_by(None).subquery())
    return session.exec(counted).one()
