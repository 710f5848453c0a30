"""The way in to a gateway without its sockets: header lines in, claims or a refusal out."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.contract.claims import Claims
from gateway.edge.admitting.admission import Admission
from gateway.edge.exchange import Exchange
from gateway.issuer.feed.revocations import Revocations
from gateway.issuer.identity import make_identity
from gateway.issuer.snapshot import SnapshotStore
from gateway.issuer.tokens.introspection import Introspector
from gateway.issuer.tokens.issuers import Issuers
from gateway.issuer.tokens.key_sets import KeySet, Times
from gateway.issuer.tokens.profiles import USER_TOKEN_ISSUER, Profile
from gateway.issuer.tokens.verifier import TokenVerifier
from tests.builders import INSTANCE_ID, ISSUER, KID, a_jwk, a_signing_key, base64url
from tests.fakes.gitlab import FakeGitLab, a_user_token_key

Lines = list[tuple[bytes, bytes]]
# A GitLab that publishes a key of its own under the id of our instance's.
GITLAB = FakeGitLab()
GITLAB_JWKS = [a_jwk(GITLAB.kid), {**a_jwk("gitlab-key-2"), "kid": KID}]
TIMES = Times(
    cool_down=timedelta(seconds=2),
    refresh_after=timedelta(seconds=60),
    stale_budget=timedelta(hours=24),
)


def signed(header: Any, payload: Any, *, key: RSAPrivateKey | None = None) -> str:
    """A token with a good RS256 signature over any JSON text, or any bytes, one likes."""
    parts = (
        each if isinstance(each, bytes) else json.dumps(each).encode() for each in (header, payload)
    )
    text = ".".join(base64url(part) for part in parts)
    signature = (key or a_signing_key(KID)).sign(text.encode(), PKCS1v15(), SHA256())
    return f"{text}.{base64url(signature)}"


def bearing(token: str | bytes, *more: tuple[bytes, bytes]) -> Lines:
    text = token if isinstance(token, bytes) else token.encode()
    return [(b"authorization", b"Bearer " + text), *more]


async def nobody() -> Any:
    """Receives nothing, sends nothing."""


class Door:
    """An admission with our instance, a GitLab and user tokens; it counts what it causes."""

    def __init__(self, folder: Path, *, now: float) -> None:
        self.now = now
        self.fetches = 0
        self.asked = 0
        store = SnapshotStore(folder, make_identity(folder))
        self.revocations = Revocations()
        self.keys = self._key_set(store, "key_set", [a_jwk()])
        gitlab = self._key_set(store, "key_set-gitlab", GITLAB_JWKS)
        pinned = Profile(
            name="instance",
            kind="casemate",
            keys=self.keys,
            instance_id=INSTANCE_ID,
            is_pinned=True,
        )
        others = {
            GITLAB.url: Profile(
                name="gitlab", kind="gitlab", keys=gitlab, providers=frozenset({"duo"})
            ),
            USER_TOKEN_ISSUER: Profile(name="user", kind="user", keys=a_user_token_key()),
        }
        self.verifier = TokenVerifier(
            pinned,
            issuer=ISSUER,
            others=others,
            revocations=self.revocations,
            clock=lambda: self.now,
        )
        introspector = Introspector(
            self._ask,
            pinned=pinned,
            issuers=lambda: self.verifier.pinned_issuers,
            revocations=self.revocations,
            clock=lambda: self.now,
        )
        issuers = Issuers(verifier=self.verifier, introspector=introspector, key_sets=(gitlab,))
        self.admission = Admission(issuers)
        self._gitlab = gitlab

    def _key_set(self, store: SnapshotStore, name: str, jwks: list[dict[str, Any]]) -> KeySet:
        async def fetch() -> bytes:
            self.fetches += 1
            return json.dumps({"keys": jwks}).encode()

        return KeySet(fetch=fetch, store=store, clock=lambda: self.now, times=TIMES, snapshot=name)

    async def _ask(self, token: str, namespace_id: str) -> dict[str, object] | None:
        del token, namespace_id
        self.asked += 1
        return None

    async def open(self) -> "Door":
        """Fetches every key set once; nothing more is due for as long as the clock stands."""
        await asyncio.gather(self.keys.refresh(), self._gitlab.refresh())
        return self

    async def knock(self, lines: Lines) -> Claims:
        """Who shows these header lines; raises what the gateway would answer."""
        scope: Any = {"type": "http", "method": "GET", "path": "/v1/models", "headers": lines}
        claims, _ = await self.admission.admit(Exchange(scope, nobody, lambda _: nobody()).headers)
        return claims
