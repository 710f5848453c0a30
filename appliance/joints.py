"""What rooms need of those that lie above them, as the application hands it down."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from litestar.types import Scope

from appliance.accounts.rules import Caller
from appliance.ai_actions.jobs import Echoes, Pace, Workers
from appliance.ai_actions.rules import ActionName, Message, Request
from appliance.ai_actions.rules.catalogue import ACTIONS
from appliance.ai_actions.usecases import Runner
from appliance.ai_actions.usecases.answering import ActionRunner
from appliance.ai_actions.usecases.asking_gateway import GatewayAsker
from appliance.ai_actions.usecases.chat import ChatRunner, Toolbox
from appliance.audit.rules import Actor
from appliance.fields.resolving import ActionTools, Context, ModelTools
from appliance.gateway_feed.usecases import kids_held, state_of_model, states_of_models
from appliance.licensing.usecases import list_purchases
from appliance.model_selection.usecases import watch
from appliance.namespaces.rules import Namespace
from appliance.namespaces.usecases import Surroundings
from appliance.resources.usecases import follow_group, visible_project
from appliance.storage.engine import Session
from gateway.contract.catalog import load_catalog


def held_kids(session: Session, now: datetime) -> Mapping[str, frozenset[str]]:
    """Which signing keys each gateway can verify with."""
    return kids_held(session, now=now)


def _watch_move(
    session: Session, moved: Namespace, *, actor: Actor, now: datetime
) -> AbstractContextManager[None]:
    return watch(session, load_catalog(), cause="group_moved", actor=actor, now=now, below=moved)


def _owns_purchases(session: Session, namespace: Namespace) -> bool:
    owned = list_purchases(session, root_namespace_id=namespace.id)
    return any(purchase.items for purchase in owned)


def model_tools(values: Mapping[str, Any]) -> ModelTools:
    """What GraphQL does with models, of what is handed to everybody."""
    return ModelTools(
        sealer=values["sealer"],
        check_endpoint=values["check_endpoint"],
        check_model=values["check_model"],
        read_states=lambda session, refs, now: states_of_models(session, refs, now=now),
        project_namespace=values["project_namespace"],
    )


def action_tools(values: Mapping[str, Any]) -> ActionTools:
    """What GraphQL does with AI actions, of what is handed to everybody."""
    deliveries = values["deliveries"]

    async def start(request: Request, question: Message | None) -> None:
        if question is not None:
            deliveries.deliver(request, question)
        await values["workers"].begin(request.uid)

    async def cancel(uid: str) -> None:
        await values["workers"].cancel(uid)

    return ActionTools(deliveries=deliveries, start=start, cancel=cancel)


def ai_workers(values: Mapping[str, Any], *, pace: Pace) -> Workers:
    """Who runs AI actions, of what is handed to everybody."""
    catalog, told = load_catalog(), values["told"]
    asker = GatewayAsker(
        values["db"],
        values["outbound"],
        minter=values["minter"],
        told=told,
        catalog=catalog,
        clock=values["clock"],
    )
    act = ActionRunner(asker, catalog=catalog)
    toolbox = Toolbox(catalog=catalog, told=told)
    runners: dict[ActionName, Runner] = dict.fromkeys(ACTIONS, act)
    runners["chat"] = ChatRunner(asker, act, toolbox=toolbox, catalog=catalog)
    return Workers(values["db"], values["deliveries"], runners, pace=pace, clock=values["clock"])


def echoes_of(values: Mapping[str, Any]) -> Echoes:
    """What other processes' workers have answered, for who waits in this one."""
    worker = values["workers"].name
    return Echoes(values["db"], values["deliveries"], worker=worker, clock=values["clock"])


def make_context(values: Mapping[str, Any]) -> Callable[[Caller, Scope], Context]:
    """What the fields of an operation are resolved with, for who asks over a connection."""

    def context(caller: Caller, scope: Scope) -> Context:
        return Context(
            caller=caller,
            now=values["clock"](),
            version=values["version"],
            read_state=values["read_state"],
            desk=values["desk"],
            models=values["model_tools"],
            actions=values["action_tools"],
            client_ip=values["client_ip_of"](scope),
            db=values["db"],
            session=None,
        )

    return context


def letting_go(values: Mapping[str, Any]) -> Callable[[], Awaitable[None]]:
    """Ends what would not end by itself; connections are closed right afterwards."""

    async def let_go() -> None:
        values["streams"].stop()
        # Before their answers end: they shall come back, and not think that all was said.
        await values["sockets"].stop()
        values["deliveries"].stop()

    return let_go


FROM_ABOVE: dict[str, Any] = {
    "read_state": lambda session, ref, now: state_of_model(session, ref, now=now),
    "project_namespace": lambda session, user, project_id, now: (
        visible_project(session, user, project_id, now=now).namespace_id
    ),
    "follow_group": follow_group,
    "surroundings": Surroundings(
        follow=follow_group, watch=_watch_move, owns_purchases=_owns_purchases
    ),
    "held_kids": held_kids,
}
