from typing import Any

import pytest
from sqlmodel import select

from appliance.audit.rules import SYSTEM
from appliance.audit.tables import AuditEventRow
from appliance.errors import InvalidFieldsError
from appliance.self_hosted_models import usecases
from appliance.self_hosted_models.errors import RefTakenError
from appliance.self_hosted_models.rules import Description
from appliance.storage.engine import Db, Session
from appliance.storage.outbox import changes_after, last_sequence
from appliance.storage.sealing import Sealer
from tests.instance_builders import NOW

TINY = Description(
    ref="tiny", name="Tiny", endpoint="http://127.0.0.1:1/v1", identifier="tiny", api_key="k1"
)


def _ensure(db: Db, sealer: Sealer, **changes: str) -> usecases.LocalModelResult:
    described: dict[str, Any] = {
        "ref": "tiny",
        "name": "Tiny",
        "endpoint": "http://127.0.0.1:1/v1",
        "identifier": "tiny",
    }
    description = Description(**{**described, **changes})
    return db.write_blocking(
        lambda session: usecases.ensure_local_model(session, description, sealer=sealer, now=NOW)
    )


def change(db: Db, sealer: Sealer, number: int, description: Description) -> None:
    db.write_blocking(
        lambda session: usecases.change_model(
            session, number, description, sealer=sealer, actor=SYSTEM, now=NOW
        )
    )


def audit_details(session: Session) -> list[dict[str, object]]:
    rows = session.exec(select(AuditEventRow).where(AuditEventRow.action == "model_changed")).all()
    return [row.details for row in rows]


def test_the_local_model_is_made_once_and_then_followed(db: Db, sealer: Sealer) -> None:
    assert _ensure(db, sealer).is_new
    assert _ensure(db, sealer) == usecases.LocalModelResult(is_new=False, changed=[])
    changed = _ensure(db, sealer, ref="other", endpoint="http://127.0.0.1:2/v1", api_key="k2")
    assert changed.changed == ["ref", "endpoint", "api_key"]
    models = db.read_blocking(usecases.all_models)
    assert [(model.ref, model.is_local) for model in models] == [("other", True)]


def test_following_publishes_only_what_changed(db: Db, sealer: Sealer) -> None:
    _ensure(db, sealer, api_key="k")
    before = db.read_blocking(last_sequence)
    _ensure(db, sealer, api_key="k")
    assert db.read_blocking(last_sequence) == before
    _ensure(db, sealer, api_key="k2")
    assert db.read_blocking(last_sequence) > before


def test_the_local_model_does_not_take_over_another_s_ref(db: Db, sealer: Sealer) -> None:
    db.write_blocking(
        lambda session: usecases.create_model(session, TINY, sealer=sealer, actor=SYSTEM, now=NOW)
    )
    with pytest.raises(RefTakenError):
        _ensure(db, sealer)


def test_the_feed_reads_api_keys_in_clear(db: Db, sealer: Sealer) -> None:
    db.write_blocking(
        lambda session: usecases.create_model(session, TINY, sealer=sealer, actor=SYSTEM, now=NOW)
    )
    served = db.read_blocking(lambda session: usecases.served_models(session, sealer))
    assert [(each.model.ref, each.api_key) for each in served] == [("tiny", "k1")]


def test_a_disabled_model_is_not_served(db: Db, sealer: Sealer) -> None:
    model = db.write_blocking(
        lambda session: usecases.create_model(session, TINY, sealer=sealer, actor=SYSTEM, now=NOW)
    )
    for is_enabled in (False, True):
        change(db, sealer, model.id, Description(is_enabled=is_enabled))
        served = db.read_blocking(lambda session: usecases.served_models(session, sealer))
        assert [each.model.ref for each in served] == ["tiny"] * is_enabled


def test_the_set_up_leaves_alone_what_an_admin_decided(db: Db, sealer: Sealer) -> None:
    _ensure(db, sealer)
    number = db.read_blocking(usecases.all_models)[0].id
    change(db, sealer, number, Description(is_enabled=False, allowed_networks=["10.0.0.0/8"]))
    _ensure(db, sealer, name="Other")
    model = db.read_blocking(usecases.all_models)[0]
    assert (model.is_enabled, model.allowed_networks) == (False, ("10.0.0.0/8",))


def test_a_changed_ref_is_published_with_the_one_before(db: Db, sealer: Sealer) -> None:
    _ensure(db, sealer)
    before = db.read_blocking(last_sequence)
    number = db.read_blocking(usecases.all_models)[0].id
    change(db, sealer, number, Description(ref="other"))
    change(db, sealer, number, Description(name="Other"))
    published = db.read_blocking(lambda session: changes_after(session, before))
    payload = {"id": number, "ref": "other", "change": "changed"}
    assert [each.payload for each in published] == [{**payload, "previous_ref": "tiny"}, payload]


