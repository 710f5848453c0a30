"""Who does what during the soak: who asks, who holds tokens, who revokes them, and who kills."""

import asyncio
import base64
import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

from tests.bench.driver import Connection, Target, connect
from tests.bench.figures import quantile
from tests.bench.verdicts import OK, Asked, Gap, Held, Verdict, judge
from tests.builders import a_signing_key
from tests.system.organisation import Admin, Organisation, Person

CONNECTIONS = 20
KEPT_GOOD = 400
KEPT_REVOKED = 400
# The share of what is asked with: good ones, revoked ones, and the rest are forged.
GOOD_SHARE = 0.6
REVOKED_SHARE = 0.25
PROBE_EVERY_S = 0.002
PROBED_FOR_S = 10.0
NEAR_ITS_END_S = 30
KEPT_WRONG = 50


def latencies(values_s: Sequence[float]) -> dict[str, float]:
    """The spread of latencies, in milliseconds."""
    if not values_s:
        return {}
    shares = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}
    return {name: round(quantile(values_s, share) * 1000, 1) for name, share in shares.items()}


@dataclass(slots=True)
class Ledger:
    """What was answered, and how long it took from a revocation to the first refusal.

    From the moment the admin's request was answered, and from the moment it was sent.
    """

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    after_answer_s: list[float] = field(default_factory=list)
    after_request_s: list[float] = field(default_factory=list)
    revocations: Counter[str] = field(default_factory=Counter)
    wrong: list[dict[str, Any]] = field(default_factory=list)

    def enter(self, held: Held, asked: Asked, verdict: Verdict) -> None:
        self.verdicts[verdict] += 1
        self.statuses[f"{verdict} {asked.status}"] += 1
        if verdict in {"good_refused", "bad_accepted"} and len(self.wrong) < KEPT_WRONG:
            about = {"kid": held.kid, "doubted_at": held.doubted_at, "revoked_at": held.revoked_at}
            seen = {"sent_at": asked.sent_at, "status": asked.status}
            self.wrong.append({"verdict": verdict, **about, **seen})

    def figures(self) -> dict[str, Any]:
        names: tuple[Verdict, ...] = ("good_refused", "bad_accepted", "good", "bad", "not_judged")
        return {
            **{name: self.verdicts[name] for name in names},
            "revocations": dict(self.revocations),
            "revoke_to_refuse": latencies(self.after_answer_s),
            "request_to_refuse": latencies(self.after_request_s),
            "statuses": dict(sorted(self.statuses.items())),
            "wrong": self.wrong,
        }


class Watch:
    """Notes when the gateway is not connected to the instance."""

    def __init__(self, place: Organisation) -> None:
        self.is_killing = False
        self._url = f"http://127.0.0.1:{place.ports['gateway_metrics']}/metrics"
        self.gaps: list[Gap] = []

    def begin_gap(self) -> None:
        """The instance is about to be killed."""
        if not self.gaps or self.gaps[-1].until is not None:
            self.gaps.append(Gap(time.monotonic()))

    def cut_off_s(self) -> float:
        now = time.monotonic()
        return sum((gap.until or now) - gap.since for gap in self.gaps)

    async def run(self) -> None:
        """Asks the gateway itself, ten times a second."""
        async with httpx.AsyncClient(trust_env=False) as http:
            while True:
                text = (await http.get(self._url)).text
                if "casemate_gateway_feed_connected 1.0" not in text:
                    self.begin_gap()
                elif self.gaps and self.gaps[-1].until is None and not self.is_killing:
                    self.gaps[-1].until = time.monotonic()
                await asyncio.sleep(0.1)


class Breaker:
    """Kills the instance at random times, and starts it again."""

    def __init__(self, place: Organisation, watch: Watch, *, dice: random.Random) -> None:
        self._place = place
        self._watch = watch
        self._dice = dice
        self.kills = 0

    async def run(self, *, every_s: float) -> None:
        while True:
            await asyncio.sleep(self._dice.uniform(0.25, 1.75) * every_s)
            self._watch.is_killing = True
            self._watch.begin_gap()
            self._place.kill("instance")
            self.kills += 1
            await asyncio.sleep(self._dice.uniform(0, 3))
            self._place.start("instance")
            # The gateway needs a moment to see that its connection is gone.
            await asyncio.sleep(0.3)
            self._watch.is_killing = False


