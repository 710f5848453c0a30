"""Which providers of models the organisation, or a group of it, has a right to."""

from collections.abc import Mapping
from datetime import datetime

from appliance.namespaces.rules import Namespace
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog


def entitlement(
    session: Session, namespace: Namespace | None, *, catalog: Catalog, now: datetime
) -> Mapping[str, str | None]:
    """For each provider a sentence why its models are not paid for there, None if they are.

    What the instance owns counts in every group, what a root group owns in it and below.
    """
    raise NotImplementedError
