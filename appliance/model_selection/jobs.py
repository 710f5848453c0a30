"""What is done about the models that a gateway brings, from time to time."""

from datetime import datetime, timedelta

from appliance.audit.rules import SYSTEM
from appliance.model_selection.usecases import ModelSync
from appliance.storage.engine import Db, Session
from appliance.timed_jobs import PlannedJob, Work

# How often it is looked whether it is time: an address that was changed is asked soon.
EVERY = timedelta(seconds=5)


def jobs_of_offers(sync: ModelSync) -> tuple[PlannedJob, ...]:
    """Reading the gateway's definitions again, when they are due."""

    async def plan(db: Db, now: datetime) -> Work | None:
        source = await db.read(lambda session: sync.due_source(session, now=now))
        if source is None:
            return None
        look = await sync.look(source)
        planned = await db.read(lambda session: sync.plan(session, look))

        def work(session: Session, at: datetime) -> None:
            sync.apply(session, planned, actor=SYSTEM, now=at)

        return work

    return (PlannedJob(name="models_synced", every=EVERY, plan=plan),)
