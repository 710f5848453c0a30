"""What the instance did not connect to: counted, logged, and found where no guard was asked."""

from collections.abc import Iterable

import structlog
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.engine import make_url

from appliance.self_hosted_models.usecases import resolve
from gateway.contract.egress import EgressRefusedError, Reason
from gateway.contract.recorder import EgressRecorder

_log = structlog.get_logger()


class Egress:
    """One count for all ways out; `recorder` is to be a hook of the process that serves.

    `names` are hosts that may be resolved besides those that `resolve` is asked for.
    """

    def __init__(self, registry: CollectorRegistry, *, names: Iterable[str]) -> None:
        self._refused = Counter(
            "casemate_instance_egress_refused",
            "Connections the instance refused to open",
            ("reason",),
            registry=registry,
        )
        for reason in Reason:
            self._refused.labels(reason)
        self.recorder = EgressRecorder(self._note, names=names)

    def count(self, reason: Reason) -> None:
        """Counts one connection that was not opened."""
        self._refused.labels(reason).inc()

    def resolve(self, host: str, port: int) -> list[str]:
        """All addresses of a host that an admin named; blocks.

        Raises:
            OSError: the host has none, or nobody can tell.
        """
        with self.recorder.looking_up(host):
            return resolve(host, port)

    def _note(self, error: EgressRefusedError) -> None:
        self.count(error.reason)
        _log.error("egress_refused", reason=error.reason, sentence=error.sentence)


def database_hosts(url: str) -> tuple[str, ...]:
    """The hosts that a database's URL names; its driver resolves them itself."""
    parts = make_url(url)
    named = parts.query.get("host", ())
    several = (named,) if isinstance(named, str) else named
    hosts = [host for text in (parts.host or "", *several) for host in text.split(",")]
    return tuple(name for name in (host.partition(":")[0] for host in hosts) if name)
