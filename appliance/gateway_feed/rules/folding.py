"""What a run of changes amounts to: which parts of the feed are new, and what is revoked."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from gateway.contract import feed
from gateway.contract.claims import LEEWAY_S, LONGEST_LIFE_S

# The outbox's topics, as those who publish name them; a test compares them.
USER = "user"
PERSONAL_ACCESS_TOKEN = "personal_access_token"  # noqa: S105  # a topic, not a credential
SIGNING_KEY = "signing_key"
SELF_HOSTED_MODEL = "self_hosted_model"
FEATURE_FLAG = "feature_flag"
INSTANCE_SETTING = "instance_setting"
NAMESPACE = "namespace"
GROUP_CHOICE = "group_choice"
FEATURE_SETTING = "feature_setting"
OFFERED_MODEL = "offered_model"
REVOKING = frozenset({USER, PERSONAL_ACCESS_TOKEN, SIGNING_KEY})
# What there is to choose from follows from each of them.
_OFFERING = frozenset({FEATURE_SETTING, OFFERED_MODEL, SELF_HOSTED_MODEL})

# A token may be minted from a view of the data from just before a change, and be taken until its
# end by a clock that is behind.
REMEMBERED_FOR = timedelta(seconds=LONGEST_LIFE_S + 2 * LEEWAY_S + 60)


class Change(Protocol):
    """One change, as the outbox has it."""

    @property
    def topic(self) -> str:
        """What it is about."""

    @property
    def payload(self) -> Mapping[str, Any]:
        """Which rows it concerns."""

    @property
    def created_at(self) -> datetime:
        """When it was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """The parts of the feed that changes concern.

    `refs` are of models, `groups` the numbers of groups, present and past.
    """

    refs: frozenset[str]
    groups: frozenset[int]
    has_features: bool
    has_keys: bool
    has_issuers: bool
    has_flags: bool
    has_revocations: bool


def touched(changes: Sequence[Change]) -> Touched:
    """Which parts of a document these changes may make new."""
    topics = {change.topic for change in changes}
    refs: set[str] = set()
    groups: set[int] = set()
    for change in changes:
        if change.topic == SELF_HOSTED_MODEL:
            named = (change.payload.get("ref"), change.payload.get("previous_ref"))
            refs.update(ref for ref in named if ref is not None)
        groups.update(_groups(change))
    return Touched(
        refs=frozenset(refs),
        groups=frozenset(groups),
        has_features=not topics.isdisjoint(_OFFERING),
        has_keys=SIGNING_KEY in topics,
        has_issuers=INSTANCE_SETTING in topics,
        has_flags=FEATURE_FLAG in topics,
        has_revocations=any(_revokes(change) for change in changes),
    )


def _groups(change: Change) -> Iterable[int]:
    payload = change.payload
    if change.topic == NAMESPACE:
        return (payload["id"],)
    if change.topic != GROUP_CHOICE:
        return ()
    many: Sequence[int] | None = payload.get("namespace_ids")
    return (payload["namespace_id"],) if many is None else many


def _revokes(change: Change) -> bool:
    payload = change.payload
    match change.topic:
        case "user":
            return bool(payload.get("generations")) or payload.get("change") == "era"
        case "personal_access_token":
            return payload.get("change") == "revoked"
        case "signing_key":
            return payload.get("change") == "dead"
        case _:
            return False


def fold(
    changes: Iterable[Change], *, name_of: Callable[[int], str], minimum_era: int
) -> feed.Revocations:
    """Everything that the changes revoke, each thing once.

    `name_of` gives a user's global id. What was revoked before a restore is in no change.
    """
    generations: dict[int, feed.MinimumGeneration] = {}
    credentials: dict[str, feed.RevokedCredential] = {}
    dead_keys: dict[str, feed.DeadKey] = {}
    for change in changes:
        if not _revokes(change):
            continue
        until = _until(change.created_at)
        payload = change.payload
        match change.topic:
            case "user":
                for user_id, least in _generations(payload, until=until, name_of=name_of):
                    generations[user_id] = _higher(generations.get(user_id), least)
            case "personal_access_token":
                credential = f"pat:{payload['id']}"
                credentials[credential] = feed.RevokedCredential(credential=credential, until=until)
            case _:
                dead_keys[payload["kid"]] = feed.DeadKey(kid=payload["kid"], until=until)
    return feed.Revocations(
        credentials=tuple(credentials.values()),
        generations=tuple(generations.values()),
        dead_keys=tuple(dead_keys.values()),
        minimum_era=minimum_era,
    )


def _until(created_at: datetime) -> int:
    return int((created_at + REMEMBERED_FOR).timestamp()) + 1


def _generations(
    payload: Mapping[str, Any], *, until: int, name_of: Callable[[int], str]
) -> Iterable[tuple[int, feed.MinimumGeneration]]:
    for user_id, generation in (payload.get("generations") or {}).items():
        yield (
            int(user_id),
            feed.MinimumGeneration(
                subject=name_of(int(user_id)),
                generation=generation,
                until=until,
                ends_streams=bool(payload.get("ends_streams")),
            ),
        )


def _higher(
    known: feed.MinimumGeneration | None, fresh: feed.MinimumGeneration
) -> feed.MinimumGeneration:
    if known is None:
        return fresh
    return feed.MinimumGeneration(
        subject=fresh.subject,
        generation=max(known.generation, fresh.generation),
        until=max(known.until, fresh.until),
        # Whoever held an answer open under the lower one was to lose it.
        ends_streams=known.ends_streams or fresh.ends_streams,
    )
