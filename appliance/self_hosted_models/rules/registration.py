"""What a registration of a model is, and what can be said of one."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from appliance.errors import InvalidFieldsError
from appliance.self_hosted_models.errors import EndpointNotAllowedError
from appliance.self_hosted_models.rules.identifiers import problem_of_transport
from gateway.contract.addresses import EndpointRefusedError, Network, parse_endpoint
from gateway.contract.catalog import Catalog
from gateway.contract.definitions import REF
from gateway.contract.egress import EgressPolicy, EgressRefusedError
from gateway.contract.peers import NetworkRefusedError, parse_network
from gateway.contract.selection import DEFAULT_MODEL, ref_key

Resolve = Callable[[str, int], Sequence[str]]

DEFAULT_FAMILY = "general"
DEFAULT_PROVIDER = "shm"
MAX_TEXT_CHARS = 255
MAX_API_KEY_CHARS = 4096
MAX_ALLOWED_NETWORKS = 256
MAX_ENDPOINTS = 64
MOST_IN_FLIGHT = 100_000
# What takes a limit away.
NO_LIMIT = 0

API_KEY = re.compile(r"[\x21-\x7e]+")  # what may stand in an Authorization header


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfHostedModel:
    """A registered model; `is_local` marks the one that this box's own set-up looks after.

    `allowed_networks` are the CIDRs of the clients that may use it; none: all. `identifier` is as
    it was told; endpoints know it by `served_identifier`. `max_in_flight` is how many requests one
    gateway may have open at it; None: no limit.
    """

    id: int
    ref: str
    name: str
    family: str
    endpoint: str
    identifier: str
    provider: str
    has_api_key: bool
    is_local: bool
    created_at: datetime
    updated_at: datetime
    is_enabled: bool = True
    allowed_networks: tuple[str, ...] = ()
    further_endpoints: tuple[str, ...] = ()
    max_in_flight: int | None = None

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where it is served, the main one first."""
        return (self.endpoint, *self.further_endpoints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What can be said of a model; None leaves a thing as it is, an empty API key removes it.

    `endpoint` is the main one alone, `endpoints` all of them; only one of the two is said.
    `NO_LIMIT` takes `max_in_flight` away. `allowed_networks` are texts that `allow_list` reads; an
    empty list lets everybody in.
    """

    ref: str | None = None
    name: str | None = None
    family: str | None = None
    endpoint: str | None = None
    identifier: str | None = None
    provider: str | None = None
    api_key: str | None = None
    is_enabled: bool | None = None
    allowed_networks: Sequence[str] | None = None
    endpoints: Sequence[str] | None = None
    max_in_flight: int | None = None

    def __repr__(self) -> str:
        return f"Description(ref={self.ref!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewModel:
    """A description with everything that a model cannot be without."""

    ref: str
    name: str
    family: str
    endpoints: tuple[str, ...]
    identifier: str
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model with its API key in clear, for sealing it to a gateway at once."""

    model: SelfHostedModel
    api_key: str | None

    def __repr__(self) -> str:
        return f"ServedModel(ref={self.model.ref!r})"


def complete(description: Description) -> NewModel:
    """The description of a new model, with the family and provider that most have.

    Raises:
        InvalidFieldsError: something that a model cannot be without is missing.
    """
    endpoints = told_endpoints(description)
    match description:
        case Description(ref=str(ref), name=str(name), identifier=str(identifier)) if endpoints:
            return NewModel(
                ref=ref,
                name=name,
                family=description.family or DEFAULT_FAMILY,
                endpoints=endpoints,
                identifier=identifier,
                provider=description.provider or DEFAULT_PROVIDER,
            )
        case _:
            needed = ("ref", "name", "identifier")
            missing = [name for name in needed if getattr(description, name) is None]
            missing += [] if endpoints else ["endpoint"]
            raise InvalidFieldsError(dict.fromkeys(missing, "is required"))


def told_endpoints(description: Description) -> tuple[str, ...]:
    """The endpoints that are told, each once, the main one first."""
    if description.endpoint is not None:
        return (description.endpoint,)
    return tuple(dict.fromkeys(description.endpoints or ()))


def with_checked_endpoints(description: Description, check: Callable[[str], str]) -> Description:
    """The same with each endpoint in the form that `check` gives it.

    Raises:
        InvalidFieldsError: so many that they should not be looked up.
        EndpointNotAllowedError: by `check`.
    """
    problem = _problem_of_endpoints(description)
    if problem is not None:
        raise InvalidFieldsError({"endpoints": problem})
    if description.endpoint is not None:
        return replace(description, endpoint=check(description.endpoint))
    if description.endpoints is None:
        return description
    return replace(description, endpoints=[check(each) for each in description.endpoints])


def check_description(description: Description, catalog: Catalog) -> None:
    """Passes when everything that is said can be used; the endpoint is checked apart.

    Raises:
        InvalidFieldsError: with a sentence for each field at fault.
    """
    checks = {
        "ref": _problem_of_ref(description.ref),
        "name": _problem_of_text(description.name),
        "identifier": _problem_of_identifier(description.identifier),
        "endpoints": _problem_of_endpoints(description),
        "max_in_flight": _problem_of_limit(description.max_in_flight),
        "family": _problem_of_choice(description.family, catalog.model_families),
        "provider": _problem_of_choice(description.provider, catalog.registrable_providers()),
        "api_key": _problem_of_api_key(description.api_key),
        "allowed_cidrs": _problem_of_allow_list(description.allowed_networks),
    }
    problems = {name: problem for name, problem in checks.items() if problem is not None}
    if problems:
        raise InvalidFieldsError(problems)


def _problem_of_ref(ref: str | None) -> str | None:
    if ref is None:
        return None
    if ref_key(ref) == DEFAULT_MODEL:
        return f"must not be {ref!r}, which asks for the model that a feature uses by default"
    if REF.fullmatch(ref):
        return None
    return (
        "must be 1 to 255 letters, digits, '.', '_', '-', ':' or '/', "
        "and begin and end with a letter or digit"
    )


def _problem_of_text(text: str | None) -> str | None:
    if text is None or (text.strip() and len(text) <= MAX_TEXT_CHARS and text.isprintable()):
        return None
    return f"must be 1 to {MAX_TEXT_CHARS} printable characters"


def _problem_of_identifier(identifier: str | None) -> str | None:
    problem = _problem_of_text(identifier)
    if identifier is None or problem is not None:
        return problem
    return problem_of_transport(identifier)


def _problem_of_endpoints(description: Description) -> str | None:
    if description.endpoints is None:
        return None
    if description.endpoint is not None:
        return "names all endpoints, the first is the main one; leave out endpoint"
    if not 1 <= len(description.endpoints) <= MAX_ENDPOINTS:
        return f"must have 1 to {MAX_ENDPOINTS} addresses"
    return None


def _problem_of_limit(max_in_flight: int | None) -> str | None:
    if max_in_flight is None or NO_LIMIT <= max_in_flight <= MOST_IN_FLIGHT:
        return None
    return f"must be from 1 to {MOST_IN_FLIGHT}"


def _problem_of_choice(text: str | None, choices: Collection[str]) -> str | None:
    if text is None or text in choices:
        return None
    return f"must be one of {', '.join(choices)}"


def _problem_of_api_key(api_key: str | None) -> str | None:
    if not api_key or (len(api_key) <= MAX_API_KEY_CHARS and API_KEY.fullmatch(api_key)):
        return None
    return f"must be 1 to {MAX_API_KEY_CHARS} visible ASCII characters"


def _problem_of_allow_list(texts: Sequence[str] | None) -> str | None:
    texts = texts or ()
    if len(texts) > MAX_ALLOWED_NETWORKS:
        return f"may name at most {MAX_ALLOWED_NETWORKS} networks"
    for text in texts:
        try:
            parse_network(text)
        except NetworkRefusedError as refused:
            return f"{text[:MAX_TEXT_CHARS]!r} {refused.reason}"
    return None


def allow_list(texts: Sequence[str]) -> tuple[str, ...]:
    """The networks in one form each and once, in the order in which they were told.

    Raises:
        NetworkRefusedError: one is no network; `check_description` says so before.
    """
    return tuple(dict.fromkeys(str(parse_network(text)) for text in texts))


def checked_endpoint(url: str, *, networks: Sequence[Network], resolve: Resolve) -> str:
    """The endpoint's URL without a trailing slash; `resolve` gives the addresses of a host.

    Raises:
        EndpointNotAllowedError: not a usable URL, or an address outside `networks`.
    """
    try:
        endpoint = parse_endpoint(url)
    except EndpointRefusedError as cause:
        raise EndpointNotAllowedError(cause.reason) from cause
    policy = EgressPolicy(tuple(networks)).with_hosts([endpoint.host])
    try:
        policy.pin(endpoint.host, resolve(endpoint.host, endpoint.port))
    except EgressRefusedError as cause:
        raise EndpointNotAllowedError(cause.sentence) from cause
    except (OSError, UnicodeError) as cause:
        reason = f"The host {endpoint.host} cannot be resolved."
        raise EndpointNotAllowedError(reason) from cause
    return endpoint.url
