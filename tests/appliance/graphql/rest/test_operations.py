import asyncio
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from appliance.app import MAX_BODY_BYTES
from appliance.storage.engine import DatabaseUnavailableError
from tests.graphql_asker import PATH, Asker, purchase_gid, user_gid

ME = "{ currentUser { id username name } }"
GIVE = """mutation ($purchase: GitlabSubscriptionsAddOnPurchaseID!, $user: UserID!) {
  userAddOnAssignmentCreate(input: {addOnPurchaseId: $purchase, userId: $user}) { errors } }"""


async def test_who_asks_is_answered_under_gitlabs_names(asker: Asker) -> None:
    ada, pat = await asker.server.new_user("ada")
    got = await asker.data(ME, pat=pat)
    assert got == {"currentUser": {"id": user_gid(ada), "username": "ada", "name": "ada"}}


async def test_nobody_is_answered_without_a_token_as_over_rest(asker: Asker) -> None:
    for pat in ("", "casemate-pat-wrong"):
        got = await asker.post(ME, pat=pat)
        assert (got.status_code, got.json()["code"]) == (401, "unauthorized")
        assert got.headers["www-authenticate"] == "Bearer"


async def test_only_json_is_taken(asker: Asker) -> None:
    body = json.dumps({"query": ME})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        headers = {"content-type": kind}
        got = await asker.server.ask("POST", PATH, content=body, headers=headers)
        assert got.status_code in {400, 415}
        assert got.json()["code"] in {"unsupported_media_type", "invalid_request"}


async def test_only_post_is_answered(asker: Asker) -> None:
    got = await asker.server.ask("GET", PATH, params={"query": ME})
    assert (got.status_code, got.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "body",
    [
        [{"query": ME}, {"query": ME}],
        {},
        {"query": 7},
        {"query": ME, "variables": [1]},
        {"query": ME, "operationName": 7},
        "x",
    ],
)
async def test_a_body_of_another_form_is_refused(asker: Asker, body: Any) -> None:
    got = await asker.server.ask("POST", PATH, json=body)
    assert (got.status_code, got.json()["code"]) == (400, "invalid_fields")


async def test_a_body_that_is_no_json_is_refused(asker: Asker) -> None:
    headers = {"content-type": "application/json"}
    for content in (b"{", b"\xff", b""):
        got = await asker.server.ask("POST", PATH, content=content, headers=headers)
        assert got.status_code == 400


async def test_a_body_has_a_largest_size(asker: Asker) -> None:
    got = await asker.server.ask("POST", PATH, json={"query": "#" + "x" * MAX_BODY_BYTES})
    assert (got.status_code, got.json()["code"]) == (413, "request_too_large")


async def test_what_else_a_client_sends_along_means_nothing(asker: Asker) -> None:
    body = {"query": ME, "variables": None, "operationName": None, "extensions": {"x": 1}}
    got = await asker.server.ask("POST", PATH, json=body)
    assert got.json()["data"]["currentUser"]["username"] == "admin"


async def test_one_of_several_operations_is_chosen_by_its_name(asker: Asker) -> None:
    query = "query A { currentUser { id } } query B { currentUser { username } }"
    body = {"query": query, "operationName": "B"}
    got = await asker.server.ask("POST", PATH, json=body)
    assert got.json() == {"data": {"currentUser": {"username": "admin"}}}
    assert await asker.code(query) == "operation_unknown"
    wrong = await asker.server.ask("POST", PATH, json={**body, "operationName": "C"})
    assert wrong.json()["errors"][0]["extensions"] == {"code": "operation_unknown"}


@pytest.mark.parametrize("query", ["", "{", "query {", "{ currentUser { nme } }", "{ a(x: ) }"])
async def test_what_is_no_query_is_told_as_an_error_without_data(asker: Asker, query: str) -> None:
    got = await asker.answer(query)
    assert got["errors"][0]["locations"]
    assert not got.get("data")
    assert "Did you mean" not in json.dumps(got)


