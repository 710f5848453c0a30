"""The model calls that are under way, so that a revocation can end them."""

import asyncio
from collections.abc import Callable

from gateway.contract import feed
from gateway.contract.claims import Claims
from gateway.errors import TokenSupersededError
from gateway.issuer.feed.revocations import Revocations


class RunningCall:
    """One of them; `is_superseded` says that it was cancelled because its caller lost the right."""

    __slots__ = ("claims", "is_superseded", "task")

    def __init__(self, claims: Claims, task: asyncio.Task[object]) -> None:
        self.claims = claims
        self.task = task
        self.is_superseded = False


class Running:
    """All calls of one gateway that were permitted and are not answered yet.

    `is_of_instance` tells whether the instance that `revocations` are of made some claims.
    """

    def __init__(
        self, revocations: Revocations, *, is_of_instance: Callable[[Claims], bool]
    ) -> None:
        self._revocations = revocations
        self._is_of_instance = is_of_instance
        self._calls: set[RunningCall] = set()

    def enter(self, claims: Claims) -> RunningCall:
        """Takes down that the current task answers a call; `leave` must follow.

        Raises:
            TokenSupersededError: its caller lost the right since the token was checked.
        """
        if self._revocations.is_superseded(claims) and self._is_of_instance(claims):
            raise TokenSupersededError
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # always inside a server's task
        call = RunningCall(claims, task)
        self._calls.add(call)
        return call

    def leave(self, call: RunningCall) -> None:
        """The call is over."""
        self._calls.discard(call)

    def end(self, fed: feed.Revocations) -> None:
        """Cancels the calls whose credential was revoked, or whose caller is blocked or gone."""
        credentials = {each.credential for each in fed.credentials}
        least = {each.subject: each.generation for each in fed.generations if each.ends_streams}
        if not credentials and not least:
            return
        for call in self._calls:
            claims = call.claims
            is_hit = claims.cred in credentials or claims.gen < least.get(claims.sub, 0)
            if is_hit and not call.is_superseded and self._is_of_instance(claims):
                call.is_superseded = True
                call.task.cancel()
