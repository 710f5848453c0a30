"""What the gateway offers, as it was last read."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from appliance.model_selection import tables
from appliance.model_selection.rules.definitions import UNLISTED
from appliance.model_selection.rules.pool import OfferedModel
from appliance.model_selection.rules.syncing import SyncState
from appliance.storage.engine import Session


def list_offered(session: Session) -> Sequence[OfferedModel]:
    """Every model that a gateway brings, also those that cannot be used now, by ref."""
    return tables.offers.all_offered(session)


def sync_state(session: Session) -> SyncState | None:
    """How the last look at the gateway's definitions went; None before the first."""
    return tables.syncing.sync_state(session)


def unlisted_refs(session: Session) -> Mapping[str, Sequence[str]]:
    """Refs that the definitions call selectable without defining them, each with the features."""
    state = tables.syncing.sync_state(session)
    found: dict[str, list[str]] = defaultdict(list)
    for problem in () if state is None else state.problems:
        if problem.code in UNLISTED and problem.identifier and problem.feature:
            found[problem.identifier].append(problem.feature)
    return {ref: list(dict.fromkeys(features)) for ref, features in found.items()}
