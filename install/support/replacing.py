"""Puts stable marks in the place of names, addresses and secrets.

The same value has the same mark in one support file, and another in the next.
"""

import hmac
import re
from collections import Counter
from collections.abc import Iterable
from ipaddress import ip_address

from install.support import patterns

MARK_CHARS = 10
SHORTEST_NAME = 3
LEFT_OUT = "(a line that may hold text of a question was left out)"

# Lines of other programs that may show what was asked or answered.
TEXTS = re.compile(
    r"(?i)[\"']?\b(?:prompt|prompts|messages|content|completion|question|answer|document|snippet|"
    r"content_above_cursor|content_below_cursor)[\"']?\s*[:=]\s*[\[\{\"']"
)
# Members of JSON objects that say who somebody is, by kind.
MEMBERS = {
    "user": ("username", "user", "user_name", "author", "author_name", "actor", "licensee"),
    "email": ("email",),
    "address": ("address", "client_ip", "peer", "client", "remote_addr"),
    "host": ("host", "hostname", "node", "nodename"),
    "id": (
        *("id", "user_id", "global_user_id", "sub", "subject", "instance_id", "gateway_id", "jti"),
        *("namespace_id", "root_namespace_id", "project_id", "cred", "credential", "serial"),
    ),
}
EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
# Full stops and colons of the sentence may stand around an address.
IPV4 = re.compile(r"(?<!\d)(?<!\d\.)(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d)")
IPV6 = re.compile(
    r"(?<![\w:])(?<!\w\.)(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?<![^:]:)"
    r"(?!\w|:[\w:]|\.\w)"
)
UUID = re.compile(r"\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b")
LONG_HEX = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{32}(?![0-9A-Za-z])")
HOME_OF = re.compile(r"(?P<before>/(?:home|Users)/)(?P<value>[^/\s\"':,<]+)")
URL_HOST = re.compile(
    r"(?P<before>\b[a-z][a-z0-9+.-]{0,20}://(?:[^/\s@\"'<]*@)?)(?P<value>[A-Za-z0-9.-]+)"
)
UNNAMED_HOSTS = frozenset(
    {"localhost", "127.0.0.1", "0.0.0.0", "instance", "gateway", "model-server", "postgres"}  # noqa: S104  # only compared
)


class Marks:
    """Gives each value its mark; `key` is made for one support file and then forgotten."""

    def __init__(self, key: bytes, *, users: Iterable[str] = (), hosts: Iterable[str] = ()) -> None:
        self._key = key
        self.count: Counter[str] = Counter()
        self._users = _words(users)
        self._hosts = _words(hosts)
        member = "|".join(name for names in MEMBERS.values() for name in names)
        self._member = re.compile(
            rf'(?P<before>"(?P<name>{member})":\s*)(?P<value>"(?:[^"\\]|\\.)*"|-?\d+)'
        )
        self._kind_of = {name: kind for kind, names in MEMBERS.items() for name in names}

    def mark(self, kind: str, value: str) -> str:
        """The mark of a value, the same for the same kind and value."""
        self.count[kind] += 1
        digest = hmac.digest(self._key, f"{kind}\0{value}".encode(), "sha256").hex()
        return f"<{kind}:{digest[:MARK_CHARS]}>"

    def replace(self, text: str) -> str:
        """The text without what tells who or where somebody is, or opens anything."""
        text = "".join(self._line(line) for line in text.splitlines(keepends=True))
        for kind, pattern in patterns.SECRETS:
            text = self._without(text, pattern, kind)
        text = self._member.sub(self._of_member, text)
        for kind, pattern in (("email", EMAIL), ("id", UUID), ("id", LONG_HEX)):
            text = self._marked(text, pattern, kind)
        text = HOME_OF.sub(lambda found: self._after("user", found), text)
        text = URL_HOST.sub(self._of_url, text)
        for pattern in (IPV4, IPV6):
            text = pattern.sub(lambda found: self._address(found[0]), text)
        for kind, words in (("user", self._users), ("host", self._hosts)):
            if words is not None:
                text = self._marked(text, words, kind)
        return text

    def _marked(self, text: str, pattern: re.Pattern[str], kind: str) -> str:
        return pattern.sub(lambda found: self.mark(kind, found[0].lower()), text)

    def _without(self, text: str, pattern: re.Pattern[str], kind: str) -> str:
        word = kind.split(" ", 1)[1].replace(" ", "-")
        return pattern.sub(lambda found: self._secret(word, found), text)

    def _line(self, line: str) -> str:
        end = line[len(line.rstrip("\r\n")) :]
        return LEFT_OUT + end if TEXTS.search(line) else line

    def _secret(self, word: str, found: re.Match[str]) -> str:
        if not patterns.is_secret(found):
            return found[0]
        start, end = patterns.span(found)
        at = found.start()
        value = found.string[start:end]
        return found[0][: start - at] + self.mark(word, value) + found[0][end - at :]

    def _of_member(self, found: re.Match[str]) -> str:
        value = found["value"].strip('"')
        if not value or value.startswith("<"):
            return found[0]
        kind = self._kind_of[found["name"]]
        if kind == "address" and (_is_own(value) or "://" in value):
            return found[0]
        return f'{found["before"]}"{self.mark(kind, value)}"'

    def _after(self, kind: str, found: re.Match[str]) -> str:
        return found["before"] + self.mark(kind, found["value"])

    def _of_url(self, found: re.Match[str]) -> str:
        host = found["value"]
        if host in UNNAMED_HOSTS or IPV4.fullmatch(host):
            return found[0]
        return found["before"] + self.mark("host", host.lower())

    def _address(self, text: str) -> str:
        try:
            ip_address(text)
        except ValueError:
            return text
        return text if _is_own(text) else self.mark("address", text)


def _is_own(text: str) -> bool:
    """Whether an address is every machine's own, and so tells nothing."""
    try:
        found = ip_address(text.strip("[]"))
    except ValueError:
        return False
    return found.is_loopback or found.is_unspecified


def _words(values: Iterable[str]) -> re.Pattern[str] | None:
    known = sorted({each for each in values if len(each) >= SHORTEST_NAME}, key=len, reverse=True)
    if not known:
        return None
    either = "|".join(re.escape(each) for each in known)
    return re.compile(rf"(?i)(?<![A-Za-z0-9])(?:{either})(?![A-Za-z0-9])")
