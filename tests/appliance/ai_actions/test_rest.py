from appliance.ai_actions.rules.chat.documentation import PAGES_PATH, load_library
from appliance.ai_actions.rules.codes import CODES, HELP_PATH, anchor
from tests.appliance.conftest import Server


async def test_the_table_of_codes_is_there_for_whoever_has_a_token(server: Server) -> None:
    _, pat = await server.new_user("ada", "ai_features")
    answer = await server.ask("GET", "/api/v4/ai/error_codes", pat=pat)
    assert answer.status_code == 200
    assert [each["code"] for each in answer.json()] == list(CODES)
    assert set(answer.json()[0]) == {"code", "message", "fix"}
    assert (await server.ask("GET", "/api/v4/ai/error_codes", pat="")).status_code == 401


async def test_the_help_page_has_each_code_under_its_anchor_and_runs_nothing(
    server: Server,
) -> None:
    page = await server.ask("GET", HELP_PATH, pat="")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    for code in CODES:
        assert f'id="{anchor(code)}"' in page.text
    assert "<script" not in page.text
    assert "href" not in page.text


async def test_each_page_of_the_documentation_can_be_read(server: Server) -> None:
    for page in load_library().pages:
        shown = await server.ask("GET", f"{PAGES_PATH}/{page.name}", pat="")
        assert shown.status_code == 200
        assert f"<h1>{page.title}</h1>" in shown.text
        assert "href" not in shown.text
    assert (await server.ask("GET", f"{PAGES_PATH}/nothing", pat="")).status_code == 404
