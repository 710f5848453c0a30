import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from install import demo_licence
from install.admin import licence_files, setup_demo
from install.admin.setup_demo import Done, Organisation, Wish
from install.api import Instance
from install.errors import InstanceRefusedError, SettingError
from install.places import Places
from tests.fakes import parts
from tests.install.conftest import Run

TODAY = date(2026, 11, 21)


class FakeInstance(Instance):
    """As much of the instance's interface as `setup` uses, with its state in here."""

    def __init__(self, fingerprint: str, *, is_demo: bool = True) -> None:
        super().__init__("http://127.0.0.1:9", "token")
        self.authority = {"fingerprint": fingerprint, "is_demo": is_demo}
        self.made: dict[str, dict[str, Any]] = {}
        self.licences: dict[int, dict[str, Any]] = {}
        self.seats: dict[int, set[int]] = {}
        self.flags = {"first": "on", "second": "off"}
        self.gates: list[dict[str, Any]] = []
        self.default: int | None = None
        self.log: list[str] = []

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        if path.endswith("/members"):
            yield {"id": 1, "username": "admin", "state": "active"}
            yield {"id": 2, "username": "gone", "state": "blocked"}
        else:
            yield from ({"user_id": each} for each in self.seats.get(int(path.split("/")[5]), ()))

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        if method != "GET":
            self.log.append(f"{method} {path}")
        names = path.partition("?")[0].split("/")[3:]
        return {"GET": self.get, "POST": self.post}.get(method, self.change)(names, body)

    def get(self, names: list[str], _: Any) -> Any:
        match names:
            case ["license", "authority"]:
                return {"instance_id": parts.INSTANCE_ID, **self.authority}
            case ["groups" | "projects", name]:
                return self.found(name)
            case _:
                pass
        flags: list[dict[str, Any]] = [
            {"name": name, "state": state, "gates": self.gates, "definition": {}}
            for name, state in self.flags.items()
        ]
        flags.append({"name": "left", "state": "off", "gates": [], "definition": None})
        return {
            "licenses": list(self.licences.values()),
            "features": flags,
            "default_namespace": {"namespace_id": self.default},
            "explanations": {"verdict": "permitted"},
            "add_on_purchases": self.purchases(),
        }[names[-1]]

    def found(self, name: str) -> Any:
        if name not in self.made:
            raise InstanceRefusedError("404", "not_found")
        return self.made[name]

    def post(self, names: list[str], body: Any) -> Any:
        match names:
            case ["groups" | "projects" as kind]:
                name = body["path"] if kind == "groups" else "gitlab-duo%2Ftest"
                self.made[name] = {"id": 7, "duo_features_enabled": kind == "groups"}
                return self.made[name]
            case ["license"]:
                return self.add(body["license"])
            case ["features", name]:
                self.flags[name] = "conditional" if "group" in body else "on"
                self.gates = [{"key": "actors", "value": ["Group:7"]}]
            case [*_, number, "seats"]:
                self.seats.setdefault(int(number), set()).update(body["user_ids"])
            case _:
                raise AssertionError(names)
        return None

    def change(self, names: list[str], body: Any) -> Any:
        match names:
            case ["license", number]:
                del self.licences[int(number)]
            case ["projects", "7"]:
                self.made["gitlab-duo%2Ftest"].update(body)
            case ["user", "default_namespace"]:
                self.default = body["namespace_id"]
            case _:
                raise AssertionError(names)

    def add(self, text: str, **changes: Any) -> dict[str, Any]:
        lines = licence_files.inspect(text, public_key=None).document["add_ons"]
        number = len(self.log)
        self.licences[number] = {
            "id": number,
            "is_demo": True,
            "add_ons": [
                {
                    "name": each["name"],
                    "namespace_id": 7 if each["namespace"] else None,
                    "state": "active",
                    **changes,
                }
                for each in lines
            ],
        }
        return self.licences[number]

    def purchases(self) -> list[dict[str, Any]]:
        found = []
        for number, (name, owner) in enumerate(
            [(n, o) for n in ("duo_pro", "duo_enterprise") for o in (None, 7)]
        ):
            group = {"id": owner} if owner else None
            found.append({"id": number, "add_on": name, "namespace": group})
        return found

    def owned(self) -> list[list[tuple[str, int | None]]]:
        licences = self.licences.values()
        return [[(e["name"], e["namespace_id"]) for e in each["add_ons"]] for each in licences]


