import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from install import cli, contents
from install.errors import InterruptError
from install.places import Places
from tests.fakes import parts
from tests.install.conftest import Run

pytestmark = pytest.mark.usefixtures("parts_running")


def add_model(casemate: Run, *more: str) -> tuple[int, str, str]:
    return casemate("models", "add", "big", "--endpoint", "http://10.0.0.1:8000/v1", *more)


def test_ask_streams_the_answer(casemate: Run) -> None:
    assert casemate("ask", "What is a network?") == (0, "A network joins computers.\n", "")


def test_ask_answers_scripts_with_one_object(casemate: Run) -> None:
    _, out, _ = casemate("ask", "--json", "--model", "big", "x")
    found = json.loads(out)
    assert (found["model"], found["completion_tokens"]) == ("big", 4)
    assert found["answer"] == "A network joins computers."


def test_a_question_may_come_from_standard_input(
    casemate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("What is a network?"))
    assert casemate("ask", "-")[0] == 0


def test_a_refusal_is_a_sentence_with_its_code(casemate: Run, wish: Callable[..., None]) -> None:
    wish(gateway_refuses="model_unavailable")
    code, _, err = casemate("ask", "x")
    assert code == 1
    assert err.startswith("casemate: The gateway refused (model_unavailable): The model")
    _, out, _ = casemate("ask", "x", "--json")
    assert json.loads(out)["error"]["code"] == "model_unavailable"


def test_an_access_token_is_printed(casemate: Run) -> None:
    assert casemate("token")[1] == "access\n"
    found = json.loads(casemate("token", "--json")[1])
    assert set(found) == {"token", "expires_at", "base_url", "headers"}


def test_a_token_that_the_instance_refuses_says_what_to_do(
    casemate: Run, parts_running: Places
) -> None:
    contents.token_file(parts_running).write_text("old")
    code, _, err = casemate("token")
    assert code == 1
    assert "casemate users token" in err


