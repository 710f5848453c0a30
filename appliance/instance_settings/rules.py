"""Which settings an admin can change, what each may be, and what holds when several say it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from appliance.errors import InvalidFieldsError
from appliance.instance_settings.errors import AddressNotAllowedHereError
from gateway.contract.addresses import Endpoint, EndpointRefusedError, Network, parse_endpoint
from gateway.contract.claims import LEEWAY_S, LONGEST_LIFE_S
from gateway.contract.egress import EgressPolicy, EgressRefusedError

Name = Literal[
    "instance_public_url",
    "gateway_public_url",
    "ai_gateway_url",
    "ai_gateway_timeout_seconds",
    "ai_action_api_rate_limit",
]
NAMES: tuple[Name, ...] = get_args(Name)
# What the real instance takes.
DEFAULT_TIMEOUT_S = 60
TIMEOUTS_S = range(60, 601)
# The real instance's, for each user; the most is some 35 a second.
DEFAULT_REQUESTS_PER_8H = 160
REQUESTS_PER_8H = range(1_000_001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """What a setting that is no address may be; `counted` is what it is a number of."""

    allowed: range
    counted: str

    def problem_of(self, value: str | int) -> str | None:
        """What is wrong with a value; None: nothing."""
        text = str(value)
        is_short = len(text) <= len(str(self.allowed[-1]))
        if text.isascii() and text.isdecimal() and is_short and int(text) in self.allowed:
            return None
        return (
            f"must be a whole number of {self.counted} from {self.allowed[0]} to {self.allowed[-1]}"
        )


# Every other setting is an address.
NUMBERS: Mapping[str, Number] = {
    "ai_gateway_timeout_seconds": Number(allowed=TIMEOUTS_S, counted="seconds"),
    "ai_action_api_rate_limit": Number(
        allowed=REQUESTS_PER_8H, counted="requests of a user within 8 hours, 0 for no limit,"
    ),
}

# Tokens that name a former issuer are gone once so much time has passed.
FORMER_ISSUER_LASTS = timedelta(seconds=LONGEST_LIFE_S + LEEWAY_S)

# Gives the addresses of a host; OSError when it has none.
Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the parts are reached: instance and gateway by clients, the gateway by the instance.

    `instance_public_url` is the `iss` of access tokens as well.
    """

    instance_public_url: str
    gateway_public_url: str
    ai_gateway_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often a user may ask; `requests_per_8h` counts AI actions, and 0 is no limit."""

    requests_per_8h: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A setting that was changed here."""

    name: str
    value: str
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSettings:
    """What holds now; `set_here` are the settings that no longer follow the environment.

    `ai_gateway_timeout_s` is how long the gateway may say nothing to a request of the instance's.
    """

    addresses: Addresses
    ai_gateway_timeout_s: int
    limits: Limits
    set_here: frozenset[Name]
    updated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerIssuer:
    """What tokens named as their issuer until `replaced_at`."""

    issuer: str
    replaced_at: datetime


def effective(told: Addresses, stored: Iterable[Stored]) -> InstanceSettings:
    """What was set here, and for the rest what the environment says."""
    here = {each.name: each for each in stored if each.name in NAMES}
    values = {name: each.value for name, each in here.items()}
    return InstanceSettings(
        addresses=Addresses(
            instance_public_url=values.get("instance_public_url", told.instance_public_url),
            gateway_public_url=values.get("gateway_public_url", told.gateway_public_url),
            ai_gateway_url=values.get("ai_gateway_url", told.ai_gateway_url),
        ),
        ai_gateway_timeout_s=int(values.get("ai_gateway_timeout_seconds", DEFAULT_TIMEOUT_S)),
        limits=limits(here.values()),
        set_here=frozenset(name for name in NAMES if name in here),
        updated_at=max((each.changed_at for each in here.values()), default=None),
    )


def limits(stored: Iterable[Stored]) -> Limits:
    """The limits that were set here, and for the rest those of the real instance."""
    values = {each.name: each.value for each in stored}
    return Limits(
        requests_per_8h=int(values.get("ai_action_api_rate_limit", DEFAULT_REQUESTS_PER_8H))
    )


def accepted_issuers(
    present: str, former: Iterable[FormerIssuer], *, now: datetime
) -> tuple[str, ...]:
    """The present issuer, then those that a token may still name, the last one first."""
    alive = sorted(
        (each for each in former if each.replaced_at + FORMER_ISSUER_LASTS > now),
        key=lambda each: each.replaced_at,
        reverse=True,
    )
    return tuple(dict.fromkeys((present, *(each.issuer for each in alive))))


def checked_changes(changes: Mapping[str, str | int | None]) -> dict[Name, str | None]:
    """The changes in the form that is stored; None takes a setting back.

    Raises:
        InvalidFieldsError: with a sentence for each setting that is unknown or cannot be used.
    """
    problems = {name: _problem(name, value) for name, value in changes.items()}
    found = {name: problem for name, problem in problems.items() if problem is not None}
    if found:
        raise InvalidFieldsError(found)
    return {
        name: None if (value := changes[name]) is None else str(value).rstrip("/")
        for name in NAMES
        if name in changes
    }


def _problem(name: str, value: str | int | None) -> str | None:
    if name not in NAMES:
        return f"is no setting; there are {', '.join(NAMES)}"
    if value is None:
        return None
    if (number := NUMBERS.get(name)) is not None:
        return number.problem_of(value)
    try:
        parse_endpoint(str(value))
    except EndpointRefusedError as refusal:
        return f"cannot be used: {refusal.reason}".replace("The endpoint", "it")
    return None


def check_address(
    name: Name, url: str, *, networks: Sequence[Network], resolve: Resolve
) -> Endpoint:
    """Passes when an address lies within the networks; blocks while its host is resolved.

    Only clients use the public ones, so those may be names that this machine does not know.

    Raises:
        AddressNotAllowedHereError: it lies outside, or the gateway's host is not known.
    """
    endpoint = parse_endpoint(url)
    policy = EgressPolicy(tuple(networks)).with_hosts([endpoint.host])
    try:
        policy.pin(endpoint.host, resolve(endpoint.host, endpoint.port))
    except EgressRefusedError as cause:
        raise AddressNotAllowedHereError(name, cause.sentence) from cause
    except (OSError, UnicodeError) as cause:
        if name == "ai_gateway_url":
            reason = f"The host {endpoint.host} cannot be resolved."
            raise AddressNotAllowedHereError(name, reason) from cause
    return endpoint
