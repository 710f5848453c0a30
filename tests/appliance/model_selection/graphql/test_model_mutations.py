from types import SimpleNamespace
from typing import Any, cast

import anyio.to_thread
import pytest

from appliance.fields.resolving import ActionTools, Context, ModelTools, SettingsDesk
from appliance.graphql.schema import build_schema
from appliance.self_hosted_models.rules import Description, ProbeResult
from appliance.self_hosted_models.usecases import find_model, served_models
from appliance.storage.engine import Db
from gateway.contract.probing import Finding
from tests.appliance.model_selection.conftest import CHAT
from tests.appliance.model_selection.graphql.conftest import SONNET, House
from tests.instance_builders import NOW, a_caller

SHOWN = """{ selfHostedModel { id ref name model modelDisplayName endpoint endpoints identifier
  apiToken hasApiToken provider allowedCidrs maxInFlight enabled } errors clientMutationId }"""
CREATE = f"""mutation ($input: AiSelfHostedModelCreateInput!) {{
  aiSelfHostedModelCreate(input: $input) {SHOWN} }}"""
UPDATE = f"""mutation ($input: AiSelfHostedModelUpdateInput!) {{
  aiSelfHostedModelUpdate(input: $input) {SHOWN} }}"""
DELETE = """mutation ($input: AiSelfHostedModelDeleteInput!) {
  aiSelfHostedModelDelete(input: $input) { errors clientMutationId } }"""
CHECK = """mutation ($input: AiSelfHostedModelConnectionCheckInput!) {
  aiSelfHostedModelConnectionCheck(input: $input) {
    result { name success message details errors }
    probes { name success message details errors } errors clientMutationId } }"""
ENDPOINT = "http://127.0.0.1:9/v1"
# What a client of the real system sends.
WISH: dict[str, Any] = {
    "name": "Mistral 24B (lab)",
    "model": "MISTRAL",
    "endpoint": f"{ENDPOINT}/",
    "apiToken": "very-secret",
    "identifier": "custom_openai/mistral",
}


def gid(number: int) -> str:
    return f"gid://gitlab/Ai::SelfHostedModel/{number}"


def _key(house: House, ref: str) -> str | None:
    (found,) = house.lab.do(served_models, house.lab.sealer, among=[ref])
    return found.api_key


async def test_a_model_is_registered_as_clients_of_the_real_system_do_it(house: House) -> None:
    done = await house.do(CREATE, **WISH, clientMutationId="mine")
    model = done["selfHostedModel"]
    assert done == {
        "selfHostedModel": {
            "id": model["id"],
            "ref": "mistral-24b-lab",
            "name": "Mistral 24B (lab)",
            "model": "mistral",
            "modelDisplayName": "Mistral",
            "endpoint": ENDPOINT,
            "endpoints": [ENDPOINT],
            "identifier": "custom_openai/mistral",
            "apiToken": "********",
            "hasApiToken": True,
            "provider": "shm",
            "allowedCidrs": [],
            "maxInFlight": None,
            "enabled": True,
        },
        "errors": [],
        "clientMutationId": "mine",
    }
    assert _key(house, "mistral-24b-lab") == "very-secret"
    again = await house.do(CREATE, **WISH)
    assert again["selfHostedModel"]["ref"] == "mistral-24b-lab-2"


async def test_a_model_is_registered_with_all_that_is_ours(house: House) -> None:
    ours = {
        "ref": "mine",
        "endpoint": None,
        "endpoints": [ENDPOINT, "http://127.0.0.1:8/v1"],
        "allowedCidrs": ["10.0.0.0/8"],
        "maxInFlight": 4,
        "enabled": False,
        "provider": "amazonq",
        "apiToken": None,
    }
    model = (await house.do(CREATE, **{**WISH, **ours}))["selfHostedModel"]
    named = {name: model[name] for name in ours if name not in {"endpoint", "apiToken"}}
    assert named == {name: value for name, value in ours.items() if value is not None}
    assert (model["endpoint"], model["hasApiToken"], model["apiToken"]) == (ENDPOINT, False, None)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"identifier": None}, "identifier: is required: the name that the endpoint's own list"),
        ({"identifier": "bedrock/x"}, "identifier: "),
        ({"endpoint": None}, "endpoint: is required"),
        ({"endpoint": "ftp://x"}, ""),
        ({"apiToken": "********"}, "apiToken: is only the mask of a stored API key"),
        ({"apiToken": "with space"}, "apiToken: must be"),
        ({"name": " "}, "name: must be"),
        ({"ref": "a"}, "Ref has already been taken"),
        ({"ref": SONNET.upper()}, "Ref has already been taken"),
        ({"provider": "duo"}, "provider: must be one of"),
        ({"allowedCidrs": ["x"]}, "allowedCidrs: "),
        ({"maxInFlight": -1}, "maxInFlight: "),
    ],
)
async def test_a_model_that_can_not_be_registered_is_refused_under_the_clients_names(
    house: House, changes: dict[str, Any], sentence: str
) -> None:
    done = await house.do(CREATE, **{**WISH, **changes})
    assert done["selfHostedModel"] is None
    (refused,) = done["errors"]
    assert refused.startswith(sentence)
    assert "very-secret" not in str(done)