@pytest.fixture
def asked(places: Places) -> Iterator[FakeInstance]:
    """An instance on which `up` has added the demonstration's licence."""
    fingerprint = licence_files.new_key(demo_licence.key_file(places)).fingerprint
    found = FakeInstance(fingerprint)
    lines = demo_licence.lines_of("duo_enterprise", today=TODAY)
    found.add(demo_licence.issue(places, parts.INSTANCE_ID, lines))
    yield found
    found.close()


def make(places: Places, asked: Instance, *, add_on: str = "duo_enterprise", saas: bool) -> Done:
    wish = Wish(add_on=add_on, is_saas=saas)
    return Organisation(asked, places, today=TODAY).make(wish)


def test_an_instance_that_has_the_licence_gets_the_rest(
    places: Places, asked: FakeInstance
) -> None:
    done = make(places, asked, saas=False)
    assert done.changed == (
        "group",
        "project",
        "1 seats given",
        "flag second",
        "project's features",
    )
    assert (done.members, done.verdict) == (("admin",), "permitted")
    assert asked.seats == {2: {1}}


@pytest.mark.parametrize("saas", [False, True])
def test_a_second_time_changes_nothing(places: Places, asked: FakeInstance, saas: bool) -> None:
    make(places, asked, saas=saas)
    before = list(asked.log)
    assert make(places, asked, saas=saas).changed == ()
    assert asked.log == before


def test_a_group_that_buys_takes_the_instance_s_place(places: Places, asked: FakeInstance) -> None:
    done = make(places, asked, saas=True)
    assert asked.owned() == [[("duo_enterprise", 7), ("duo_self_hosted", 7)]]
    assert asked.default == 7
    assert done.owner == "the group gitlab-duo"
    make(places, asked, saas=False)
    assert asked.owned() == [[("duo_enterprise", None), ("duo_self_hosted", None)]]


def test_another_add_on_takes_the_place_of_the_one_before(
    places: Places, asked: FakeInstance
) -> None:
    make(places, asked, add_on="duo_pro", saas=False)
    assert asked.owned() == [[("duo_pro", None), ("duo_self_hosted", None)]]


def test_a_licence_that_was_bought_stays(places: Places, asked: FakeInstance) -> None:
    asked.licences[0]["is_demo"] = False
    make(places, asked, add_on="duo_pro", saas=False)
    assert len(asked.licences) == 2


def test_an_ended_licence_is_followed_by_another(places: Places, asked: FakeInstance) -> None:
    for line in asked.licences[0]["add_ons"]:
        line["state"] = "expired"
    make(places, asked, saas=False)
    assert len(asked.licences) == 2


def test_without_a_demonstration_nothing_is_set_up(places: Places, asked: FakeInstance) -> None:
    for authority in ({"is_demo": False}, {"is_demo": True, "fingerprint": "SHA256:another"}):
        asked.authority.update(authority)
        with pytest.raises(SettingError, match="--no-bare"):
            make(places, asked, saas=False)
    assert asked.log == []


def test_another_refusal_than_a_missing_group_is_passed_on(
    places: Places, asked: FakeInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise InstanceRefusedError("403", "admin_needed")

    demo = asked.ask("GET", "/api/v4/license/authority")
    monkeypatch.setattr(asked, "ask", lambda _m, p, *_: demo if "auth" in p else refuse())
    with pytest.raises(InstanceRefusedError, match="403"):
        make(places, asked, saas=False)


@pytest.mark.usefixtures("parts_running")
def test_the_program_tells_what_it_did(casemate: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = Done(
        group="gitlab-duo",
        project="test",
        add_on="duo_pro",
        owner="the instance",
        members=("admin",),
        changed=(),
        verdict="permitted",
    )
    monkeypatch.setattr(setup_demo.Organisation, "make", lambda _self, _wish: done)
    code, out, _ = casemate("setup", "--add-on", "duo_pro", "--json")
    assert (code, json.loads(out)["add_on"]) == (0, "duo_pro")
    assert "DEMO" in casemate("setup")[1]
