from typing import Any

import pytest

from appliance.accounts.usecases import get_user_named
from appliance.explanations.usecases import store_decisions
from appliance.namespaces.rules import AccessLevel, Membership, NewGroup
from appliance.namespaces.usecases import create_group, set_member
from appliance.storage.engine import Session
from gateway.contract.feed import ReportedModel
from tests.appliance.conftest import Server
from tests.appliance.explanations.builders import DAY, a_decision, buy
from tests.instance_builders import NOW

PATH = "/api/v4/ai/explanations"
REF = "smollm2-135m-instruct"


async def _explained(server: Server, *, pat: str | None = None, **asked: Any) -> dict[str, Any]:
    answer = await server.ask("GET", PATH, pat=pat, params={"feature": "duo_chat", **asked})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _status(server: Server, *, pat: str | None = None, **asked: Any) -> int:
    answer = await server.ask("GET", PATH, pat=pat, params={"feature": "duo_chat", **asked})
    return answer.status_code


async def test_a_user_asks_about_themself_and_is_sent_to_an_admin(server: Server) -> None:
    number, pat = await server.new_user("ada", "read_api")
    found = await _explained(server, pat=pat)
    assert (found["user_id"], found["verdict"]) == (number, "refused")
    failed = next(check for check in found["checks"] if check["state"] == "failed")
    assert set(failed) == {"name", "state", "sentence", "change"}
    assert failed["change"].startswith("Ask an admin.")


async def test_a_project_is_asked_about_as_its_members_are_refused_there(server: Server) -> None:
    group = (await server.ask("POST", "/api/v4/groups", json={"name": "L", "path": "l"})).json()
    wish = {"name": "p", "namespace_id": group["id"], "duo_features_enabled": False}
    project = (await server.ask("POST", "/api/v4/projects", json=wish)).json()
    found = await _explained(server, project_id=project["id"])
    assert (found["code"], found["ai_action_code"]) == ("duo_features_disabled", "M3002")
    _, pat = await server.new_user("ada", "read_api")
    assert await _status(server, pat=pat, project_id=project["id"]) == 404
    assert await _status(server, project_id=project["id"], namespace_id=group["id"]) == 400


async def test_a_user_asks_about_nobody_else(server: Server) -> None:
    number, _ = await server.new_user("ada")
    _, pat = await server.new_user("bob")
    missing = await server.ask(
        "GET", PATH, pat=pat, params={"feature": "duo_chat", "user_id": 999_999}
    )
    for asked in ({"user_id": number}, {"username": "ada"}):
        answer = await server.ask("GET", PATH, pat=pat, params={"feature": "duo_chat", **asked})
        assert (answer.status_code, answer.json()) == (404, missing.json())


async def test_an_admin_asks_about_anybody_by_number_or_name(server: Server) -> None:
    number, _ = await server.new_user("ada")
    for asked in ({"user_id": number}, {"username": "Ada"}):
        assert (await _explained(server, **asked))["user_id"] == number
    for unknown in ({"user_id": 999_999}, {"username": "nobody"}, {"username": "a\0"}):
        assert await _status(server, **unknown) == 404


@pytest.mark.parametrize(
    "asked",
    [
        {"user_id": 1, "username": "admin"},
        {"unit_primitive": "duo_chat"},
        {"feature": "fly"},
        {"model": "a\0b"},
        {"address": "office"},
        {"address": "10.0.0.0/8"},
        {"namespace_id": "x"},
    ],
)
async def test_a_question_that_cannot_be_asked_is_a_400(
    server: Server, asked: dict[str, Any]
) -> None:
    assert await _status(server, **asked) == 400


async def test_a_token_of_the_ai_features_alone_explains_nothing(server: Server) -> None:
    _, pat = await server.new_user("ada", "ai_features")
    assert await _status(server, pat=pat) == 403
    assert await _status(server, pat="") == 401


def _lab(session: Session, owner: int, member: int) -> int:
    admin = get_user_named(session, "admin")
    group = create_group(session, NewGroup(name="Lab", path="lab"), caller_user=admin, now=NOW)
    for user_id, level in ((owner, AccessLevel.OWNER), (member, AccessLevel.DEVELOPER)):
        role = Membership(user_id=user_id, namespace_id=group.id, access_level=level)
        set_member(session, role, caller_user=admin, now=NOW)
    return group.id


async def test_an_owner_asks_about_members_within_the_group(server: Server) -> None:
    owner, pat = await server.new_user("owner")
    member, _ = await server.new_user("ada")
    stranger, _ = await server.new_user("eve")
    group_id = server.db.write_blocking(lambda session: _lab(session, owner, member))
    within = {"namespace_id": group_id}
    assert (await _explained(server, pat=pat, user_id=member, **within))["verdict"] == "refused"
    assert await _status(server, pat=pat, user_id=stranger, **within) == 404
    assert await _status(server, pat=pat, user_id=member) == 404
    assert await _status(server, pat=pat, user_id=member, namespace_id=999) == 404


