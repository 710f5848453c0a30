from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.types import Options

from appliance.access_tokens.rules import (
    AccessToken,
    Origin,
    Purpose,
    Standing,
    Subject,
    are_suggestions_open,
    chat_contexts,
    client_headers,
    discovery_document,
    effective,
    entity_tag,
    generate_key,
    global_user_id,
    guards,
    is_chat_open,
    matches_entity_tag,
    private_bytes,
    private_key,
    public_half,
    sign,
    token_claims,
)
from appliance.feature_flags.rules import load_definitions
from appliance.licensing.rules import Grant
from appliance.namespaces.rules import Namespace
from gateway.contract.catalog import load_catalog
from gateway.contract.claims import Claims
from tests.appliance.explanations.builders import a_namespace
from tests.instance_builders import NOW

SUBJECT = Subject(global_user_id="opaque", credential="pat:3", generation=2)
GRANT = Grant(scopes=frozenset({"b", "a"}), providers=frozenset({"shm"}), ends_at=None)
ORIGIN = Origin(issuer="http://i", instance_id="uuid", realm="self-managed")
CATALOG = load_catalog()
DEFINITIONS = load_definitions()
ALL_ON = frozenset(DEFINITIONS)


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_key()


def _claims(*, namespace: Namespace | None = None, ends_at: datetime | None = None) -> Claims:
    grant = replace(GRANT, ends_at=ends_at)
    standing = Standing(grant=grant, flags=frozenset({"y", "x"}), namespace=namespace)
    return token_claims(SUBJECT, standing, Purpose(jti=UUID(int=5)), origin=ORIGIN, now=NOW)


def test_a_direct_token_lasts_15_minutes_and_began_5_seconds_ago() -> None:
    claims = _claims()
    assert claims.iat == int(NOW.timestamp())
    assert claims.exp - claims.iat == 900
    assert claims.iat - claims.nbf == 5


def test_a_direct_token_says_who_may_do_what() -> None:
    claims = _claims()
    assert (claims.iss, claims.aud) == ("http://i", ("gitlab-ai-gateway",))
    assert (claims.sub, claims.cred, claims.gen) == ("opaque", "pat:3", 2)
    assert (claims.use, claims.gitlab_realm) == ("direct", "self-managed")
    assert (claims.gitlab_instance_id, claims.jti) == ("uuid", str(UUID(int=5)))
    assert (claims.scopes, claims.providers) == (GRANT.scopes, GRANT.providers)


def test_a_token_of_no_group_names_none() -> None:
    claims = _claims()
    assert (claims.ns, claims.root_ns) == (None, None)
    assert claims.flags == {"x", "y"}


def test_a_token_of_a_group_names_it_and_its_root() -> None:
    claims = _claims(namespace=a_namespace(id=9, root_id=4, ancestry=(4, 9)))
    assert (claims.ns, claims.root_ns) == (9, 4)


@pytest.mark.parametrize(
    ("left_s", "life_s"), [(3600, 900), (901, 900), (899.9, 899), (0.5, 0), (-60, 0)]
)
def test_a_token_ends_with_what_was_bought(left_s: float, life_s: int) -> None:
    claims = _claims(ends_at=NOW + timedelta(seconds=left_s))
    assert claims.exp - claims.iat == life_s


def test_the_headers_of_a_group_s_token_name_it() -> None:
    claims = _claims(namespace=a_namespace(id=9, root_id=4, ancestry=(4, 9)))
    sent = client_headers(claims, version="1")
    assert sent["X-Gitlab-Namespace-Id"] == "9"
    assert sent["X-Gitlab-Root-Namespace-Id"] == "4"
    assert sent["X-Gitlab-Feature-Enabled-By-Namespace-Ids"] == "4"
    assert sent["X-Gitlab-Enabled-Feature-Flags"] == "x,y"


def test_the_headers_of_a_token_without_a_group_name_none() -> None:
    sent = client_headers(_claims(), version="1")
    assert not [name for name in sent if "Namespace" in name]
    assert (sent["X-Gitlab-Host-Name"], sent["X-Gitlab-Version"]) == ("i", "1")


def test_a_unit_primitive_is_guarded_by_its_feature_s_flags() -> None:
    assert guards("duo_chat", CATALOG, DEFINITIONS) == ("ai_duo_chat_switch",)
    assert guards("nothing", CATALOG, DEFINITIONS) == ()


def _left(*off: str) -> Grant:
    grant = Grant(
        scopes=frozenset({"duo_chat", "complete_code"}), providers=frozenset({"shm"}), ends_at=NOW
    )
    return effective(grant, ALL_ON - set(off), catalog=CATALOG, definitions=DEFINITIONS)


def test_a_flag_that_is_off_takes_its_feature_alone() -> None:
    assert _left().scopes == {"duo_chat", "complete_code"}
    assert _left("ai_duo_chat_switch").scopes == {"complete_code"}


def test_the_switch_for_everything_takes_all_scopes_and_no_provider() -> None:
    left = _left("ai_global_switch")
    assert not left.scopes
    assert left.providers == {"shm"}


def test_a_signed_token_verifies_with_the_published_half(key: RSAPrivateKey) -> None:
    public = public_half(key)
    text = sign(_claims(), key, kid=public.kid)
    assert jwt.get_unverified_header(text) == {"alg": "RS256", "typ": "JWT", "kid": public.kid}
    published = jwt.PyJWK(public.jwk())
    options: Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    told = jwt.decode(
        text, published, algorithms=["RS256"], audience="gitlab-ai-gateway", options=options
    )
    assert told["scopes"] == ["a", "b"]


