import pytest

from install.support.patterns import kinds_in

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
PLANTED = {
    f"token {JWT} was refused": "an access token",
    "got casemate-pat-abcdefgh234567": "a personal access token",
    "glpat-abcdefghij": "a personal access token",
    "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----": "a private key",
    "-----BEGIN RSA PRIVATE KEY-----\nMC4C": "a private key",
    "Authorization: Bearer abc.def-123": "a credential in a header",
    "PRIVATE-TOKEN: abcdef12345": "a credential in a header",
    "postgresql://casemate:geheim@10.0.0.1/x": "a password in an address",
    "key sk-abcdefgh12345": "an API key",
    "password=geheim1": "a secret by its name",
    '{"api_key": "abcdef"}': "a secret by its name",
    "CASEMATE_SECRET='abcdef'": "a secret by its name",
    'password="ab<cdef12"': "a secret by its name",
    "password='<abc'": "a secret by its name",
    "password=ab<cdef12": "a secret by its name",
    r'{"password": "p\"q12345"}': "a secret by its name",
    r'{"event": "sent {\"password\": \"abcdef\"}"}': "a secret by its name",
    r"password=\"abcdef\"": "a secret by its name",
}


@pytest.mark.parametrize("text", PLANTED)
def test_a_secret_is_known_by_how_it_looks(text: str) -> None:
    assert PLANTED[text] in kinds_in(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"has_api_key": true, "password": null}',
        "the access token ended",
        "http://127.0.0.1:8080/x",
        '{"event": "signing_key_made", "kid": "abc"}',
        "prompt_tokens=12 completion_tokens=4",
        'password="<secret-by-its-name:0123456789>"',
        'password="<<user:0123456789>-by-its-name:0123456789>"',
    ],
)
def test_what_only_speaks_of_secrets_is_none(text: str) -> None:
    assert kinds_in(text) == set()
