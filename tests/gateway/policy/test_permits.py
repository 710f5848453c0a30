import msgspec
import pytest

from gateway.contract.claims import Claims
from gateway.errors import FeatureNotGrantedError, ProviderNotEntitledError
from gateway.policy.permits import permit_feature, permit_provider, required_unit_primitive
from gateway.policy.routes import ROUTES, RoutePolicy
from tests.builders import some_claims

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


def test_a_header_may_name_another_unit_primitive_where_the_route_allows_it() -> None:
    assert required_unit_primitive(CHAT, None) == "duo_chat"
    assert required_unit_primitive(CHAT, b"ask_build") == "ask_build"
    fixed = RoutePolicy(unit_primitive="complete_code")
    assert required_unit_primitive(fixed, b"duo_chat") == "complete_code"


def test_a_route_without_a_unit_primitive_asks_for_one_that_nobody_holds() -> None:
    with pytest.raises(FeatureNotGrantedError):
        permit_feature(claims(), required_unit_primitive(RoutePolicy(), None))
