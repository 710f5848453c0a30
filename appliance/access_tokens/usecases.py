"""Mints access tokens, and publishes the keys that they are verified with."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from appliance.access_tokens import rules, tables
from appliance.access_tokens.errors import NoSigningKeyError
from appliance.access_tokens.rules import AccessToken, Origin, PublicKey, Standing, Subject
from appliance.accounts.rules import Caller, User
from appliance.accounts.usecases import all_user_ids
from appliance.errors import NotFoundError
from appliance.feature_flags.rules import load_definitions
from appliance.feature_flags.usecases import enabled_flags
from appliance.licensing.rules import Grant
from appliance.licensing.usecases import grant_of, is_saas
from appliance.namespaces.rules import Namespace
from appliance.namespaces.usecases import access_level, default_namespace, visible_namespace
from appliance.storage.engine import Session
from appliance.storage.identity import Identity
from appliance.storage.outbox import publish
from appliance.storage.sealing import Sealer
from gateway.contract.catalog import Catalog

TOPIC = "signing_key"
SUBJECT_PURPOSE = "global user id"


class Minter:
    """Signs for one instance; keeps the opened signing key, which takes milliseconds to open."""

    def __init__(
        self, sealer: Sealer, identity: Identity, *, issuer: str, catalog: Catalog, version: str
    ) -> None:
        self._sealer = sealer
        self._identity = identity
        self._issuer = issuer
        self._version = version
        self._catalog = catalog
        self._subject_key = sealer.derive(SUBJECT_PURPOSE)
        self._opened: tuple[str, RSAPrivateKey] | None = None

    def mint(
        self,
        session: Session,
        caller: Caller,
        *,
        namespace: Namespace | None,
        jti: UUID,
        now: datetime,
    ) -> AccessToken:
        """A token with which the caller can call the gateway for at most 15 minutes.

        Who is granted nothing gets one that opens nothing: the gateway says what is missing.

        Raises:
            NoSigningKeyError: there is no key to sign with.
        """
        sealed = tables.current_key(session)
        if sealed is None:
            raise NoSigningKeyError
        subject = Subject(
            global_user_id=self.global_user_id(caller.user.id),
            credential=f"pat:{caller.credential.id}",
            generation=caller.user.grant_generation,
        )
        held = standing(session, caller.user, namespace=namespace, catalog=self._catalog, now=now)
        claims = rules.direct_claims(
            subject, held, origin=self._origin(session, now=now), jti=jti, now=now
        )
        return AccessToken(
            text=rules.sign(claims, self._open(sealed), kid=sealed.kid),
            expires_at=datetime.fromtimestamp(claims.exp, UTC),
            headers=rules.client_headers(claims, version=self._version),
        )

    def _origin(self, session: Session, *, now: datetime) -> Origin:
        return Origin(
            issuer=self._issuer,
            instance_id=self._identity.instance_id,
            realm="saas" if is_saas(session, now=now) else "self-managed",
        )

    def global_user_id(self, user_id: int) -> str:
        """The user's name outside the instance."""
        return rules.global_user_id(
            self._subject_key, instance_id=self._identity.instance_id, user_id=user_id
        )

    def users_by_global_id(self, session: Session, global_ids: Collection[str]) -> dict[str, int]:
        """The users behind global ids, in a write; strangers and who is gone are not among them.

        The names are noted the first time that one of them is asked for: minting stays a read.
        """
        found = tables.users_named(session, global_ids)
        if len(found) == len(set(global_ids)):
            return found
        missing = all_user_ids(session) - tables.named_user_ids(session)
        names = {user_id: self.global_user_id(user_id) for user_id in sorted(missing)}
        tables.note_global_ids(session, names)
        wanted = set(global_ids)
        return found | {name: user_id for user_id, name in names.items() if name in wanted}

    def check(self, session: Session) -> None:
        """Passes when a token could be minted now.

        Raises:
            NoSigningKeyError: there is no key to sign with.
            SealBrokenError: the key cannot be opened.
        """
        sealed = tables.current_key(session)
        if sealed is None:
            raise NoSigningKeyError
        self._open(sealed)

    def _open(self, sealed: tables.SealedSigningKey) -> RSAPrivateKey:
        # Two threads may both open a new key once; the assignment itself is atomic.
        opened = self._opened
        if opened is None or opened[0] != sealed.kid:
            place = tables.place_of(sealed.kid)
            text = self._sealer.unseal(sealed.sealed_private_key, place)
            opened = self._opened = (sealed.kid, rules.private_key(text))
        return opened[1]


def namespace_of_token(
    session: Session, user: User, namespace_id: int | None, *, now: datetime
) -> Namespace | None:
    """The group that a user's token is for: the one asked for, else the user's default one.

    Raises:
        NotFoundError: no such group, or the user is no member of it.
    """
    if namespace_id is None:
        return default_namespace(session, user, now=now)
    found = visible_namespace(session, user, namespace_id, now=now)
    if access_level(session, user, found, now=now) is None:
        raise NotFoundError(what="Group")
    return found


def standing(
    session: Session, user: User, *, namespace: Namespace | None, catalog: Catalog, now: datetime
) -> Standing:
    """What a user's token for that group, or for none, would say now."""
    root = None if namespace is None else namespace.root_id
    ancestry = () if namespace is None else namespace.ancestry
    flags = enabled_flags(session, user=user, namespaces=ancestry)
    bought = grant_of(session, user, root_namespace_id=root, catalog=catalog, now=now)
    grant = rules.effective(bought, flags, catalog=catalog, definitions=load_definitions())
    return Standing(grant=grant, flags=flags, namespace=namespace)


def effective_grant(
    session: Session, user: User, *, namespace: Namespace | None, catalog: Catalog, now: datetime
) -> Grant:
    """What was bought for the user in that group, less what flags have switched off."""
    return standing(session, user, namespace=namespace, catalog=catalog, now=now).grant


def published_keys(session: Session) -> Sequence[PublicKey]:
    """The keys that a verifier must know: also those that sign soon, or signed until lately."""
    return tables.public_keys(session)


def ensure_signing_key(session: Session, sealer: Sealer, *, now: datetime) -> bool:
    """Gives a new instance its first signing key; tells whether it did."""
    if tables.current_key(session) is not None:
        return False
    key = rules.generate_key()
    public = rules.public_half(key)
    sealed = sealer.seal(rules.private_bytes(key), tables.place_of(public.kid))
    tables.add_key(session, public, sealed, state="current", now=now)
    publish(session, TOPIC, {"kid": public.kid, "change": "created"}, now=now)
    return True
