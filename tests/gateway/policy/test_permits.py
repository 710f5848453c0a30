from ipaddress import ip_network

import msgspec
import pytest

from gateway.contract.claims import Claims
from gateway.errors import (
    AddressNotAllowedError,
    FeatureNotGrantedError,
    InstanceOnlyError,
    IssuerNotPermittedError,
    NamespaceNotGrantedError,
    ProviderNotEntitledError,
)
from gateway.policy.permits import (
    permit_address,
    permit_feature,
    permit_instance,
    permit_issuer,
    permit_namespace,
    permit_provider,
    required_unit_primitive,
)
from gateway.policy.routes import ROUTES, RoutePolicy
from tests.builders import some_claims

OWN = b"x-gitlab-namespace-id"
ROOT = b"x-gitlab-root-namespace-id"
ENABLED_BY = b"x-gitlab-feature-enabled-by-namespace-ids"
CHAT = ROUTES["POST", "/v1/chat/completions"]


def claims(**changes: object) -> Claims:
    return msgspec.convert(some_claims(**changes), Claims)


def test_a_scope_opens_its_unit_primitive_and_no_other() -> None:
    holder = claims(scopes=["duo_chat"])
    permit_feature(holder, "duo_chat")
    with pytest.raises(FeatureNotGrantedError):
        permit_feature(holder, "complete_code")


def test_a_provider_is_entitled_apart_from_the_scopes() -> None:
    holder = claims(scopes=[], providers=["shm"])
    permit_provider(holder, "shm")
    with pytest.raises(ProviderNotEntitledError):
        permit_provider(holder, "amazonq")


def test_an_instance_token_is_granted_no_feature() -> None:
    with pytest.raises(FeatureNotGrantedError):
        permit_feature(claims(use="instance"), "duo_chat")


def test_what_is_the_instances_alone_takes_no_users_token() -> None:
    permit_instance(claims(use="instance"), is_of_instance=True)
    for use in ("direct", "forwarded"):
        with pytest.raises(InstanceOnlyError):
            permit_instance(claims(use=use), is_of_instance=True)


def test_what_is_the_instances_alone_takes_no_other_instances_token() -> None:
    with pytest.raises(InstanceOnlyError):
        permit_instance(claims(use="instance"), is_of_instance=False)


def test_a_route_takes_the_kinds_of_token_that_it_names() -> None:
    no_users = RoutePolicy(takes=frozenset({"casemate", "gitlab"}))
    permit_issuer(no_users, "casemate")
    permit_issuer(no_users, "gitlab")
    with pytest.raises(IssuerNotPermittedError):
        permit_issuer(no_users, "user")
    permit_issuer(CHAT, "user")


def test_a_header_may_name_another_unit_primitive_where_the_route_allows_it() -> None:
    assert required_unit_primitive(CHAT, None) == "duo_chat"
    assert required_unit_primitive(CHAT, b"ask_build") == "ask_build"
    fixed = RoutePolicy(unit_primitive="complete_code")
    assert required_unit_primitive(fixed, b"duo_chat") == "complete_code"


def test_a_route_without_a_unit_primitive_asks_for_one_that_nobody_holds() -> None:
    with pytest.raises(FeatureNotGrantedError):
        permit_feature(claims(), required_unit_primitive(RoutePolicy(), None))


def test_what_is_refused_is_named_by_its_title() -> None:
    with pytest.raises(FeatureNotGrantedError) as feature:
        permit_feature(claims(scopes=[]), "duo_chat", titles={"duo_chat": "General Chat"})
    assert "General Chat ('duo_chat')" in feature.value.message
    with pytest.raises(ProviderNotEntitledError) as provider:
        permit_provider(claims(providers=[]), "shm", titles={"shm": "Own models"})
    assert "Own models ('shm')" in provider.value.message


def test_a_long_name_is_cut_in_the_sentence() -> None:
    with pytest.raises(FeatureNotGrantedError) as refused:
        permit_feature(claims(scopes=[]), "x" * 5000)
    assert len(refused.value.message) < 300


