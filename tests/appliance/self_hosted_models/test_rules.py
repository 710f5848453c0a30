from ipaddress import ip_network

import pytest

from appliance.errors import InvalidFieldsError
from appliance.self_hosted_models.errors import EndpointNotAllowedError
from appliance.self_hosted_models.rules import (
    NO_LIMIT,
    Description,
    ServedModel,
    allow_list,
    check_description,
    checked_endpoint,
    complete,
    told_endpoints,
    with_checked_endpoints,
)
from gateway.contract.catalog import load_catalog
from tests.instance_builders import a_model

LAN = (ip_network("10.0.0.0/8"), ip_network("127.0.0.0/8"))


@pytest.mark.parametrize(
    "description",
    [
        Description(),
        Description(ref="a"),
        Description(ref="org/model-7b.Q4_1:latest"),
        Description(family="claude_3", provider="shm"),
        Description(provider="amazonq"),
        Description(api_key="sk-x"),
        Description(api_key=""),
        Description(allowed_networks=()),
        Description(allowed_networks=["10.0.0.0/8", "2001:db8::7", "::ffff:10.1.2.3"]),
        Description(allowed_networks=["10.0.0.0/8"] * 256),
        Description(identifier="Qwen/Qwen2.5-7B"),
        Description(identifier="custom_openai/qwen"),
        Description(identifier="openai/gpt-oss-20b"),
        Description(endpoints=["http://10.0.0.1/v1"] * 64),
        Description(max_in_flight=1),
        Description(max_in_flight=100_000),
        Description(max_in_flight=NO_LIMIT),
    ],
)
def test_a_usable_description_passes(description: Description) -> None:
    check_description(description, load_catalog())


@pytest.mark.parametrize(
    ("description", "field"),
    [
        (Description(ref=""), "ref"),
        (Description(ref="a b"), "ref"),
        (Description(ref="-a"), "ref"),
        (Description(ref="a\n"), "ref"),
        (Description(ref="x" * 256), "ref"),
        (Description(name=" "), "name"),
        (Description(name="a\x00"), "name"),
        (Description(identifier=""), "identifier"),
        (Description(family="qwen9"), "family"),
        (Description(provider="duo"), "provider"),
        (Description(api_key="two words"), "api_key"),
        (Description(api_key="line\nbreak"), "api_key"),
        (Description(api_key="x" * 4097), "api_key"),
        (Description(allowed_networks=["10.0.0.0/8", "office"]), "allowed_cidrs"),
        (Description(allowed_networks=["10.0.0.0/8"] * 257), "allowed_cidrs"),
        (Description(ref="Default"), "ref"),
        (Description(identifier="bedrock/anthropic.claude-3"), "identifier"),
        (Description(identifier="azure/gpt-4o"), "identifier"),
        (Description(identifier="vertex_ai/gemini"), "identifier"),
        (Description(identifier="custom_openai/"), "identifier"),
        (Description(endpoints=[]), "endpoints"),
        (Description(endpoints=["http://10.0.0.1/v1"] * 65), "endpoints"),
        (Description(endpoint="http://a/v1", endpoints=["http://a/v1"]), "endpoints"),
        (Description(max_in_flight=-1), "max_in_flight"),
        (Description(max_in_flight=100_001), "max_in_flight"),
    ],
)
def test_an_unusable_field_is_named(description: Description, field: str) -> None:
    with pytest.raises(InvalidFieldsError) as refusal:
        check_description(description, load_catalog())
    assert set(refusal.value.fields) == {field}


def test_a_network_with_host_bits_is_refused_with_the_right_one() -> None:
    description = Description(allowed_networks=["10.0.0.5/8"])
    with pytest.raises(InvalidFieldsError, match=r"'10\.0\.0\.5/8' has .* write 10\.0\.0\.0/8"):
        check_description(description, load_catalog())


