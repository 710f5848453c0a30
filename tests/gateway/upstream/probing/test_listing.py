import pytest

from gateway.contract.probing import Finding
from gateway.upstream.probing import asking
from tests.fakes.faulty_endpoint import FaultyEndpoint, answering, cutting, hanging
from tests.gateway.upstream.probing.conftest import API_KEY, Check

PAGE = "<!doctype html><title>Sign in</title>"


async def fault(check: Check, endpoint: str, identifier: str = "demo", **more: object) -> Finding:
    """What is wrong with the list of models."""
    found = (await check(endpoint, identifier, **more))[-1]
    assert (found.name, found.success) == ("models", False), found
    return found


@pytest.mark.parametrize(
    "path",
    ["", "/", "/v1/v1", "/v1/models", "/v1/chat/completions", "/v1/completions", "/models", "/x/y"],
)
async def test_a_wrong_path_proposes_the_base_url_that_works(
    check: Check, faulty: FaultyEndpoint, path: str
) -> None:
    found = await fault(check, faulty.root + path)
    assert (found.code, found.proposes) == ("wrong_path", {"endpoint": faulty.url})
    assert found.fix == f"Use {faulty.url}."
    assert "is answered with 404" in found.message


async def test_a_version_too_many_is_left_out(check: Check, faulty: FaultyEndpoint) -> None:
    faulty.base = "/openai"
    found = await fault(check, f"{faulty.url}/models")
    assert found.proposes == {"endpoint": faulty.url}


