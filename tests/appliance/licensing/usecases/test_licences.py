from datetime import UTC, datetime, timedelta

import pytest

from appliance.accounts.usecases import grant_era
from appliance.audit.rules import SYSTEM, user_actor
from appliance.audit.usecases import list_events
from appliance.errors import NotFoundError
from appliance.licensing import errors, usecases
from appliance.storage.outbox import last_sequence
from appliance.storage.paging import Page
from gateway.contract.catalog import load_catalog
from tests.appliance.licensing.conftest import Organisation
from tests.instance_builders import NOW
from tests.licence_builders import INSTANCE_ID, SigningAuthority, a_line


def pin(organisation: Organisation, authority: SigningAuthority) -> bool:
    named = {"is_demo": authority.is_demo, "actor": SYSTEM, "now": NOW}
    return organisation.do(usecases.pin_authority, authority.public, **named)


@pytest.fixture
def demo(organisation: Organisation) -> Organisation:
    """The organisation before it had an authority of its own: it trusts a demo one."""
    with organisation.db.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM licence_authorities")
    organisation.authority = SigningAuthority(is_demo=True)
    pin(organisation, organisation.authority)
    return organisation


def test_a_licence_is_kept_with_what_it_buys(organisation: Organisation) -> None:
    added = organisation.buy(a_line(quantity=50), licensee="Example Ltd")
    (found,) = organisation.do(usecases.licences)
    assert found == added
    assert (found.licensee, found.is_demo, found.counts) == ("Example Ltd", False, True)
    assert [(line.add_on, line.item.quantity) for line in found.lines] == [("duo_enterprise", 50)]
    assert organisation.purchase("duo_enterprise").quantity(NOW) == 50


def test_two_licences_add_up_in_one_purchase(organisation: Organisation) -> None:
    organisation.buy(a_line(quantity=50))
    organisation.buy(a_line(quantity=7))
    assert len(organisation.do(usecases.list_purchases, root_namespace_id=usecases.ALL)) == 1
    assert organisation.purchase("duo_enterprise").quantity(NOW) == 57


def test_each_serial_counts_once(organisation: Organisation) -> None:
    text = organisation.authority.licence()
    organisation.do(usecases.add_licence, text, actor=SYSTEM, now=NOW)
    with pytest.raises(errors.LicenceTakenError):
        organisation.do(usecases.add_licence, text, actor=SYSTEM, now=NOW)
    assert organisation.do(usecases.knows_licence, text)
    assert not organisation.do(usecases.knows_licence, organisation.authority.licence())


def test_a_removed_licence_no_longer_counts_and_may_come_again(
    organisation: Organisation,
) -> None:
    text = organisation.authority.licence(a_line())
    for _ in range(2):
        added = organisation.do(usecases.add_licence, text, actor=SYSTEM, now=NOW)
        assert organisation.purchase("duo_enterprise").quantity(NOW) == 10
        organisation.do(usecases.remove_licence, added.id, actor=SYSTEM, now=NOW)
        assert organisation.purchase("duo_enterprise").quantity(NOW) == 0
        assert organisation.do(usecases.licences) == []
        with pytest.raises(NotFoundError):
            organisation.do(usecases.remove_licence, added.id, actor=SYSTEM, now=NOW)


def test_another_file_does_not_come_under_a_removed_ones_serial(
    organisation: Organisation,
) -> None:
    first = organisation.buy(a_line())
    organisation.do(usecases.remove_licence, first.id, actor=SYSTEM, now=NOW)
    with pytest.raises(errors.LicenceTakenError):
        organisation.buy(a_line(quantity=99), serial=first.serial)


def test_a_refused_licence_changes_nothing(organisation: Organisation) -> None:
    for text, refusal in (
        (SigningAuthority().licence(), errors.LicenceAuthorityUnknownError),
        (organisation.authority.licence(a_line("unheard")), errors.LicenceUnknownAddOnError),
        (
            organisation.authority.licence(a_line(), a_line(namespace="nowhere")),
            errors.LicenceNamespaceUnknownError,
        ),
    ):
        with pytest.raises(refusal):
            organisation.do(usecases.add_licence, text, actor=SYSTEM, now=NOW)
    assert organisation.do(usecases.list_purchases, root_namespace_id=usecases.ALL) == []


def test_a_licence_may_be_for_a_root_group(organisation: Organisation) -> None:
    group = organisation.group("alpha")
    assert not organisation.do(usecases.is_saas, now=NOW)
    organisation.buy(a_line(namespace="alpha"))
    assert organisation.purchase("duo_enterprise", of=group.id).root_namespace_id == group.id
    assert organisation.do(usecases.is_saas, now=NOW)


