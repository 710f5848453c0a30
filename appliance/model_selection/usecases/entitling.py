"""Which providers of models the organisation, or a group of it, has a right to."""

from collections.abc import Mapping
from datetime import datetime

from appliance.licensing.usecases import licence_clock, list_purchases
from appliance.model_selection.rules.entitling import why_not_entitled
from appliance.namespaces.rules import Namespace
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog


def entitlement(
    session: Session, namespace: Namespace | None, *, catalog: Catalog, now: datetime
) -> Mapping[str, str | None]:
    """For each provider a sentence why its models are not paid for there, None if they are.

    What the instance owns counts in every group, what a root group owns in it and below.
    """
    owned = list_purchases(session, root_namespace_id=None)
    if namespace is not None:
        owned += list_purchases(session, root_namespace_id=namespace.root_id)
    at = licence_clock(session, now=now)
    return {
        provider: why_not_entitled(provider, owned, catalog, at=at)
        for provider in catalog.providers
    }
