"""Whom the gateway believes, and what the tokens of each kind of issuer say to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import structlog

from gateway.contract import headers
from gateway.contract.claims import AUDIENCE, LEEWAY_S, LONGEST_LIFE_S, Claims, Realm
from gateway.errors import InvalidTokenError
from gateway.issuer.tokens.key_sets import Keys

# `user`: what this gateway, or another with the same key, made of a token of a `gitlab` issuer.
Kind = Literal["casemate", "gitlab", "user"]

USER_TOKEN_ISSUER = AUDIENCE
NO_USER = b"unknown"
MAX_TEXT_CHARS = 255

_INSTANCE_ID = headers.INSTANCE_ID.lower().encode()
_USER_ID = headers.GLOBAL_USER_ID.lower().encode()
_REALM = headers.REALM.lower().encode()
_AUTHENTICATION_TYPE = headers.AUTHENTICATION_TYPE.lower().encode()
_SEAT_COUNT = b"x-gitlab-duo-seat-count"

log = structlog.get_logger()

Pairs = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One issuer, or the pinned instance with all its `iss`.

    `providers` is what its tokens open at most when their kind has no such claim of its own.
    `instance_id` is what its tokens must name; None: any.
    """

    name: str
    kind: Kind
    keys: Keys
    providers: frozenset[str] = frozenset()
    instance_id: str | None = None
    is_pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A good token, and what the headers beside it must say.

    `due` must be there and equal, `possible` equal if they are there. With `acts_for_header` the
    token is an instance's, for the user whom a header names.
    """

    profile: Profile
    claims: Claims
    due: Pairs = ()
    possible: Pairs = ()
    acts_for_header: bool = False
    seat_count: bytes | None = field(default=None, compare=False)

    def claims_with(self, request_headers: Mapping[bytes, bytes]) -> Claims:
        """The claims of the caller who shows the token with these headers.

        Raises:
            InvalidTokenError: a header contradicts the token, or one that is due is missing.
        """
        for name, value in self.due:
            if request_headers.get(name) != value:
                raise InvalidTokenError(reason=f"header {name.decode()} is not its claim")
        for name, value in self.possible:
            if request_headers.get(name, value) != value:
                raise InvalidTokenError(reason=f"header {name.decode()} differs from its claim")
        return self._for_user(request_headers) if self.acts_for_header else self.claims

    def _for_user(self, request_headers: Mapping[bytes, bytes]) -> Claims:
        if self.seat_count and request_headers.get(_SEAT_COUNT, self.seat_count) != self.seat_count:
            log.info("seat_count_differs", issuer=self.claims.iss)
        user = request_headers.get(_USER_ID, NO_USER)
        if user == NO_USER:
            return self.claims
        subject = user.decode("latin-1")
        if not subject.isascii() or not _is_plain(subject):
            raise InvalidTokenError(reason="the user's header is not a plain id")
        return msgspec.structs.replace(self.claims, sub=subject, use="direct")


def read_claims(
    payload: Mapping[str, Any], profile: Profile, *, sources: Mapping[str, Profile], now: float
) -> Verified:
    """What an unverified payload claims, checked in every respect but its signature.

    `sources` are the profiles by `iss`; a user's token is good for as long as its source is one.

    Raises:
        InvalidTokenError: it does not hold now, or is not what an issuer of the kind says.
    """
    try:
        verified = _READERS[profile.kind](payload, profile, sources)
    except (msgspec.ValidationError, RecursionError) as cause:
        # Cut: it may quote what the token says.
        raise InvalidTokenError(reason=f"claims: {cause!s:.200}") from cause
    claims = verified.claims
    if AUDIENCE not in claims.aud:
        raise InvalidTokenError(reason="for another audience")
    if profile.instance_id not in {None, claims.gitlab_instance_id}:
        raise InvalidTokenError(reason="another instance's id")
    if not all(_is_plain(text) for text in (claims.sub, claims.jti)):
        raise InvalidTokenError(reason="sub or jti is empty, too long or not printable")
    if not 0 < claims.exp - claims.iat <= LONGEST_LIFE_S or claims.iat - LEEWAY_S > now:
        raise InvalidTokenError(reason="a life that no token has")
    if not holds(claims, now):
        raise InvalidTokenError(reason="expired or not yet valid")
    return verified


def holds(claims: Claims, now: float) -> bool:
    """Whether the times of a token allow it now."""
    return claims.nbf - LEEWAY_S <= now < claims.exp + LEEWAY_S


def _is_plain(text: str) -> bool:
    return 0 < len(text) <= MAX_TEXT_CHARS and text.isprintable()


def of_casemate(claims: Claims, profile: Profile) -> Verified:
    """Claims of our own kind: GitLab's headers may be absent."""
    if not profile.is_pinned:
        # An address counts only when our own instance says it.
        claims = msgspec.structs.replace(claims, client_ip=msgspec.UNSET)
    possible = (
        (_INSTANCE_ID, claims.gitlab_instance_id.encode()),
        (_USER_ID, claims.sub.encode()),
        (_REALM, claims.gitlab_realm.encode()),
        (_AUTHENTICATION_TYPE, b"oidc"),
    )
    return Verified(profile=profile, claims=claims, possible=possible)


