"""What is tried before a model is relied on, with which API key, and what the outcome says."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec import structs

from appliance.errors import InvalidFieldsError
from appliance.self_hosted_models.rules.origins import check_key_stays, origin_of
from appliance.self_hosted_models.rules.registration import Description, told_endpoints
from gateway.contract.probing import GATEWAY, OK, Finding, ModelCheck

# Has a gateway try the endpoint; a gateway that cannot be reached is a finding as well.
ProbeModel = Callable[[ModelCheck], Awaitable[Sequence[Finding]]]


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


def to_try(description: Description, stored: StoredModel | None) -> tuple[ModelCheck, ...]:
    """What is tried at each endpoint: the description, or what is stored where it says nothing.

    The stored API key goes only to where it goes anyway.

    Raises:
        InvalidFieldsError: no endpoint or no identifier; or another server, without its API key.
    """
    endpoints = told_endpoints(description) or (stored.endpoints if stored else ())
    identifier = description.identifier or (stored.identifier if stored else None)
    if not endpoints or identifier is None:
        said = {"endpoint": endpoints, "identifier": identifier}
        missing = [name for name, value in said.items() if not value]
        raise InvalidFieldsError(dict.fromkeys(missing, "is required"))
    return tuple(
        ModelCheck(
            endpoint=endpoint,
            identifier=identifier,
            api_key=_key_for(endpoint, description.api_key, stored),
        )
        for endpoint in endpoints
    )


def _key_for(endpoint: str, told: str | None, stored: StoredModel | None) -> str | None:
    if told is not None or stored is None or stored.api_key is None:
        return told or None
    if origin_of(endpoint) is None:
        # It is the gateway's to say what is wrong with it, and no key is needed for that.
        return None
    check_key_stays([endpoint], stored=stored.endpoints)
    return stored.api_key


def result_of(tried: Mapping[str, Sequence[Finding]]) -> ProbeResult:
    """What the findings at each endpoint come to together; none at one is a failure there."""
    findings = [each for found in tried.values() for each in found or [NOTHING]]
    if len(tried) > 1:
        findings = [
            structs.replace(each, name=f"{each.name} {endpoint}")
            for endpoint, found in tried.items()
            for each in found or [NOTHING]
        ]
    failed = [each for each in findings if not each.success]
    if not failed:
        where = ", ".join(tried)
        return ProbeResult(
            success=True,
            message=f"The model answers at {where}, and streams.",
            details={"code": OK, "fix": None, "proposes": {}},
            errors=(),
            probes=tuple(findings),
        )
    first = failed[0]
    return ProbeResult(
        success=False,
        message=first.message,
        details={"code": first.code, "fix": first.fix, "proposes": first.proposes},
        errors=tuple(" ".join(filter(None, (each.message, each.fix))) for each in failed),
        probes=tuple(findings),
    )


NOTHING = Finding(
    name=GATEWAY,
    success=False,
    code="no_findings",
    message="The gateway did not say what it found.",
    fix="See `casemate logs gateway`; a gateway of an older release has no such check: upgrade it.",
)
