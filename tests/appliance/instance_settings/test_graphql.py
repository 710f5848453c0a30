from tests.fakes.gateway import FakeGateway, running_apart
from tests.graphql_asker import Asker

FIELDS = (
    "aiGatewayUrl aiGatewayTimeoutSeconds aiActionApiRateLimit gatewayPublicUrl instancePublicUrl"
)
QUERY = f"{{ duoSettings {{ {FIELDS} updatedAt }} }}"
UPDATE = f"""mutation($input: DuoSettingsUpdateInput!) {{
  duoSettingsUpdate(input: $input) {{
    duoSettings {{ {FIELDS} }} errors clientMutationId
  }}
}}"""
AT_FIRST = {
    "aiGatewayUrl": "http://127.0.0.1:5052",
    "aiGatewayTimeoutSeconds": 60,
    "aiActionApiRateLimit": 160,
    "gatewayPublicUrl": "http://127.0.0.1:5052",
    "instancePublicUrl": "http://127.0.0.1:8080",
}


async def test_settings_are_asked_for(asker: Asker) -> None:
    assert await asker.data(QUERY) == {"duoSettings": {**AT_FIRST, "updatedAt": None}}


async def test_settings_are_changed_and_taken_back(asker: Asker) -> None:
    wish = {"aiGatewayTimeoutSeconds": 90, "aiActionApiRateLimit": 0, "clientMutationId": "c"}
    changed = {"aiGatewayTimeoutSeconds": 90, "aiActionApiRateLimit": 0}
    found = (await asker.data(UPDATE, input=wish))["duoSettingsUpdate"]
    assert found["duoSettings"] == {**AT_FIRST, **changed}
    assert (found["errors"], found["clientMutationId"]) == ([], "c")
    assert (await asker.data(QUERY))["duoSettings"]["updatedAt"] is not None
    wish = dict.fromkeys(changed)
    found = (await asker.data(UPDATE, input=wish))["duoSettingsUpdate"]
    assert (found["duoSettings"], found["errors"]) == (AT_FIRST, [])


async def test_a_gateway_is_tried_before_its_address_is_saved(asker: Asker) -> None:
    with running_apart(FakeGateway(signing=asker.server.filled.keys.signing)) as gateway:
        found = (await asker.data(UPDATE, input={"aiGatewayUrl": gateway.url}))["duoSettingsUpdate"]
        assert found["duoSettings"]["aiGatewayUrl"] == gateway.url
    found = await asker.data(UPDATE, input={"aiGatewayUrl": "http://127.0.0.1:9"})
    assert "Nothing answers" in found["duoSettingsUpdate"]["errors"][0]
    assert found["duoSettingsUpdate"]["duoSettings"]["aiGatewayUrl"] == gateway.url


async def test_settings_are_for_admins(asker: Asker) -> None:
    _, pat = await asker.server.new_user("ada")
    assert await asker.code(QUERY, pat=pat) == "admin_needed"
    assert await asker.code(UPDATE, pat=pat, input={}) == "admin_needed"
