"""Mints access tokens."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from appliance.access_tokens import rules, tables
from appliance.access_tokens.errors import NoSigningKeyError
from appliance.access_tokens.rules import (
    AccessToken,
    Origin,
    Purpose,
    Standing,
    Subject,
    verifying,
)
from appliance.access_tokens.rules.verifying import presented_token
from appliance.access_tokens.usecases.standings import standing
from appliance.accounts.rules import Caller
from appliance.accounts.usecases import all_user_ids, find_caller, grant_era
from appliance.feature_flags.rules import load_definitions, pushed_to
from appliance.instance_settings.rules import Addresses
from appliance.instance_settings.usecases import accepted_issuers, addresses
from appliance.licensing.usecases import check_clock, is_saas
from appliance.namespaces.rules import Namespace
from appliance.storage.engine import Session
from appliance.storage.identity import Identity
from appliance.storage.sealing import Sealer
from gateway.contract.catalog import Catalog
from gateway.contract.claims import Claims
from gateway.contract.compact import CompactToken

__all__ = ["Minter", "Recognised", "presented_token"]

SUBJECT_PURPOSE = "global user id"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The instance's own token, and what it says: good for as long as that is so."""

    origin: Origin
    kid: str
    until: datetime
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """An access token that came back and is good."""

    claims: Claims
    caller: Caller


class Minter:
    """Signs for one instance; keeps the opened signing key, which takes milliseconds to open."""

    def __init__(
        self, sealer: Sealer, identity: Identity, *, told: Addresses, catalog: Catalog, version: str
    ) -> None:
        self._sealer = sealer
        self._identity = identity
        self._told = told
        self._version = version
        self._catalog = catalog
        self._subject_key = sealer.derive(SUBJECT_PURPOSE)
        self._opened: tuple[str, RSAPrivateKey] | None = None
        self._own: _Kept | None = None

    def mint(
        self,
        session: Session,
        caller: Caller,
        purpose: Purpose,
        *,
        namespace: Namespace | None,
        now: datetime,
    ) -> AccessToken:
        """A token with which the gateway can be called for the caller.

        Who is granted nothing gets one that opens nothing: the gateway says what is missing.

        Raises:
            NoSigningKeyError: there is no key to sign with.
            ClockWentBackError: the clock shows a time that was over before.
        """
        sealed = tables.current_key(session)
        if sealed is None:
            raise NoSigningKeyError
        where = addresses(session, self._told)
        origin = self._origin(session, where, now=now)
        held = self._standing(session, caller, namespace=namespace, now=now)
        claims = rules.token_claims(self._subject(caller), held, purpose, origin=origin, now=now)
        return AccessToken(
            text=rules.sign(claims, self._open(sealed), kid=sealed.kid),
            claims=claims,
            base_url=where.gateway_public_url,
            headers=rules.client_headers(claims, version=self._version),
        )

    def mint_instance_token(self, session: Session, *, jti: UUID, now: datetime) -> str:
        """The token with which the instance calls a gateway for itself; kept for a few minutes.

        One that was superseded, or signed with a key that signs no more, is not handed out again.

        Raises:
            NoSigningKeyError: there is no key to sign with.
            ClockWentBackError: the clock shows a time that was over before.
        """
        sealed = tables.current_key(session)
        if sealed is None:
            raise NoSigningKeyError
        origin = self._origin(session, addresses(session, self._told), now=now)
        kept = self._own
        is_good = kept is not None and (kept.origin, kept.kid) == (origin, sealed.kid)
        if kept is not None and is_good and kept.until - rules.INSTANCE_KEPT <= now < kept.until:
            return kept.text
        claims = rules.instance_claims(origin, jti=jti, now=now)
        text = rules.sign(claims, self._open(sealed), kid=sealed.kid)
        until = now + rules.INSTANCE_KEPT
        self._own = _Kept(origin=origin, kid=sealed.kid, until=until, text=text)
        return text

    def recognise(self, session: Session, token: CompactToken, *, now: datetime) -> Recognised:
        """Whose the access token is that comes back, and what it says.

        Raises:
            AccessTokenInvalidError: it is not one of ours, or does not hold now.
            AccessTokenSupersededError: what it grants was changed or taken back.
        """
        issuers = accepted_issuers(session, self._told, now=now)
        claims = verifying.verified_claims(
            token,
            tables.public_keys(session),
            issuers=issuers,
            instance_id=self._identity.instance_id,
            now=now,
        )
        caller = find_caller(session, verifying.credential_id(claims))
        name = "" if caller is None else self.global_user_id(caller.user.id)
        caller = verifying.check_still_granted(
            claims, caller, global_user_id=name, era=grant_era(session), now=now
        )
        return Recognised(claims=claims, caller=caller)

    def claims_of(
        self,
        session: Session,
        caller: Caller,
        *,
        namespace: Namespace | None,
        jti: UUID,
        now: datetime,
    ) -> Claims:
        """What a token would say that is minted now; its use is `direct`.

        Raises:
            ClockWentBackError: the clock shows a time that was over before.
        """
        origin = self._origin(session, addresses(session, self._told), now=now)
        held = self._standing(session, caller, namespace=namespace, now=now)
        purpose = Purpose(jti=jti)
        return rules.token_claims(self._subject(caller), held, purpose, origin=origin, now=now)

    def _standing(
        self, session: Session, caller: Caller, *, namespace: Namespace | None, now: datetime
    ) -> Standing:
        # Of the flags, a gateway is told those that something there asks for.
        held = standing(session, caller.user, namespace=namespace, catalog=self._catalog, now=now)
        return replace(held, flags=pushed_to("gateway", held.flags, load_definitions()))

    def _subject(self, caller: Caller) -> Subject:
        return Subject(
            global_user_id=self.global_user_id(caller.user.id),
            credential=f"pat:{caller.credential.id}",
            generation=caller.user.grant_generation,
            ends_at=datetime.combine(caller.credential.expires_on, time(), UTC),
        )

    def _origin(self, session: Session, where: Addresses, *, now: datetime) -> Origin:
        # What is minted at a time that was over before might outlive all that is remembered.
        check_clock(session, now=now)
        return Origin(
            issuer=where.instance_public_url,
            instance_id=self._identity.instance_id,
            realm="saas" if is_saas(session, now=now) else "self-managed",
            era=grant_era(session),
        )

    def identify(self, session: Session, *, now: datetime) -> Origin:
        """What tokens that are minted now say of the instance.

        Raises:
            ClockWentBackError: the clock shows a time that was over before.
        """
        return self._origin(session, addresses(session, self._told), now=now)

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
