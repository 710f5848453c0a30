"""What the instance took back: asked of every call, so each answer is a look-up or two."""

from gateway.contract import feed
from gateway.contract.claims import Claims


class Revocations:
    """Everything revoked that a living token may still be hit by.

    Nothing is ever lowered, not even by a snapshot: a restored instance may remember less than it
    once said. Only the era, which has no end, is what the last snapshot says it is.
    """

    def __init__(self) -> None:
        self._credentials: dict[str, feed.RevokedCredential] = {}
        self._generations: dict[str, feed.MinimumGeneration] = {}
        self._dead_keys: dict[str, feed.DeadKey] = {}
        self._minimum_era = 0
        self.dead_kids: frozenset[str] = frozenset()
        """The signing keys that count no more, whoever holds them."""

    def apply(self, fed: feed.Revocations | None, *, is_snapshot: bool) -> None:
        """Takes over what a document says; None: nothing, as an older instance does."""
        if fed is None:
            return
        self._minimum_era = (
            fed.minimum_era if is_snapshot else max(self._minimum_era, fed.minimum_era)
        )
        for credential in fed.credentials:
            known = self._credentials.get(credential.credential)
            if known is None or known.until < credential.until:
                self._credentials[credential.credential] = credential
        for generation in fed.generations:
            self._raise(generation)
        for key in fed.dead_keys:
            if key.kid not in self._dead_keys or self._dead_keys[key.kid].until < key.until:
                self._dead_keys[key.kid] = key
        self.dead_kids = frozenset(self._dead_keys)

    def _raise(self, fresh: feed.MinimumGeneration) -> None:
        known = self._generations.get(fresh.subject)
        if known is None or (known.generation, known.until) < (fresh.generation, fresh.until):
            self._generations[fresh.subject] = fresh

    def is_superseded(self, claims: Claims) -> bool:
        """Whether a token of these claims, by the issuer whose feed this is, counts no more."""
        if claims.era < self._minimum_era or claims.cred in self._credentials:
            return True
        least = self._generations.get(claims.sub)
        return least is not None and claims.gen < least.generation

    def sweep(self, now: float) -> None:
        """Forgets what no token lives to be hit by; `now` is in seconds since the epoch."""
        for kept in (self._credentials, self._generations, self._dead_keys):
            for name in [name for name, each in kept.items() if each.until < now]:
                del kept[name]
        self.dead_kids = frozenset(self._dead_keys)

    def kept(self) -> feed.Revocations:
        """All of it, as `apply` takes it."""
        return feed.Revocations(
            credentials=tuple(self._credentials.values()),
            generations=tuple(self._generations.values()),
            dead_keys=tuple(self._dead_keys.values()),
            minimum_era=self._minimum_era,
        )
