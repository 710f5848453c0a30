from appliance.access_tokens.usecases import switched_off
from appliance.audit.rules import SYSTEM
from appliance.feature_flags.usecases import set_flag
from appliance.storage.engine import Db
from gateway.contract.catalog import load_catalog
from tests.instance_builders import NOW

CATALOG = load_catalog()


def _switch(db: Db, flag: str) -> None:
    db.write_blocking(lambda session: set_flag(session, flag, value=False, actor=SYSTEM, now=NOW))


def test_a_flag_that_is_off_for_everyone_closes_what_it_guards(db: Db) -> None:
    assert db.read_blocking(lambda session: switched_off(session, CATALOG)) == ()
    _switch(db, "ai_duo_code_suggestions_switch")
    (found,) = db.read_blocking(lambda session: switched_off(session, CATALOG))
    assert found.flag == "ai_duo_code_suggestions_switch"
    assert {"complete_code", "generate_code"} <= set(found.unit_primitives)
    assert "duo_chat" not in found.unit_primitives


def test_the_switch_for_everything_closes_everything(db: Db) -> None:
    _switch(db, "ai_model_switching")
    _switch(db, "ai_global_switch")
    everything, models = db.read_blocking(lambda session: switched_off(session, CATALOG))
    assert set(everything.unit_primitives) == set(CATALOG.unit_primitives)
    assert (models.flag, models.unit_primitives) == ("ai_model_switching", ())
