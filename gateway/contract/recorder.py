"""What an audit hook makes of connections that go past a process's guard.

Python asks its hooks before its own socket module connects, sends or resolves, and what a hook
raises stands in for it. uvloop's own connections, its resolver and libpq's go unseen, so this finds
mistakes and simple smuggling; the lock is the kernel's.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import ip_address
from weakref import WeakKeyDictionary

from gateway.contract.egress import EgressRefusedError, Reason, folded_host
from gateway.contract.ledger import Attempt, Ledger, What

_NAME_EVENTS = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})
_REVERSE_EVENTS = frozenset({"socket.gethostbyaddr", "socket.getnameinfo"})
_ADDRESS_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


class EgressRecorder:
    """An audit hook for `sys.addaudithook` that refuses what no guard let through.

    `on_refused` hears of each refusal, in whatever thread it happened; `names` are hosts that may
    be resolved besides loopback's and those of `looking_up`, such as the ones that are listened at.
    What is refused is kept in the `ledger`.
    """

    def __init__(
        self,
        on_refused: Callable[[EgressRefusedError], None],
        *,
        names: Iterable[str] = (),
        ledger: Ledger | None = None,
    ) -> None:
        self._on_refused = on_refused
        self._ledger = ledger
        self._names = frozenset(folded_host(each) for each in ("localhost", *names))
        self._sockets: WeakKeyDictionary[object, str] = WeakKeyDictionary()
        self._looked_up: ContextVar[str] = ContextVar("looked_up", default="")
        self._is_resting = False

    def let_through(self, opened: object, address: str) -> None:
        """A guard's socket may connect to that address; once it is gone, nothing is left of it."""
        self._sockets[opened] = address

    @contextmanager
    def looking_up(self, host: str) -> Iterator[None]:
        """A guard's code may resolve that host, in this context."""
        before = self._looked_up.set(folded_host(host))
        try:
            yield
        finally:
            self._looked_up.reset(before)

    def keep(self, attempt: Attempt) -> None:
        """Keeps what a guard refused in the same ledger."""
        if self._ledger is not None:
            self._ledger.refused(attempt)

    def rest(self) -> None:
        """Refuses nothing more; a hook stays with its process, and the process may go on."""
        self._is_resting = True

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        """Passes for everything but a connection, message or look-up that nobody let through.

        Raises:
            EgressRefusedError: it is one.
        """
        # Called for every event of the interpreter: three look-ups for what is no business of it.
        if event in _ADDRESS_EVENTS:
            what = What.CONNECT if event == "socket.connect" else What.SEND
            self._judge_address(what, args[0], args[1])
        elif event in _NAME_EVENTS:
            # An address that is written out causes no question to anybody.
            if not _is_address(args[0]):
                self._judge_name(args[0])
        elif event in _REVERSE_EVENTS:
            host = args[0][0] if isinstance(args[0], tuple) else args[0]
            if not _is_address(host, of_loopback=True):
                self._judge_name(host)

    def _judge_address(self, what: What, opened: object, address: object) -> None:
        # Of the families only the two of the internet have a host's text at the front.
        if not isinstance(address, tuple) or not isinstance(address[0], str):
            return
        try:
            checked = self._sockets.get(opened)
        except TypeError:
            # Not of the socket module's own class, so no guard made it.
            checked = None
        if checked != address[0]:
            port = address[1] if len(address) > 1 and isinstance(address[1], int) else None
            sentence = f"A connection to {address[0]} went past the guard."
            self._refuse(sentence, Attempt(what=what, host=address[0], port=port))

    def _judge_name(self, host: object) -> None:
        if isinstance(host, bytes):
            host = host.decode("utf-8", "replace")
        if not isinstance(host, str) or not host:
            return
        if folded_host(host) not in self._names | {self._looked_up.get()}:
            attempt = Attempt(what=What.LOOK_UP, host=host)
            self._refuse(f"A look-up of {host} went past the guard.", attempt)

    def _refuse(self, sentence: str, attempt: Attempt) -> None:
        if self._is_resting:
            return
        self.keep(attempt)
        error = EgressRefusedError(Reason.UNGUARDED, sentence)
        self._on_refused(error)
        raise error


def _is_address(host: object, *, of_loopback: bool = False) -> bool:
    try:
        address = ip_address(host) if isinstance(host, str) else None
    except ValueError:
        return False
    return address is not None and (address.is_loopback or not of_loopback)
