from uuid import UUID

import pytest

from appliance.audit.rules import SYSTEM
from appliance.licensing.usecases import pin_authority
from appliance.model_selection.usecases import entitlement
from appliance.namespaces.rules import Namespace
from appliance.storage.identity import ensure_identity
from gateway.contract.catalog import load_catalog
from tests.appliance.licensing.conftest import Organisation
from tests.appliance.model_selection.conftest import Lab
from tests.instance_builders import NOW
from tests.licence_builders import INSTANCE_ID, SigningAuthority, a_line


@pytest.fixture
def organisation(lab: Lab) -> Organisation:
    """One that trusts an authority."""
    authority = SigningAuthority()
    lab.do(ensure_identity, fresh_id=UUID(INSTANCE_ID), now=NOW)
    lab.do(pin_authority, authority.public, is_demo=False, actor=SYSTEM, now=NOW)
    return Organisation(lab.db, authority, lab.admin)


def _missing(organisation: Organisation, group: Namespace | None) -> set[str]:
    found = organisation.do(entitlement, group, catalog=load_catalog(), now=NOW)
    return {provider for provider, why in found.items() if why is not None}


def test_what_the_instance_bought_counts_in_every_group(organisation: Organisation) -> None:
    group = organisation.group("lab")
    assert _missing(organisation, group) == set(load_catalog().providers)
    organisation.buy(a_line("duo_pro"))
    assert _missing(organisation, group) == _missing(organisation, None) == {"shm", "amazonq"}


def test_what_a_root_group_bought_counts_in_it_and_nowhere_else(
    organisation: Organisation,
) -> None:
    group, other = organisation.group("lab"), organisation.group("other")
    organisation.buy(a_line("amazonq_pro", namespace="lab"))
    assert "amazonq" not in _missing(organisation, group)
    assert "amazonq" in _missing(organisation, other) & _missing(organisation, None)
