"""Cuts long lists into pages, and says so in the headers that GitLab's clients read."""

from collections.abc import Sequence
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

    def headers(self, url: str) -> dict[str, str]:
        """GitLab's pagination headers; `url` is the list's own, without a query."""
        last = max(1, -(-self.total // self.page.size))
        number = self.page.number
        following = number + 1 if number < last else None
        previous = number - 1 if 1 < number <= last + 1 else None
        relations = {"prev": previous, "next": following, "first": 1, "last": last}
        links = (
            f'<{url}?{urlencode({"page": target, "per_page": self.page.size})}>; rel="{relation}"'
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
    counted = select(func.count()).select_from(query.order_by(None).subquery())
    total = session.exec(counted).one()
    found = session.exec(query.offset((page.number - 1) * page.size).limit(page.size)).all()
    return Slice(items=found, page=page, total=total)
