import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gateway.app import create_app
from gateway.contract.catalog import load_catalog
from gateway.contract.claims import Claims
from gateway.contract.ulids import is_ulid
from gateway.edge.metrics import Metrics
from gateway.issuer.tokens.user_tokens import SCOPES
from gateway.policy.routes import PUBLIC, ROUTES, UncoveredRouteError, check_coverage
from gateway.settings import Settings
from tests.builders import a_signing_key, a_token, some_claims
from tests.fakes.gitlab import (
    FakeGitLab,
    a_user_token_key,
    a_user_token_key_file,
    an_issuers_file,
    with_a_key_file,
)
from tests.gateway.conftest import RunningGateway, a_gateway
from tests.walk import Outcome, Route, Visitor, a_body, every_route, expected, other_routes, path_of

NAMESPACE = "X-Gitlab-Namespace-Id"
UNIT_PRIMITIVE = "X-Gitlab-Unit-Primitive"
NOW = int(time.time())
EVERYTHING = sorted(load_catalog().unit_primitives)

# Tokens that are none of ours, or are not good now.
BAD_TOKENS: dict[str, dict[str, Any]] = {
    "expired": {"iat": NOW - 3600, "nbf": NOW - 3600, "exp": NOW - 1800},
    "not yet": {"nbf": NOW + 86_400, "exp": NOW + 90_000},
    "another issuer": {"iss": "http://other.test"},
    "another audience": {"aud": ["gitlab-duo-workflow-service"]},
    "another instance": {"gitlab_instance_id": "99999999-2222-4333-8444-555555555555"},
    "wrong key": {"key": a_signing_key("another")},
    "unknown key": {"kid": "another"},
    "no key": {"kid": None},
    "no scopes at all": {"scopes": None},
}

# Good tokens by their claims, with the headers that come with them.
GOOD_TOKENS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "everything": ({"scopes": EVERYTHING}, {}),
    "everything, in a group": (
        {"scopes": EVERYTHING, "ns": 7, "root_ns": 5},
        {NAMESPACE: "7", "X-Gitlab-Root-Namespace-Id": "5"},
    ),
    "no scope": ({"scopes": []}, {}),
    "no provider": ({"scopes": EVERYTHING, "providers": []}, {}),
    "another provider": ({"scopes": EVERYTHING, "providers": ["duo", "amazonq"]}, {}),
    "nothing": ({"scopes": [], "providers": []}, {}),
    "the instance": ({"scopes": EVERYTHING, "use": "instance"}, {}),
    "names what it has": ({"scopes": ["ask_build"]}, {UNIT_PRIMITIVE: "ask_build"}),
    "names what it lacks": ({"scopes": ["duo_chat"]}, {UNIT_PRIMITIVE: "ask_build"}),
    "names nonsense": ({"scopes": EVERYTHING}, {UNIT_PRIMITIVE: "shm_duo_chat"}),
    **{f"only {each}": ({"scopes": [each]}, {}) for each in ("duo_chat", "complete_code")},
}
ASTRAY_TOKENS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "another group": ({"scopes": EVERYTHING, "ns": 7, "root_ns": 5}, {NAMESPACE: "8"}),
    "a group, of a token for none": ({"scopes": EVERYTHING}, {NAMESPACE: "7"}),
    "a group that is no number": ({"scopes": EVERYTHING, "ns": 7, "root_ns": 5}, {NAMESPACE: "x"}),
}


GITLAB = FakeGitLab()
GITLAB_TOKENS = {"all": EVERYTHING, "code": ["complete_code"]}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def strangers() -> Iterator[Visitor]:
    yield Visitor(kind="nothing shown", headers={})
    yield Visitor(kind="garbage", headers=bearer("garbage"))
    yield Visitor(kind="another scheme", headers={"Authorization": f"Basic {a_token()}"})
    yield Visitor(kind="unsigned", headers=bearer(a_token(key="", algorithm="none")))
    contradicted = {**bearer(a_token()), "X-Gitlab-Global-User-Id": "user-2"}
    yield Visitor(kind="another user's header", headers=contradicted)
    for kind, changes in BAD_TOKENS.items():
        yield Visitor(kind=kind, headers=bearer(a_token(**changes)))


def visitors() -> Iterator[Visitor]:
    yield from strangers()
    for tokens in (GOOD_TOKENS, ASTRAY_TOKENS):
        for kind, (changes, headers) in tokens.items():
            yield Visitor(
                kind=kind,
                headers={**bearer(a_token(**changes)), **headers},
                claims=msgspec.convert(some_claims(**changes), Claims),
                names=headers.get(UNIT_PRIMITIVE),
                is_astray=tokens is ASTRAY_TOKENS,
            )
    for kind, scopes in GITLAB_TOKENS.items():
        yield from gitlabs_visitors(kind, scopes)


