"""`casemate setup`: a small organisation to try everything with, on the demonstration's licence.

It states what is to be so, and does what is not: it can be run again, also with other words.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

import typer

from install import bootstrap, config, contents, demo_licence
from install.api import Instance, instance
from install.demo_licence import PURCHASES, SELF_HOSTING
from install.errors import FAILED, InstanceRefusedError, NotInstalledError, SettingError
from install.places import Places

GROUP = "gitlab-duo"
PROJECT = "test"
SeatedAddOn = Literal["duo_pro", "duo_enterprise"]
NOT_FOUND = "not_found"
COUNTING = {"active", "grace"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be so: whose licence it is, and of what."""

    add_on: str
    is_saas: bool

    @property
    def owner(self) -> str | None:
        """The group that buys; None for the instance."""
        return GROUP if self.is_saas else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What the organisation is, what was changed for it, and whether its members may chat."""

    group: str
    project: str
    add_on: str
    owner: str
    members: tuple[str, ...]
    changed: tuple[str, ...]
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {name: getattr(self, name) for name in self.__slots__}


def setup(
    *,
    saas: Annotated[
        bool, typer.Option("--saas", help="Let the group buy, not the instance.")
    ] = False,
    add_on: Annotated[
        SeatedAddOn, typer.Option(help="What seats are bought of.")
    ] = "duo_enterprise",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for scripts.")] = False,
) -> None:
    """Make a group, a project, a demo licence, seats, flags and settings to try it all with."""
    places = bootstrap.find_places()
    settings = config.load(places.config)
    if settings is None:
        raise NotInstalledError(places.home)
    wish = Wish(add_on=add_on, is_saas=saas)
    with instance(settings.instance_url, contents.token_file(places)) as asked:
        done = Organisation(asked, places, today=datetime.now(UTC).date()).make(wish)
    if as_json:
        print(json.dumps(done.as_dict()))
    else:
        for line in said_of(done):
            print(line)
    raise typer.Exit(0 if done.verdict != "refused" else FAILED)


def said_of(done: Done) -> list[str]:
    """The same for people."""
    return [
        f"project    {done.group}/{done.project}",
        f"licence    {done.add_on} of {done.owner}, DEMO, not for production",
        f"seats      {', '.join(done.members)}",
        f"changed    {', '.join(done.changed) or 'nothing, it was so already'}",
        f"chat       {done.verdict}; see `casemate explain --namespace {done.group}`",
    ]


class Organisation:
    """The steps; each asks first what is so."""

    def __init__(self, asked: Instance, places: Places, *, today: date) -> None:
        self._asked = asked
        self._places = places
        self._today = today
        self._changed: list[str] = []

    def make(self, wish: Wish) -> Done:
        """Does whatever is still to do.

        Raises:
            SettingError: this appliance takes no licences of a demonstration.
            InstanceRefusedError: with the instance's own code and sentence.
        """
        trusted = self._check_demo()
        group = self._ensure(
            "group",
            f"/api/v4/groups/{GROUP}",
            ("/api/v4/groups", {"name": GROUP, "path": GROUP}),
        )
        project = self._ensure(
            "project",
            f"/api/v4/projects/{quote(f'{GROUP}/{PROJECT}', safe='')}",
            ("/api/v4/projects", {"name": PROJECT, "path": PROJECT, "namespace_id": group["id"]}),
        )
        self._license(wish, trusted, group_id=int(group["id"]))
        members = self._seat_members(wish, int(group["id"]))
        self._turn_flags_on(wish, int(group["id"]))
        self._change_settings(wish, group, project)
        query = urlencode({"feature": "duo_chat", "namespace_id": group["id"]})
        explained = self._asked.ask("GET", f"/api/v4/ai/explanations?{query}")
        return Done(
            group=GROUP,
            project=PROJECT,
            add_on=wish.add_on,
            owner=f"the group {GROUP}" if wish.is_saas else "the instance",
            members=members,
            changed=tuple(self._changed),
            verdict=explained["verdict"],
        )

    def _check_demo(self) -> Mapping[str, Any]:
        trusted: Mapping[str, Any] = self._asked.ask("GET", "/api/v4/license/authority")
        if trusted["is_demo"] and demo_licence.owns_key(self._places, trusted["fingerprint"]):
            return trusted
        sentence = (
            "This appliance takes no licences of a demonstration: it is bare (`casemate up "
            "--no-bare` ends that), or trusts an authority of its own, which must issue them."
        )
        raise SettingError(sentence)

    def _ensure(
        self, what: str, path: str, wish: tuple[str, Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        try:
            found: Mapping[str, Any] = self._asked.ask("GET", path)
        except InstanceRefusedError as refusal:
            if refusal.code != NOT_FOUND:
                raise
            found = self._asked.ask("POST", *wish)
            self._changed.append(what)
        return found

    def _license(self, wish: Wish, trusted: Mapping[str, Any], *, group_id: int) -> None:
        owner = group_id if wish.is_saas else None
        wanted = {(wish.add_on, owner), (SELF_HOSTING, owner)}
        has_one = False
        for licence in self._asked.ask("GET", "/api/v4/licenses"):
            lines = licence["add_ons"]
            if not licence["is_demo"]:
                continue
            if {(line["name"], line["namespace_id"]) for line in lines} != wanted:
                self._asked.ask("DELETE", f"/api/v4/license/{licence['id']}")
                self._changed.append(f"licence {licence['id']} removed")
            elif all(line["state"] in COUNTING for line in lines):
                has_one = True
        if not has_one:
            lines = demo_licence.lines_of(wish.add_on, today=self._today, namespace=wish.owner)
            text = demo_licence.issue(self._places, str(trusted["instance_id"]), lines)
            added = self._asked.ask("POST", "/api/v4/license", {"license": text})
            self._changed.append(f"licence {added['id']} added")

    def _seat_members(self, wish: Wish, group_id: int) -> tuple[str, ...]:
        members = [
            each
            for each in self._asked.pages(f"/api/v4/groups/{group_id}/members")
            if each["state"] == "active"
        ]
        number = self._purchase(wish, group_id)
        seated = {each["user_id"] for each in self._asked.pages(f"{PURCHASES}/{number}/seats")}
        new = [each["id"] for each in members if each["id"] not in seated]
        if new:
            self._asked.ask("POST", f"{PURCHASES}/{number}/seats", {"user_ids": new})
            self._changed.append(f"{len(new)} seats given")
        return tuple(each["username"] for each in members)

    def _purchase(self, wish: Wish, group_id: int) -> int:
        owner = group_id if wish.is_saas else None
        return next(
            int(each["id"])
            for each in self._asked.ask("GET", PURCHASES)
            if each["add_on"] == wish.add_on and _owner_of(each) == owner
        )

    def _turn_flags_on(self, wish: Wish, group_id: int) -> None:
        for flag in self._asked.ask("GET", "/api/v4/features"):
            # What is left of a flag of another release can only be reset.
            if flag["definition"] is None or flag["state"] == "on":
                continue
            if wish.is_saas and _is_on_for(group_id, flag):
                continue
            body = {"value": True, **({"group": GROUP} if wish.is_saas else {})}
            self._asked.ask("POST", f"/api/v4/features/{flag['name']}", body)
            self._changed.append(f"flag {flag['name']}")

    def _change_settings(
        self, wish: Wish, group: Mapping[str, Any], project: Mapping[str, Any]
    ) -> None:
        if not project["duo_features_enabled"]:
            path = f"/api/v4/projects/{project['id']}"
            self._asked.ask("PUT", path, {"duo_features_enabled": True})
            self._changed.append("project's features")
        # Where groups buy, who names no group has what the instance bought: nothing.
        path = "/api/v4/user/default_namespace"
        if wish.is_saas and self._asked.ask("GET", path)["namespace_id"] is None:
            self._asked.ask("PUT", path, {"namespace_id": group["id"]})
            self._changed.append("default group")


def _is_on_for(group_id: int, flag: Mapping[str, Any]) -> bool:
    gates = {gate["key"]: gate["value"] for gate in flag["gates"]}
    return f"Group:{group_id}" in gates.get("actors", ())


def _owner_of(purchase: Mapping[str, Any]) -> int | None:
    return purchase["namespace"]["id"] if purchase["namespace"] is not None else None
