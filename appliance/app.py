"""Joins the parts of the instance into one application; the only place that knows them all."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.routes import HTTPRoute
from litestar.template import TemplateConfig
from prometheus_client import CollectorRegistry

import appliance.tables  # noqa: F401  # registers every table, for what copies, checks and migrates
from appliance.access_tokens import jobs as key_jobs
from appliance.access_tokens import rest as access_tokens
from appliance.access_tokens.rules import Timing
from appliance.access_tokens.usecases import Minter
from appliance.accounts import rest as accounts
from appliance.accounts.rest import note_refusal, provide_caller, require_access
from appliance.accounts.rules import Access
from appliance.ai_actions import jobs as ai_jobs
from appliance.ai_actions import rest as ai_actions
from appliance.ai_actions.jobs import Pace
from appliance.ai_actions.usecases import Deliveries
from appliance.answers import ANSWERS
from appliance.audit import rest as audit
from appliance.certificates import outgoing_trust
from appliance.clock import utc_now
from appliance.code_suggestions import rest as code_suggestions
from appliance.console import pages as console_pages
from appliance.console import rest as console
from appliance.egress import Egress
from appliance.errors import (
    ApplianceError,
)
from appliance.explanations import jobs as explanation_jobs
from appliance.explanations import rest as explanations
from appliance.feature_flags import rest as feature_flags
from appliance.feature_flags.jobs import warn_of_stale_flags
from appliance.forwarding import rest as forwarding
from appliance.forwarding.rest import GatewayProbe
from appliance.forwarding.rules import address_of_client
from appliance.gateway_feed import jobs as feed_jobs
from appliance.gateway_feed import rest as gateway_feed
from appliance.gateway_feed.rest import Streams
from appliance.gateway_feed.usecases import Sources, challenge_is_answered
from appliance.graphql import rest as graphql
from appliance.graphql.schema import build_schema
from appliance.instance_settings import rest as instance_settings_rest
from appliance.instance_settings import usecases as instance_settings
from appliance.instance_settings.rest import Desk, GatewayCheck
from appliance.instance_settings.rules import Addresses
from appliance.instance_settings.rules import check_address as check_public_address
from appliance.joints import (
    FROM_ABOVE,
    action_tools,
    ai_workers,
    echoes_of,
    held_kids,
    letting_go,
    make_context,
    model_tools,
)
from appliance.licensing import jobs as licensing_jobs
from appliance.licensing import rest as licensing
from appliance.licensing.usecases import note_time
from appliance.model_selection import jobs as model_jobs
from appliance.model_selection import rest as model_selection
from appliance.model_selection.rules.definitions import MAX_DOCUMENT_BYTES
from appliance.model_selection.usecases import ModelNaming, ModelSync
from appliance.namespaces import rest as namespaces
from appliance.observation import Observation
from appliance.opening import Instance, open_instance
from appliance.outbound import Outbound
from appliance.resources import rest as resources
from appliance.self_hosted_models import rest as self_hosted_models
from appliance.self_hosted_models.rest import ModelChecks
from appliance.self_hosted_models.rules import checked_endpoint
from appliance.self_hosted_models.usecases import resolve
from appliance.settings import Settings
from appliance.slashes import EscapedSlashes
from appliance.storage.engine import (
    Db,
    Session,
    database_hosts,
    database_url,
)
from appliance.storage.paging import DEFAULT_PER_PAGE, Page
from appliance.storage.sealing import Sealer
from appliance.timed_jobs import Job, PlannedJob, TimedJobs
from appliance.usage import jobs as usage_jobs
from appliance.usage import rest as usage
from appliance.usage.rules import Retention
from gateway.contract.addresses import Network
from gateway.contract.catalog import load_catalog
from gateway.contract.egress import EgressPolicy
from gateway.contract.headers import SPOKEN_VERSION
from gateway.contract.ledger import Ledger

MAX_BODY_BYTES = 1024 * 1024
# What is read of the application itself.
_STATE = ("db", "clock", "registry", "streams", "recorder")
# Takes a while, and is the same for every instance in a process.
_SCHEMA = build_schema()

HANDLERS = [
    *audit.handlers(Access.ADMIN),
    *accounts.handlers,
    *namespaces.handlers,
    *feature_flags.handlers,
    *resources.handlers,
    *ai_actions.handlers,
    *access_tokens.handlers,
    *licensing.handlers,
    *self_hosted_models.handlers,
    *model_selection.handlers,
    *instance_settings_rest.handlers,
    *code_suggestions.handlers,
    *explanations.handlers,
    *usage.handlers,
    *graphql.handlers,
    *gateway_feed.handlers,
    *console.handlers,
    *console_pages.handlers,
]


class RouteWithoutAccessError(ApplianceError):
    """A route does not say whom it is open to."""

    code = "route_without_access"

    def __init__(self, path: str) -> None:
        super().__init__(f"The route {path} does not say whom it is open to.")


def release() -> str:
    """The installed release."""
    try:
        return version("casemate")
    except PackageNotFoundError:
        return "0+source"


def create_app(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> Litestar:
    """The whole instance, ready to be served.

    Raises:
        ApplianceError: it cannot be opened.
    """
    instance = open_instance(settings)
    _note_start(instance.db, _told(settings), now=clock())
    values = _everything(settings, instance, clock=clock)
    app = Litestar(
        route_handlers=[
            *HANDLERS,
            *forwarding.handlers(
                max_body_bytes=settings.max_body_bytes, trusted_proxies=settings.proxies
            ),
        ],
        dependencies={name: _given(value) for name, value in values.items()} | _OF_THE_REQUEST,
        guards=[require_access],
        after_exception=[note_refusal],
        exception_handlers=ANSWERS,
        template_config=TemplateConfig(instance=_template_engine()),
        state=State({name: values[name] for name in _STATE} | {"let_go": letting_go(values)}),
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
        # The pages that Litestar would add load their scripts from outside.
        openapi_config=None,
        # What jobs are in the middle of needs the way out until it is done.
        lifespan=[
            lambda _: values["outbound"].run(),
            lambda _: values["jobs"].run(),
            lambda _: values["streams"].run(),
            lambda _: values["echoes"].run(),
            lambda _: values["workers"].run(),
        ],
        on_shutdown=[instance.db.close],
    )
    _check_every_route_states_its_access(app)
    # Around the whole application, since middleware of Litestar's sees no request without a route.
    app.asgi_handler = EscapedSlashes(Observation(app.asgi_handler, values["registry"]))
    return app


def _everything(
    settings: Settings, instance: Instance, *, clock: Callable[[], datetime]
) -> dict[str, Any]:
    registry = CollectorRegistry()
    egress = _egress(settings, registry)
    outbound = _outbound(settings, egress)
    values = {
        **_values(settings, instance, egress=egress, outbound=outbound, clock=clock),
        **FROM_ABOVE,
        "clock": clock,
        "registry": registry,
        "egress": egress,
        "recorder": egress.recorder,
        "streams": Streams(instance.db, clock=clock),
        "deliveries": Deliveries(),
        "client_ip_of": partial(address_of_client, trusted_proxies=settings.proxies),
    }
    values["model_tools"] = model_tools(values)
    values["action_tools"] = action_tools(values)
    values["workers"] = ai_workers(values, pace=_pace(settings))
    values["echoes"] = echoes_of(values)
    values["sockets"] = graphql.Sockets(instance.db, values["told"], clock=clock)
    values["answering"] = graphql.Answering(_SCHEMA, make_context(values))
    timed = (*_jobs(settings, instance.sealer), *model_jobs.jobs_of_offers(values["model_sync"]))
    values["jobs"] = TimedJobs(instance.db, timed, clock=clock)
    return values


def _egress(settings: Settings, registry: CollectorRegistry) -> Egress:
    names = (settings.instance_host, *database_hosts(database_url(settings.database)))
    return Egress(registry, names=names, ledger=Ledger(settings.home / "egress", "instance"))


def _outbound(settings: Settings, egress: Egress) -> Outbound:
    return Outbound(
        EgressPolicy(settings.networks),
        trusted=outgoing_trust(settings.ca_file),
        on_refused=egress.count,
        recorder=egress.recorder,
    )


def _values(
    settings: Settings,
    instance: Instance,
    *,
    egress: Egress,
    outbound: Outbound,
    clock: Callable[[], datetime],
) -> dict[str, Any]:
    told, catalog = _told(settings), load_catalog()
    minter = Minter(
        instance.sealer, instance.identity, told=told, catalog=catalog, version=SPOKEN_VERSION
    )
    db, instance_id = instance.db, instance.identity.instance_id
    check_gateway = GatewayCheck(
        db, outbound, instance_id=instance_id, is_answered=challenge_is_answered
    )
    check_address = partial(
        check_public_address, networks=settings.networks, resolve=egress.resolving(resolve)
    )
    desk = Desk(db, told, check_address=check_address, check_gateway=check_gateway, clock=clock)
    probe = GatewayProbe(db, outbound, minter=minter, told=told, clock=clock)
    return {
        "db": instance.db,
        "sealer": instance.sealer,
        "identity": instance.identity,
        "minter": minter,
        "feed_sources": Sources(sealer=instance.sealer, minter=minter, catalog=catalog, told=told),
        "model_names": ModelNaming(catalog),
        "model_sync": ModelSync(
            partial(outbound.get, limit_bytes=MAX_DOCUMENT_BYTES),
            told,
            catalog=catalog,
            interval=settings.models_sync_interval,
            chance=random.random,
        ),
        "check_model": ModelChecks(db, instance.sealer, catalog=catalog, probe=probe),
        "check_endpoint": _endpoint_check(settings.networks, egress),
        "told": told,
        "outbound": outbound,
        "desk": desk,
        "key_timing": _key_timing(settings),
        "version": release(),
        "usage_retention": _retention(settings),
    }


def _retention(settings: Settings) -> Retention:
    return Retention(
        events=timedelta(days=settings.usage_events_days),
        sums=timedelta(days=settings.usage_retention_days),
    )


def _pace(settings: Settings) -> Pace:
    return Pace(
        at_once=settings.ai_workers,
        at_once_of_a_user=settings.ai_workers_per_user,
        limit=settings.ai_answer_timeout,
        is_inline=settings.ai_actions_inline,
    )


def _key_timing(settings: Settings) -> Timing:
    return Timing(life=settings.signing_key_life, max_age=settings.key_set_max_age)


def _jobs(settings: Settings, sealer: Sealer) -> tuple[Job | PlannedJob, ...]:
    return (
        *licensing_jobs.jobs,
        *key_jobs.jobs_of_keys(sealer, _key_timing(settings), held_kids),
        *usage_jobs.jobs_of_usage(_retention(settings)),
        *explanation_jobs.jobs,
        *feed_jobs.jobs,
        *ai_jobs.jobs,
    )


def _told(settings: Settings) -> Addresses:
    return Addresses(
        instance_public_url=settings.issuer,
        gateway_public_url=settings.gateway_public_url,
        ai_gateway_url=settings.ai_gateway_url or settings.gateway_public_url,
    )


def _note_start(db: Db, told: Addresses, *, now: datetime) -> None:
    def work(session: Session) -> None:
        note_time(session, now=now)
        warn_of_stale_flags(session, version=release())
        if instance_settings.needs_noting(session, told):
            instance_settings.note_issuer(session, told, now=now)

    db.write_blocking(work)


def _given(value: Any) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


def _endpoint_check(networks: Sequence[Network], egress: Egress) -> Callable[[str], str]:
    return lambda url: checked_endpoint(url, networks=networks, resolve=egress.resolving(resolve))


async def _asked_page(
    *, page: FromQuery[int] = 1, per_page: FromQuery[int] = DEFAULT_PER_PAGE
) -> Page:
    return Page.asked(page, per_page)


async def _addresses(*, db: NamedDependency[Db], told: NamedDependency[Addresses]) -> Addresses:
    # Looked up for each request that needs them: a change holds at once, in every replica.
    return await db.read(lambda session: instance_settings.addresses(session, told))


async def _public_url(*, addresses: NamedDependency[Addresses]) -> str:
    return addresses.instance_public_url


async def _gateway_url(*, addresses: NamedDependency[Addresses]) -> str:
    return addresses.gateway_public_url


_OF_THE_REQUEST = {
    "caller": Provide(provide_caller),
    "asked": Provide(_asked_page),
    "addresses": Provide(_addresses),
    "public_url": Provide(_public_url),
    "gateway_url": Provide(_gateway_url),
}


def _template_engine() -> JinjaTemplateEngine:
    environment = Environment(
        loader=PackageLoader("appliance.console"), autoescape=True, undefined=StrictUndefined
    )
    return JinjaTemplateEngine.from_environment(environment)


def _check_every_route_states_its_access(app: Litestar) -> None:
    for route in app.routes:
        handlers = route.route_handlers if isinstance(route, HTTPRoute) else [route.route_handler]
        for handler in handlers:
            is_generated = getattr(handler, "http_methods", None) == {"OPTIONS"}
            if not is_generated and not isinstance(handler.opt.get("access"), Access):
                raise RouteWithoutAccessError(route.path)
