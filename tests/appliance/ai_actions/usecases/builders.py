"""A laboratory: people with and without seats, and a project with something of everything."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from appliance.accounts.rules import Profile, Scope, User
from appliance.accounts.usecases import PatRequest, create_pat, create_user
from appliance.ai_actions.rules import ActionName, Request, ResourceKind, ResourceRef, Wish
from appliance.ai_actions.usecases.permitting import Permit, permitted, permitted_again
from appliance.audit.rules import SYSTEM
from appliance.feature_flags.usecases import set_flag
from appliance.licensing.usecases import give_seats
from appliance.namespaces.rules import AccessLevel, Membership, NewGroup
from appliance.namespaces.usecases import create_group, set_member
from appliance.resources.rules import (
    Description,
    Diff,
    IssueChange,
    JobChange,
    Location,
    MergeRequestChange,
    Place,
    VulnerabilityChange,
)
from appliance.resources.usecases import (
    create_issue,
    create_job,
    create_merge_request,
    create_note,
    create_project,
    create_vulnerability,
    named_place,
)
from appliance.storage.engine import Db, Session
from gateway.contract.catalog import load_catalog
from tests.appliance.explanations.builders import buy
from tests.instance_builders import NOW

T = TypeVar("T")
PROJECT = "lab/engine"
CATALOG = load_catalog()


@dataclass
class Lab:
    """Ada may do everything, bob has no seat, eve has one and belongs to no group."""

    db: Db
    users: dict[str, User] = field(default_factory=dict)
    pats: dict[str, int] = field(default_factory=dict)
    purchases: dict[str, int] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)

    def write(self, work: Callable[[Session], T]) -> T:
        return self.db.write_blocking(work)

    def place(self, session: Session, user: str = "ada") -> Place:
        return named_place(session, self.users[user], PROJECT, now=NOW)

    def ref(self, kind: ResourceKind, name: str | None = None) -> ResourceRef:
        """What stands in the project of that kind, or under that name."""
        return ResourceRef(kind=kind, id=self.found[name or kind].id)

    def wish(self, action: ActionName = "explain_code", by: str = "ada", **changes: Any) -> Wish:
        fields: dict[str, Any] = {
            "action": action,
            "user_id": self.users[by].id,
            "credential_id": self.pats[by],
            "client_ip": "127.0.0.1",
            "inputs": {"code": "pass"} if action == "explain_code" else {"content": "Why?"},
            "resource": self.ref("Issue") if action == "explain_code" else None,
            **changes,
        }
        return Wish(**fields)

    def permit(self, wish: Wish) -> Permit:
        return self.db.read_blocking(
            lambda session: permitted(session, wish, catalog=CATALOG, now=NOW)
        )

    def request(self, wish: Wish, **changes: Any) -> Request:
        """The wish as if it had been accepted in the lab's own group."""
        fields = {
            "id": 1,
            "uid": "uid-1",
            "action": wish.action,
            "user_id": wish.user_id,
            "credential_id": wish.credential_id,
            "client_ip": wish.client_ip,
            "inputs": wish.inputs,
            "resource": wish.resource,
            "project_id": self.found["Project"].id,
            "namespace_id": self.found["Group"].id,
            "thread_id": None,
            "client_subscription_id": None,
            "state": "running",
            "attempt": 1,
            "created_at": NOW,
            **changes,
        }
        return Request(**fields)

    def permit_again(self, request: Request, *, now: datetime = NOW, **also: Any) -> None:
        self.db.read_blocking(
            lambda session: permitted_again(session, request, catalog=CATALOG, now=now, **also)
        )

    def flag(self, name: str, *, value: bool = False) -> None:
        self.write(lambda session: set_flag(session, name, value=value, actor=SYSTEM, now=NOW))

    def buy(self, add_on: str, **item: Any) -> None:
        self.purchases[add_on] = self.write(lambda session: buy(session, add_on, **item))

    def seat(self, user: str, add_on: str = "duo_enterprise") -> None:
        ids, purchase = [self.users[user].id], self.purchases[add_on]
        self.write(
            lambda session: give_seats(session, purchase, ids, actor=SYSTEM, given_by=None, now=NOW)
        )

    def note(self, name: str, body: str, *, user: str = "ada", **how: Any) -> None:
        """A remark on what stands under that name."""
        self.write(
            lambda session: create_note(
                session, self.place(session, user), self.found[name], body=body, now=NOW, **how
            )
        )


def a_lab(db: Db) -> Lab:
    """People, a group, and a project with something of everything; nothing is bought yet."""
    lab = Lab(db)
    lab.write(lambda session: _fill(lab, session))
    return lab


def an_equipped_lab(db: Db) -> Lab:
    """The same with Duo Enterprise, of which ada and eve have a seat."""
    lab = a_lab(db)
    lab.buy("duo_enterprise")
    lab.buy("duo_self_hosted", accompanies="duo_enterprise")
    lab.seat("ada")
    lab.seat("eve")
    return lab


def _fill(lab: Lab, session: Session) -> None:
    for name in ("root", "ada", "bob", "eve"):
        profile = Profile(
            username=name, name=name, email=f"{name}@example.org", is_admin=name == "root"
        )
        user = create_user(session, profile, password_hash=None, actor=SYSTEM, now=NOW)
        wish = PatRequest(name="test", scopes=frozenset({Scope.API}), secret=f"secret-{name}")
        pat = create_pat(session, user.id, wish, actor=SYSTEM, now=NOW)
        lab.users[name], lab.pats[name] = user, pat.id
    root = lab.users["root"]
    group = create_group(session, NewGroup(name="Lab", path="lab"), caller_user=root, now=NOW)
    for name in ("ada", "bob"):
        role = Membership(
            user_id=lab.users[name].id, namespace_id=group.id, access_level=AccessLevel.DEVELOPER
        )
        set_member(session, role, caller_user=root, now=NOW)
    project = create_project(
        session, Description(name="Engine"), namespace_id=group.id, caller_user=root, now=NOW
    )
    lab.found |= {"Group": group, "Project": project, **_contents(lab, session)}


def _contents(lab: Lab, session: Session) -> dict[str, Any]:
    place = lab.place(session)
    changes = MergeRequestChange(
        title="Colder",
        description="Why it is colder now.",
        source_branch="colder",
        target_branch="main",
        diffs=[Diff(old_path="a.py", new_path="a.py", diff="@@ -1 +1 @@\n-hot\n+cold\n")],
    )
    weakness = VulnerabilityChange(
        title="Injection",
        description="A text becomes a query.",
        severity="high",
        report_type="sast",
        location=Location(file="a.py", start_line=2, end_line=2),
        source_code="import db\ndb.run(text)\n",
    )
    issue = IssueChange(title="Too hot", description="It melts.")
    job = JobChange(
        name="test", stage="check", ref="main", status="failed", trace="$ make\nmake: *** 1\n"
    )
    return {
        "Issue": create_issue(session, place, issue, now=NOW),
        "MergeRequest": create_merge_request(session, place, changes, now=NOW),
        "Job": create_job(session, place, job, now=NOW),
        "Vulnerability": create_vulnerability(session, place, weakness, now=NOW),
    }
