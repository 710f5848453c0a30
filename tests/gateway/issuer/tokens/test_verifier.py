import asyncio
import json
import tempfile
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.contract import feed
from gateway.contract.claims import LEEWAY_S
from gateway.contract.compact import read_token
from gateway.errors import IdentityUnavailableError, InvalidTokenError, TokenSupersededError
from gateway.issuer.tokens.verifier import CACHE_ENTRIES, _check_signature, _Remembered
from gateway.settings import Settings
from tests.attacks import ATTACKS
from tests.builders import ISSUER, KID, a_jwk, a_signing_key, a_token
from tests.door import GITLAB, Door, bearing, signed
from tests.fakes.instance import FakeInstance
from tests.forging import HEADER, NOW, from_gitlab, from_gitlabs_user, good, some_payload
from tests.gateway.conftest import RunningGateway, a_gateway

# One for each key set that is fetched.
FETCHES = 2
GOOD = good()
HEADER_NAMES = [b"authorization", b"x-gitlab-instance-id", b"x-gitlab-realm", b"private-token"]
REFUSED = {
    "message": InvalidTokenError.message,
    "type": "authentication_error",
    "param": None,
    "code": "invalid_token",
}
RUNNER = asyncio.Runner()


@cache
def shared_door() -> Door:
    return RUNNER.run(Door(Path(tempfile.mkdtemp()), now=NOW).open())


def now_s() -> int:
    """Read when it is needed: before this test others may have run for many minutes."""
    return int(time.time())


@pytest.fixture
async def door(tmp_path: Path) -> Door:
    return await Door(tmp_path, now=NOW).open()


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_is_refused_and_costs_neither_a_fetch_nor_a_question(
    door: Door, name: str
) -> None:
    with pytest.raises(InvalidTokenError) as refused:
        await door.knock(ATTACKS[name]())
    assert refused.value.code == "invalid_token"
    assert (door.fetches, door.asked) == (FETCHES, 0)


def test_the_table_of_attacks_is_long() -> None:
    assert len(ATTACKS) >= 60


async def test_what_the_attacks_are_made_of_is_good(door: Door) -> None:
    for lines in (bearing(good()), from_gitlab()(), from_gitlabs_user()()):
        assert (await door.knock(lines)).aud
        assert (await door.knock(lines)).aud


async def test_a_real_gateway_refuses_each_attack_without_the_reason(
    settings: Settings, instance: FakeInstance
) -> None:
    instance.is_timeless = True
    started, sent = time.monotonic(), 0

    def slow_clock() -> float:
        # Some attacks are bad by a second.
        return NOW + (time.monotonic() - started) / 1000

    async with a_gateway(settings, clock=slow_clock) as gateway:
        with capture_logs() as logged:
            for name, make in ATTACKS.items():
                try:
                    answer = await gateway.http.get("/v1/models", headers=make())
                except httpx.LocalProtocolError:
                    continue  # The client itself will not send such a header.
                sent += 1
                assert answer.status_code == 401, name
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.json()["error"] == REFUSED
    assert sent > 200
    # A probe of the model may end meanwhile.
    assert {line["event"] for line in logged} - {"model_state_changed"} == {"request_refused"}
    assert max(len(str(line)) for line in logged) < 600
    signature = good().rpartition(".")[2]
    assert signature not in str(logged)


@given(data=st.data())
@hypothesis_settings(max_examples=300, deadline=None)
def test_a_good_token_that_is_changed_anywhere_is_refused(data: st.DataObject) -> None:
    changed = data.draw(mutations(GOOD.encode()))
    refused = None
    try:
        RUNNER.run(shared_door().knock(bearing(changed)))
    except InvalidTokenError as error:
        refused = error
    assert (refused is None) == (changed == GOOD.encode())


@given(lines=st.lists(st.tuples(st.sampled_from(HEADER_NAMES), st.binary(max_size=200))))
@hypothesis_settings(max_examples=200, deadline=None)
def test_no_headers_make_anything_but_a_refusal(lines: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(InvalidTokenError):
        RUNNER.run(shared_door().knock(lines))


@st.composite
def mutations(draw: st.DrawFn, text: bytes) -> bytes:
    """The text with up to three cuts, each replaced by something short or by a part of itself."""
    for _ in range(draw(st.integers(1, 3))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 40)))
        own = draw(st.integers(0, len(text)))
        part = draw(st.one_of(st.binary(max_size=8), st.just(text[own : own + 30])))
        text = text[:begin] + part + text[end:]
    return text


@pytest.mark.parametrize("header", [None, "Basic abc", "Bearer"])
async def test_no_bearer_token_is_401(gateway: RunningGateway, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = await gateway.http.get("/v1/models", headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Gitlab-Instance-Id", "other"),
        ("X-Gitlab-Global-User-Id", "user-2"),
        ("X-Gitlab-Realm", "saas"),
        ("X-Gitlab-Authentication-Type", "none"),
    ],
)
async def test_a_header_that_contradicts_its_claim_is_401(
    gateway: RunningGateway, name: str, value: str
) -> None:
    headers = {"Authorization": f"Bearer {a_token()}", name: value}
    assert (await gateway.http.get("/v1/models", headers=headers)).status_code == 401


