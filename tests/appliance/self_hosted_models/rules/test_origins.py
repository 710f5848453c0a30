import pytest

from appliance.errors import InvalidFieldsError
from appliance.self_hosted_models.rules import check_key_stays
from appliance.self_hosted_models.rules.origins import origin_of

STORED = ("http://10.0.0.5:8000/v1", "https://models.test/v1")


def test_a_server_is_its_scheme_host_and_port() -> None:
    assert origin_of("https://Models.test/v1") == ("https", "models.test", 443)
    assert origin_of("10.0.0.5:8000") is None


@pytest.mark.parametrize(
    "endpoints",
    [
        (),
        STORED,
        ("http://10.0.0.5:8000/other",),
        ("https://MODELS.test:443", "http://10.0.0.5:8000"),
    ],
)
def test_a_key_stays_on_the_servers_that_have_it(endpoints: tuple[str, ...]) -> None:
    check_key_stays(endpoints, stored=STORED)


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.5:8000/v1",
        "http://10.0.0.6:8000/v1",
        "http://10.0.0.5:8001/v1",
        "https://models.test.evil.test/v1",
    ],
)
def test_one_other_server_is_enough_to_ask_for_the_key(url: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        check_key_stays((*STORED, url), stored=STORED)
    assert refused.value.fields == {
        "api_key": (
            "is kept for the server that it was given for: for an endpoint on another server it "
            "must be given again, or removed"
        )
    }
