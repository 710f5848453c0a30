"""Gathers what the page and the probes show."""

from datetime import datetime

from appliance.access_tokens.usecases import Minter
from appliance.console import rules
from appliance.console.rules import Overview
from appliance.errors import ApplianceError
from appliance.gateway_feed.usecases import list_gateways
from appliance.licensing.usecases import ALL, reports
from appliance.self_hosted_models.usecases import all_models
from appliance.storage.engine import Db, Session
from appliance.storage.identity import read_identity
from appliance.storage.sealing import Sealer, check_master_key


def read_overview(session: Session, *, at: datetime) -> Overview:
    """The state of the parts at `at`."""
    bought = reports(session, root_namespace_id=ALL, now=at)
    licence = rules.licence_state(each.is_demo for each in bought if each.quantity)
    return rules.overview(list_gateways(session), all_models(session), licence=licence, at=at)


async def check_readiness(db: Db, sealer: Sealer, minter: Minter) -> dict[str, str]:
    """What the instance needs to serve, each "ok" or the code of what is wrong with it."""
    checks = {
        "database": read_identity,
        "master_key": lambda session: check_master_key(session, sealer),
        "signing_key": minter.check,
    }
    found = {}
    for name, check in checks.items():
        try:
            await db.read(check)
        except ApplianceError as error:
            found[name] = error.code
        else:
            found[name] = "ok"
    return found