async def test_headers_that_equal_their_claims_pass(gateway: RunningGateway) -> None:
    headers = {
        "Authorization": f"bearer {a_token()}",
        "X-Gitlab-Global-User-Id": "user-1",
        "X-Gitlab-Realm": "self-managed",
        "X-Gitlab-Authentication-Type": "oidc",
    }
    assert (await gateway.http.get("/v1/models", headers=headers)).status_code == 200


async def test_a_remembered_token_still_expires(settings: Settings) -> None:
    passed_s = 0.0
    async with a_gateway(settings, clock=lambda: time.time() + passed_s) as gateway:
        token = a_token(exp=int(time.time()) + 60)
        assert (await gateway.chat(token)).status_code == 200
        passed_s = 60 + LEEWAY_S - 5
        assert (await gateway.chat(token)).status_code == 200
        passed_s = 60 + LEEWAY_S + 1
        assert (await gateway.chat(token)).status_code == 401


async def test_a_clock_slightly_ahead_at_the_instance_is_forgiven(gateway: RunningGateway) -> None:
    assert (await gateway.chat(a_token(nbf=now_s() + 8, iat=now_s() + 8))).status_code == 200


async def test_an_instance_token_opens_no_model(gateway: RunningGateway) -> None:
    answer = await gateway.chat(a_token(use="instance"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "feature_not_granted")


async def test_taken_back_rights_end_a_token_also_one_that_is_remembered(door: Door) -> None:
    token = signed(HEADER, some_payload(cred="pat:1", gen=2))
    assert (await door.knock(bearing(token))).gen == 2
    least = feed.MinimumGeneration(subject="user-1", generation=3, until=NOW + 900)
    door.revocations.apply(feed.Revocations(generations=(least,)), is_snapshot=False)
    for each in (token, signed(HEADER, some_payload(jti="other", gen=2))):
        with pytest.raises(TokenSupersededError) as refused:
            await door.knock(bearing(each))
        assert refused.value.code == "token_superseded"
    await door.knock(bearing(signed(HEADER, some_payload(gen=3))))


async def test_our_revocations_concern_no_other_issuer(door: Door) -> None:
    door.revocations.apply(feed.Revocations(minimum_era=7), is_snapshot=True)
    await door.knock(from_gitlab()())
    await door.knock(from_gitlabs_user()())
    with pytest.raises(TokenSupersededError):
        await door.knock(bearing(good()))


async def test_a_compromised_key_ends_its_tokens_at_once(door: Door) -> None:
    await door.knock(bearing(good()))
    door.keys.drop({KID})
    with pytest.raises(InvalidTokenError):
        await door.knock(bearing(good()))
    assert door.fetches == FETCHES


async def test_the_instance_goes_by_the_names_that_it_says(door: Door) -> None:
    renamed = bearing(signed(HEADER, some_payload(iss="https://new.test")))
    with pytest.raises(InvalidTokenError):
        await door.knock(renamed)
    await door.knock(bearing(good()))
    door.verifier.accept_issuers(("https://new.test", ISSUER))
    await door.knock(renamed)
    await door.knock(bearing(good()))
    door.verifier.accept_issuers(("https://new.test",))
    with pytest.raises(InvalidTokenError):
        await door.knock(bearing(good()))
    door.verifier.accept_issuers(())
    await door.knock(renamed)


async def test_the_instance_cannot_take_another_issuers_name(door: Door) -> None:
    with capture_logs() as logged:
        door.verifier.accept_issuers((ISSUER, GITLAB.url, "gitlab-ai-gateway"))
    assert door.verifier.pinned_issuers == {ISSUER}
    assert [line["event"] for line in logged] == ["issuer_belongs_to_another"]
    assert (await door.knock(from_gitlab()())).iss == GITLAB.url


async def test_a_name_that_is_given_up_while_keys_are_fetched_is_no_longer_good(
    door: Door,
) -> None:
    async def fetch() -> bytes:
        door.verifier.accept_issuers(("https://new.test",))
        return json.dumps({"keys": [a_jwk("late")]}).encode()

    door.keys._fetch = fetch
    door.now += 10
    late = signed({**HEADER, "kid": "late"}, some_payload(), key=a_signing_key("late"))
    with pytest.raises(InvalidTokenError, match="no longer accepted"):
        await door.knock(bearing(late))


def test_what_the_library_reads_otherwise_is_refused() -> None:
    token = replace(read_token(good()), payload=some_payload(sub="root"))
    with pytest.raises(InvalidTokenError, match="differently"):
        _check_signature(token, a_signing_key(KID).public_key())


async def test_what_is_remembered_is_bounded(door: Door) -> None:
    verified = await door.verifier.verify(bearing(good())[0][1])
    for number in range(CACHE_ENTRIES + 10):
        door.verifier._remember(b"%d" % number, _Remembered(verified, 0))
    assert len(door.verifier._cache) == CACHE_ENTRIES


async def test_past_the_budget_nothing_is_remembered_either(door: Door) -> None:
    lasting = signed(HEADER, some_payload(exp=NOW + 3000))
    await door.knock(bearing(lasting))
    door.keys._stale_budget_s = -1
    with pytest.raises(IdentityUnavailableError):
        await door.knock(bearing(lasting))


async def test_an_address_counts_only_when_our_instance_says_it(door: Door) -> None:
    said = {"use": "forwarded", "client_ip": "10.0.0.9"}
    claims = await door.knock(bearing(signed(HEADER, some_payload(**said))))
    assert claims.client_ip == "10.0.0.9"
    assert (await door.knock(from_gitlab(None, **said)())).client_ip is msgspec.UNSET
