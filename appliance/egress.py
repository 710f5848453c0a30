"""What the instance did not connect to: counted, logged, and found where no guard was asked."""

from collections.abc import Callable, Iterable

import structlog
from prometheus_client import CollectorRegistry, Counter

from gateway.contract.egress import EgressRefusedError, Reason
from gateway.contract.ledger import Ledger
from gateway.contract.recorder import EgressRecorder

Resolve = Callable[[str, int], list[str]]

_log = structlog.get_logger()


class Egress:
    """One count for all ways out; `recorder` is to be a hook of the process that serves.

    `names` are hosts that may be resolved besides those of `resolving`. Each attempt is a line of
    the `ledger`.
    """

    def __init__(
        self, registry: CollectorRegistry, *, names: Iterable[str], ledger: Ledger | None = None
    ) -> None:
        self._counts = dict.fromkeys(Reason, 0)
        self._refused = Counter(
            "casemate_instance_egress_refused",
            "Connections the instance refused to open",
            ("reason",),
            registry=registry,
        )
        for reason in Reason:
            self._refused.labels(reason)
        self.recorder = EgressRecorder(self._note, names=names, ledger=ledger)

    @property
    def counts(self) -> dict[Reason, int]:
        """How many connections were not opened since the start, by the reason."""
        return dict(self._counts)

    def count(self, reason: Reason) -> None:
        """Counts one connection that was not opened."""
        self._counts[reason] += 1
        self._refused.labels(reason).inc()

    def resolving(self, resolve: Resolve) -> Resolve:
        """The same look-up, for hosts that an admin names: the recorder lets it through."""

        def let_through(host: str, port: int) -> list[str]:
            with self.recorder.looking_up(host):
                return resolve(host, port)

        return let_through

    def _note(self, error: EgressRefusedError) -> None:
        self.count(error.reason)
        _log.error("egress_refused", reason=error.reason, sentence=error.sentence)
