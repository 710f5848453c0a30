from ipaddress import ip_network

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.contract.feed import ALLOWED_NETWORKS, FeedModel
from gateway.issuer.feed.known_models import open_models
from gateway.issuer.identity import Identity
from tests.builders import MODEL_API_KEY, a_feed_model, a_sealed_api_key


def sealed(identity: Identity, *, ref: str = "demo") -> str:
    return a_sealed_api_key(identity.sealing.public_key(), ref=ref)


def test_an_api_key_is_opened_and_shown_nowhere(identity: Identity) -> None:
    (model,) = open_models([a_feed_model(sealed_api_key=sealed(identity))], identity)
    assert model.api_key == MODEL_API_KEY
    assert MODEL_API_KEY not in repr(model)


def test_a_model_with_the_api_key_of_another_is_left_out(identity: Identity) -> None:
    stolen = a_feed_model(ref="bad", sealed_api_key=sealed(identity))
    with capture_logs() as lines:
        models = open_models([stolen, a_feed_model()], identity)
    assert [model.ref for model in models] == ["demo"]
    assert lines[0]["event"] == "model_api_key_unreadable"


@pytest.mark.parametrize(
    ("model", "for_all", "is_understood"),
    [
        (a_feed_model(), (), True),
        (a_feed_model(requires=(ALLOWED_NETWORKS,), allowed_networks=("::1/128",)), (), True),
        (a_feed_model(requires=(ALLOWED_NETWORKS,)), (), False),
        (a_feed_model(requires=("time_of_day",)), (), False),
        (a_feed_model(requires=(ALLOWED_NETWORKS, "time_of_day")), (), False),
        (a_feed_model(), ("time_of_day",), False),
        (a_feed_model(), (ALLOWED_NETWORKS,), True),
    ],
)
def test_what_a_release_does_not_know_is_not_understood(
    identity: Identity, model: FeedModel, for_all: tuple[str, ...], is_understood: bool
) -> None:
    (known,) = open_models([model], identity, requires=for_all)
    assert known.is_understood is is_understood


def test_allowed_networks_are_read(identity: Identity) -> None:
    model = a_feed_model(allowed_networks=("10.0.0.0/8", "fc00::/7"))
    (known,) = open_models([model], identity)
    assert known.allowed_networks == (ip_network("10.0.0.0/8"), ip_network("fc00::/7"))


@pytest.mark.parametrize("text", ["10.0.0.0/40", "anywhere", "10.0.0.1/8", ""])
def test_a_network_that_cannot_be_read_closes_the_model(identity: Identity, text: str) -> None:
    model = msgspec.structs.replace(a_feed_model(), allowed_networks=("10.0.0.0/8", text))
    (known,) = open_models([model], identity)
    assert not known.is_understood
