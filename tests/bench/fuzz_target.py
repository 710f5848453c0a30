"""What the fuzzer throws its bytes at: header lines, and tokens with any header and payload."""

import asyncio
import json
import tempfile
from pathlib import Path

from gateway.errors import InvalidTokenError
from tests.attacks import ATTACKS
from tests.builders import base64url
from tests.door import Door, Lines, bearing
from tests.forging import HEADER, NOW, good, some_payload

NAMES = (
    b"authorization",
    b"x-gitlab-instance-id",
    b"x-gitlab-global-user-id",
    b"x-gitlab-realm",
    b"x-gitlab-authentication-type",
    b"x-gitlab-namespace-id",
)
WAYS = 4


class Target:
    """A door at which every input must be refused, unless it is the one good token itself."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        door = Door(Path(tempfile.mkdtemp()), now=NOW)
        self._door = self._runner.run(door.open())
        self._fetches = self._door.fetches
        self._good = good()
        self._header = base64url(json.dumps(HEADER).encode())
        self._payload = base64url(json.dumps(some_payload()).encode())

    def close(self) -> None:
        """Ends the event loop."""
        self._runner.close()

    def seeds(self) -> list[bytes]:
        """Inputs to begin with: the attacks, as the bytes that lead to them."""
        found = [b"\x00Bearer " + self._good.encode()]
        for make in ATTACKS.values():
            for name, value in make():
                if name == b"authorization" and len(value) < 4096:
                    found.append(b"\x00" + value)
        found.append(b"\x01" + json.dumps(HEADER).encode())
        found.append(b"\x02" + json.dumps(some_payload()).encode())
        found.append(b"\x03\x01user-1\n\x02user-1\n\x03self-managed")
        return found

    def lines(self, data: bytes) -> Lines:
        """The header lines that these bytes stand for; the first chooses the way."""
        way, rest = (data[0] % WAYS, data[1:]) if data else (0, b"")
        if way == 0:
            return [(b"authorization", rest)]
        if way == 1:
            return bearing(f"{base64url(rest)}.{self._payload}.AAAA")
        if way == 2:
            return bearing(f"{self._header}.{base64url(rest)}.AAAA")
        more = [(NAMES[part[0] % len(NAMES)], part[1:]) for part in rest.split(b"\n") if part]
        return bearing(self._good, *more)

    def take(self, data: bytes) -> None:
        """Fails when anything but a refusal, or the good token's own user, comes of the bytes."""
        lines = self.lines(data)
        try:
            claims = self._runner.run(self._door.knock(lines))
        except InvalidTokenError:
            claims = None
        if claims is not None:
            shown = [value for name, value in lines if name == b"authorization"]
            is_good = len(shown) == 1 and shown[0].partition(b" ")[2] == self._good.encode()
            assert is_good, "a token that nobody made was let in"
            assert claims.sub == "user-1"
        assert self._door.fetches == self._fetches, "a fetch was caused"