async def test_a_query_that_asks_for_too_much_is_refused(asker: Asker) -> None:
    aliases = " ".join(f"a{n}: currentUser {{ id }}" for n in range(21))
    assert await asker.code(f"{{ {aliases} }}") == "query_too_large"
    assert "2000 tokens" in (await asker.error("{ a" + " a" * 2000 + " }"))["message"]


async def test_the_schema_can_be_asked_for(asker: Asker) -> None:
    got = await asker.data("{ __schema { queryType { fields { name } } } __typename }")
    assert {"name": "currentUser"} in got["__schema"]["queryType"]["fields"]


@pytest.mark.parametrize("wrong", ["7", "gid://gitlab/Group/1", "gid://gitlab/User/0", ""])
async def test_an_id_of_another_kind_is_refused_with_a_sentence(asker: Asker, wrong: str) -> None:
    query = 'query ($user: UserID!) { aiExplanation(userId: $user, feature: "duo_chat") { code } }'
    error = await asker.error(query, user=wrong)
    assert error["extensions"] == {"code": "global_id_invalid"}
    assert "gid://gitlab/User/NUMBER" in error["message"]
    literal = f'{{ aiExplanation(userId: "{wrong}", feature: "duo_chat") {{ code }} }}'
    assert await asker.code(literal) == "global_id_invalid"


async def test_a_token_for_reading_changes_nothing(asker: Asker) -> None:
    asker.buy()
    ada, _ = await asker.server.new_user("ada")
    _, reader = await asker.server.new_user("eve", "read_api", admin=True)
    wish = {"purchase": purchase_gid(asker.purchase()), "user": user_gid(ada)}
    assert await asker.code(GIVE, pat=reader, **wish) == "insufficient_scope"
    assert (await asker.data("{ addOnPurchases { assignedQuantity } }", pat=reader)) == {
        "addOnPurchases": [{"assignedQuantity": 0}]
    }


async def test_a_token_for_ai_opens_only_what_is_about_its_user(asker: Asker) -> None:
    _, pat = await asker.server.new_user("ada", "ai_features")
    assert (await asker.data(ME, pat=pat))["currentUser"]["username"] == "ada"
    for query in (
        "{ metadata { version } }",
        '{ featureFlagEnabled(name: "x") }',
        "{ addOnPurchases { id } }",
        '{ aiExplanation(feature: "duo_chat") { code } }',
    ):
        assert await asker.code(query, pat=pat) == "insufficient_scope"


async def test_who_may_not_is_told_no_more_than_who_asks_for_nothing(asker: Asker) -> None:
    _, pat = await asker.server.new_user("ada")
    asker.buy()
    got = await asker.answer("{ addOnPurchases { id } currentUser { username } }", pat=pat)
    assert got["data"] == {"addOnPurchases": None, "currentUser": {"username": "ada"}}
    assert "does not exist or you don't have permission" in got["errors"][0]["message"]
    assert got["errors"][0]["path"] == ["addOnPurchases"]


async def test_who_was_refused_a_change_is_written_down_once_a_minute(asker: Asker) -> None:
    asker.buy()
    ada, pat = await asker.server.new_user("ada")
    wish = {"purchase": purchase_gid(asker.purchase()), "user": user_gid(ada)}
    for _ in range(2):
        assert await asker.code(GIVE, pat=pat, **wish) == "admin_needed"
    aliased = GIVE.replace("  userAdd", "  elsewhere: userAdd")
    assert await asker.code(aliased, pat=pat, **wish) == "admin_needed"
    params = {"event_name": "request_refused"}
    found = (await asker.server.ask("GET", "/api/v4/audit_events", params=params)).json()
    refused = [each for each in found if each["event_name"] == "request_refused"]
    assert [each["entity_id"] for each in refused] == ["userAddOnAssignmentCreate"]
    assert refused[0]["author_id"] == ada