async def test_an_unknown_family_is_refused_before_anything_is_done(house: House) -> None:
    told = await house.asker.error(CREATE, input={**WISH, "model": "MISTRALL"})
    assert "Did you mean the enum value 'MISTRAL'" in told["message"]


async def test_a_key_in_what_can_not_be_read_is_not_sent_back(house: House) -> None:
    misspelt = {**WISH, "apiTokn": "very-secret"}
    partly = {"apiToken": "very-secret"}
    nested = {**WISH, "apiToken": ["very-secret"]}
    for wish in (misspelt, partly, nested, "very-secret"):
        got = await house.asker.post(CREATE, input=wish)
        assert got.json()["errors"]
        assert "very-secret" not in got.text
    literal = CREATE.replace("($input: AiSelfHostedModelCreateInput!)", "").replace(
        "$input", '{ apiTokn: "very-secret" }'
    )
    got = await house.asker.post(literal)
    assert "Did you mean 'apiToken'?" in got.text
    assert "very-secret" not in got.text


async def test_a_model_is_changed_and_keeps_what_is_left_out(house: House) -> None:
    made = (await house.do(CREATE, **WISH, maxInFlight=4))["selfHostedModel"]
    change = {"id": made["id"], "clientMutationId": "7"}
    # A form of the real system sends everything back that it was shown.
    form = {name: made[name] for name in ("name", "endpoint", "identifier", "apiToken")}
    done = await house.do(UPDATE, **change, **form, model="MISTRAL")
    assert done == {"selfHostedModel": made, "errors": [], "clientMutationId": "7"}
    assert _key(house, "mistral-24b-lab") == "very-secret"
    renamed = await house.do(UPDATE, **change, ref="other", name="Other", maxInFlight=None)
    assert renamed["selfHostedModel"] == {
        **made,
        "ref": "other",
        "name": "Other",
        "maxInFlight": None,
    }
    bare = await house.do(UPDATE, **change, apiToken="", enabled=False)
    shown = bare["selfHostedModel"]
    assert (shown["hasApiToken"], shown["enabled"]) == (False, False)
    (refused,) = (await house.do(UPDATE, **change, ref="a"))["errors"]
    assert refused == "Ref has already been taken"
    assert await house.asker.code(UPDATE, input={"id": gid(999), "name": "x"}) == "not_found"


async def test_a_mask_is_no_key_for_another_server(house: House) -> None:
    made = (await house.do(CREATE, **WISH))["selfHostedModel"]
    moved = {"id": made["id"], "endpoint": "http://127.0.0.1:10/v1"}
    for wish in (moved, {**moved, "apiToken": made["apiToken"]}, {**moved, "apiToken": None}):
        refused = await house.do(UPDATE, **wish)
        assert refused["selfHostedModel"] is None
        (sentence,) = refused["errors"]
        assert sentence.startswith("apiToken: is kept for the server that it was given for")
    done = await house.do(UPDATE, **moved, apiToken="very-secret")
    assert done["selfHostedModel"]["endpoint"] == moved["endpoint"]
    done = await house.do(UPDATE, id=made["id"], endpoint=ENDPOINT, apiToken="")
    assert (done["errors"], done["selfHostedModel"]["hasApiToken"]) == ([], False)


async def test_a_model_that_is_used_is_deleted_only_with_a_way_out(house: House) -> None:
    model = house.lab.do(find_model, "a")
    assert model is not None
    house.lab.set(default_ref="a")
    house.lab.choose(house.lab.group("lab"), "a")
    wish: dict[str, Any] = {"id": gid(model.id)}
    (refused,) = await house.refusals(DELETE, **wish)
    assert refused.startswith(f"The model a is used by the instance for {CHAT} and by 1 group.")
    done = await house.do(DELETE, **wish, reroute=True, clientMutationId="7")
    assert done == {"errors": [], "clientMutationId": "7"}
    assert house.lab.do(find_model, "a") is None
    assert house.lab.feature().default.ref == SONNET  # type: ignore[union-attr]  # the offered one
    assert await house.asker.code(DELETE, input=wish) == "not_found"