def test_every_change_is_audited_published_and_makes_tokens_stale(
    organisation: Organisation,
) -> None:
    before = organisation.do(last_sequence)
    admin = organisation.admin
    text = organisation.authority.licence(a_line(quantity=3))
    actor = user_actor(admin.id, admin.username)
    eras = [organisation.do(grant_era)]
    added = organisation.do(usecases.add_licence, text, actor=actor, now=NOW)
    eras.append(organisation.do(grant_era))
    organisation.do(usecases.remove_licence, added.id, actor=actor, now=NOW)
    eras.append(organisation.do(grant_era))
    assert added.uploaded_by == admin.id
    assert organisation.do(last_sequence) > before
    assert eras == sorted(set(eras))
    told = organisation.do(list_events, Page.asked(1, 2)).items
    assert [event.entry.action for event in told] == ["licence_removed", "licence_added"]
    assert told[0].entry.details["add_ons"] == [{"add_on": "duo_enterprise", "quantity": 3}]


def test_a_real_authority_ends_what_the_demo_one_gave(demo: Organisation) -> None:
    demo.buy(a_line())
    (before,) = demo.do(usecases.licence_reports, now=NOW)
    assert (before.licence.is_demo, before.licence.counts) == (True, True)
    assert pin(demo, SigningAuthority())
    (after,) = demo.do(usecases.licence_reports, now=NOW)
    assert not after.licence.counts
    assert "no longer counts" in after.warnings[0]
    assert demo.purchase("duo_enterprise").quantity(NOW) == 0


def test_no_other_authority_comes_beside_a_real_one(organisation: Organisation) -> None:
    assert not pin(organisation, organisation.authority)
    for is_demo in (True, False):
        with pytest.raises(errors.AuthorityPinnedError):
            pin(organisation, SigningAuthority(is_demo=is_demo))


def test_after_a_hand_over_old_licences_count_and_the_new_key_signs(
    organisation: Organisation,
) -> None:
    organisation.buy(a_line())
    old, heir = organisation.authority, SigningAuthority()
    named = {"actor": SYSTEM, "now": NOW}
    organisation.do(usecases.change_authority, old.hand_over(heir), **named)
    organisation.authority = heir
    organisation.buy(a_line(quantity=5))
    assert organisation.purchase("duo_enterprise").quantity(NOW) == 15
    with pytest.raises(errors.LicenceAuthorityUnknownError):
        organisation.do(usecases.add_licence, old.licence(), **named)
    with pytest.raises(errors.AuthorityChangeError, match="trusted before"):
        organisation.do(usecases.change_authority, heir.hand_over(old), **named)
    told = organisation.do(list_events, Page.asked(1, 9), action="authority_replaced").items
    assert [event.entry.details["before"] for event in told] == [old.authority.fingerprint]


def test_a_licence_says_what_to_do_about_what_it_buys(organisation: Organisation) -> None:
    organisation.buy(a_line("duo_self_hosted", 5, accompanies="duo_enterprise"))
    organisation.buy(a_line(quantity=9, starts_on="2026-01-01", ends_on="2026-12-01"))
    newest, oldest = organisation.do(usecases.licence_reports, now=NOW)
    assert "ends on 2026-12-01" in newest.warnings[0]
    assert "suspended" in oldest.warnings[0]
    assert (newest.starts_at, newest.is_expired) == (datetime(2026, 1, 1, tzinfo=UTC), False)


def test_setting_the_clock_back_wins_nothing(organisation: Organisation) -> None:
    organisation.do(usecases.note_time, now=NOW)
    organisation.buy(a_line(ends_on="2027-06-01", grace_days=0))
    organisation.do(usecases.note_time, now=NOW + timedelta(days=365))
    organisation.do(usecases.note_time, now=NOW)
    assert organisation.do(usecases.licence_clock, now=NOW) == NOW + timedelta(days=365)
    (report,) = organisation.do(usecases.licence_reports, now=NOW)
    assert report.is_expired
    assert "was already seen" in report.warnings[0]
    assert not organisation.do(
        usecases.grant_of,
        organisation.admin,
        root_namespace_id=None,
        catalog=load_catalog(),
        now=NOW,
    ).providers


def test_whose_instance_it_is_for_is_checked(organisation: Organisation) -> None:
    other = INSTANCE_ID.replace("6f0", "000")
    with pytest.raises(errors.LicenceForeignError):
        organisation.buy(instance_id=other)