async def test_a_refusal_is_logged_without_a_trace_and_without_arguments(asker: Asker) -> None:
    with capture_logs() as logs:
        await asker.code('{ aiExplanation(feature: "no-such-feature") { code } }')
    told = [each for each in logs if each["event"].startswith("graphql")]
    assert told == [
        {
            "event": "graphql_refused",
            "code": "invalid_fields",
            "field": "aiExplanation",
            "log_level": "info",
        }
    ]


async def test_a_fault_is_logged_and_tells_the_caller_nothing(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("appliance.feature_flags.graphql.enabled_flags", fail)
    with capture_logs() as logs:
        error = await asker.error('{ featureFlagEnabled(name: "x") }')
    assert error["message"] == "Internal server error"
    assert error["extensions"] == {"code": "internal_error"}
    assert [each["log_level"] for each in logs if each["event"] == "graphql_failed"] == ["error"]


async def test_a_database_that_is_away_is_503_and_no_answer(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise DatabaseUnavailableError

    monkeypatch.setattr("appliance.feature_flags.graphql.enabled_flags", fail)
    got = await asker.post('{ featureFlagEnabled(name: "x") }')
    assert (got.status_code, got.json()["code"]) == (503, "database_unavailable")


async def test_changes_of_one_request_succeed_or_fail_each_by_itself(asker: Asker) -> None:
    asker.buy()
    ada, _ = await asker.server.new_user("ada")
    give = 'userAddOnAssignmentCreate(input: {addOnPurchaseId: "%s", userId: "%s"}) { errors }'
    good = give % (purchase_gid(asker.purchase()), user_gid(ada))
    bad = give % (purchase_gid(99), user_gid(ada))
    got = await asker.answer(f"mutation {{ a: {good} b: {bad} }}")
    assert got["data"] == {"a": {"errors": []}, "b": None}
    assert got["errors"][0]["extensions"] == {"code": "not_found"}


async def test_many_ask_at_once(asker: Asker) -> None:
    asker.buy()
    ada, _ = await asker.server.new_user("ada")
    wish = {"purchase": purchase_gid(asker.purchase()), "user": user_gid(ada)}
    asked = [asker.data(GIVE, **wish) for _ in range(12)] + [asker.data(ME) for _ in range(12)]
    assert len(await asyncio.gather(*asked)) == 24


async def test_what_no_field_subscribes_to_is_an_error(asker: Asker) -> None:
    error = await asker.error("subscription { currentUser { id } }")
    assert "subscription" in error["message"]


@pytest.mark.parametrize("escape", [r"\ud800", r"\u0000", r"\u202e"])
async def test_texts_that_are_no_names_find_nothing(asker: Asker, escape: str) -> None:
    query = "query ($n: String!) { featureFlagEnabled(name: $n) }"
    body = f'{{"query": "{query}", "variables": {{"n": "{escape}"}}}}'
    headers = {"content-type": "application/json"}
    got = await asker.server.ask("POST", PATH, content=body, headers=headers)
    refused = got.status_code == 400
    assert refused or got.json() == {"data": {"featureFlagEnabled": False}}


async def test_what_a_client_sends_for_itself_comes_back(asker: Asker) -> None:
    asker.buy()
    body = {
        "query": GIVE.replace(
            "userId: $user", 'userId: $user, clientMutationId: "\\u0000 é"'
        ).replace("errors", "clientMutationId"),
        "variables": {"purchase": purchase_gid(asker.purchase()), "user": user_gid(1)},
    }
    got = await asker.server.ask("POST", PATH, json=body)
    assert got.json()["data"]["userAddOnAssignmentCreate"] == {"clientMutationId": "\0 é"}


async def test_a_directive_that_is_not_offered_is_refused(asker: Asker) -> None:
    error = await asker.error("{ ... @defer { currentUser { id } } }")
    assert "defer" in error["message"]
