"""Whether an access token that comes back is ours and holds now, judged as a gateway does."""

import base64
from collections.abc import Collection
from datetime import datetime

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from appliance.access_tokens.errors import AccessTokenInvalidError, AccessTokenSupersededError
from appliance.access_tokens.rules.keys import PublicKey
from appliance.accounts.rules import Caller
from gateway.contract.claims import AUDIENCE, LEEWAY_S, LONGEST_LIFE_S, Claims
from gateway.contract.compact import CompactToken, CompactTokenError, bearer, read_token

CREDENTIAL_PREFIX = "pat:"
MAX_TEXT_CHARS = 255
# Of an integer that a database takes.
MAX_DIGITS = 10


def presented_token(authorization: str | None) -> CompactToken:
    """The token of an Authorization header, its signature still unchecked.

    Raises:
        AccessTokenInvalidError: there is none, or it is no token of ours by its form.
    """
    try:
        return read_token(bearer((authorization or "").encode("latin-1")))
    except (CompactTokenError, UnicodeEncodeError) as cause:
        reason = getattr(cause, "reason", "not ASCII")
        raise AccessTokenInvalidError(reason) from cause


def verified_claims(
    token: CompactToken,
    keys: Collection[PublicKey],
    *,
    issuers: Collection[str],
    instance_id: str,
    now: datetime,
) -> Claims:
    """What the token says, when one of the published keys signed it for a user who calls us now.

    Raises:
        AccessTokenInvalidError: it is anything else.
    """
    claims = _claims(token)
    if claims.iss not in issuers or claims.gitlab_instance_id != instance_id:
        raise AccessTokenInvalidError(reason="another instance's")
    if AUDIENCE not in claims.aud or claims.use != "direct":
        raise AccessTokenInvalidError(reason="not for this")
    _check_times(claims, now=now.timestamp())
    key = next((each for each in keys if each.kid == token.kid), None)
    if key is None:
        raise AccessTokenInvalidError(reason="unknown kid")
    _check_signature(token, key)
    return claims


def _claims(token: CompactToken) -> Claims:
    try:
        claims = msgspec.convert(token.payload, Claims)
    except (msgspec.ValidationError, RecursionError) as cause:
        raise AccessTokenInvalidError(reason="claims of another form") from cause
    if not all(0 < len(each) <= MAX_TEXT_CHARS for each in (claims.sub, claims.jti)):
        raise AccessTokenInvalidError(reason="sub or jti is empty or too long")
    return claims


def _check_times(claims: Claims, *, now: float) -> None:
    if not 0 < claims.exp - claims.iat <= LONGEST_LIFE_S or claims.iat - LEEWAY_S > now:
        raise AccessTokenInvalidError(reason="a life that no token has")
    if not claims.nbf - LEEWAY_S <= now < claims.exp + LEEWAY_S:
        raise AccessTokenInvalidError(reason="expired or not yet valid")


def _check_signature(token: CompactToken, key: PublicKey) -> None:
    numbers = rsa.RSAPublicNumbers(e=_number(key.e), n=_number(key.n))
    try:
        numbers.public_key().verify(token.signature, token.signed_bytes, PKCS1v15(), SHA256())
    except InvalidSignature as cause:
        raise AccessTokenInvalidError(reason="the signature is wrong") from cause


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def credential_id(claims: Claims) -> int:
    """The number of the personal access token behind a token.

    Raises:
        AccessTokenInvalidError: it names none.
    """
    kind, _, number = (claims.cred or "").partition(":")
    if f"{kind}:" != CREDENTIAL_PREFIX or not number.isascii() or not number.isdecimal():
        raise AccessTokenInvalidError(reason="no credential")
    if len(number) > MAX_DIGITS:
        raise AccessTokenInvalidError(reason="no credential")
    return int(number)


def check_still_granted(
    claims: Claims, caller: Caller | None, *, global_user_id: str, era: int, now: datetime
) -> Caller:
    """Who the token is of, when nothing behind it was taken back or changed since.

    Raises:
        AccessTokenInvalidError: it names a user who never had that credential.
        AccessTokenSupersededError: something was.
    """
    if caller is None or not caller.credential.is_active(at=now):
        raise AccessTokenSupersededError(reason="the credential is gone")
    if claims.sub != global_user_id:
        raise AccessTokenInvalidError(reason="another user's credential")
    if caller.user.state == "blocked":
        raise AccessTokenSupersededError(reason="the user is blocked")
    if claims.gen < caller.user.grant_generation or claims.era < era:
        raise AccessTokenSupersededError(reason="the grant has changed")
    return caller
