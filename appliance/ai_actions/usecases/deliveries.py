"""Hands answers to who waits for them in this process; nobody's slowness is another's."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from appliance.ai_actions.rules import Address, Message, Request, addresses_of

# Of an answer of 4,000 tokens a subscriber may be behind by a few seconds' worth.
MAX_WAITING = 256
# A page has a few; a client that opens more is wrong.
MAX_OF_A_USER = 2000


class Subscription:
    """What waits for one subscriber, in order; chunks are dropped when it is too far behind.

    Whole messages are kept: each holds all that its chunks said.
    """

    __slots__ = ("_is_over", "_news", "_waiting", "address", "dropped")

    def __init__(self, address: Address) -> None:
        self.address = address
        self.dropped = 0
        self._waiting: deque[Message] = deque()
        self._news = asyncio.Event()
        self._is_over = False

    def put(self, message: Message) -> None:
        """Adds a message; never waits."""
        if len(self._waiting) >= MAX_WAITING:
            self._make_room()
        self._waiting.append(message)
        self._news.set()

    def _make_room(self) -> None:
        # The oldest chunk; when there are none, the oldest of all.
        index = next((i for i, each in enumerate(self._waiting) if each.chunk_id is not None), 0)
        del self._waiting[index]
        self.dropped += 1

    def end(self) -> None:
        """No more will come; what waits can still be taken."""
        self._is_over = True
        self._news.set()

    async def take(self) -> Message | None:
        """The next message, as soon as there is one; None: there will be none."""
        while not self._waiting:
            if self._is_over:
                return None
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()


class Deliveries:
    """All subscriptions of this process; to be used on the event loop's thread alone."""

    def __init__(self) -> None:
        self._by_address: defaultdict[Address, set[Subscription]] = defaultdict(set)
        self._counts: defaultdict[int, int] = defaultdict(int)
        self._is_stopping = False

    @property
    def count(self) -> int:
        """How many subscriptions there are."""
        return sum(self._counts.values())

    @property
    def user_ids(self) -> tuple[int, ...]:
        """The users who wait for something."""
        return tuple(self._counts)

    @contextmanager
    def subscribe(self, address: Address) -> Iterator[Subscription]:
        """A subscription for as long as the block lasts; over at once for who has too many."""
        taken = Subscription(address)
        if self._is_stopping or self._counts[address.user_id] >= MAX_OF_A_USER:
            taken.end()
        self._by_address[address].add(taken)
        self._counts[address.user_id] += 1
        try:
            yield taken
        finally:
            self._counts[address.user_id] -= 1
            if not self._counts[address.user_id]:
                del self._counts[address.user_id]
            there = self._by_address[address]
            there.discard(taken)
            if not there:
                del self._by_address[address]

    def deliver(self, request: Request, message: Message) -> int:
        """Hands a message of the request to who waits for it; how many those are."""
        return self._hand_out(message, addresses_of(request, message.role))

    def deliver_whole(self, request: Request, message: Message) -> int:
        """Hands the whole answer out; of chat, which is kept, also to who names no subscription.

        Each gets it once: the keys of the two are never the same.
        """
        found = self.deliver(request, message)
        if request.thread_id is not None and request.client_subscription_id is not None:
            found += self._hand_out(message, addresses_of(request, "USER"))
        return found

    def _hand_out(self, message: Message, addresses: Iterable[Address]) -> int:
        found = {each for address in addresses for each in self._by_address.get(address, ())}
        for each in found:
            each.put(message)
        return len(found)

    def stop(self) -> None:
        """Ends every subscription, and each that is asked for from now on."""
        self._is_stopping = True
        for subscriptions in self._by_address.values():
            for each in subscriptions:
                each.end()