def test_what_is_switched_off_is_closed_also_for_a_token_that_opens_it() -> None:
    off = {"duo_chat": "chat_for_all"}
    with pytest.raises(FeatureNotGrantedError) as refused:
        permit_feature(claims(), "duo_chat", titles={"duo_chat": "Chat"}, switched_off=off)
    assert "switched off Chat ('duo_chat')" in refused.value.message
    assert "'chat_for_all'" in refused.value.message
    permit_feature(claims(), "complete_code", switched_off=off)


@pytest.mark.parametrize(
    "named",
    [
        {},
        {OWN: b"7"},
        {OWN: b"5"},
        {ROOT: b"5"},
        {ENABLED_BY: b"5"},
        {ENABLED_BY: b"5, 5"},
        {OWN: b"7", ROOT: b"5", ENABLED_BY: b"5"},
        {OWN: b"", ROOT: b"", ENABLED_BY: b""},
    ],
)
def test_the_groups_of_a_token_may_be_named(named: dict[bytes, bytes]) -> None:
    permit_namespace(claims(ns=7, root_ns=5), named)


@pytest.mark.parametrize(
    ("named", "namespace_id"),
    [
        ({OWN: b"8"}, 8),
        ({ROOT: b"7"}, 7),
        ({ENABLED_BY: b"7"}, 7),
        ({ENABLED_BY: b"5,8"}, 8),
        ({OWN: b"7", ROOT: b"8"}, 8),
        ({ENABLED_BY: b"5,"}, None),
        ({OWN: b"07"}, None),
        ({OWN: b"+7"}, None),
        ({OWN: b"-7"}, None),
        ({OWN: b"0"}, None),
        ({OWN: b"None"}, None),
        ({OWN: "\u0667".encode()}, None),
        ({OWN: b"2147483648"}, None),
        ({OWN: b"7" * 5000}, None),
    ],
)
def test_another_group_or_garbage_is_refused(
    named: dict[bytes, bytes], namespace_id: int | None
) -> None:
    with pytest.raises(NamespaceNotGrantedError) as refused:
        permit_namespace(claims(ns=7, root_ns=5), named)
    assert refused.value.namespace_id == namespace_id
    assert len(refused.value.message) < 200


def test_a_group_between_the_tokens_and_the_top_may_be_named_where_the_tree_is_known() -> None:
    def ancestry_of(_: Claims) -> tuple[int, ...]:
        return (5, 6, 7)

    holder = claims(ns=7, root_ns=5)
    permit_namespace(holder, {OWN: b"6", ROOT: b"5"}, ancestry_of=ancestry_of)
    for named in ({OWN: b"8"}, {OWN: b"06"}, {ROOT: b"6"}, {ENABLED_BY: b"6"}):
        with pytest.raises(NamespaceNotGrantedError):
            permit_namespace(holder, named, ancestry_of=ancestry_of)
    with pytest.raises(NamespaceNotGrantedError):
        permit_namespace(holder, {OWN: b"6"})


@pytest.mark.parametrize("name", [OWN, ROOT, ENABLED_BY])
def test_a_token_of_no_group_goes_with_no_group(name: bytes) -> None:
    permit_namespace(claims(), {name: b""})
    with pytest.raises(NamespaceNotGrantedError):
        permit_namespace(claims(), {name: b"7"})


ALLOWED = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.255.255.255", "2001:db8::1"])
def test_an_address_of_the_allow_list_passes(address: str) -> None:
    permit_address(address, ALLOWED, model="demo")


@pytest.mark.parametrize(
    "address", ["11.0.0.0", "9.255.255.255", "2001:db9::", "64:ff9b::a00:1", "unknown", ""]
)
def test_another_address_is_refused_and_named(address: str) -> None:
    with pytest.raises(AddressNotAllowedError) as refused:
        permit_address(address, ALLOWED, model="demo")
    assert (refused.value.status, refused.value.address) == (403, address)
    assert "'demo'" in refused.value.message
    assert address in refused.value.message


def test_what_a_prompt_needs_is_its_own_and_no_header_says_otherwise() -> None:
    policy = ROUTES["POST", "/v2/prompts/{id}"]
    needed = required_unit_primitive(policy, b"duo_chat", of_prompt="explain_code")
    assert needed == "explain_code"
    assert required_unit_primitive(CHAT, None, of_prompt="explain_code") == "duo_chat"