async def test_an_unused_model_is_just_deleted(house: House) -> None:
    model = house.lab.do(find_model, "gemma")
    assert model is not None
    assert (await house.do(DELETE, id=gid(model.id)))["errors"] == []


async def test_models_are_the_admins(house: House) -> None:
    pat = await house.person("ada")
    change: dict[str, Any] = {"id": gid(1)}
    for query, wish in ((CREATE, WISH), (UPDATE, change), (DELETE, change), (CHECK, WISH)):
        assert await house.asker.code(query, pat=pat, input=wish) == "admin_needed"


async def test_what_can_not_be_tried_is_said_in_errors(house: House) -> None:
    for wish, sentence in (
        ({"endpoint": ENDPOINT}, "identifier: is required"),
        ({"endpoint": ENDPOINT, "identifier": "x", "apiToken": "********"}, "apiToken: is only"),
        ({"identifier": "x"}, "endpoint: is required"),
        ({"endpoint": ENDPOINT, "identifier": "bedrock/x"}, "identifier: "),
    ):
        done = await house.do(CHECK, **wish, clientMutationId="7")
        (refused,) = done["errors"]
        assert refused.startswith(sentence)
        assert (done["result"], done["probes"], done["clientMutationId"]) == (None, [], "7")
    assert await house.asker.code(CHECK, input={"id": gid(999)}) == "not_found"


async def test_a_check_that_finds_no_gateway_says_so(house: House) -> None:
    done = await house.do(CHECK, **WISH)
    assert done["errors"] == []
    assert not done["result"]["success"]
    (step,) = done["probes"]
    assert (step["name"], step["success"]) == ("gateway", False)
    assert step["errors"] == [step["message"], step["details"]["fix"]]
    assert "very-secret" not in str(done)
    model = house.lab.do(find_model, "a")
    assert model is not None
    assert (await house.do(CHECK, id=gid(model.id)))["probes"] == done["probes"]


def _tried(found: ProbeResult, seen: list[Any]) -> ModelTools:
    async def check(description: Description, model_id: int | None) -> ProbeResult:
        seen.append((description.endpoint, description.identifier, description.api_key, model_id))
        return found

    return cast("ModelTools", SimpleNamespace(check_model=check))


async def test_a_check_shows_each_step_and_what_would_mend_it(db: Db) -> None:
    steps = (
        Finding(name="address", success=True, code="ok", message="It answers."),
        Finding(
            name="models",
            success=False,
            code="identifier_unknown",
            message="It has no such model.",
            fix="Take the one it has.",
            proposes={"identifier": "mistral"},
        ),
    )
    details = {"code": "identifier_unknown", "fix": None, "proposes": {"identifier": "mistral"}}
    found = ProbeResult(
        success=False, message="No.", details=details, errors=("No.",), probes=steps
    )
    seen: list[Any] = []
    context = Context(
        caller=a_caller(is_admin=True),
        now=NOW,
        version="1",
        read_state=lambda *_: None,
        desk=cast("SettingsDesk", None),
        models=_tried(found, seen),
        actions=cast("ActionTools", None),
        client_ip="127.0.0.1",
        db=db,
        session=None,
    )
    wish = {"id": gid(7), "endpoint": ENDPOINT, "apiToken": "********"}
    got = await anyio.to_thread.run_sync(
        lambda: build_schema().execute_sync(CHECK, {"input": wish}, context_value=context)
    )
    assert seen == [(ENDPOINT, None, None, 7)]
    assert got.data is not None
    done = got.data["aiSelfHostedModelConnectionCheck"]
    assert done["result"] == {
        "name": "self_hosted_model",
        "success": False,
        "message": "No.",
        "details": details,
        "errors": ["No."],
    }
    good, bad = done["probes"]
    assert (good["success"], good["errors"]) == (True, [])
    assert bad == {
        "name": "models",
        "success": False,
        "message": "It has no such model.",
        "details": {
            "code": "identifier_unknown",
            "fix": "Take the one it has.",
            "proposes": {"identifier": "mistral"},
        },
        "errors": ["It has no such model.", "Take the one it has."],
    }
