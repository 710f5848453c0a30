import base64

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.access_tokens.rules import PublicKey
from appliance.gateway_feed import rules
from appliance.self_hosted_models.rules import ServedModel
from gateway.contract.feed import SIGNATURE_CONTEXT, FeedDocument, FeedKey
from gateway.contract.selection import Choice, Feature, Group
from tests.instance_builders import NOW, GatewayKeys, a_model

KEYS = GatewayKeys()
POSITION = rules.Position(instance_id="i", epoch=2, sequence=9)
AT = int(NOW.timestamp())


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_document_says_where_in_the_feed_it_is() -> None:
    served = [ServedModel(model=a_model(), api_key="sk"), ServedModel(model=a_model(), api_key="")]
    document = rules.build_document(
        rules.Parts(models=served), KEYS.gateway(), POSITION, course=rules.Course(), now=NOW
    )
    assert (document.instance_id, document.gateway_id) == ("i", KEYS.id)
    assert (document.epoch, document.sequence, document.issued_at) == (2, 9, AT)
    first, second = document.models
    assert (first.ref, first.endpoints) == ("tiny", ("http://127.0.0.1:8001/v1",))
    assert first.sealed_api_key is not None
    assert second.sealed_api_key is None


def test_a_document_is_signed_under_its_own_context() -> None:
    key = Ed25519PrivateKey.generate()
    document = rules.build_document(
        rules.NOTHING_NEW, KEYS.gateway(), POSITION, course=rules.Course(), now=NOW
    )
    signed = rules.sign_document(document, key)
    body, signature = _decode(signed.document), _decode(signed.signature)
    key.public_key().verify(signature, SIGNATURE_CONTEXT + body)
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, body)
    assert msgspec.json.decode(body, type=FeedDocument).sequence == 9


def test_a_tag_names_epoch_sequence_and_gateway() -> None:
    assert POSITION.entity_tag("g") == '"2.9.g"'


def _built(**parts: object) -> FeedDocument:
    return rules.build_document(
        rules.Parts(**parts),  # type: ignore[arg-type]  # any of its fields
        KEYS.gateway(),
        POSITION,
        course=rules.Course(since=8, stream="s"),
        now=NOW,
    )


def test_a_change_says_since_when_and_only_what_is_new() -> None:
    document = _built()
    assert (document.since, document.stream, document.clock_ms) == (8, "s", AT * 1000)
    assert (document.keys, document.issuers, document.revocations) == (None, None, None)


def test_keys_are_said_by_their_public_halves() -> None:
    document = _built(keys=[PublicKey(kid="k", n="n", e="e")], issuers=("http://i",))
    assert document.keys == (FeedKey(kid="k", n="n", e="e"),)
    assert document.issuers == ("http://i",)


def test_a_model_with_an_allow_list_requires_that_it_is_understood() -> None:
    model = a_model(allowed_networks=("10.0.0.0/8",))
    (found,) = _built(models=[ServedModel(model=model, api_key=None)]).models
    assert (found.requires, found.allowed_networks) == (("allowed_networks",), ("10.0.0.0/8",))
    (free,) = _built(models=[ServedModel(model=a_model(), api_key=None)]).models
    assert (free.requires, free.allowed_networks) == ((), ())


def test_a_document_that_restricts_requires_that_selections_are_understood() -> None:
    group = Group(4, None, (Choice("duo_chat", "tiny"),))
    feature = Feature(name="duo_chat", default="tiny", selectable=frozenset({"tiny"}))
    found = _built(features=(feature,), groups=(group,), removed_groups=(5,), is_restricted=True)
    assert (found.features, found.groups, found.removed_groups) == ((feature,), (group,), (5,))
    assert found.requires == ("selections",)
    assert _built(features=(feature,)).requires == ()
    assert _built().features is None


def test_a_model_is_said_with_all_its_endpoints_and_as_they_call_it() -> None:
    further = "http://127.0.0.1:8002/v1"
    model = a_model(identifier="custom_openai/tiny", further_endpoints=(further,), max_in_flight=8)
    (found,) = _built(models=[ServedModel(model=model, api_key=None)]).models
    assert (found.identifier, found.max_in_flight) == ("tiny", 8)
    assert found.endpoints == (model.endpoint, further)
    (free,) = _built(models=[ServedModel(model=a_model(), api_key=None)]).models
    assert free.max_in_flight == 0
