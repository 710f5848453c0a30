import base64
import json

import pytest

from gateway.contract.compact import CompactTokenError, bearer, read_token


def _segment(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


HEADER = {"alg": "RS256", "kid": "a-key", "typ": "JWT"}
PAYLOAD = {"iss": "http://i"}


def _token(header: object = HEADER, payload: object = PAYLOAD, signature: bytes = b"s") -> str:
    return f"{_segment(header)}.{_segment(payload)}.{_segment(signature)}"


def test_a_plain_token_is_read() -> None:
    read = read_token(_token())
    assert (read.kid, read.issuer, read.payload) == ("a-key", "http://i", PAYLOAD)
    assert read.signature == b"s"
    assert read.signed_bytes == _token().rpartition(".")[0].encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "a.b.c.d",
        f"{_token()}=",
        _token(signature=b""),
        _token().replace(".", ".%", 1),
        # The same bytes with a spare bit set.
        f"{_token()[:-2]}dx",
        _token(header=[]),
        _token(header=b'{"alg":"RS256","alg":"none","kid":"a"}'),
        _token(payload=b'{"iss":"a","iss":"b"}'),
        _token(payload=b'{"iss":"a","x":{"y":1,"y":2}}'),
        _token(payload=b"\xff"),
        _token(payload=b"[" * 5000),
        _token(payload={"iss": 7}),
        _token(header={**HEADER, "alg": "none"}),
        _token(header={**HEADER, "alg": "HS256"}),
        _token(header={**HEADER, "jku": "http://x"}),
        _token(header={**HEADER, "crit": []}),
        _token(header={**HEADER, "typ": "secevent+jwt"}),
        _token(header={"alg": "RS256"}),
        _token(header={"alg": "RS256", "kid": 7}),
        _token(header={"alg": "RS256", "kid": "../../etc/passwd"}),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(CompactTokenError) as refusal:
        read_token(text)
    assert refusal.value.reason


def test_a_bearer_token_is_found() -> None:
    assert bearer(b"Bearer x.y.z") == bearer(b"bearer x.y.z") == "x.y.z"


@pytest.mark.parametrize(
    "header", [b"", b"Bearer", b"Bearer ", b"Basic x", b"Bearer \xff", b"Bearer " + b"x" * 8193]
)
def test_what_is_no_bearer_token_is_refused(header: bytes) -> None:
    with pytest.raises(CompactTokenError):
        bearer(header)
