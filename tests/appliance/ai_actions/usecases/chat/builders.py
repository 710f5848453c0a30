"""The laboratory with secrets in it, and a guest who asks in chat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import select

from appliance.accounts.rules import Profile, Scope
from appliance.accounts.usecases import PatRequest, create_pat, create_user
from appliance.ai_actions.rules import Answer, Message, Request, ResourceRef
from appliance.ai_actions.usecases import Running, ask, note_answer
from appliance.ai_actions.usecases.answering import ActionRunner
from appliance.ai_actions.usecases.chat import ChatRunner, Toolbox
from appliance.ai_actions.usecases.chat.conversing import Act, Agent
from appliance.audit.rules import SYSTEM
from appliance.instance_settings.rules import Addresses
from appliance.namespaces.rules import AccessLevel, Membership, NewGroup
from appliance.namespaces.usecases import create_group, set_member
from appliance.resources.rules import (
    Description,
    Diff,
    IssueChange,
    JobChange,
    MergeRequestChange,
)
from appliance.resources.usecases import (
    create_issue,
    create_job,
    create_merge_request,
    create_note,
    create_project,
    named_place,
)
from appliance.storage.engine import Db, Row, Session
from gateway.contract.catalog import Catalog
from tests.appliance.ai_actions.usecases.builders import CATALOG, PROJECT, Lab, an_equipped_lab
from tests.instance_builders import NOW

URL = "http://instance.test"
TOLD = Addresses(
    instance_public_url=URL, gateway_public_url="http://g.test", ai_gateway_url="http://g.test"
)
SECRET = "SECRET"
# What questions and answers are kept in.
WRITTEN = frozenset({"ai_requests", "ai_threads", "ai_messages"})


async def no_action(running: Running, **_: Any) -> Answer:
    """Stands in for the actions where a test has none."""
    raise AssertionError(running.request.action)


@dataclass
class Desk:
    """Where questions are asked, as gus (a guest of the lab with a seat) unless it is said."""

    lab: Lab
    told: list[Message] = field(default_factory=list)

    @property
    def db(self) -> Db:
        return self.lab.db

    def accept(self, text: str, *, by: str = "gus", **wish: Any) -> Request:
        """The question as a request that was accepted."""
        inputs = {"content": text, **wish.pop("inputs", {})}
        asked = self.lab.wish("chat", by, inputs=inputs, **wish)
        return self.lab.write(lambda session: ask(session, asked, catalog=CATALOG, now=NOW).request)

    def running(self, request: Request) -> Running:
        return Running(
            request=request,
            db=self.db,
            clock=lambda: NOW,
            tell=lambda _, message: self.told.append(message),
            uid=f"answer-{request.uid}",
        )

    async def answer(self, request: Request, agent: Agent, act: Act = no_action) -> Answer:
        """What is answered in the end, kept as a worker keeps it."""
        toolbox = Toolbox(catalog=CATALOG, told=TOLD)
        runner = ChatRunner(agent, act, toolbox=toolbox, catalog=CATALOG)
        answer = await runner(self.running(request))
        self.keep(request, answer)
        return answer

    def keep(self, request: Request, answer: Answer) -> None:
        uid = f"answer-{request.uid}"
        self.lab.write(lambda session: note_answer(session, request, answer, uid=uid, now=NOW))

    def contents(self) -> Mapping[str, Sequence[Any]]:
        """All that the database holds, but for questions and answers."""
        tables = [t for t in Row.metadata.sorted_tables if t.name not in WRITTEN]
        return self.db.read_blocking(
            lambda session: {
                t.name: sorted(map(repr, session.execute(select(t)).all())) for t in tables
            }
        )


def a_desk(db: Db) -> Desk:
    """The lab with people, projects and secrets."""
    lab = an_equipped_lab(db)
    lab.write(lambda session: _add_guest(lab, session))
    lab.seat("gus")
    lab.write(lambda session: _add_secrets(lab, session))
    desk = Desk(lab)
    thread = desk.accept(f"{SECRET}-THREAD", by="ada", conversation_type="DUO_CHAT")
    desk.keep(thread, Answer(content=f"{SECRET}-ANSWER"))
    lab.found["Thread"] = thread
    return desk


def actions_of(agent: Any) -> ActionRunner:
    """The actions, asking somebody who stands in for the gateway."""
    return ActionRunner(agent, catalog=CATALOG)


def the(lab: Lab, name: str) -> ResourceRef:
    """What lies in the lab under that name."""
    kind: Any = name.removeprefix("Guest")
    return ResourceRef(kind=kind, id=lab.found[name].id)


def _add_guest(lab: Lab, session: Session) -> None:
    profile = Profile(username="gus", name="gus", email="gus@example.org")
    gus = create_user(session, profile, password_hash=None, actor=SYSTEM, now=NOW)
    wish = PatRequest(name="test", scopes=frozenset({Scope.AI_FEATURES}), secret="secret-gus")
    lab.users["gus"] = gus
    lab.pats["gus"] = create_pat(session, gus.id, wish, actor=SYSTEM, now=NOW).id
    _join(lab, session, "lab", "gus", AccessLevel.GUEST)


def _join(lab: Lab, session: Session, group: str, user: str, level: AccessLevel) -> None:
    assert group == "lab"
    role = Membership(
        user_id=lab.users[user].id, namespace_id=lab.found["Group"].id, access_level=level
    )
    set_member(session, role, caller_user=lab.users["root"], now=NOW)


def _add_secrets(lab: Lab, session: Session) -> None:
    root, lab_id = lab.users["root"], lab.found["Group"].id
    here = named_place(session, lab.users["ada"], PROJECT, now=NOW)
    hidden = IssueChange(
        title=f"{SECRET}-CONFIDENTIAL", description=f"{SECRET}-PLAN", is_confidential=True
    )
    lab.found["Confidential"] = create_issue(session, here, hidden, now=NOW)
    for name in ("Issue", "MergeRequest"):
        body = f"{SECRET}-INTERNAL"
        create_note(session, here, lab.found[name], body=body, is_internal=True, now=NOW)
    vault = create_group(session, NewGroup(name="Vault", path="vault"), caller_user=root, now=NOW)
    plaza = create_group(
        session,
        NewGroup(name="Plaza", path="plaza", visibility="public"),
        caller_user=root,
        now=NOW,
    )
    _add_project(lab, session, "Sibling", lab_id)
    _add_project(lab, session, "Off", lab_id, duo_features_enabled=False)
    _add_project(lab, session, "Safe", vault.id)
    _add_project(lab, session, "Square", plaza.id, visibility="public")


def _add_project(lab: Lab, session: Session, name: str, group_id: int, **how: Any) -> None:
    root, secret = lab.users["root"], f"{SECRET}-{name.upper()}"
    said = Description(name=name, description=secret, **how)
    project = create_project(session, said, namespace_id=group_id, caller_user=root, now=NOW)
    place = named_place(session, root, project.full_path, now=NOW)
    issue = create_issue(session, place, IssueChange(title=secret, description=secret), now=NOW)
    create_note(session, place, issue, body=secret, now=NOW)
    change = MergeRequestChange(
        title=secret,
        source_branch="a",
        target_branch="b",
        diffs=[Diff(old_path="a", new_path="a", diff=f"+{secret}\n")],
    )
    create_merge_request(session, place, change, now=NOW)
    job = JobChange(name="test", stage="test", ref="main", status="failed", trace=secret)
    lab.found[f"{name}Job"] = create_job(session, place, job, now=NOW)
    lab.found[name] = project


def without(catalog: Catalog, unit_primitive: str) -> Catalog:
    """The catalogue, but no add-on opens that."""
    add_ons = {
        name: msgspec.structs.replace(
            each, opens=tuple(one for one in each.opens if one != unit_primitive)
        )
        for name, each in catalog.add_ons.items()
    }
    return msgspec.structs.replace(catalog, add_ons=add_ons)
