"""What is tried before a model is relied on, with which API key, and what the outcome says."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from appliance.errors import InvalidFieldsError
from appliance.self_hosted_models.rules.registration import Description
from gateway.contract.addresses import EndpointRefusedError, parse_endpoint
from gateway.contract.egress import folded_host
from gateway.contract.probing import Finding, ModelCheck

# Has a gateway try the endpoint; a gateway that cannot be reached is a finding as well.
ProbeModel = Callable[[ModelCheck], Awaitable[Sequence[Finding]]]

# The step before those of the contract: the way to the gateway that tries the others.
GATEWAY = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """What is registered of a model that is tried again, its API key in clear."""

    endpoints: tuple[str, ...]
    identifier: str
    api_key: str | None

    def __repr__(self) -> str:
        return f"StoredModel(endpoints={self.endpoints!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a check came to; `details` has the `code`, the `fix` and what it `proposes`.

    `errors` has a sentence for each step that failed, its fix behind it.
    """

    success: bool
    message: str
    details: Mapping[str, object]
    errors: tuple[str, ...]
    probes: tuple[Finding, ...]


def to_try(description: Description, stored: StoredModel | None) -> ModelCheck:
    """What is tried: the description, with what is stored in place of what it leaves out.

    The stored API key goes only to where it goes anyway; else whoever has an admin's session for a
    minute could have it sent to a server of their own.

    Raises:
        InvalidFieldsError: no endpoint or no identifier; or another server, without its API key.
    """
    endpoint = description.endpoint or (stored.endpoints[0] if stored else None)
    identifier = description.identifier or (stored.identifier if stored else None)
    if endpoint is None or identifier is None:
        said = {"endpoint": endpoint, "identifier": identifier}
        missing = [name for name, value in said.items() if value is None]
        raise InvalidFieldsError(dict.fromkeys(missing, "is required"))
    api_key, origin = description.api_key, _origin(endpoint)
    # An address that is none gets no key: it is the gateway's to say what is wrong with it.
    if api_key is None and stored is not None and stored.api_key is not None and origin:
        if origin not in {_origin(each) for each in stored.endpoints}:
            problem = (
                "is needed again, or null for none: the stored one is never sent to another server "
                "than that of the stored endpoint"
            )
            raise InvalidFieldsError({"api_key": problem})
        api_key = stored.api_key
    return ModelCheck(endpoint=endpoint, identifier=identifier, api_key=api_key or None)


def _origin(url: str) -> tuple[str, str, int] | None:
    try:
        endpoint = parse_endpoint(url)
    except EndpointRefusedError:
        return None
    return endpoint.scheme, folded_host(endpoint.host), endpoint.port


def result_of(check: ModelCheck, findings: Sequence[Finding]) -> ProbeResult:
    """What the findings come to together; none is a failure."""
    failed = [each for each in findings if not each.success]
    if findings and not failed:
        return ProbeResult(
            success=True,
            message=f"The model {check.identifier!r} answers at {check.endpoint}, and streams.",
            details={"code": "ok", "fix": None, "proposes": {}},
            errors=(),
            probes=tuple(findings),
        )
    first = failed[0] if failed else NOTHING
    return ProbeResult(
        success=False,
        message=first.message,
        details={"code": first.code, "fix": first.fix, "proposes": first.proposes},
        errors=tuple(
            " ".join(filter(None, (each.message, each.fix))) for each in failed or [first]
        ),
        probes=tuple(findings),
    )


NOTHING = Finding(
    name=GATEWAY,
    success=False,
    code="no_findings",
    message="The gateway did not say what it found.",
    fix="See `casemate logs gateway`; a gateway of an older release has no such check: upgrade it.",
)