async def test_a_path_behind_a_lock_is_proposed_as_well(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.api_key = API_KEY
    assert (await fault(check, faulty.root)).proposes == {"endpoint": faulty.url}


async def test_where_nothing_is_found_nothing_is_proposed(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.base = "/somewhere"
    found = await fault(check, faulty.root + "/v1")
    assert (found.code, found.proposes) == ("wrong_path", {})
    assert "such as http://HOST:8000/v1" in str(found.fix)
    assert len(faulty.asked) <= 4


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_is_told_from_a_missing_one(
    check: Check, faulty: FaultyEndpoint, status: int
) -> None:
    # Some servers repeat the key that they refuse.
    said = {"error": {"message": f"Incorrect API key: {API_KEY}"}}
    faulty.instead["/v1/models"] = answering(status, said)
    wrong = await fault(check, faulty.url, api_key=API_KEY)
    assert (wrong.code, wrong.message) == (
        "api_key_refused",
        f"The server refuses the API key ({status}).",
    )
    missing = await fault(check, faulty.url)
    assert missing.code == "api_key_missing"
    assert wrong.fix != missing.fix
    assert "canary" not in repr(wrong)


async def test_a_wrong_identifier_names_the_nearest_and_what_there_is(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.models = [f"model-{number}" for number in range(12)] + ["mistral-small-24b"]
    found = await fault(check, faulty.url, "Mistral-Small")
    assert (found.code, found.fix) == ("wrong_identifier", "Use 'mistral-small-24b'.")
    assert found.proposes == {"identifier": "mistral-small-24b"}
    assert "model-9 and 3 more" in found.message


async def test_a_wrong_identifier_without_anything_near_proposes_nothing(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.models = ["a", "b"]
    found = await fault(check, faulty.url, "mistral")
    assert found.proposes == {}
    assert "--served-model-name" in str(found.fix)


async def test_a_server_without_a_model_is_told_as_that(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.models = []
    found = await fault(check, faulty.url)
    assert (found.code, found.proposes) == ("wrong_identifier", {})
    assert "it has none" in found.message
    assert "Start it with a model" in str(found.fix)


@pytest.mark.parametrize("prefix", ["custom_openai/", "openai/"])
async def test_the_ways_of_talking_of_the_real_system_are_understood(
    check: Check, faulty: FaultyEndpoint, prefix: str
) -> None:
    findings = await check(faulty.url, f"{prefix}demo")
    assert all(each.success for each in findings)
    assert {question["model"] for question in faulty.questions} == {"demo"}


async def test_a_name_that_begins_like_a_way_of_talking_is_to_be_written_out(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.models = ["openai/gpt-oss-120b", "other"]
    found = await fault(check, faulty.url, "openai/gpt-oss-120b")
    proposed = "custom_openai/openai/gpt-oss-120b"
    assert found.proposes == {"identifier": proposed}
    assert (await check(faulty.url, proposed))[-1].success


async def test_another_prefix_is_left_out_by_the_fix(check: Check, faulty: FaultyEndpoint) -> None:
    faulty.models = ["other", "demo"]
    assert (await fault(check, faulty.url, "litellm/demo")).proposes == {"identifier": "demo"}


async def test_a_redirect_is_named_and_not_followed(check: Check, faulty: FaultyEndpoint) -> None:
    faulty.instead["/v1/models"] = answering(
        307, Location="https://user:pw@gpu.test:9/v1/models?key=secret"
    )
    found = await fault(check, faulty.url)
    assert (found.code, found.proposes) == ("redirected", {"endpoint": "https://gpu.test:9/v1"})
    assert "Use that address instead: https://gpu.test:9/v1" in str(found.fix)
    assert "secret" not in repr(found)
    assert "pw" not in repr(found)


@pytest.mark.parametrize("target", ["http://[x", "/login"])
async def test_a_redirect_to_somewhere_else_proposes_nothing(
    check: Check, faulty: FaultyEndpoint, target: str
) -> None:
    faulty.instead["/v1/models"] = answering(302, Location=target)
    assert (await fault(check, faulty.url)).proposes == {}


async def test_a_web_page_is_told_as_that(check: Check, faulty: FaultyEndpoint) -> None:
    faulty.instead["/models"] = answering(200, PAGE)
    found = await fault(check, faulty.root)
    assert (found.code, found.proposes) == ("answers_html", {"endpoint": faulty.url})
    faulty.base = "/nowhere"
    faulty.instead["/v1/models"] = answering(404, PAGE)
    assert (await fault(check, faulty.root + "/v1")).code == "answers_html"


async def test_json_of_another_form_is_no_openai_server(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.instead["/v1/models"] = answering(200, {"models": ["demo"]})
    found = await fault(check, faulty.url)
    assert (found.code, found.proposes) == ("not_openai", {})


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "busy"), (503, "unavailable"), (502, "unavailable"), (500, "question_refused")],
)
async def test_a_server_in_trouble_is_told_from_a_wrong_address(
    check: Check, faulty: FaultyEndpoint, status: int, code: str
) -> None:
    faulty.instead["/v1/models"] = answering(status, {"error": "out of\nmemory"})
    found = await fault(check, faulty.url)
    assert found.code == code
    assert status != 500 or "(500): out of memory." in found.message


async def test_a_server_that_never_answers_is_told_as_that(
    check: Check, faulty: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "STEP_S", 0.1)
    faulty.instead["/v1/models"] = hanging
    assert (await fault(check, faulty.url)).code == "timeout"


async def test_a_server_that_hangs_up_is_told_as_that(check: Check, faulty: FaultyEndpoint) -> None:
    faulty.instead["/v1/models"] = cutting
    found = await fault(check, faulty.url)
    assert found.code == "broke_off"


async def test_an_answer_without_an_end_is_not_read(check: Check, faulty: FaultyEndpoint) -> None:
    faulty.instead["/v1/models"] = answering(200, "[" + "1," * asking.MAX_ANSWER_BYTES)
    found = await fault(check, faulty.url)
    assert (found.code, "over 256 KiB" in found.message) == ("answer_too_long", True)


async def test_a_bad_request_is_quoted_without_the_key(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.instead["/v1/models"] = answering(400, {"message": f"no {API_KEY} here"})
    found = await fault(check, faulty.url, api_key=API_KEY)
    assert "(400): no [the API key] here." in found.message
