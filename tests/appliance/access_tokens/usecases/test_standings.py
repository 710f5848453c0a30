from collections.abc import Sequence

from appliance.access_tokens.usecases import switched_off
from appliance.audit.rules import SYSTEM
from appliance.feature_flags.usecases import set_flag
from appliance.storage.engine import Db
from gateway.contract.catalog import load_catalog
from gateway.contract.feed import SwitchedOff
from tests.instance_builders import NOW

CATALOG = load_catalog()


def _switch(db: Db, flag: str) -> None:
    db.write_blocking(lambda session: set_flag(session, flag, value=False, actor=SYSTEM, now=NOW))


def _switched_off(db: Db) -> Sequence[SwitchedOff]:
    found = db.read_blocking(lambda session: switched_off(session, CATALOG))
    return [each for each in found if each.flag != "new_prompt_template"]


def test_a_flag_that_is_off_for_everyone_closes_what_it_guards(db: Db) -> None:
    assert _switched_off(db) == []
    _switch(db, "ai_duo_code_suggestions_switch")
    (found,) = _switched_off(db)
    assert found.flag == "ai_duo_code_suggestions_switch"
    assert {"complete_code", "generate_code"} <= set(found.unit_primitives)
    assert "duo_chat" not in found.unit_primitives


def test_the_switch_for_everything_closes_everything(db: Db) -> None:
    _switch(db, "ai_model_switching")
    _switch(db, "ai_global_switch")
    everything, models = _switched_off(db)
    assert set(everything.unit_primitives) == set(CATALOG.unit_primitives)
    assert (models.flag, models.unit_primitives) == ("ai_model_switching", ())


def test_a_gateway_is_told_only_of_what_means_something_there(db: Db) -> None:
    at_first = db.read_blocking(lambda session: switched_off(session, CATALOG))
    assert at_first == (SwitchedOff(flag="new_prompt_template"),)
    _switch(db, "ai_user_model_switching")
    assert db.read_blocking(lambda session: switched_off(session, CATALOG)) == at_first