def gitlabs_visitors(kind: str, scopes: list[str]) -> Iterator[Visitor]:
    """A GitLab's own token, and what a gateway made of it; without its settings, strangers."""
    said = some_claims(sub="global-user-1", scopes=scopes, providers=["duo"])
    claims = msgspec.convert(said, Claims)
    token = GITLAB.token(scopes=scopes)
    yield Visitor(
        kind=f"a GitLab, {kind}", headers=GITLAB.headers(token), claims=claims, token="gitlab"
    )
    token, _ = a_user_token_key().mint(
        msgspec.structs.replace(claims, iss=GITLAB.url, gitlab_instance_id=GITLAB.instance_id),
        now=time.time(),
    )
    held = msgspec.structs.replace(claims, scopes=claims.scopes & SCOPES)
    headers = GITLAB.headers(token)
    yield Visitor(kind=f"a GitLab's user, {kind}", headers=headers, claims=held, token="user")


async def ask(gateway: RunningGateway, route: Route, visitor: Visitor) -> httpx.Response:
    method, path = route
    return await gateway.http.request(
        method,
        path_of(path, "demo"),
        headers=visitor.headers,
        json=a_body("demo") if method == "POST" else None,
    )


def outcome(answer: httpx.Response) -> Outcome:
    if answer.is_success:
        return answer.status_code, None
    body = answer.json()
    return answer.status_code, body.get("error", body)["code"]


def test_every_unit_primitive_of_the_table_is_in_the_catalogue() -> None:
    named = {policy.unit_primitive for policy in ROUTES.values() if policy.unit_primitive}
    assert named <= load_catalog().unit_primitives.keys()


def test_chat_and_code_are_opened_by_scopes_of_their_own() -> None:
    named = {path: policy.unit_primitive for (_, path), policy in ROUTES.items()}
    assert named["/v1/chat/completions"] == "duo_chat"
    assert named["/v1/completions"] == "complete_code"


def test_a_route_outside_the_table_stops_the_start() -> None:
    check_coverage([("GET", "/v1/models")])
    with pytest.raises(UncoveredRouteError, match="POST /v1/new"):
        check_coverage([("GET", "/v1/models"), ("POST", "/v1/new")])


def test_a_route_is_public_or_has_a_policy_never_both() -> None:
    assert not PUBLIC & ROUTES.keys()
    open_to_all = ("/monitoring/", "/health", "/v1/models/definitions")
    assert all(path.startswith(open_to_all) for _, path in PUBLIC)


async def walk(gateway: RunningGateway, *, is_all_on: bool) -> None:
    wrong = []
    for each in visitors():
        # Without the settings, a GitLab and its users are strangers.
        is_known = is_all_on or each.token == "casemate"
        visitor = each if is_known else replace(each, claims=None)
        for route in every_route():
            answer = await ask(gateway, route, visitor)
            due = expected(route, visitor, provider="shm", is_all_on=is_all_on)
            if outcome(answer) != due:
                wrong.append((route, visitor.kind, outcome(answer), due))
            if answer.status_code == 403:
                body = answer.json()
                assert is_ulid(body.get("error", body)["decision_id"])
    assert not wrong


async def test_every_route_does_for_every_visitor_what_the_table_says(
    gateway: RunningGateway,
) -> None:
    await walk(gateway, is_all_on=False)


async def test_with_everything_on_each_route_still_does_what_the_table_says(
    settings: Settings, tmp_path: Path
) -> None:
    files = {
        "issuers_file": an_issuers_file(tmp_path, with_a_key_file(GITLAB, tmp_path)),
        "user_token_key_file": a_user_token_key_file(tmp_path),
    }
    async with a_gateway(settings.model_copy(update=files)) as gateway:
        await walk(gateway, is_all_on=True)


async def test_no_route_takes_a_method_that_the_table_lacks(gateway: RunningGateway) -> None:
    everything = Visitor(kind="everything", headers=bearer(a_token(scopes=EVERYTHING)))
    answered = [
        (route, answer.status_code)
        for route in other_routes()
        if (answer := await ask(gateway, route, everything)).status_code not in {404, 405}
    ]
    # Litestar tells by itself which methods a path has.
    its_own = {path for _, path in PUBLIC if not path.startswith("/v1/")}
    assert {route for route, _ in answered} == {("OPTIONS", path) for path in its_own}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/",
        "/v1//models",
        "/V1/models",
        "/v1/models/../models",
        "/v1/%6dodels",
        "/v1/models?private=1",
        "/v1/models/demo/x",
        "/monitoring/healthz/../../v1/models",
        "/health/v1/models",
    ],
)
async def test_no_way_of_writing_a_path_goes_round_the_table(
    gateway: RunningGateway, path: str
) -> None:
    url = httpx.URL(gateway.url).copy_with(raw_path=path.encode())
    answer = await gateway.http.send(gateway.http.build_request("GET", url))
    assert answer.status_code in {401, 404}


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_a_gateway_that_serves_more_than_the_table_does_not_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, route: Route
) -> None:
    monkeypatch.delitem(ROUTES, route)
    with pytest.raises(UncoveredRouteError, match=route[1]):
        create_app(settings, Metrics())
