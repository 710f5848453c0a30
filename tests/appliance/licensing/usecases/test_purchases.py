from datetime import timedelta

import pytest

from appliance.accounts.errors import AdminNeededError
from appliance.accounts.rules import User
from appliance.audit.rules import SYSTEM
from appliance.errors import NotFoundError
from appliance.licensing import usecases
from appliance.licensing.rules import Grant
from appliance.namespaces.rules import AccessLevel
from gateway.contract.catalog import load_catalog
from tests.appliance.licensing.conftest import Organisation
from tests.instance_builders import NOW
from tests.licence_builders import a_line


def grant(organisation: Organisation, user: User, *, root: int | None = None) -> Grant:
    return organisation.do(
        usecases.grant_of, user, root_namespace_id=root, catalog=load_catalog(), now=NOW
    )


def test_a_seat_and_self_hosting_together_grant_chat_on_own_models(
    organisation: Organisation,
) -> None:
    organisation.buy(a_line("duo_pro", 5), a_line("duo_self_hosted", 5, accompanies="duo_pro"))
    ada, bob = organisation.user("ada"), organisation.user("bob")
    organisation.give(organisation.purchase("duo_pro"), ada)
    assert "duo_chat" in grant(organisation, ada).scopes
    assert "shm" in grant(organisation, ada).providers
    assert not grant(organisation, bob).scopes
    assert "shm" in grant(organisation, bob).providers


def test_what_one_group_bought_counts_in_no_other(organisation: Organisation) -> None:
    alpha, beta = organisation.group("alpha"), organisation.group("beta")
    ada = organisation.user("ada")
    organisation.join(ada, alpha)
    organisation.buy(a_line("amazonq_pro", namespace="alpha"))
    organisation.give(organisation.purchase("amazonq_pro", of=alpha.id), ada)
    assert grant(organisation, ada, root=alpha.id).scopes == {"duo_chat"}
    assert grant(organisation, ada, root=alpha.id).providers == {"amazonq"}
    for root in (beta.id, None):
        assert not grant(organisation, ada, root=root).scopes
        assert not grant(organisation, ada, root=root).providers


def test_what_the_instance_bought_counts_in_every_group(organisation: Organisation) -> None:
    alpha, ada = organisation.group("alpha"), organisation.user("ada")
    organisation.buy(a_line("amazonq_pro"))
    organisation.give(organisation.purchase("amazonq_pro"), ada)
    assert grant(organisation, ada, root=alpha.id) == grant(organisation, ada)
    assert grant(organisation, ada).scopes == {"duo_chat"}


def test_a_seat_over_the_limit_opens_nothing(organisation: Organisation) -> None:
    organisation.buy(a_line("amazonq_pro", 1))
    more = organisation.buy(a_line("amazonq_pro", 1))
    ada, bob = organisation.user("ada"), organisation.user("bob")
    organisation.give(organisation.purchase("amazonq_pro"), ada, bob)
    assert grant(organisation, bob).scopes
    organisation.do(usecases.remove_licence, more.id, actor=SYSTEM, now=NOW)
    assert grant(organisation, ada).scopes
    assert not grant(organisation, bob).scopes


def test_a_blocked_users_seat_opens_nothing(organisation: Organisation) -> None:
    organisation.buy(a_line("amazonq_pro", 1))
    ada = organisation.user("ada")
    organisation.give(organisation.purchase("amazonq_pro"), ada)
    organisation.block(ada, now=NOW + timedelta(hours=1))
    assert not grant(organisation, ada).scopes


def test_a_report_says_how_things_are(organisation: Organisation) -> None:
    alpha, ada = organisation.group("alpha"), organisation.user("ada")
    organisation.join(ada, alpha)
    organisation.buy(a_line(quantity=3), a_line(quantity=4, namespace="alpha"))
    organisation.give(organisation.purchase("duo_enterprise", of=alpha.id), ada)
    ours, theirs = organisation.do(usecases.reports, root_namespace_id=usecases.ALL, now=NOW)
    assert (ours.owner, ours.quantity, ours.assigned, ours.state) == (None, 3, 0, "active")
    assert theirs.owner == alpha
    assert (theirs.quantity, theirs.assigned, theirs.is_demo) == (4, 1, False)
    assert (theirs.warnings, theirs.suspended_because) == ((), None)
    (only,) = organisation.do(usecases.reports, root_namespace_id=alpha.id, now=NOW)
    assert only == theirs


def test_a_groups_purchases_are_for_its_owners_and_admins(organisation: Organisation) -> None:
    alpha = organisation.group("alpha")
    owner, member = organisation.user("ada"), organisation.user("bob")
    organisation.join(owner, alpha, AccessLevel.OWNER)
    organisation.join(member, alpha, AccessLevel.MAINTAINER)

    def check(user: User, root: int | None) -> None:
        organisation.do(usecases.check_may_read, user, root_namespace_id=root, now=NOW)

    check(organisation.admin, alpha.id)
    check(organisation.admin, None)
    check(owner, alpha.id)
    with pytest.raises(AdminNeededError):
        check(owner, None)
    with pytest.raises(NotFoundError):
        check(member, alpha.id)
