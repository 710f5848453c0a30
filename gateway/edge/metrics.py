"""What the gateway counts about itself, for Prometheus on a port of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.contract.egress import Reason
from gateway.issuer.feed.feed import Feed
from gateway.issuer.spool.spool import Spool
from gateway.upstream.usage import Usage

PREFIX = "casemate_gateway_"
LOOPBACK = "127.0.0.1"
SECONDS = (0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How one permitted call ended; `seconds` from its first byte to our last."""

    route: str
    status: int
    seconds: float
    feature: str
    provider: str
    model: str
    usage: Usage | None


class Metrics:
    """The gateway's counters, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        name = PREFIX
        self._requests = Counter(
            name + "requests",
            "Permitted calls of a model by how they ended",
            ("route", "status", "feature", "provider", "model"),
            registry=self.registry,
        )
        self._tokens = Counter(
            name + "tokens",
            "Model text as the engine counted it",
            ("kind", "feature", "provider", "model"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            name + "request_seconds",
            "From the first byte of a request to the last of its answer",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.refusals = Counter(
            name + "refusals",
            "Requests answered with an error, by its code",
            ("code",),
            registry=self.registry,
        )
        self.in_flight = Gauge(
            name + "requests_in_flight", "Requests being answered", registry=self.registry
        )
        self._egress_refused = Counter(
            name + "egress_refused",
            "Connections the gateway refused to open",
            ("reason",),
            registry=self.registry,
        )
        for reason in Reason:
            self._egress_refused.labels(reason)

    def settle(self, settled: Settled) -> None:
        """Counts one call that has ended."""
        what = (settled.feature, settled.provider, settled.model)
        self._requests.labels(settled.route, str(settled.status), *what).inc()
        self._seconds.labels(settled.route).observe(settled.seconds)
        if settled.usage is not None:
            self._tokens.labels("prompt", *what).inc(settled.usage.prompt_tokens)
            self._tokens.labels("completion", *what).inc(settled.usage.completion_tokens)

    def refuse_egress(self, reason: Reason) -> None:
        """Counts one connection that was not opened."""
        self._egress_refused.labels(reason).inc()

    def watch(self, watched: Spool | Feed) -> Callable[[], None]:
        """Shows what the spool or the feed has counted; the result ends that."""
        counts = SpoolCounts(watched) if isinstance(watched, Spool) else FeedCounts(watched)
        self.registry.register(counts)
        return lambda: self.registry.unregister(counts)

    def watch_certificate(self, expires_at: Callable[[], float]) -> None:
        """Shows until when the certificate that is served holds."""
        gauge = Gauge(
            PREFIX + "tls_certificate_expires_seconds",
            "When the certificate ends, in seconds since the epoch",
            registry=self.registry,
        )
        gauge.set_function(expires_at)

    def serve(self, port: int) -> Callable[[], None]:
        """Answers scrapes on loopback from a thread; the result ends that."""
        server, thread = start_http_server(port, addr=LOOPBACK, registry=self.registry)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop


class FeedCounts(Collector):
    """How well the instance is followed, read when it is scraped."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def collect(self) -> Iterator[Metric]:
        """Where the feed is, and how old what we know may be."""
        name, feed = PREFIX + "feed_", self._feed
        epoch, sequence = feed.number
        yield GaugeMetricFamily(name + "connected", "1 while it is heard", feed.is_connected)
        yield GaugeMetricFamily(name + "epoch", "Grows when the instance is restored", epoch)
        yield GaugeMetricFamily(name + "sequence", "Grows with each change", sequence)
        yield GaugeMetricFamily(name + "age_seconds", "Since something was heard", feed.age_s)
        yield CounterMetricFamily(name + "refused", "Documents not taken over", feed.refused)
        yield GaugeMetricFamily(name + "features", "Features it speaks of", feed.features_known)
        yield GaugeMetricFamily(name + "groups", "Groups it tells of", feed.groups_known)
        yield GaugeMetricFamily(name + "kept_bytes", "Kept for a restart", feed.kept_bytes)
        yield GaugeMetricFamily(
            PREFIX + "clock_skew_seconds", "How far we are ahead of it", feed.clock_skew_s
        )


class SpoolCounts(Collector):
    """Reads the spool when it is scraped, so that the request path has one count less to keep."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def collect(self) -> Iterator[Metric]:
        """What the spool holds and has held in this process."""
        name, spool = PREFIX + "usage_events_", self._spool
        yield CounterMetricFamily(name + "spooled", "Lines kept for the instance", spool.spooled)
        yield CounterMetricFamily(name + "shipped", "Lines the instance has", spool.shipped)
        yield CounterMetricFamily(name + "dropped", "Lines that could not be kept", spool.dropped)
        yield GaugeMetricFamily(name + "pending", "Lines the instance has not yet", spool.pending)
