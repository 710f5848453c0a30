from typing import Any

import pytest

from appliance.errors import InvalidFieldsError
from appliance.self_hosted_models.rules import Description
from appliance.self_hosted_models.rules.probing import StoredModel, result_of, to_try
from gateway.contract.probing import Finding

URL = "http://10.0.0.5:8000/v1"
OTHER = "http://10.0.0.6:8000/v1"
STORED = StoredModel(endpoints=(URL, OTHER), identifier="tiny", api_key="canary")


def a_finding(name: str = "address", *, success: bool = True, **changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "code": "ok" if success else "port_closed",
        "message": "It is so.",
        **changes,
    }
    return Finding(name=name, success=success, **fields)


def test_an_unsaved_model_is_tried_as_it_is_described() -> None:
    (check,) = to_try(Description(endpoint=URL, identifier="tiny", api_key="new"), None)
    assert (check.endpoint, check.identifier, check.api_key) == (URL, "tiny", "new")


def test_what_cannot_be_tried_says_what_is_missing() -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        to_try(Description(), None)
    assert dict(refused.value.fields) == {
        "endpoint": "is required",
        "identifier": "is required",
    }
    with pytest.raises(InvalidFieldsError) as refused:
        to_try(Description(endpoint=URL), None)
    assert list(refused.value.fields) == ["identifier"]


def test_of_a_stored_model_every_endpoint_is_tried_with_its_key() -> None:
    checks = to_try(Description(), STORED)
    assert [(each.endpoint, each.api_key) for each in checks] == [
        (URL, "canary"),
        (OTHER, "canary"),
    ]


def test_what_is_said_stands_in_place_of_what_is_stored() -> None:
    (check,) = to_try(Description(endpoint=OTHER, identifier="other", api_key="new"), STORED)
    assert (check.endpoint, check.identifier, check.api_key) == (OTHER, "other", "new")
    assert to_try(Description(api_key=""), STORED)[0].api_key is None


@pytest.mark.parametrize("url", ["http://10.0.0.5:8000", "http://10.0.0.6:8000/other/v1"])
def test_another_path_of_a_stored_server_gets_its_key(url: str) -> None:
    assert to_try(Description(endpoint=url), STORED)[0].api_key == "canary"


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.7:8000/v1",
        "http://10.0.0.5:8001/v1",
        "https://10.0.0.5:8000/v1",
        "http://10.0.0.5.evil.test:8000/v1",
    ],
)
def test_another_server_never_gets_the_stored_key(url: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        to_try(Description(endpoint=url), STORED)
    assert "must be given again" in refused.value.fields["api_key"]
    assert to_try(Description(endpoint=url, api_key=""), STORED)[0].api_key is None
    keyless = StoredModel(endpoints=(URL,), identifier="tiny", api_key=None)
    assert to_try(Description(endpoint=url), keyless)[0].api_key is None


def test_what_is_no_address_is_for_the_gateway_to_say_without_a_key() -> None:
    (check,) = to_try(Description(endpoint="10.0.0.5:8000"), STORED)
    assert check.api_key is None


def test_a_stored_model_is_shown_without_its_key() -> None:
    assert "canary" not in repr(STORED)


def test_a_result_without_a_fault_is_a_success() -> None:
    result = result_of({URL: [a_finding(), a_finding("models")]})
    assert (result.success, result.errors) == (True, ())
    assert result.message == f"The model answers at {URL}, and streams."
    assert result.details == {"code": "ok", "fix": None, "proposes": {}}


def test_a_result_with_a_fault_is_its_sentence_and_its_fix() -> None:
    proposes = {"endpoint": OTHER}
    failed = a_finding("models", success=False, fix="Do this.", proposes=proposes)
    result = result_of({URL: [a_finding(), failed]})
    assert (result.success, result.message) == (False, "It is so.")
    assert result.details == {"code": "port_closed", "fix": "Do this.", "proposes": proposes}
    assert result.errors == ("It is so. Do this.",)
    assert [each.name for each in result.probes] == ["address", "models"]


def test_steps_at_several_endpoints_are_told_apart() -> None:
    result = result_of({URL: [a_finding()], OTHER: [a_finding(success=False)]})
    assert not result.success
    assert [each.name for each in result.probes] == [f"address {URL}", f"address {OTHER}"]


def test_a_gateway_that_found_nothing_is_a_failure() -> None:
    result = result_of({URL: []})
    assert (result.success, result.details["code"]) == (False, "no_findings")
