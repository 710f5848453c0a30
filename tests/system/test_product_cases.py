"""What each product permits and refuses, on one bare appliance, asked with the openai library."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import openai
import pytest

from tests.conftest import wait_until
from tests.system.driver import Appliance

TOLD_WITHIN_S = 60
# What a gateway says that has not heard of a model yet.
PASSING = {"model_not_found", "model_unavailable"}
AMAZONQ = "the-same-on-amazonq"

DUO_PRO = "duo_pro=5"
SELF_HOSTING = "duo_self_hosted=5:duo_pro"
AMAZONQ_PRO = "amazonq_pro=5"


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A bare appliance that takes licences of an authority of its own."""

    appliance: Appliance
    folder: Path

    @property
    def models(self) -> dict[str, str]:
        return {"shm": self.appliance.told["model"], "amazonq": AMAZONQ}

    def casemate(self, *words: str | Path) -> str:
        done = self.appliance.casemate(*map(str, words))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def own(self, add_ons: Sequence[str]) -> None:
        """Has just these, each with a seat for the admin where it has seats."""
        listed = json.loads(self.casemate("licence", "list", "--json"))
        for licence in listed["licences"]:
            self.casemate("licence", "remove", str(licence["id"]))
        file = self.folder / f"licence-{len(list(self.folder.iterdir()))}.json"
        bought = [word for each in add_ons for word in ("--add-on", each)]
        words = ("--instance-id", listed["instance_id"], "--licensee", "Example Ltd")
        key = self.folder / "authority.pem"
        self.casemate("licence", "issue", "--key", key, *words, *bought, "--out", file)
        self.casemate("licence", "add", file)
        for name in (each.partition("=")[0] for each in add_ons):
            if name != "duo_self_hosted":
                self.casemate("seats", "give", name, "admin")

    def answer(self, provider: str) -> tuple[int, dict[str, Any]]:
        """Status, and for a refusal the error's members; what passes by itself is waited for."""
        found: list[tuple[int, dict[str, Any]]] = []

        def is_settled() -> bool:
            found.append(self._ask(self.models[provider]))
            return found[-1][1].get("code") not in PASSING

        wait_until(is_settled, TOLD_WITHIN_S)
        return found[-1]

    def _ask(self, model: str) -> tuple[int, dict[str, Any]]:
        with self.appliance.client() as client:
            try:
                answer = client.chat.completions.create(
                    model=model,
                    messages=[{"role": "user", "content": "Say yes."}],
                    max_tokens=4,
                )
            except openai.APIStatusError as refusal:
                return refusal.status_code, cast("dict[str, Any]", refusal.body)
        assert answer.choices[0].message.content
        return 200, {}

    def explained(self, decision_id: str) -> tuple[dict[str, Any], int]:
        """What the program says of a refusal, and its exit code."""
        words = ("explain", "--decision", decision_id, "--json")
        wait_until(
            lambda: "decision_id" in json.loads(self.appliance.casemate(*words).stdout),
            TOLD_WITHIN_S,
        )
        done = self.appliance.casemate(*words)
        return json.loads(done.stdout), done.returncode


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    made = Appliance(home=tmp_path_factory.mktemp("bare"))
    found = Shop(appliance=made, folder=tmp_path_factory.mktemp("licences"))
    told = made.up("--bare")
    try:
        assert (told["answer"], told["is_demo_licence"]) == ("", False)
        assert "duo_chat" in told["not_asked"]
        public = found.casemate(
            "licence", "authority", "new", "--key", found.folder / "authority.pem"
        )
        (found.folder / "authority.txt").write_text(public)
        made.up("--licence-authority", str(found.folder / "authority.txt"))
        words = ("--identifier", made.told["model"], "--provider", "amazonq")
        key = made.home / "model_server" / "api_key"
        found.casemate(
            *("models", "add", AMAZONQ, "--endpoint", made.told["model_url"], *words),
            *("--api-key-file", key),
        )
        yield found
    finally:
        made.casemate("down")
    assert made.processes() == []


def test_a_bare_appliance_has_no_authority_of_a_demonstration(shop: Shop) -> None:
    assert not (shop.appliance.home / "credentials" / "demo_authority.pem").exists()
    trusted = json.loads(shop.casemate("licence", "list", "--json"))
    assert (trusted["is_demo"], bool(trusted["fingerprint"])) == (False, True)


def test_duo_pro_with_self_hosting_opens_models_of_one_s_own(shop: Shop) -> None:
    shop.own([DUO_PRO, SELF_HOSTING])
    assert shop.answer("shm") == (200, {})


def test_amazonq_pro_opens_what_amazonq_runs(shop: Shop) -> None:
    shop.own([AMAZONQ_PRO])
    assert shop.answer("amazonq") == (200, {})


@pytest.mark.parametrize(
    ("owned", "code", "check"),
    [
        ([AMAZONQ_PRO], "provider_not_entitled", "entitlement"),
        ([DUO_PRO], "provider_not_entitled", "entitlement"),
        ([SELF_HOSTING], "feature_not_granted", "licence"),
    ],
)
def test_a_refusal_says_what_is_missing_and_is_explained(
    shop: Shop, owned: list[str], code: str, check: str
) -> None:
    shop.own(owned)
    status, error = shop.answer("shm")
    assert (status, error["code"]) == (403, code)
    found, exit_code = shop.explained(error["decision_id"])
    assert (found["code"], found["would_still_be_refused"], exit_code) == (code, True, 1)
    failed = [each["name"] for each in found["explanation"]["checks"] if each["state"] == "failed"]
    assert failed == [check]


def test_a_later_up_asks_once_somebody_may(shop: Shop) -> None:
    shop.own([DUO_PRO, SELF_HOSTING])
    told = shop.appliance.up()
    assert (told["not_asked"], bool(told["answer"])) == (None, True)
