"""Every route of a gateway, every kind of credential, and what the policy table says comes of both.

What is expected is worked out from the table's rows, apart from the code that enforces them, so a
route that is added to the table is walked by itself, and one that is not stops the start.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from gateway.contract.claims import Claims
from gateway.issuer.tokens.profiles import Kind
from gateway.issuer.tokens.user_tokens import SCOPES
from gateway.policy.routes import PUBLIC, ROUTES
from tests.builders import INSTANCE_ID

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

Route = tuple[str, str]
# A status, and the code of a refusal.
Outcome = tuple[int, str | None]

# It takes no inputs.
PROMPT = "model_configuration/check"
NAME = "explain_code"
OF_PROMPT = {"{id}": "complete_code", "{name}": "explain_code"}

FINE: Outcome = (200, None)
USER_TOKENS: Route = ("POST", "/v1/code/user_access_token")
OFF_BY_DEFAULT = frozenset({USER_TOKENS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who comes to every door with the same headers.

    `claims` None: what they show is not a good token of this instance. `names` is the unit
    primitive that their headers name. `is_astray`: their headers name a group that is not theirs.
    """

    kind: str
    headers: Mapping[str, str] = field(repr=False)
    claims: Claims | None = None
    names: str | None = None
    is_astray: bool = False
    token: Kind = "casemate"


def path_of(path: str, model: str) -> str:
    """A path of the table with one thing that there is in each of its gaps."""
    for gap, filling in {"{ref}": model, "{id}": PROMPT, "{name}": NAME}.items():
        path = path.replace(gap, filling)
    return path


def every_route() -> list[Route]:
    """All that a gateway may serve: it does not start with others."""
    return sorted(ROUTES.keys() | PUBLIC)


def other_routes() -> list[Route]:
    """The same paths with every method that the table does not have."""
    paths = {path for _, path in every_route()}
    return sorted({(method, path) for method in METHODS for path in paths} - set(every_route()))


def a_body(model: str, *, instance_id: str = INSTANCE_ID) -> dict[str, object]:
    """A question in the words of every surface at once: each takes its own members."""
    params = {"max_tokens_to_sample": 4}
    payload = {"content": "Hi", "model_identifier": model, "params": params}
    return {
        "model": model,
        "messages": [{"role": "user", "content": "Hi"}],
        "prompt": "Hi",
        "inputs": {},
        "prompt_components": [{"payload": payload}],
        "model_metadata": {"provider": "gitlab", "identifier": model},
        "max_tokens": 4,
        "instance_id": instance_id,
        "nonce": "once",
        "endpoint": "http://127.0.0.1:1/v1",
        "identifier": model,
    }


def expected(
    route: Route,
    visitor: Visitor,
    *,
    provider: str,
    opens: Collection[str] | None = None,
    is_all_on: bool = False,
) -> Outcome:
    """What the visitor gets who asks there for a model of that provider.

    `opens` has the unit primitives of the features that use the model; None: nothing is known of
    features. `is_all_on`: what is off unless a setting says otherwise is on.
    """
    if route in PUBLIC:
        return FINE
    if route in OFF_BY_DEFAULT and not is_all_on:
        return 404, "not_found"
    if visitor.claims is None:
        return 401, "invalid_token"
    if visitor.token not in ROUTES[route].takes:
        return 403, "issuer_not_permitted"
    if visitor.is_astray:
        return 403, "namespace_not_granted"
    return _granted(route, visitor, visitor.claims, provider=provider, opens=opens)


def _granted(
    route: Route,
    visitor: Visitor,
    claims: Claims,
    *,
    provider: str,
    opens: Collection[str] | None,
) -> Outcome:
    policy = ROUTES[route]
    if policy.is_for_instance:
        return FINE if claims.use == "instance" else (403, "instance_only")
    if route == USER_TOKENS:
        return FINE if claims.scopes & SCOPES else (403, "feature_not_granted")
    # The models are the pinned instance's, and not for the tokens of another issuer.
    is_there = visitor.token == "casemate"
    is_entitled = is_there and provider in claims.providers
    if policy.unit_primitive is None and not policy.is_of_prompt:
        # Nothing is called here; a model that is not for them is not there for them.
        is_listed = is_entitled and (opens is None or not claims.scopes.isdisjoint(opens))
        return FINE if is_listed or "{ref}" not in route[1] else (404, "model_not_found")
    if claims.use == "instance" or _needed(route, visitor) not in claims.scopes:
        return 403, "feature_not_granted"
    if not is_there:
        return 404, "model_not_found"
    return FINE if is_entitled else (403, "provider_not_entitled")


def _needed(route: Route, visitor: Visitor) -> str | None:
    policy = ROUTES[route]
    if policy.is_of_prompt:
        return next(named for gap, named in OF_PROMPT.items() if gap in route[1])
    if policy.may_name_another and visitor.names is not None:
        return visitor.names
    return policy.unit_primitive
