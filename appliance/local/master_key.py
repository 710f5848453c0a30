"""Whether the master key opens what is sealed, for who is logged in to the machine itself."""

from contextlib import closing
from typing import Any

from appliance.opening import open_instance
from appliance.settings import Settings


def check(settings: Settings) -> dict[str, Any]:
    """The instance that the key belongs to.

    Raises:
        ApplianceError: the database, the master key or the first contents are missing or wrong.
    """
    opened = open_instance(settings)
    with closing(opened.db):
        return {"master_key": "ok", "instance_id": opened.identity.instance_id}
