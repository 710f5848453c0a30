import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from gateway.contract import feed
from gateway.contract.claims import Claims
from gateway.contract.introspection import INTROSPECTED_FOR_S, INTROSPECTION_PATH
from gateway.errors import IdentityUnavailableError, InvalidTokenError, TokenSupersededError
from gateway.issuer.feed.revocations import Revocations
from gateway.issuer.identity import Identity
from gateway.issuer.pins import Pin
from gateway.issuer.tokens.introspection import (
    CACHE_ENTRIES,
    MAX_AT_ONCE,
    MAX_STRANGERS,
    STRANGERS_WINDOW_S,
    IntrospectionFailedError,
    Introspector,
    _Known,
    asking,
)
from gateway.issuer.tokens.profiles import Profile
from tests.builders import INSTANCE_ID, ISSUER, some_claims
from tests.fakes.gitlab import a_user_token_key
from tests.fakes.instance import FakeInstance
from tests.forging import NOW, a_pat, some_payload
from tests.gateway.conftest import RunningGateway


class Desk:
    """The instance's side: what a token opens, and how often it was asked."""

    def __init__(self) -> None:
        self.now = float(NOW)
        self.answers: dict[str, Any] = {a_pat(): {"cred": "pat:1"}}
        self.questions: list[tuple[str, str]] = []
        self.at_once = 0
        self.most_at_once = 0
        self.is_away = False
        self.revocations = Revocations()
        pinned = Profile(
            name="instance",
            kind="casemate",
            keys=a_user_token_key(),
            instance_id=INSTANCE_ID,
            is_pinned=True,
        )
        self.introspector = Introspector(
            self._ask,
            pinned=pinned,
            issuers=lambda: frozenset({ISSUER}),
            revocations=self.revocations,
            clock=lambda: self.now,
        )

    async def _ask(self, token: str, namespace_id: str) -> dict[str, object] | None:
        self.questions.append((token, namespace_id))
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.is_away:
            raise IntrospectionFailedError("away")
        opened = self.answers.get(token)
        if opened is None:
            return None
        now = int(self.now)
        times = {"iat": now, "nbf": now - 5, "exp": now + INTROSPECTED_FOR_S}
        return {**some_payload(**{**times, **opened}), "active": True}

    async def look_up(self, token: str = a_pat(), *, namespace: bytes = b"") -> Claims:
        headers = {b"x-gitlab-namespace-id": namespace} if namespace else {}
        found = await self.introspector.look_up(b"Bearer " + token.encode(), headers)
        return found.claims


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_token_opens_what_the_instance_says_and_is_asked_for_once(desk: Desk) -> None:
    found = await asyncio.gather(*(desk.look_up() for _ in range(20)))
    assert {claims.cred for claims in found} == {"pat:1"}
    assert desk.questions == [(a_pat(), "")]


async def test_each_group_is_a_question_of_its_own(desk: Desk) -> None:
    for namespace in (b"7", b"8", b"7", b"", b"x", b"007"):
        await desk.look_up(namespace=namespace)
    assert [asked for _, asked in desk.questions] == ["7", "8", ""]


async def test_an_answer_is_relied_on_for_half_a_minute(desk: Desk) -> None:
    await desk.look_up()
    desk.now += INTROSPECTED_FOR_S - 1
    await desk.look_up()
    assert len(desk.questions) == 1
    desk.now += 1
    await desk.look_up()
    assert len(desk.questions) == 2


async def test_what_opens_nothing_is_remembered_as_well(desk: Desk) -> None:
    for _ in range(5):
        with pytest.raises(InvalidTokenError):
            await desk.look_up(a_pat("b" * 32))
    assert len(desk.questions) == 1


async def test_neither_the_token_nor_its_parts_are_kept(desk: Desk) -> None:
    await desk.look_up()
    assert a_pat()[-20:] not in repr(vars(desk.introspector))
    assert a_pat()[-20:].encode() not in b"".join(desk.introspector._known)


async def test_with_the_instance_away_an_answer_holds_until_it_runs_out(desk: Desk) -> None:
    await desk.look_up()
    desk.is_away = True
    desk.now += INTROSPECTED_FOR_S - 1
    await desk.look_up()
    desk.now += 1
    with pytest.raises(IdentityUnavailableError):
        await desk.look_up()
    desk.is_away = False
    desk.now += 2
    await desk.look_up()


async def test_after_a_failure_nobody_asks_for_a_moment(desk: Desk) -> None:
    desk.is_away = True
    for number in range(10):
        with pytest.raises(IdentityUnavailableError):
            await desk.look_up(a_pat(f"{number % 6 + 2}" * 32))
    assert len(desk.questions) == 1


async def test_a_revoked_token_is_asked_for_again_at_once(desk: Desk) -> None:
    await desk.look_up()
    revoked = feed.RevokedCredential(credential="pat:1", until=NOW + 900)
    desk.revocations.apply(feed.Revocations(credentials=(revoked,)), is_snapshot=False)
    with pytest.raises(TokenSupersededError):
        await desk.look_up()
    desk.is_away = True
    with pytest.raises(TokenSupersededError):
        await desk.look_up()
    desk.is_away = False
    desk.now += 2
    desk.answers.clear()
    with pytest.raises(InvalidTokenError):
        await desk.look_up()