def test_the_name_of_a_key_is_its_thumbprint() -> None:
    # The example key of RFC 7638, section 3.1.
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
        "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0"
        "_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWh"
        "AI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    jwk = jwt.PyJWK({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256"})

    class Fixed:
        def public_key(self) -> object:
            return jwk.key

    public = public_half(Fixed())  # type: ignore[arg-type]  # only the public half is asked for
    assert public.kid == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert public.n == n


def test_a_stored_key_is_the_same_key(key: RSAPrivateKey) -> None:
    assert public_half(private_key(private_bytes(key))) == public_half(key)


def test_nothing_private_is_published(key: RSAPrivateKey) -> None:
    jwk = public_half(key).jwk()
    assert set(jwk) == {"kty", "kid", "n", "e", "use", "alg"}


def test_a_user_s_name_outside_is_stable_and_opaque() -> None:
    name = global_user_id(b"k" * 32, instance_id="i", user_id=7)
    assert name == global_user_id(b"k" * 32, instance_id="i", user_id=7)
    others = {
        global_user_id(b"k" * 32, instance_id="i", user_id=8),
        global_user_id(b"k" * 32, instance_id="j", user_id=7),
        global_user_id(b"l" * 32, instance_id="i", user_id=7),
    }
    assert name not in others
    assert len(others) == 3


def test_discovery_leads_to_the_keys() -> None:
    document = discovery_document("http://i")
    assert document["issuer"] == "http://i"
    assert document["jwks_uri"] == "http://i/oauth/discovery/keys"


@pytest.mark.parametrize(
    ("held", "matches"),
    [
        (None, False),
        ('"other"', False),
        ('"t"', True),
        ('W/"t"', True),
        ('"a", "t"', True),
        ("*", True),
    ],
)
def test_a_client_that_has_the_body_need_not_get_it(held: str | None, matches: bool) -> None:
    assert matches_entity_tag(held, '"t"') is matches


def test_bodies_that_differ_have_different_tags() -> None:
    assert entity_tag(b"a") != entity_tag(b"b")


def test_an_access_token_does_not_show_its_text() -> None:
    claims = _claims(namespace=None)
    token = AccessToken(text="canary", claims=claims, base_url="http://g", headers={})
    assert "canary" not in repr(token)
    assert token.expires_at.timestamp() == claims.exp


def test_a_token_does_not_outlive_the_credential_it_was_obtained_with() -> None:
    subject = replace(SUBJECT, ends_at=NOW + timedelta(seconds=30))
    standing = Standing(grant=GRANT, flags=frozenset(), namespace=None)
    claims = token_claims(subject, standing, Purpose(jti=UUID(int=6)), origin=ORIGIN, now=NOW)
    assert claims.exp - claims.iat == 30


def test_a_token_is_narrowed_to_its_purpose() -> None:
    standing = Standing(grant=GRANT, flags=frozenset({"x"}), namespace=None)
    narrow = Purpose(jti=UUID(int=6), lifetime=timedelta(hours=1), scopes=frozenset({"other"}))
    claims = token_claims(SUBJECT, standing, narrow, origin=ORIGIN, now=NOW)
    assert (claims.scopes, claims.providers) == (frozenset(), GRANT.providers)
    assert claims.exp - claims.iat == 3600
    assert not claims.client_ip


def test_a_forwarded_token_is_never_wider_than_the_one_it_came_with() -> None:
    standing = Standing(grant=GRANT, flags=frozenset({"x", "y"}), namespace=None)
    user_token = msgspec.structs.replace(
        _claims(namespace=None),
        scopes=frozenset({"not_granted"}),
        providers=frozenset(),
        flags=frozenset({"x", "z"}),
        exp=int(NOW.timestamp()) + 5,
    )
    purpose = Purpose(jti=UUID(int=6), use="forwarded", within=user_token, client_ip="10.0.0.7")
    claims = token_claims(SUBJECT, standing, purpose, origin=ORIGIN, now=NOW)
    assert not claims.scopes | claims.providers
    assert claims.flags == {"x"}
    assert (claims.use, claims.exp, claims.client_ip) == ("forwarded", user_token.exp, "10.0.0.7")


@pytest.mark.parametrize(
    ("scopes", "providers", "is_open"),
    [
        ({"duo_chat"}, {"shm"}, (True, False)),
        ({"duo_chat"}, set(), (False, False)),
        ({"complete_code"}, {"duo"}, (False, True)),
        ({"generate_code"}, {"duo"}, (False, True)),
        ({"generate_code", "duo_chat"}, set(), (False, False)),
        ({"explain_code"}, {"duo"}, (False, False)),
    ],
)
def test_a_feature_is_open_with_its_scope_and_anybodys_models(
    scopes: set[str], providers: set[str], is_open: tuple[bool, bool]
) -> None:
    grant = replace(GRANT, scopes=frozenset(scopes), providers=frozenset(providers))
    assert (is_chat_open(grant), are_suggestions_open(grant)) == is_open


def test_what_may_be_added_in_chat_is_named_by_its_unit_primitive() -> None:
    scopes = {"include_b_context", "include_a_context", "duo_chat", "include_context", "include_x"}
    assert chat_contexts(replace(GRANT, scopes=frozenset(scopes))) == [
        "include_a_context",
        "include_b_context",
    ]
