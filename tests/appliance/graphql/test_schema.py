import os
from pathlib import Path

import pytest
import strawberry

from appliance.accounts.rules import Access
from appliance.fields.resolving import field
from appliance.graphql.errors import FieldWithoutAccessError
from appliance.graphql.schema import build_schema, check_every_field_states_its_access

# What clients see. After a change that is meant: UPDATE_SCHEMA=1 and run this module.
PRINTED = Path(__file__).parent / "schema.graphql"


def test_the_schema_changes_only_where_that_is_meant() -> None:
    printed = build_schema().as_str() + "\n"
    if os.environ.get("UPDATE_SCHEMA"):
        PRINTED.write_text(printed)
    assert printed == PRINTED.read_text()


def test_a_field_that_states_no_access_stops_the_start() -> None:
    @strawberry.type
    class Silent:
        @field(description="Open to nobody knows whom")
        def secret(self) -> str:
            return ""

    @strawberry.type
    class Stated:
        @field(description="Open to admins", access=Access.ADMIN)
        def known(self) -> str:
            return ""

    check_every_field_states_its_access(Stated)
    with pytest.raises(FieldWithoutAccessError, match="secret"):
        check_every_field_states_its_access(Stated, Silent)
