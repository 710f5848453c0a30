"""Which permission each route of the gateway needs; a route that is not here is refused."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.contract.challenge import CHALLENGE_PATH
from gateway.contract.definitions import DEFINITIONS_PATH
from gateway.contract.probing import CHECK_PATH
from gateway.issuer.tokens.profiles import Kind

EVERY_KIND: frozenset[Kind] = frozenset({"casemate", "gitlab", "user"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePolicy:
    """What one route asks of a request.

    `unit_primitive` None means: any valid token, no model is called. With `is_of_prompt` it is that
    of the prompt which the path names, so any token may learn that there is no such prompt.
    `may_name_another` lets `X-Gitlab-Unit-Primitive` choose another that the token holds. `takes`
    are the kinds of token that are good here: as with GitLab's gateway, code generations, `/v3`,
    `/v4` and the making of tokens take none of kind `user`. With `is_for_instance` only the pinned
    instance's own token is good, which opens nothing else, and no user's.
    """

    unit_primitive: str | None = None
    may_name_another: bool = False
    takes: frozenset[Kind] = EVERY_KIND
    is_for_instance: bool = False
    is_of_prompt: bool = False


_ANY_TOKEN = RoutePolicy()
_OF_PROMPT = RoutePolicy(is_of_prompt=True)

# Open to anyone: they say how the gateway is and which models there are, and nothing else.
PUBLIC: frozenset[tuple[str, str]] = frozenset(
    {
        ("GET", "/monitoring/healthz"),
        ("GET", "/monitoring/ready"),
        ("GET", "/health"),
        ("POST", CHALLENGE_PATH),
        ("GET", DEFINITIONS_PATH),
    }
)

ROUTES: dict[tuple[str, str], RoutePolicy] = {
    ("GET", "/v1/models"): _ANY_TOKEN,
    ("GET", "/v1/models/{ref}"): _ANY_TOKEN,
    ("POST", "/v1/chat/completions"): RoutePolicy(unit_primitive="duo_chat", may_name_another=True),
    ("POST", "/v1/completions"): RoutePolicy(unit_primitive="complete_code"),
    ("POST", "/v1/prompts/{id}"): _OF_PROMPT,
    ("POST", "/v2/prompts/{id}"): _OF_PROMPT,
    ("POST", "/v1/chat/{name}"): _OF_PROMPT,
    ("POST", "/v2/chat/agent"): RoutePolicy(unit_primitive="duo_chat", may_name_another=True),
    # It makes the gateway connect to where the body says.
    ("POST", CHECK_PATH): RoutePolicy(takes=frozenset({"casemate"}), is_for_instance=True),
    # Ours are for one user already; only a GitLab's own token stands for many.
    ("POST", "/v1/code/user_access_token"): RoutePolicy(takes=frozenset({"gitlab"})),
}


class UncoveredRouteError(Exception):
    """A route is served that the policy table does not name."""


def check_coverage(served: Iterable[tuple[str, str]]) -> None:
    """Passes when every served (method, path) is in the table; called before the start.

    Raises:
        UncoveredRouteError: names those that are not.
    """
    uncovered = sorted(set(served) - ROUTES.keys() - PUBLIC)
    if uncovered:
        message = ", ".join(f"{method} {path}" for method, path in uncovered)
        raise UncoveredRouteError(message)
