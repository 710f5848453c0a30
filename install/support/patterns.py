"""How secrets look by themselves, whoever they belong to."""

import re

_BASE64 = r"[A-Za-z0-9_-]"
# A value that is a mark already; another mark may stand within its words.
_NO_MARK = r"(?!<[<a-z-]+:)"

# Kind, and what of a text is it; a group named `value` is the secret where more is needed around.
SECRETS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "a private key",
        re.compile(
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)",
            re.DOTALL,
        ),
    ),
    (
        "an access token",
        re.compile(rf"\beyJ{_BASE64}{{5,}}\.eyJ{_BASE64}{{5,}}(?:\.{_BASE64}*)?"),
    ),
    (
        "a personal access token",
        re.compile(r"\b(?:casemate-pat-|glpat-|gho_|ghp_|hf_)[A-Za-z0-9_=-]{4,}"),
    ),
    ("an API key", re.compile(r"\bsk-[A-Za-z0-9_-]{8,}")),
    (
        "a credential in a header",
        re.compile(
            r"(?i)\b(?:bearer|basic|private-token:|x-api-key:)[ \t]+"
            r"(?P<value>[A-Za-z0-9+/._~=-]{6,})"
        ),
    ),
    ("a password in an address", re.compile(r"://[^/\s:@\"'<]*:(?P<value>[^/\s@\"'<]+)@")),
    (
        "a secret by its name",
        re.compile(
            r"(?i)(?:passw(?:or)?d|passphrase|secret|api[_-]?key|private[_-]?key|"
            r"(?:access|auth|refresh|personal)[_-]?token)\\?[\"']?\s*[:=]\s*"
            # Within a string the quotes around it are escaped.
            rf"(?:\\?\"{_NO_MARK}(?P<value>(?:[^\"\\]|\\.){{4,}})\\?\""
            rf"|'{_NO_MARK}(?P<value2>(?:[^'\\]|\\.){{4,}})'"
            rf"|{_NO_MARK}(?P<value3>[^\s\"',;&}}\]]{{4,}}))"
        ),
    ),
)

# Words that stand where a secret would, and say nothing.
NO_SECRETS = frozenset({"null", "none", "true", "false", "None", "True", "False", "null,"})


def span(found: re.Match[str]) -> tuple[int, int]:
    """Where in the text the secret itself stands."""
    for name, value in found.groupdict().items():
        if value is not None:
            return found.span(name)
    return found.span()


def is_secret(found: re.Match[str]) -> bool:
    """Whether something is said at all."""
    start, end = span(found)
    return found.string[start:end] not in NO_SECRETS


def kinds_in(text: str) -> set[str]:
    """The kinds of secrets that a text still holds."""
    return {
        kind
        for kind, pattern in SECRETS
        if any(is_secret(found) for found in pattern.finditer(text))
    }
