"""Builds the gateway's objects and joins them together."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import aiohttp
import structlog
from litestar import Litestar
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

from gateway.contract.addresses import parse_endpoint
from gateway.contract.catalog import load_catalog
from gateway.contract.feed import Report
from gateway.contract.recorder import EgressRecorder
from gateway.edge import surfaces
from gateway.edge.admitting.admission import Admission
from gateway.edge.admitting.callers import Callers
from gateway.edge.admitting.choosing import Chooser
from gateway.edge.admitting.gate import Gate
from gateway.edge.agent import AgentSurface
from gateway.edge.background import repeat
from gateway.edge.calls.relay import Relay
from gateway.edge.calls.running import Running
from gateway.edge.challenge import challenge, prover
from gateway.edge.chat import ChatSurface
from gateway.edge.code import CodeSurface
from gateway.edge.definitions import DefinitionsSurface
from gateway.edge.details import detail
from gateway.edge.followers import Followers
from gateway.edge.health import health, healthz, ready
from gateway.edge.metrics import Metrics
from gateway.edge.model_check import ModelCheckSurface
from gateway.edge.openai import OpenAISurface
from gateway.edge.prompting.calls import Prompting
from gateway.edge.prompts import PromptsSurface
from gateway.edge.surfaces import Surfaces
from gateway.issuer.feed.client import FeedClient
from gateway.issuer.feed.feed import Feed
from gateway.issuer.feed.reporting import Reporter, release
from gateway.issuer.feed.revocations import Revocations
from gateway.issuer.fetching import fetch_key_set
from gateway.issuer.identity import make_identity
from gateway.issuer.pins import Pin, load_pin
from gateway.issuer.snapshot import SnapshotStore
from gateway.issuer.spool.shipping import Shipper
from gateway.issuer.spool.spool import Spool
from gateway.issuer.tokens.issuers import Issuers, Surroundings, open_issuers, read_issuer_files
from gateway.issuer.tokens.key_sets import KeySet, Times
from gateway.policy.routes import check_coverage
from gateway.policy.selections import Selections
from gateway.prompts.library import load_library
from gateway.settings import Settings
from gateway.upstream.client import Client
from gateway.upstream.egress import EgressGuard, open_session
from gateway.upstream.endpoints import Endpoints
from gateway.upstream.forward import Forwarder
from gateway.upstream.own.own_models import OwnFiles, OwnModels
from gateway.upstream.probing import ModelProber
from gateway.upstream.trust import outgoing_trust

PROBE_INTERVAL = timedelta(seconds=2)
KEY_SET_INTERVAL = timedelta(seconds=1)
SWEEP_INTERVAL = timedelta(seconds=1)
FILES_INTERVAL = timedelta(seconds=2)
# Between two streams, and between two looks at whether something is to be saved or reported.
FOLLOW_INTERVAL = timedelta(milliseconds=20)
KEEP_INTERVAL = timedelta(milliseconds=250)
REPORT_INTERVAL = timedelta(milliseconds=200)

log = structlog.get_logger()


class Gateway:
    """The parts of one running gateway; made inside its event loop by `Gateway.run`."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        *,
        clock: Callable[[], float],
        recorder: EgressRecorder | None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._recorder = recorder
        self._identity = make_identity(settings.state_folder)
        self._pin = load_pin(settings.state_folder)
        self._issuer_files = read_issuer_files(
            settings.issuers_file,
            settings.user_token_key_file,
            pin=self._pin,
            is_mounted=settings.secrets_mounted,
        )
        own = OwnModels(
            OwnFiles(
                definitions=settings.definitions_file,
                upstreams=settings.upstreams_file,
                networks=settings.networks,
                is_mounted=settings.secrets_mounted,
            )
        )
        self._own = own
        self._times = Times(
            cool_down=settings.key_set_cool_down,
            refresh_after=settings.key_set_refresh,
            stale_budget=settings.key_set_stale_budget,
        )
        self.prove = prover(self._identity, self._pin.instance_id if self._pin else None)
        self._trusted = outgoing_trust(settings.ca_file)
        self._key_set: KeySet | None = None
        self._feed: Feed | None = None
        self.surfaces: Surfaces | None = None
        self._definitions = DefinitionsSurface(lambda: own.brought, metrics)

    def checks(self) -> dict[str, bool]:
        """What readiness means: tokens can be checked and a configuration is known."""
        return {
            "registered": self._pin is not None,
            "identity": self._key_set is not None and self._key_set.is_usable,
            "configuration": self._feed is not None and self._feed.has_document,
        }

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Holds the client and the background tasks for as long as the gateway serves."""
        settings = self._settings
        guard = EgressGuard(
            settings.networks, on_refused=self._metrics.refuse_egress, recorder=self._recorder
        )
        connect_timeout_s = settings.upstream_connect_timeout.total_seconds()
        async with AsyncExitStack() as stack:
            session = open_session(
                guard, connect_timeout_s=connect_timeout_s, trusted=self._trusted
            )
            await stack.enter_async_context(session)
            client = Client(guard, connect_timeout_s=connect_timeout_s, trusted=self._trusted)
            stack.callback(client.close)
            repeat(stack, client.sweep, every=SWEEP_INTERVAL)
            endpoints = self._open_endpoints(stack, guard)
            spool = self._open_spool(stack)
            revocations = Revocations()
            store = SnapshotStore(settings.state_folder, self._identity)
            issuers = self._believe(stack, session, store=store, revocations=revocations)
            admission = Admission(issuers)
            selections = Selections()
            is_of_instance = admission.is_of_instance
            chooser = Chooser(
                endpoints, selections, catalog=load_catalog(), is_of_instance=is_of_instance
            )
            gate = Gate(
                admission,
                chooser=chooser,
                on_decision=spool.decide,
                clock=self._clock,
                is_deaf=self._is_deaf,
                callers=Callers(settings.trusted_proxies),
            )
            running = Running(revocations, is_of_instance=is_of_instance)
            if self._pin is not None and self._key_set is not None and issuers is not None:
                followers = Followers(
                    endpoints=endpoints,
                    key_set=self._key_set,
                    verifier=issuers.verifier,
                    gate=gate,
                    running=running,
                    selections=selections,
                    revocations=revocations,
                )
                self._follow(stack, session, pin=self._pin, store=store, followers=followers)
                repeat(stack, lambda: endpoints.probe(client), every=PROBE_INTERVAL)
                self._ship(stack, session, pin=self._pin, spool=spool)
            relay = self._open_relay(client, spool, running)
            prober = ModelProber(guard, trusted=self._trusted)
            self.surfaces = self._open_surfaces(gate, relay, chooser=chooser, prober=prober)
            yield

    def _hosts(self) -> set[str]:
        hosts = {parse_endpoint(self._pin.instance_url).host} if self._pin else set()
        return hosts | self._issuer_files.hosts

    def _open_endpoints(self, stack: AsyncExitStack, guard: EgressGuard) -> Endpoints:
        endpoints = Endpoints(guard, always_allowed=self._hosts())

        def look() -> Awaitable[None]:
            return self._own.look(lambda brought: endpoints.bring(brought.models))

        endpoints.bring(self._own.brought.models)
        repeat(stack, look, every=FILES_INTERVAL)
        return endpoints

    def _open_relay(self, client: Client, spool: Spool, running: Running) -> Relay:
        return Relay(
            Forwarder(client),
            self._metrics,
            spool,
            running=running,
            longest_answer=self._settings.longest_answer,
            clock=self._clock,
        )

    def _open_surfaces(
        self, gate: Gate, relay: Relay, *, chooser: Chooser, prober: ModelProber
    ) -> Surfaces:
        metrics, max_body_bytes = self._metrics, self._settings.max_body_bytes
        key = self._issuer_files.user_token_key
        prompting = Prompting(
            gate,
            relay,
            library=load_library(),
            catalog=chooser.catalog,
            max_body_bytes=max_body_bytes,
            clock=self._clock,
        )
        return Surfaces(
            openai=OpenAISurface(
                gate=gate,
                chooser=chooser,
                relay=relay,
                metrics=metrics,
                max_body_bytes=max_body_bytes,
            ),
            code=CodeSurface(gate=gate, key=key, metrics=metrics, clock=self._clock),
            definitions=self._definitions,
            model_check=ModelCheckSurface(gate, prober.check, metrics),
            prompts=PromptsSurface(prompting, metrics),
            chat=ChatSurface(prompting, metrics),
            agent=AgentSurface(prompting, metrics),
        )

    def _open_spool(self, stack: AsyncExitStack) -> Spool:
        settings = self._settings
        limit_bytes = settings.usage_spool_bytes
        spool = Spool(settings.state_folder, limit_bytes=limit_bytes, clock=self._clock)
        stack.callback(spool.close)
        stack.callback(self._metrics.watch(spool))
        return spool

    def _ship(
        self, stack: AsyncExitStack, session: aiohttp.ClientSession, *, pin: Pin, spool: Spool
    ) -> None:
        shipper = Shipper(
            spool, identity=self._identity, pin=pin, session=session, clock=self._clock
        )
        repeat(stack, shipper.step, every=self._settings.usage_interval)

    def _believe(
        self,
        stack: AsyncExitStack,
        session: aiohttp.ClientSession,
        *,
        store: SnapshotStore,
        revocations: Revocations,
    ) -> Issuers | None:
        if self._pin is None:
            return None
        self._key_set = self._open_key_set(stack, session, pin=self._pin, store=store)
        around = Surroundings(
            pin=self._pin,
            identity=self._identity,
            session=session,
            store=store,
            clock=self._clock,
        )
        issuers = open_issuers(
            around,
            files=self._issuer_files,
            pinned_keys=self._key_set,
            times=self._times,
            revocations=revocations,
        )
        for key_set in issuers.key_sets:
            repeat(stack, key_set.keep_fresh, every=KEY_SET_INTERVAL)
        return issuers

    def _open_key_set(
        self,
        stack: AsyncExitStack,
        session: aiohttp.ClientSession,
        *,
        pin: Pin,
        store: SnapshotStore,
    ) -> KeySet:
        key_set = KeySet(
            fetch=lambda: fetch_key_set(session, pin.instance_url),
            store=store,
            clock=self._clock,
            times=self._times,
        )
        key_set.restore()
        # As soon as the feed that brings its keys: a restart needs both.
        repeat(stack, key_set.keep_fresh, every=KEEP_INTERVAL)
        return key_set

    def _follow(
        self,
        stack: AsyncExitStack,
        session: aiohttp.ClientSession,
        *,
        pin: Pin,
        store: SnapshotStore,
        followers: Followers,
    ) -> None:
        feed = Feed(
            identity=self._identity,
            pin=pin,
            store=store,
            revocations=followers.revocations,
            clock=self._clock,
            on_news=lambda news: followers.hear(news, now=self._clock()),
        )
        feed.restore()
        self._feed = feed
        stack.callback(self._metrics.watch(feed))
        # What changed since the last save is saved when everything else has ended.
        stack.push_async_callback(feed.keep)
        repeat(stack, feed.keep, every=KEEP_INTERVAL)
        client = FeedClient(
            feed,
            identity=self._identity,
            pin=pin,
            session=session,
            clock=self._clock,
            poll_every=self._settings.feed_interval,
        )
        repeat(stack, client.step, every=FOLLOW_INTERVAL)

        def report() -> Report | None:
            if not feed.has_document:
                return None
            epoch, sequence = feed.number
            return Report(
                version=release(),
                epoch=epoch,
                sequence=sequence,
                models=followers.endpoints.report(),
                kids=followers.key_set.kids,
                clock_ms=int(self._clock() * 1000),
            )

        reporter = Reporter(
            report, identity=self._identity, pin=pin, session=session, clock=self._clock
        )
        repeat(stack, reporter.step, every=REPORT_INTERVAL)

    def _is_deaf(self) -> bool:
        strict_after = self._settings.feed_strict_after
        return strict_after is not None and (
            self._feed is None or self._feed.age_s > strict_after.total_seconds()
        )


def create_app(
    settings: Settings,
    metrics: Metrics,
    *,
    clock: Callable[[], float] = time.time,
    recorder: EgressRecorder | None = None,
) -> ASGIApp:
    """The gateway as one ASGI 3 application; `clock` gives seconds since the epoch.

    `recorder`, if it is a hook of this process, hears of the connections that are the gateway's.

    Raises:
        UncoveredRouteError: a route is served that the policy table does not name.
        StateError: the gateway's keys, its pin, or a file that a setting names cannot be used.
    """
    gateway = Gateway(settings, metrics, clock=clock, recorder=recorder)
    rest = Litestar(
        route_handlers=[healthz, health, ready, challenge],
        dependencies={
            "checks": Provide(lambda: gateway.checks, sync_to_thread=False),
            "prove": Provide(lambda: gateway.prove, sync_to_thread=False),
        },
        lifespan=[lambda _: gateway.run()],
        exception_handlers={HTTPException: detail},
        openapi_config=None,
        logging_config=None,
    )
    served = [(method, route.path) for route in rest.routes for method in route.methods]
    check_coverage([*((m, p) for m, p in served if m != "OPTIONS"), *surfaces.SERVED])

    def dispatch(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        opened = gateway.surfaces
        if opened is not None and (surface := opened.find(scope)) is not None:
            return surface(scope, receive, send)
        return rest(scope, receive, send)

    return dispatch
