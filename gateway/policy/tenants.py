"""What keeps the tenants of one engine apart."""

from functools import lru_cache
from hashlib import sha256

from gateway.contract.claims import Claims

_CONTEXT = "casemate cache salt 1"
MAX_KEPT = 4096


def cache_salt(claims: Claims) -> str:
    """What the engine mixes into its cache of prefixes: one for each top-level group.

    Else how fast an answer begins would tell whether another tenant has asked the same. It is the
    same at every gateway, so that they share what one of them has asked. Nobody but a gateway can
    use it: what a client sends in its place is dropped.
    """
    return _salt(claims.iss, claims.root_ns)


@lru_cache(maxsize=MAX_KEPT)
def _salt(issuer: str, root_namespace_id: int | None) -> str:
    return sha256(f"{_CONTEXT}\n{issuer}\n{root_namespace_id}".encode()).hexdigest()