async def test_a_model_is_as_ready_as_present_gateways_say(server: Server) -> None:
    server.db.write_blocking(lambda session: buy(session, "duo_core"))
    server.db.write_blocking(lambda session: buy(session, "duo_self_hosted"))
    found = await _explained(server, model=REF)
    assert (found["model"], found["verdict"]) == (REF, "unknown")
    await _report(server, ReportedModel(ref=REF, state="ready"))
    assert (await _explained(server, model=REF))["verdict"] == "permitted"
    await _report(server, ReportedModel(ref=REF, state="unreachable"))
    found = await _explained(server, model=REF)
    assert (found["verdict"], found["code"]) == ("refused", "model_unavailable")


async def _report(server: Server, *models: ReportedModel) -> None:
    body = {
        "version": "1",
        "epoch": 1,
        "sequence": 1,
        "models": [{"ref": each.ref, "state": each.state} for each in models],
    }
    assertion = server.filled.keys.assertion(server.filled.instance_id)
    answer = await server.ask(
        "POST",
        "/api/v4/ai/gateway_feed/report",
        pat="",
        json=body,
        headers={"Authorization": f"Bearer {assertion}"},
    )
    assert answer.status_code == 204


async def _refused(server: Server, user_id: int, **changes: Any) -> str:
    decision = a_decision(**changes)
    told = server.db.write_blocking(
        lambda session: store_decisions(
            session, "g", [decision], user_ids={decision.subject: user_id}, now=NOW
        )
    )
    assert told == []
    return decision.decision_id


async def test_a_refusal_is_recalled_by_its_id(server: Server) -> None:
    number, pat = await server.new_user("ada")
    decision_id = await _refused(server, number)
    for asker in (None, pat):
        found = (await server.ask("GET", f"{PATH}/{decision_id}", pat=asker)).json()
        assert (found["user_id"], found["code"]) == (number, "feature_not_granted")
        assert found["would_still_be_refused"] is True
        assert found["explanation"]["verdict"] == "refused"
    server.db.write_blocking(lambda session: buy(session, "duo_core"))
    server.db.write_blocking(lambda session: buy(session, "duo_self_hosted"))
    await _report(server, ReportedModel(ref=REF, state="ready"))
    found = (await server.ask("GET", f"{PATH}/{decision_id}")).json()
    assert found["would_still_be_refused"] is False


async def test_a_refusal_is_nobody_else_s_business(server: Server) -> None:
    number, _ = await server.new_user("ada")
    _, pat = await server.new_user("eve")
    decision_id = await _refused(server, number)
    answer = await server.ask("GET", f"{PATH}/{decision_id}", pat=pat)
    nothing = await server.ask("GET", f"{PATH}/{decision_id[:-1]}0", pat=pat)
    assert (answer.status_code, answer.json()) == (404, nothing.json())
    for odd in ("x", "%00", "a" * 300):
        assert (await server.ask("GET", f"{PATH}/{odd}")).status_code == 404


async def test_a_refusal_is_forgotten_after_30_days(server: Server) -> None:
    number, _ = await server.new_user("ada")
    decision_id = await _refused(server, number, happened_at=(NOW - 29 * DAY).timestamp())
    assert (await server.ask("GET", f"{PATH}/{decision_id}")).status_code == 200
    server.clock.advance(days=1)
    assert (await server.ask("GET", f"{PATH}/{decision_id}")).status_code == 404


async def test_a_refusal_of_somebody_who_is_gone_is_all_that_is_left(server: Server) -> None:
    number, _ = await server.new_user("ada")
    decision_id = await _refused(server, number)
    await server.ask("DELETE", f"/api/v4/users/{number}")
    found = (await server.ask("GET", f"{PATH}/{decision_id}")).json()
    assert (found["explanation"], found["would_still_be_refused"]) == (None, None)


async def test_an_address_is_judged_by_the_models_allow_list(server: Server) -> None:
    server.db.write_blocking(lambda session: buy(session, "duo_core"))
    server.db.write_blocking(lambda session: buy(session, "duo_self_hosted"))
    await _report(server, ReportedModel(ref=REF, state="ready"))
    path = "/api/v4/ai/self_hosted_models"
    number = (await server.ask("GET", path)).json()[0]["id"]
    await server.ask("PUT", f"{path}/{number}", json={"allowed_cidrs": ["10.0.0.0/8"]})
    assert (await _explained(server, model=REF))["verdict"] == "unknown"
    assert (await _explained(server, model=REF, address="10.1.2.3"))["verdict"] == "permitted"
    refused = await _explained(server, model=REF, address="192.0.2.1")
    assert (refused["verdict"], refused["code"]) == ("refused", "address_not_allowed")
    query = (
        f'{{aiExplanation(feature: "duo_chat", model: "{REF}", address: "10.1.2.3") {{verdict}}}}'
    )
    answer = await server.ask("POST", "/api/graphql", json={"query": query})
    assert answer.json()["data"]["aiExplanation"]["verdict"] == "PERMITTED"
