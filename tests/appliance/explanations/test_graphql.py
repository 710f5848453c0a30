from typing import Any

import pytest

from appliance.accounts.usecases import get_user_named
from appliance.explanations.usecases import store_decisions
from tests.appliance.explanations.builders import a_decision
from tests.graphql_asker import Asker, user_gid
from tests.instance_builders import NOW

QUERY = """query ($user: UserID, $feature: String, $unit: String, $group: NamespaceID,
    $model: String, $decision: String) {
  aiExplanation(userId: $user, feature: $feature, unitPrimitive: $unit, namespaceId: $group,
      model: $model, decisionId: $decision) {
    verdict code aiActionCode unitPrimitive checks { name state sentence change }
    decision { decisionId happenedAt userId namespaceId code unitPrimitive provider model
      wouldStillBeRefused note } } }"""


async def _explained(asker: Asker, *, pat: str | None = None, **asked: Any) -> Any:
    return (await asker.data(QUERY, pat=pat, **asked))["aiExplanation"]


async def test_an_explanation_is_the_same_as_over_rest(asker: Asker) -> None:
    ada, pat = await asker.server.new_user("ada", "read_api")
    params = {"feature": "duo_chat"}
    rest = (await asker.server.ask("GET", "/api/v4/ai/explanations", pat=pat, params=params)).json()
    for asked in ({}, {"user": user_gid(ada)}):
        found = await _explained(asker, pat=pat, feature="duo_chat", **asked)
        assert (found["verdict"], found["decision"]) == ("REFUSED", None)
        assert found["aiActionCode"] == rest["ai_action_code"] == "M3006"
        assert (found["code"], found["unitPrimitive"]) == (rest["code"], rest["unit_primitive"])
        assert found["checks"] == [
            {**check, "state": check["state"].upper()} for check in rest["checks"]
        ]


async def test_a_group_is_asked_about_by_its_global_id(asker: Asker) -> None:
    ada, _ = await asker.server.new_user("ada")
    group = {"name": "lab", "path": "lab"}
    lab = (await asker.server.ask("POST", "/api/v4/groups", json=group)).json()["id"]
    asked = {"user": user_gid(ada), "feature": "duo_chat", "group": f"gid://gitlab/Group/{lab}"}
    found = await _explained(asker, **asked)
    assert found["code"] == "namespace_not_granted"
    states = {check["name"]: check["state"] for check in found["checks"]}
    assert states["namespace"] == "FAILED"


async def test_nobody_learns_who_else_there_is(asker: Asker) -> None:
    bob, _ = await asker.server.new_user("bob")
    _, pat = await asker.server.new_user("ada")
    errors = [
        await asker.error(QUERY, pat=pat, user=user_gid(user), feature="duo_chat")
        for user in (bob, 999)
    ]
    assert errors[0] == errors[1]
    assert errors[0]["extensions"] == {"code": "not_found"}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"feature": "fly"},
        {"feature": "duo_chat", "unit": "duo_chat"},
        {"feature": "duo_chat", "model": "a\0b"},
        {"feature": "duo_chat", "decision": "01KAJ2Q2M0ABCDEFGHJKMNPQRS"},
    ],
)
async def test_a_question_that_cannot_be_asked_is_refused(
    asker: Asker, asked: dict[str, str]
) -> None:
    assert await asker.code(QUERY, **asked) == "invalid_fields"


def _refuse(asker: Asker, *, user: str | None, **changes: Any) -> str:
    decision = a_decision(**changes)

    def store(session: Any) -> None:
        known = {} if user is None else {decision.subject: get_user_named(session, user).id}
        store_decisions(session, "gateway", [decision], user_ids=known, now=NOW)

    asker.server.db.write_blocking(store)
    return decision.decision_id


async def test_a_refusal_is_explained_by_its_id(asker: Asker) -> None:
    ada, pat = await asker.server.new_user("ada")
    decision = _refuse(asker, user="ada")
    found = await _explained(asker, pat=pat, decision=decision)
    assert (found["verdict"], found["unitPrimitive"]) == ("REFUSED", "duo_chat")
    assert found["decision"] == {
        "decisionId": decision,
        "happenedAt": "2026-11-21T12:00:00+00:00",
        "userId": user_gid(ada),
        "namespaceId": None,
        "code": "feature_not_granted",
        "unitPrimitive": "duo_chat",
        "provider": None,
        "model": "smollm2-135m-instruct",
        "wouldStillBeRefused": True,
        "note": None,
    }


async def test_a_refusal_of_a_stranger_is_known_but_not_judged(asker: Asker) -> None:
    found = await _explained(asker, decision=_refuse(asker, user=None))
    assert (found["verdict"], found["checks"]) == ("UNKNOWN", [])
    assert found["decision"]["wouldStillBeRefused"] is None


@pytest.mark.parametrize("decision", ["01KAJ2Q2M0ABCDEFGHJKMNPQRS", "x", "a\0b"])
async def test_a_refusal_that_is_not_there_or_not_ones_own_is_not_found(
    asker: Asker, decision: str
) -> None:
    _refuse(asker, user="admin")
    _, pat = await asker.server.new_user("ada")
    assert await asker.code(QUERY, pat=pat, decision=decision) == "not_found"