class Staff:
    """The people with their tokens, good and revoked."""

    def __init__(
        self, admin: Admin, people: Sequence[Person], *, ledger: Ledger, dice: random.Random
    ) -> None:
        self._admin = admin
        self._people = people
        self._ledger = ledger
        self._dice = dice
        self.good: list[Held] = []
        self.revoked: list[Held] = []
        self.forged: list[Held] = []
        self._dead_kids: set[str] = set()

    @classmethod
    async def hired(
        cls, admin: Admin, count: int, *, ledger: Ledger, dice: random.Random
    ) -> "Staff":
        people = [await admin.hire(f"user{number}") for number in range(count)]
        staff = cls(admin, people, ledger=ledger, dice=dice)
        for person in people[: count // 2]:
            staff.good.append(await staff._mint(person.pat))
        return staff

    async def _mint(self, pat: str) -> Held:
        text = await self._admin.mint(pat)
        ends = jwt.decode(text, options={"verify_signature": False})["exp"]
        held = Held(text=text, kid=jwt.get_unverified_header(text)["kid"], expires_at=ends)
        self.forged[:] = [*self.forged[-50:], *forgeries(text, self._dice)]
        return held

    async def renew(self) -> None:
        """New tokens of those whom nobody revokes; old ones stay in use, the oldest for long."""
        while True:
            for person in self._people[: len(self._people) // 2]:
                try:
                    held = await self._mint(person.pat)
                except httpx.HTTPError:
                    # The instance is away; those who have a token work on.
                    await asyncio.sleep(0.2)
                    continue
                # Its key may have died while the answer was on its way.
                if held.kid not in self._dead_kids:
                    self.good.append(held)
                if len(self.good) > KEPT_GOOD:
                    del self.good[self._dice.randrange(KEPT_GOOD // 4, KEPT_GOOD)]
                soon = time.time() + NEAR_ITS_END_S
                self.good[:] = [held for held in self.good if held.expires_at > soon]
                await asyncio.sleep(0.1)

    async def revoke(self, asker: "Asker") -> None:
        """One revocation after the other, each of the next kind, and a probe of each."""
        kinds = {"credential": self._credential, "user": self._user, "seat": self._seat}
        while True:
            for name, kind in kinds.items():
                person = self._dice.choice(self._people[len(self._people) // 2 :])
                try:
                    await kind(person, asker)
                    self._ledger.revocations[name] += 1
                except httpx.HTTPError:
                    await asyncio.sleep(0.5)
                await asyncio.sleep(0.2)

    async def _credential(self, person: Person, asker: "Asker") -> None:
        pat_id, pat = await self._admin.give_pat(person.id)
        held = await self._mint(pat)
        with self._probed([held], asker):
            await self._admin.ask("DELETE", f"/personal_access_tokens/{pat_id}")

    async def _user(self, person: Person, asker: "Asker") -> None:
        held = await self._mint(person.pat)
        try:
            with self._probed([held], asker):
                await self._admin.ask("PUT", f"/users/{person.id}", {"state": "blocked"})
        finally:
            await self._until_done("PUT", f"/users/{person.id}", {"state": "active"})
            await self._until_seated(person)

    async def _seat(self, person: Person, asker: "Asker") -> None:
        held = await self._mint(person.pat)
        try:
            with self._probed([held], asker):
                await self._admin.take_seat(person.id)
        finally:
            await self._until_seated(person)

    async def _until_done(self, method: str, path: str, body: Any) -> None:
        while True:
            try:
                await self._admin.ask(method, path, body)
            except httpx.TransportError:
                await asyncio.sleep(0.3)
            else:
                return

    async def _until_seated(self, person: Person) -> None:
        while True:
            try:
                await self._admin.give_seat(person.id)
            except httpx.TransportError:
                await asyncio.sleep(0.3)
            except httpx.HTTPStatusError:
                # The seat was never taken, since the instance was killed before.
                return
            else:
                return

    async def compromise(self, *, every_s: float) -> None:
        """Declares the current key compromised: all that it signed dies."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self._compromise()
                self._ledger.revocations["key"] += 1
            except httpx.HTTPError:
                continue

    async def _compromise(self) -> None:
        keys = await self._admin.ask("GET", "/ai/signing_keys")
        kid = next(key["kid"] for key in keys if key["state"] == "current")
        self._dead_kids.add(kid)
        # Any of them may be what the kill of a moment later leaves behind.
        concerned = [held for held in self.good if held.kid == kid]
        for held in concerned:
            held.doubted_at = time.monotonic()
        self.good[:] = [held for held in self.good if held.kid != kid]
        body = {"compromised": True, "kid": kid}
        await self._admin.ask("POST", "/ai/signing_keys/rotate", body)
        now = time.monotonic()
        # Minted while the request was on its way.
        late = [held for held in self.good if held.kid == kid]
        self.good[:] = [held for held in self.good if held.kid != kid]
        for held in [*concerned, *late]:
            held.doubted_at = min(held.doubted_at or now, now)
            held.revoked_at = now
        self.revoked[:] = [*self.revoked, *concerned, *late][-KEPT_REVOKED:]

    @contextmanager
    def _probed(self, tokens: list[Held], asker: "Asker") -> Iterator[None]:
        began = time.monotonic()
        for held in tokens:
            held.doubted_at = began
        yield
        now = time.monotonic()
        for held in tokens:
            held.revoked_at = now
            asker.probe(held, began)
        self.revoked[:] = [*self.revoked, *tokens][-KEPT_REVOKED:]

    async def keys_made(self) -> int:
        """How many signing keys are known in the end."""
        while True:
            try:
                return len(await self._admin.ask("GET", "/ai/signing_keys"))
            except httpx.TransportError:
                await asyncio.sleep(0.3)


class Asker:
    """Asks the gateway to verify tokens, at a fixed rate over connections that are kept."""

    def __init__(
        self,
        place: Organisation,
        staff: Staff,
        ledger: Ledger,
        gaps: Sequence[Gap],
        *,
        dice: random.Random,
    ) -> None:
        self._target = Target(port=place.ports["gateway"], bearer="")
        self._staff = staff
        self._ledger = ledger
        self._gaps = gaps
        self._dice = dice
        self._probes: set[asyncio.Task[None]] = set()

    async def run(self, *, per_s: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(self._keep_asking(CONNECTIONS / per_s))

    async def _keep_asking(self, every_s: float) -> None:
        connection = await connect(self._target)
        due = time.monotonic()
        while True:
            held = self._pick()
            asked = await self._ask(connection, held)
            self._ledger.enter(held, asked, judge(held, asked, self._gaps))
            due = max(due + every_s, time.monotonic() - 1)
            await asyncio.sleep(max(0, due - time.monotonic()))

    def _pick(self) -> Held:
        staff, share = self._staff, self._dice.random()
        if share < GOOD_SHARE and staff.good:
            return self._dice.choice(staff.good)
        if share < GOOD_SHARE + REVOKED_SHARE and staff.revoked:
            return self._dice.choice(staff.revoked)
        return self._dice.choice(staff.forged)

    @staticmethod
    async def _ask(connection: Connection, held: Held) -> Asked:
        head = f"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {held.text}\r\n\r\n"
        sent_at = time.monotonic()
        answer = await connection.exchange(head.encode("latin-1"))
        return Asked(sent_at, time.monotonic(), int(answer[9:12]))

    def probe(self, held: Held, began: float) -> None:
        """Asks with a token that was just revoked until it is refused."""
        task = asyncio.create_task(self._probe(held, began))
        self._probes.add(task)
        task.add_done_callback(self._probes.discard)

    async def _probe(self, held: Held, began: float) -> None:
        connection = await connect(self._target)
        revoked_at = held.revoked_at or began
        while time.monotonic() < revoked_at + PROBED_FOR_S:
            asked = await self._ask(connection, held)
            self._ledger.enter(held, asked, judge(held, asked, self._gaps))
            if asked.status != OK:
                was_connected = not any(
                    gap.since >= began - 1 and gap.since <= asked.answered_at for gap in self._gaps
                )
                if was_connected:
                    self._ledger.after_answer_s.append(max(0, asked.answered_at - revoked_at))
                    self._ledger.after_request_s.append(asked.answered_at - began)
                break
            await asyncio.sleep(PROBE_EVERY_S)
        connection.close()


def forgeries(text: str, dice: random.Random) -> list[Held]:
    """What somebody might make of a good token."""
    header, payload, signature = text.split(".")
    claims = jwt.decode(text, options={"verify_signature": False})
    kid = jwt.get_unverified_header(text)["kid"]
    wider = {**claims, "providers": ["shm", "duo", "amazonq"], "sub": "somebody-else"}
    at = dice.randrange(len(signature) - 2)
    changed = "A" if signature[at] != "A" else "B"
    made = [
        jwt.encode(wider, a_signing_key(), algorithm="RS256", headers={"kid": kid}),
        jwt.encode(claims, a_signing_key(), algorithm="RS256", headers={"kid": f"kid-{at}"}),
        f"{header}.{_encoded(wider)}.{signature}",
        f"{_encoded({'alg': 'none', 'kid': kid})}.{payload}.",
        f"{header}.{payload}.{signature[:at]}{changed}{signature[at + 1 :]}",
    ]
    return [Held(text=each, kid=kid, is_forged=True) for each in made]


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