def test_a_model_is_added_listed_checked_and_removed(casemate: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-geheim\n")
    code, out, err = add_model(casemate, "--api-key-file", str(tmp_path / "key"))
    assert (code, out.splitlines()[0], err) == (0, "big is registered.", "")
    assert "models    models is fine." in out
    listed = json.loads(casemate("models", "list", "--json")[1])
    assert [(each["ref"], each["has_api_key"]) for each in listed] == [("big", True)]
    assert "http://10.0.0.1:8000/v1" in casemate("models", "list")[1]
    checked = json.loads(casemate("models", "check", "big", "--json")[1])
    steps = ["instance", *parts.PROBED, "token", "gateway", "model"]
    assert [hop["hop"] for hop in checked["hops"]] == steps
    assert checked["ok"]
    assert casemate("models", "remove", "big")[0] == 0
    assert json.loads(casemate("models", "list", "--json")[1]) == []


def test_a_model_that_does_not_answer_is_registered_all_the_same(
    casemate: Run, wish: Callable[..., None]
) -> None:
    wish(endpoint_fault="wrong_identifier")
    code, out, err = add_model(casemate)
    assert code == 0
    assert "models    It is wrong.\n          Mend it.\n" in out
    assert "`casemate models check big` tries it again" in err
    made = json.loads(add_model(casemate, "--json")[1])
    assert (made["ref"], made["check"]["ok"]) == ("big", False)
    assert made["check"]["hops"][-1]["code"] == "wrong_identifier"


def test_all_models_are_checked_when_none_is_named(
    casemate: Run, wish: Callable[..., None]
) -> None:
    add_model(casemate)
    casemate("models", "add", "other", "--endpoint", "http://10.0.0.2:8000/v1")
    code, out, _ = casemate("models", "check")
    assert (code, [line for line in out.splitlines() if line.endswith(":")]) == (
        0,
        ["big:", "other:"],
    )
    wish(endpoint_fault="port_closed")
    code, out, _ = casemate("models", "check", "--json")
    found = json.loads(out)
    assert (code, found["ok"], len(found["models"])) == (1, False, 2)


def test_a_model_may_be_of_another_provider(casemate: Run) -> None:
    made = json.loads(add_model(casemate, "--provider", "amazonq", "--json")[1])
    assert made["provider"] == "amazonq"
    assert "amazonq" in casemate("models", "list")[1]


def test_a_model_is_open_to_the_networks_that_are_named(casemate: Run) -> None:
    allow = ("--allow", "10.0.0.0/8", "--allow", "2001:db8::/32")
    made = json.loads(add_model(casemate, *allow, "--disable", "--json")[1])
    assert (made["allowed_cidrs"], made["enabled"]) == (["10.0.0.0/8", "2001:db8::/32"], False)
    said = casemate("models", "change", "big", "--enable", "--allow", "192.0.2.0/24")[1]
    assert said == "big is enabled, open to 192.0.2.0/24.\n"
    assert "192.0.2.0/24" in casemate("models", "list")[1]
    changed = json.loads(casemate("models", "change", "big", "--allow-all", "--json")[1])
    assert (changed["allowed_cidrs"], changed["enabled"]) == ([], True)
    assert "disabled, open to every address" in casemate("models", "change", "big", "--disable")[1]


@pytest.mark.parametrize("options", [(), ("--allow-all", "--allow", "10.0.0.0/8")])
def test_a_change_names_what_it_changes(casemate: Run, options: tuple[str, ...]) -> None:
    add_model(casemate)
    code, _, err = casemate("models", "change", "big", *options)
    assert (code, "Name what to change" in err) == (2, True)


def test_a_model_may_have_several_endpoints_and_a_limit(casemate: Run) -> None:
    more = ("--endpoint", "http://10.0.0.2:8000/v1", "--max-in-flight", "8")
    made = json.loads(add_model(casemate, *more, "--json")[1])
    assert made["endpoints"] == ["http://10.0.0.1:8000/v1", "http://10.0.0.2:8000/v1"]
    assert made["max_in_flight"] == 8
    listed = casemate("models", "list")[1]
    assert all(text in listed for text in ("http://10.0.0.2:8000/v1", "at once", "8"))
    change = ("models", "change", "big", "--json", "--max-in-flight", "0")
    changed = json.loads(casemate(*change, "--endpoint", "http://10.0.0.3:8000/v1")[1])
    assert changed["max_in_flight"] is None
    assert changed["endpoints"] == ["http://10.0.0.3:8000/v1"]


def test_a_model_in_use_is_removed_only_with_a_reroute(
    casemate: Run, wish: Callable[..., None]
) -> None:
    add_model(casemate)
    wish(model_in_use=True)
    code, _, err = casemate("models", "remove", "big")
    assert (code, "used by 2 groups" in err) == (1, True)
    assert casemate("models", "remove", "big", "--reroute")[0] == 0


def test_an_api_key_may_come_from_standard_input(
    casemate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("sk-geheim\n"))
    _, out, _ = add_model(casemate, "--api-key-file", "-", "--json")
    assert json.loads(out)["has_api_key"]


def test_another_server_is_told_the_key_again_or_gets_none(casemate: Run, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-geheim\n")
    add_model(casemate, "--api-key-file", str(key))
    move = ("models", "change", "big", "--endpoint", "http://10.0.0.3:8000/v1", "--json")
    code, _, err = casemate(*move)
    assert (code, "it must be given again, or removed" in err) == (1, True)
    told = ((("--api-key-file", str(key)), True), (("--no-api-key",), False))
    for options, has_key in told:
        assert json.loads(casemate(*move, *options)[1])["has_api_key"] is has_key
    both = ("--api-key-file", str(key), "--no-api-key")
    assert "--api-key-file or --no-api-key" in casemate("models", "change", "big", *both)[2]


def test_a_key_file_that_is_not_there_is_named(casemate: Run) -> None:
    code, _, err = add_model(casemate, "--api-key-file", "/no/such/file")
    assert (code, "/no/such/file cannot be read" in err) == (2, True)


def test_the_instances_own_sentence_and_code_reach_the_person(casemate: Run) -> None:
    words = ("models", "add", "out", "--endpoint", "http://8.0.0.1/v1", "--json")
    _, out, err = casemate(*words)
    assert "endpoint: is outside" in err
    assert json.loads(out)["error"]["code"] == "endpoint_refused"


@pytest.mark.parametrize(
    ("wishes", "hop"),
    [
        ({"instance_down": True}, "instance"),
        ({"endpoint_fault": "port_closed"}, "models"),
        ({"gateway_refuses": "model_unavailable"}, "model"),
        ({"no_tokens": True}, "model"),
    ],
)
def test_the_hop_that_fails_is_named_with_the_fix(
    casemate: Run,
    wish: Callable[..., None],
    wishes: dict[str, object],
    hop: str,
) -> None:
    add_model(casemate)
    wish(**wishes)
    code, out, _ = casemate("models", "check", "big", "--json")
    last = json.loads(out)["hops"][-1]
    assert (code, last["hop"]) == (1, hop)
    assert last["fix"] in casemate("models", "check", "big")[1]


def test_a_model_nobody_registered_fails_at_the_endpoint(casemate: Run) -> None:
    _, out, _ = casemate("models", "check", "nope")
    assert "There is no model 'nope'; registered: none." in out


def test_an_interrupt_says_what_goes_on(casemate: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_text: str) -> None:
        raise InterruptError

    monkeypatch.setattr(cli, "_print_piece", interrupt)
    code, _, err = casemate("ask", "x")
    assert (code, "keep running" in err) == (130, True)
