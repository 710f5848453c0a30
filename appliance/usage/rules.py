"""Which events count, what they add up to, and how sums are shown."""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from appliance.errors import InvalidFieldsError
from gateway.contract.events import UsageEvent
from gateway.contract.ulids import is_ulid

# A machine without a time source may be ahead by this much.
MAX_AHEAD = timedelta(minutes=5)
DEFAULT_PERIOD = timedelta(days=30)
MAX_LINES = 50_000

MAX_TEXT_CHARS = 255
MAX_NUMBER = 2**31 - 1
MAX_MS = 1e9
STATUSES = range(100, 600)

NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
NAMES = ("feature", "unit_primitive", "provider")
TEXTS = ("model", "request_id", "issuer", "subject")
COUNTS = ("prompt_tokens", "completion_tokens")
IDS = ("namespace_id", "root_namespace_id")
DURATIONS = ("queue_ms", "first_token_ms", "duration_ms")

# What a spreadsheet would take for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class Group(StrEnum):
    """What sums can be told apart by."""

    DAY = "day"
    FEATURE = "feature"
    PROVIDER = "provider"
    MODEL = "model"
    NAMESPACE = "namespace"
    USER = "user"


# Under which name a group is a column.
COLUMNS = {each: each.value for each in Group} | {
    Group.NAMESPACE: "namespace_id",
    Group.USER: "user_id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long single events, and their sums by day, are kept."""

    events: timedelta
    sums: timedelta


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class DayKey:
    """What one sum is of; 0 stands for no group and for nobody known."""

    day: date
    feature: str
    provider: str
    model: str
    namespace_id: int
    user_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """How much was used."""

    requests: int = 0
    answered: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def plus(self, event: UsageEvent) -> "Sums":
        """With one more event."""
        return Sums(
            requests=self.requests + 1,
            answered=self.answered + (event.outcome == "answered"),
            prompt_tokens=self.prompt_tokens + (event.prompt_tokens or 0),
            completion_tokens=self.completion_tokens + (event.completion_tokens or 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The sums of what shares these values, in the order of the groups asked for."""

    values: tuple[date | str | int, ...]
    sums: Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Whose usage is looked at; None leaves out nobody. Both days are inside, in UTC."""

    first: date
    last: date
    user_id: int | None = None
    namespace_ids: frozenset[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedEvent:
    """An event that counts, and who it was."""

    gateway_id: str
    user_id: int | None
    happened_at: datetime
    received_at: datetime
    event: UsageEvent


def refusal(event: UsageEvent, *, now: datetime, keeps: timedelta) -> str | None:
    """Why an event does not count; None when it does.

    What is older than events are kept is refused: the instance may have counted and forgotten it.
    """
    if not is_ulid(event.event_id):
        return "event_id is not a ULID"
    for fault in (_time_fault(event, now=now, keeps=keeps), _text_fault(event)):
        if fault is not None:
            return fault
    return _number_fault(event)


def _time_fault(event: UsageEvent, *, now: datetime, keeps: timedelta) -> str | None:
    if not math.isfinite(event.happened_at):
        return "happened_at is not a time"
    if event.happened_at > (now + MAX_AHEAD).timestamp():
        return "happened_at is in the future; look at the gateway's clock"
    if event.happened_at < (now - keeps).timestamp():
        return f"happened_at is more than {keeps.days} days ago"
    return None


def _text_fault(event: UsageEvent) -> str | None:
    for name in NAMES:
        if not NAME.fullmatch(getattr(event, name)):
            return f"{name} is not a name"
    for name in TEXTS:
        text = getattr(event, name)
        if not 1 <= len(text) <= MAX_TEXT_CHARS or not text.isprintable():
            return f"{name} is not 1 to {MAX_TEXT_CHARS} printable characters"
    return None


def _number_fault(event: UsageEvent) -> str | None:
    # An interrupted call has no status.
    if event.status not in STATUSES and event.status != 0:
        return "status is none of HTTP"
    bounds = [(name, 0, MAX_NUMBER) for name in COUNTS]
    bounds += [(name, 1, MAX_NUMBER) for name in IDS]
    for name, least, most in [*bounds, *((name, 0, MAX_MS) for name in DURATIONS)]:
        number = getattr(event, name)
        if number is not None and not least <= number <= most:
            return f"{name} is out of range"
    return None


def moment(event: UsageEvent) -> datetime:
    """When it happened, in UTC."""
    return datetime.fromtimestamp(event.happened_at, UTC)


def add_up(events: Iterable[UsageEvent], *, user_ids: Mapping[str, int]) -> dict[DayKey, Sums]:
    """The sums by day of some events, in one order for all who add them at the same time."""
    sums: dict[DayKey, Sums] = {}
    for event in events:
        key = DayKey(
            day=moment(event).date(),
            feature=event.feature,
            provider=event.provider,
            model=event.model,
            namespace_id=event.namespace_id or 0,
            user_id=user_ids.get(event.subject, 0),
        )
        sums[key] = sums.get(key, Sums()).plus(event)
    return dict(sorted(sums.items()))


def asked_groups(text: str) -> tuple[Group, ...]:
    """The groups named in a list with commas.

    Raises:
        InvalidFieldsError: an unknown one, or one twice.
    """
    names = [name.strip() for name in text.split(",")]
    known = {each.value for each in Group}
    if len(set(names)) < len(names) or not known.issuperset(names):
        reason = f"must name each once, from {', '.join(Group)}"
        raise InvalidFieldsError({"group_by": reason})
    return tuple(Group(name) for name in names)


def asked_days(first: date | None, last: date | None, *, today: date) -> tuple[date, date]:
    """The first and the last day of a question; the last thirty days if it names none.

    Raises:
        InvalidFieldsError: the first is after the last.
    """
    last = last or today
    first = first or last - DEFAULT_PERIOD + timedelta(days=1)
    if first > last:
        raise InvalidFieldsError({"from": "must not be after 'to'"})
    return first, last


def check_length(count: int) -> None:
    """Passes when an answer is not too long for one piece.

    Raises:
        InvalidFieldsError: it has more than `MAX_LINES` lines.
    """
    if count > MAX_LINES:
        reason = f"gives more than {MAX_LINES} lines; ask for fewer groups or days"
        raise InvalidFieldsError({"group_by": reason})


def to_rows(groups: Sequence[Group], lines: Iterable[Line]) -> list[dict[str, object]]:
    """The lines as records; no group and nobody known are None."""
    return [
        {
            **{
                COLUMNS[group]: None if value == 0 else value
                for group, value in zip(groups, line.values, strict=True)
            },
            "requests": line.sums.requests,
            "answered": line.sums.answered,
            "prompt_tokens": line.sums.prompt_tokens,
            "completion_tokens": line.sums.completion_tokens,
        }
        for line in lines
    ]


def to_csv(groups: Sequence[Group], lines: Iterable[Line]) -> str:
    """The lines as CSV (RFC 4180), with a header, safe to open in a spreadsheet."""
    text = io.StringIO()
    counts = ("requests", "answered", "prompt_tokens", "completion_tokens")
    writer = csv.DictWriter(text, [*(COLUMNS[group] for group in groups), *counts])
    writer.writeheader()
    for row in to_rows(groups, lines):
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue()


def _cell(value: object) -> object:
    # https://owasp.org/www-community/attacks/CSV_Injection
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value