def test_an_allow_list_has_each_network_once_and_in_one_form() -> None:
    told = ["10.1.2.3", "::ffff:10.1.2.3", "2001:DB8::/32", "10.0.0.0/8", "10.1.2.3/32"]
    assert allow_list(told) == ("10.1.2.3/32", "2001:db8::/32", "10.0.0.0/8")


def test_a_new_model_needs_four_things_and_gets_the_rest() -> None:
    with pytest.raises(InvalidFieldsError) as refusal:
        complete(Description(name="n"))
    assert set(refusal.value.fields) == {"ref", "endpoint", "identifier"}
    new = complete(Description(ref="r", name="n", endpoint="http://h", identifier="i"))
    assert (new.family, new.provider) == ("general", "shm")


@pytest.mark.parametrize("addresses", [["10.1.2.3"], ["127.0.0.1", "10.9.9.9"]])
def test_an_endpoint_inside_the_networks_is_taken(addresses: list[str]) -> None:
    url = checked_endpoint("http://gpu:8000/v1/", networks=LAN, resolve=lambda _h, _p: addresses)
    assert url == "http://gpu:8000/v1"


@pytest.mark.parametrize("addresses", [["8.8.8.8"], ["10.0.0.1", "8.8.8.8"], ["169.254.1.1"], []])
def test_one_address_outside_refuses_the_endpoint(addresses: list[str]) -> None:
    with pytest.raises(EndpointNotAllowedError):
        checked_endpoint("http://gpu/v1", networks=LAN, resolve=lambda _h, _p: addresses)


@pytest.mark.parametrize("url", ["", "ftp://gpu", "http://u:p@gpu/v1", "http://gpu/v1?x=1"])
def test_what_is_no_plain_url_is_refused_before_it_is_resolved(url: str) -> None:
    def never(_host: str, _port: int) -> list[str]:
        raise AssertionError

    with pytest.raises(EndpointNotAllowedError):
        checked_endpoint(url, networks=LAN, resolve=never)


@pytest.mark.parametrize("error", [OSError, UnicodeError])
def test_a_host_that_cannot_be_resolved_is_said_so(error: type[Exception]) -> None:
    def fail(_host: str, _port: int) -> list[str]:
        raise error

    with pytest.raises(EndpointNotAllowedError, match="cannot be resolved"):
        checked_endpoint("http://gpu/v1", networks=LAN, resolve=fail)


def test_values_do_not_show_an_api_key() -> None:
    assert "canary" not in repr(Description(ref="r", api_key="canary"))
    assert "canary" not in repr(ServedModel(model=a_model(), api_key="canary"))


def test_a_model_is_complete_with_several_endpoints() -> None:
    told = ["http://a/v1", "http://b/v1", "http://a/v1"]
    new = complete(Description(ref="r", name="n", identifier="i", endpoints=told))
    assert new.endpoints == ("http://a/v1", "http://b/v1")
    assert a_model(further_endpoints=("http://b/v1",)).endpoints[1:] == ("http://b/v1",)


def test_each_endpoint_is_checked_and_takes_its_form() -> None:
    described = with_checked_endpoints(Description(endpoints=["A", "B"]), str.lower)
    assert told_endpoints(described) == ("a", "b")
    main = with_checked_endpoints(Description(endpoint="A"), str.lower)
    assert told_endpoints(main) == ("a",)
    nothing = Description(name="n")
    assert with_checked_endpoints(nothing, str.lower) is nothing


def test_too_many_endpoints_are_not_even_looked_up() -> None:
    asked: list[str] = []

    def check(url: str) -> str:
        asked.append(url)
        return url

    with pytest.raises(InvalidFieldsError):
        with_checked_endpoints(Description(endpoints=["http://a/v1"] * 65), check)
    assert not asked


def test_a_cloud_s_transport_is_refused_with_why() -> None:
    with pytest.raises(InvalidFieldsError, match="AWS Bedrock: no cloud is called from here"):
        check_description(Description(identifier="bedrock/claude"), load_catalog())
