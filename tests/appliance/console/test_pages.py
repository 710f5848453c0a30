import json
import re
from html import unescape

from appliance.audit.rules import SYSTEM
from appliance.licensing import usecases
from appliance.storage.engine import Session
from gateway.contract.feed import REPORT_PATH
from tests.appliance.conftest import Server
from tests.licence_builders import SigningAuthority, a_line


async def _report(server: Server, state: str) -> None:
    assertion = server.filled.keys.assertion(server.filled.instance_id, now=server.clock.now)
    body = {
        "version": "9.9",
        "epoch": 1,
        "sequence": 1,
        "models": [{"ref": "smollm2-135m-instruct", "state": state}],
    }
    headers = {"Authorization": f"Bearer {assertion}"}
    await server.ask("POST", REPORT_PATH, pat="", headers=headers, json=body)


async def test_the_page_needs_no_token_and_says_what_is_missing(server: Server) -> None:
    page = await server.ask("GET", "/", pat="")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "cannot answer yet" in page.text
    assert "Not seen lately" in page.text
    assert "casemate status" in page.text


async def _license(server: Server, *, is_demo: bool) -> None:
    authority = SigningAuthority(is_demo=is_demo)
    text = authority.licence(a_line(), instance_id=server.filled.instance_id)

    def license_it(session: Session) -> None:
        now, key = server.clock.now, authority.public
        usecases.pin_authority(session, key, is_demo=is_demo, actor=SYSTEM, now=now)
        usecases.add_licence(session, text, actor=SYSTEM, now=now)

    await server.app.state.db.write(license_it)


async def test_the_page_says_what_is_licensed(server: Server) -> None:
    await _report(server, "ready")
    text = (await server.ask("GET", "/", pat="")).text
    assert "No licence" in text
    assert "cannot answer yet" in text
    await _license(server, is_demo=True)
    assert "Demo licence" in (await server.ask("GET", "/", pat="")).text
    await _license(server, is_demo=False)
    assert "icence</strong>" not in (await server.ask("GET", "/", pat="")).text


async def test_the_page_says_when_a_question_would_be_answered(server: Server) -> None:
    await _license(server, is_demo=False)
    await _report(server, "ready")
    page = await server.ask("GET", "/", pat="")
    assert "ready to answer" in page.text
    assert "9.9" in page.text
    await _report(server, "unreachable")
    assert "Not reachable" in (await server.ask("GET", "/", pat="")).text


async def test_the_page_shows_what_to_do_next(server: Server) -> None:
    text = (await server.ask("GET", "/", pat="")).text
    assert "casemate ask" in text
    assert "http://127.0.0.1:8080/api/v4/ai/access_tokens" in text
    assert "http://127.0.0.1:5052/v1/chat/completions" in text
    assert "install up --model" in text


async def test_nothing_on_the_page_comes_from_elsewhere(server: Server) -> None:
    page = await server.ask("GET", "/", pat="")
    style = await server.ask("GET", "/assets/console.css", pat="")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert all(target.startswith(("/", "#", "data:")) for target in loaded)
    assert "url(" not in style.text
    assert "@import" not in style.text
    assert style.headers["content-type"].startswith("text/css")
    assert "<script" not in page.text
    assert " style=" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


async def test_what_a_name_holds_is_shown_and_not_run(server: Server) -> None:
    name = {"name": "<script>alert(1)</script>"}
    await server.ask("PUT", "/api/v4/ai/self_hosted_models/1", json=name)
    page = await server.ask("GET", "/", pat="")
    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script" not in page.text


async def test_an_empty_appliance_says_how_to_fill_it(server: Server) -> None:
    await server.ask("DELETE", "/api/v4/ai/self_hosted_models/1?reroute=true")
    assert "No model is registered yet" in (await server.ask("GET", "/", pat="")).text


async def _flags(server: Server) -> set[str]:
    text = (await server.ask("GET", "/", pat="")).text
    (told,) = re.findall(r"<body data-feature-flags='([^']*)'>", text)
    return set(json.loads(unescape(told)))


async def test_the_page_is_told_which_flags_are_on_for_everyone(server: Server) -> None:
    shown = await _flags(server)
    assert {"ai_global_switch", "ai_duo_chat_switch"} <= shown
    assert "new_prompt_template" not in shown
    path, body = "/api/v4/features/ai_duo_chat_switch", {"value": False, "user": "admin"}
    await server.ask("POST", path, json=body)
    assert await _flags(server) == shown - {"ai_duo_chat_switch"}