def _read_casemate(
    payload: Mapping[str, Any], profile: Profile, _: Mapping[str, Profile]
) -> Verified:
    return of_casemate(msgspec.convert(payload, Claims), profile)


class _GitLabClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a GitLab, or a gateway behind one, signs; an empty claim is as good as none."""

    iss: str
    aud: str | tuple[str, ...]
    sub: str
    iat: int
    nbf: int
    exp: int
    jti: str
    scopes: frozenset[str]
    gitlab_realm: Realm | Literal[""] = ""
    gitlab_instance_id: str = ""
    providers: frozenset[str] | None = None
    duo_seat_count: str | int | None = None
    source_iss: str = ""

    def to_claims(self, *, issuer: str, providers: frozenset[str], use: Any) -> Claims:
        return Claims(
            iss=issuer,
            aud=(self.aud,) if isinstance(self.aud, str) else self.aud,
            sub=self.sub,
            iat=self.iat,
            nbf=self.nbf,
            exp=self.exp,
            jti=self.jti,
            gitlab_realm=self.gitlab_realm or "self-managed",
            gitlab_instance_id=self.gitlab_instance_id,
            scopes=self.scopes,
            providers=providers if self.providers is None else providers & self.providers,
            use=use,
        )

    def due(self) -> Pairs:
        pairs = (_REALM, self.gitlab_realm), (_INSTANCE_ID, self.gitlab_instance_id)
        return tuple((name, value.encode()) for name, value in pairs if value)


def _read_gitlab(
    payload: Mapping[str, Any], profile: Profile, _: Mapping[str, Profile]
) -> Verified:
    read = msgspec.convert(payload, _GitLabClaims)
    claims = read.to_claims(issuer=read.iss, providers=profile.providers, use="instance")
    if not claims.gitlab_instance_id:
        claims = msgspec.structs.replace(claims, gitlab_instance_id=read.sub)
    return Verified(
        profile=profile,
        claims=claims,
        due=(*read.due(), (_INSTANCE_ID, read.sub.encode())),
        possible=((_AUTHENTICATION_TYPE, b"oidc"),),
        acts_for_header=True,
        seat_count=None if read.duo_seat_count is None else str(read.duo_seat_count).encode(),
    )


def _read_user(
    payload: Mapping[str, Any], profile: Profile, sources: Mapping[str, Profile]
) -> Verified:
    read = msgspec.convert(payload, _GitLabClaims)
    source = sources.get(read.source_iss)
    if source is None or source.kind != "gitlab":
        raise InvalidTokenError(reason="made of a token of an issuer that is not believed")
    # The user is the same one as with a token of the source: identity is (issuer, subject).
    claims = read.to_claims(issuer=read.source_iss, providers=source.providers, use="direct")
    return Verified(
        profile=profile,
        claims=claims,
        due=(*read.due(), (_USER_ID, read.sub.encode())),
        possible=((_AUTHENTICATION_TYPE, b"oidc"),),
    )


_Reader = Callable[[Mapping[str, Any], Profile, Mapping[str, Profile]], Verified]
_READERS: dict[Kind, _Reader] = {
    "casemate": _read_casemate,
    "gitlab": _read_gitlab,
    "user": _read_user,
}