async def test_changed_rights_are_asked_for_and_taken_over(desk: Desk) -> None:
    await desk.look_up()
    raised = feed.MinimumGeneration(subject="user-1", generation=3, until=NOW + 900)
    desk.revocations.apply(feed.Revocations(generations=(raised,)), is_snapshot=False)
    desk.answers[a_pat()] = {"cred": "pat:1", "gen": 3, "scopes": []}
    assert (await desk.look_up()).scopes == frozenset()
    assert len(desk.questions) == 2


@pytest.mark.parametrize(
    "answer",
    [
        {"iss": "http://other.test"},
        {"iss": ["x"]},
        {"gitlab_instance_id": "other"},
        {"aud": ["other"]},
        {"exp": NOW - 100, "iat": NOW - 200},
        {"scopes": "all"},
    ],
)
async def test_an_answer_that_makes_no_sense_is_none(desk: Desk, answer: dict[str, Any]) -> None:
    desk.answers[a_pat()] = answer
    with pytest.raises(IdentityUnavailableError):
        await desk.look_up()


async def test_only_so_many_are_asked_for_at_once(desk: Desk) -> None:
    tokens = [a_pat(f"{number:032b}".translate({48: "a", 49: "b"})) for number in range(60)]
    desk.answers.update({key: {} for key in tokens})
    await asyncio.gather(*(desk.look_up(token) for token in tokens))
    assert desk.most_at_once <= MAX_AT_ONCE
    assert len(desk.questions) == 60


async def test_invented_tokens_are_stopped_and_known_ones_are_not(desk: Desk) -> None:
    await desk.look_up()
    desk.now += INTROSPECTED_FOR_S
    refused = []
    for number in range(2 * MAX_STRANGERS):
        invented = a_pat(f"{number:032b}".translate({48: "a", 49: "b"}) if number else "c" * 32)
        with pytest.raises((InvalidTokenError, IdentityUnavailableError)) as error:
            await desk.look_up(invented)
        refused.append(error.type)
    assert refused[-1] is IdentityUnavailableError
    assert len(desk.questions) == 1 + MAX_STRANGERS
    await desk.look_up()
    desk.now += STRANGERS_WINDOW_S
    with pytest.raises(InvalidTokenError):
        await desk.look_up(a_pat("d" * 32))


async def test_what_is_remembered_is_bounded(desk: Desk) -> None:
    for number in range(CACHE_ENTRIES + 10):
        desk.introspector._keep(b"%064d" % number, _Known(at=desk.now, verified=None))
    assert len(desk.introspector._known) == CACHE_ENTRIES
    assert len(desk.introspector._proven) <= CACHE_ENTRIES


async def test_the_instance_is_asked_as_the_contract_says(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    instance.pats[a_pat()] = some_claims(cred="pat:1", ns=7, root_ns=5)
    headers = {"Authorization": f"Bearer {a_pat()}", "X-Gitlab-Namespace-Id": "7"}
    answers = [await gateway.http.get("/v1/models", headers=headers) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 200]
    assert instance.introspected == [{"token": a_pat(), "namespace_id": "7"}]
    assert (await gateway.chat(a_pat())).status_code == 200
    assert (await gateway.chat(a_pat("b" * 32))).status_code == 401
    assert instance.introspected[-1] == {"token": a_pat("b" * 32)}


@pytest.mark.parametrize("said", [b"", b"[]", b'{"active": 1}', b'{"x": "\xff"}', b"[" * 60_000])
async def test_an_answer_that_is_none_is_a_failure(said: bytes, identity: Identity) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=said)

    app = web.Application()
    app.router.add_post(INTROSPECTION_PATH, answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    pin = Pin(
        instance_id=INSTANCE_ID,
        feed_key="",
        issuer=ISSUER,
        instance_url=f"http://127.0.0.1:{runner.addresses[0][1]}",
    )
    async with aiohttp.ClientSession() as session:
        ask = asking(session, pin=pin, identity=identity, clock=lambda: NOW)
        with pytest.raises(IntrospectionFailedError):
            await ask(a_pat(), "")
    await runner.cleanup()


async def test_what_is_no_header_of_one_token_is_refused(desk: Desk) -> None:
    for header in (b"Basic x", b"Bearer ", b"Bearer " + b"x" * 9000, b"Bearer \xe9"):
        with pytest.raises(InvalidTokenError):
            await desk.introspector.look_up(header, {})
    assert desk.questions == []


async def test_a_question_that_fails_is_503(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    instance.is_down = True
    with capture_logs() as logged:
        answer = await gateway.chat(a_pat())
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "identity_unavailable")
    assert any(line["event"] == "introspection_failed" for line in logged)
    assert a_pat()[-20:] not in str(logged)
