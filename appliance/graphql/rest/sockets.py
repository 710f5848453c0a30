"""All open connections that answers go out on: who may open one, how long, and their common end."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from appliance.accounts import rules as accounts
from appliance.accounts.errors import UnauthorizedError
from appliance.accounts.rules import Caller, Scope
from appliance.accounts.usecases import authenticate, find_caller, note_use
from appliance.graphql.errors import LineOverError
from appliance.instance_settings.rules import Addresses
from appliance.instance_settings.usecases import addresses
from appliance.storage.engine import Db, Session

Clock = Callable[[], datetime]
DEFAULT_PORTS = {"http": 80, "https": 443}
# Any of them opens subscriptions; a field may ask for more.
OPENING_SCOPES = frozenset({Scope.API, Scope.READ_API, Scope.AI_FEATURES})
GOODBYE_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """In seconds; the cable's clients expect the ping, and take twice its time for the end."""

    ping: float = 3.0
    heartbeat: float = 10.0
    send: float = 15.0
    greeting: float = 10.0
    recheck: float = 600.0


class Sockets:
    """Those of this process; to be used on the event loop's thread alone."""

    def __init__(
        self, db: Db, told: Addresses, *, clock: Clock, times: Times | None = None
    ) -> None:
        self.times = times or Times()
        self._db = db
        self._told = told
        self._clock = clock
        self._goodbyes: set[Callable[[], Awaitable[None]]] = set()

    def now(self) -> datetime:
        """The instance's clock."""
        return self._clock()

    async def is_own_page(self, origin: str | None) -> bool:
        """Whether a page with that origin is this instance's; it may know its address by others."""
        if origin is None:
            return False
        known = await self._db.read(lambda session: addresses(session, self._told))
        return _place(origin) is not None and _place(origin) == _place(known.instance_public_url)

    async def admit(self, private_token: str | None, authorization: str | None) -> Caller:
        """Who presents that credential, as in the headers of those names.

        Raises:
            UnauthorizedError, UserBlockedError: nobody who may.
            DatabaseUnavailableError: that cannot be looked up now.
        """
        # A session of a page will be one more way in.
        pat, now = accounts.presented_pat(private_token, authorization), self._clock()
        caller = await self._db.read(lambda session: authenticate(session, pat, now=now))
        if caller.credential.use_is_worth_noting(at=now):
            await self._db.write(lambda session: note_use(session, caller.credential, now=now))
        return caller

    async def check_again(self, caller: Caller) -> None:
        """Passes as long as the caller's credential still works.

        Raises:
            UnauthorizedError, UserBlockedError: it does not.
            DatabaseUnavailableError: that cannot be looked up now.
        """
        now = self._clock()

        def look(session: Session) -> None:
            found = find_caller(session, caller.credential.id)
            if found is None:
                raise UnauthorizedError(reason="credential_unknown")
            accounts.check_credential(found, at=now)

        await self._db.read(look)

    @contextmanager
    def open(self, goodbye: Callable[[], Awaitable[None]]) -> Iterator[None]:
        """A place among the open ones; `goodbye` is said when the instance stops."""
        self._goodbyes.add(goodbye)
        try:
            yield
        finally:
            self._goodbyes.discard(goodbye)

    async def stop(self) -> None:
        """Says goodbye to all, in no more than a second."""
        saying = [asyncio.ensure_future(_said(each)) for each in self._goodbyes]
        if saying:
            _, late = await asyncio.wait(saying, timeout=GOODBYE_WITHIN_S)
            for each in late:
                each.cancel()


async def _said(goodbye: Callable[[], Awaitable[None]]) -> None:
    try:
        await goodbye()
    except LineOverError:
        return


def may_subscribe(caller: Caller) -> bool:
    """Whether the caller's token opens subscriptions at all."""
    return bool(caller.credential.scopes & OPENING_SCOPES)


def _place(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port; None: it is no origin, such as that of a sandboxed page."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        return None
    return (parts.scheme, parts.hostname, port or DEFAULT_PORTS[parts.scheme])
