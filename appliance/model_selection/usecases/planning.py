"""Finds out what a look at a gateway's definitions changes, before anything is written."""

from dataclasses import replace

from appliance.model_selection import tables
from appliance.model_selection.rules.counting import with_new_refs
from appliance.model_selection.rules.pool import make_pool
from appliance.model_selection.rules.syncing import (
    Look,
    Plan,
    after_changes,
    changes_by,
    without_clashes,
)
from appliance.model_selection.usecases import choices, features
from appliance.model_selection.usecases.reading import offers_from
from appliance.self_hosted_models.usecases import all_models
from appliance.storage.engine import Session
from appliance.storage.outbox import is_changed_since, last_sequence
from gateway.contract.catalog import Catalog

TOPIC = "offered_model"
# Of lower rooms, as those who publish name them; a test compares them.
SELF_HOSTED_MODEL = "self_hosted_model"
NAMESPACE = "namespace"
# Whose changes make another plan; the second only where a plan takes models away, as it then
# depends on who names them.
POOL_TOPICS = (TOPIC, SELF_HOSTED_MODEL, features.TOPIC)
NAMING_TOPICS = (choices.TOPIC, NAMESPACE)


def plan_of(session: Session, look: Look, catalog: Catalog) -> Plan:
    """What the look changes as things are now; of thousands of models that takes a while."""
    if look.reading is None:
        return Plan(look=look)
    registered, stored = all_models(session), tables.offers.all_offered(session)
    reading = without_clashes(look.reading, [model.ref for model in registered])
    changes = changes_by(reading, stored, named=tables.syncing.named_refs(session))
    plan = Plan(
        look=look,
        sequence=last_sequence(session),
        problems=reading.problems,
        changes=changes,
    )
    if not changes:
        return plan
    pools = [
        make_pool(registered, offered, catalog)
        for offered in (stored, after_changes(stored, changes))
    ]
    before, after = (
        {
            name: with_new_refs(offer, changes.respelled)
            for name, offer in offers_from(session, pool, catalog).items()
        }
        for pool in pools
    )
    return replace(plan, before=before, after=after)


def is_current(session: Session, plan: Plan) -> bool:
    """Whether nothing that the plan was made from has changed since."""
    changes = plan.changes
    naming = NAMING_TOPICS if changes.retired or changes.deleted else ()
    return not is_changed_since(session, plan.sequence, (*POOL_TOPICS, *naming))