def test_the_audit_tells_who_may_use_a_model(db: Db, sealer: Sealer) -> None:
    _ensure(db, sealer)
    number = db.read_blocking(usecases.all_models)[0].id
    change(db, sealer, number, Description(is_enabled=False, allowed_networks=["10.1.2.3"]))
    change(db, sealer, number, Description(is_enabled=False, allowed_networks=["10.1.2.3/32"]))
    entries = db.read_blocking(audit_details)
    assert entries == [{"enabled": False, "allowed_cidrs": ["10.1.2.3/32"]}]


def test_endpoints_are_replaced_together_and_the_main_one_alone(db: Db, sealer: Sealer) -> None:
    _ensure(db, sealer)
    number = db.read_blocking(usecases.all_models)[0].id
    first, second, third = (f"http://127.0.0.{last}/v1" for last in (1, 2, 3))
    steps = (
        (Description(endpoints=[first, second, first]), (first, second)),
        (Description(endpoint=third), (third, second)),
        (Description(endpoint=second), (second,)),
        (Description(name="Other"), (second,)),
    )
    for said, endpoints in steps:
        change(db, sealer, number, said)
        assert db.read_blocking(usecases.all_models)[0].endpoints == endpoints
    entries = db.read_blocking(audit_details)
    assert entries[0] == {"endpoint": first, "further_endpoints": [second]}


def test_the_set_up_changes_the_main_endpoint_only(db: Db, sealer: Sealer) -> None:
    _ensure(db, sealer)
    number = db.read_blocking(usecases.all_models)[0].id
    endpoints = ["http://127.0.0.1:1/v1", "http://127.0.0.9/v1"]
    change(db, sealer, number, Description(endpoints=endpoints))
    assert _ensure(db, sealer).changed == []
    _ensure(db, sealer, endpoint="http://127.0.0.1:2/v1")
    model = db.read_blocking(usecases.all_models)[0]
    assert model.endpoints == ("http://127.0.0.1:2/v1", "http://127.0.0.9/v1")


@pytest.mark.parametrize(
    "said",
    [
        {"endpoint": "http://127.0.0.1:2/v1"},
        {"endpoints": ["http://127.0.0.1:1/v1", "https://127.0.0.1:1/v1"]},
    ],
)
def test_a_stored_key_never_follows_to_another_server(
    db: Db, sealer: Sealer, said: dict[str, Any]
) -> None:
    _ensure(db, sealer, api_key="k1")
    before = db.read_blocking(usecases.all_models)
    with pytest.raises(InvalidFieldsError) as refused:
        change(db, sealer, before[0].id, Description(**said, name="Other"))
    assert list(refused.value.fields) == ["api_key"]
    assert db.read_blocking(usecases.all_models) == before


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ({"endpoint": "http://127.0.0.1:2/v1", "api_key": "k2"}, "k2"),
        ({"endpoint": "http://127.0.0.1:2/v1", "api_key": "k1"}, "k1"),
        ({"endpoint": "http://127.0.0.1:2/v1", "api_key": ""}, None),
        ({"endpoint": "http://127.0.0.1:1/other"}, "k1"),
    ],
)
def test_a_key_that_is_given_again_or_removed_lets_the_model_move(
    db: Db, sealer: Sealer, said: dict[str, Any], key: str | None
) -> None:
    _ensure(db, sealer, api_key="k1")
    number = db.read_blocking(usecases.all_models)[0].id
    change(db, sealer, number, Description(**said))
    (served,) = db.read_blocking(lambda session: usecases.served_models(session, sealer))
    assert (served.model.endpoint, served.api_key) == (said["endpoint"], key)


def test_a_limit_is_set_kept_and_taken_away(db: Db, sealer: Sealer) -> None:
    _ensure(db, sealer)
    number = db.read_blocking(usecases.all_models)[0].id
    seen = []
    for said in (Description(max_in_flight=7), Description(name="N"), Description(max_in_flight=0)):
        change(db, sealer, number, said)
        seen.append(db.read_blocking(usecases.all_models)[0].max_in_flight)
    assert seen == [7, 7, None]
    served = db.read_blocking(lambda session: usecases.served_models(session, sealer))
    assert served[0].model.max_in_flight is None


def test_without_anybody_who_names_models_one_is_just_deleted(db: Db, sealer: Sealer) -> None:
    _ensure(db, sealer)
    number = db.read_blocking(usecases.all_models)[0].id
    db.write_blocking(lambda session: usecases.delete_model(session, number, actor=SYSTEM, now=NOW))
    assert db.read_blocking(usecases.all_models) == []


def test_a_name_is_resolved_to_all_its_addresses() -> None:
    assert "127.0.0.1" in usecases.resolve("127.0.0.1", 80)


def test_a_model_is_found_by_exactly_its_ref(db: Db, sealer: Sealer) -> None:
    _ensure(db, sealer, ref="a-b")
    refs = ("a-b", "A-b", "a_b", "a\0b")
    found = db.read_blocking(
        lambda session: [ref for ref in refs if usecases.find_model(session, ref)]
    )
    assert found == ["a-b"]
