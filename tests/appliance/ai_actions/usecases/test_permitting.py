"""Who may ask for an action, each reason for a refusal with its code."""

from typing import Any

import pytest
from msgspec import structs

from appliance.accounts.rules import Caller, Profile
from appliance.accounts.usecases import change_user, revoke_pat
from appliance.ai_actions.errors import (
    ActionFailedError,
    ActionRefusedError,
    FeatureSwitchedOffError,
)
from appliance.ai_actions.rules import ActionName, ResourceKind, ResourceRef, Wish
from appliance.ai_actions.rules.catalogue import ACTIONS
from appliance.ai_actions.rules.codes import refused_sentence
from appliance.ai_actions.usecases.permitting import permitted
from appliance.audit.rules import SYSTEM
from appliance.errors import InvalidFieldsError, NotFoundError
from appliance.explanations.rules import Question
from appliance.explanations.usecases import explain
from appliance.namespaces.rules import GroupChange
from appliance.namespaces.usecases import change_group, remove_member
from appliance.resources.rules import Description
from appliance.resources.usecases import change_project, follow_group
from appliance.storage.engine import Db, Session
from tests.appliance.ai_actions.usecases.builders import CATALOG, Lab, a_lab, an_equipped_lab
from tests.instance_builders import NOW, a_pat


@pytest.fixture
def lab(db: Db) -> Lab:
    return an_equipped_lab(db)


@pytest.fixture
def poor_lab(db: Db) -> Lab:
    return a_lab(db)


def _refused(lab: Lab, action: ActionName = "explain_code", **changes: Any) -> str:
    wish = lab.wish(action, **changes)
    with pytest.raises(ActionRefusedError) as refused:
        lab.permit(wish)
    code = refused.value.shown_code
    assert str(refused.value).endswith(f"({code})")
    assert _explained(lab, wish) == code
    return code


def _explained(lab: Lab, wish: Wish) -> str | None:
    """The code that an explanation names for the same wish."""
    question = Question(
        user_id=wish.user_id,
        unit_primitive=ACTIONS[wish.action].unit_primitive,
        project_id=None if wish.resource is None else lab.found["Project"].id,
        model="tiny",
    )
    root = lab.users["root"]
    asker = Caller(user=root, credential=a_pat(user_id=root.id))
    found = lab.db.read_blocking(
        lambda session: explain(session, asker, question, read_state=lambda *_: "ready", now=NOW)
    )
    return found.ai_action_code


def _failed(lab: Lab, action: ActionName = "explain_code", **also: Any) -> str:
    with pytest.raises(ActionFailedError) as failed:
        lab.permit_again(lab.request(lab.wish(action)), **also)
    return failed.value.shown_code


def _switch_project_off(lab: Lab) -> None:
    off = Description(duo_features_enabled=False)
    lab.write(
        lambda session: change_project(
            session, lab.found["Project"], off, caller_user=lab.users["root"], now=NOW
        )
    )


def _leave_group(lab: Lab) -> None:
    lab.write(
        lambda session: remove_member(
            session, lab.found["Group"], lab.users["ada"].id, caller_user=lab.users["root"], now=NOW
        )
    )


def test_who_has_everything_may_and_it_counts_for_the_resource_s_group(lab: Lab) -> None:
    permit = lab.permit(lab.wish())
    assert permit.unit_primitive == "explain_code"
    assert permit.namespace_id == lab.found["Group"].id
    assert permit.project_id == lab.found["Project"].id
    lab.permit_again(lab.request(lab.wish()))


def test_chat_counts_for_what_it_names_or_else_for_where_its_user_belongs(lab: Lab) -> None:
    group, project = lab.found["Group"].id, lab.found["Project"].id
    named = lab.permit(lab.wish("chat", project_id=project))
    assert (named.namespace_id, named.project_id) == (group, project)
    rooted = lab.permit(lab.wish("chat", root_namespace_id=group))
    assert (rooted.namespace_id, rooted.project_id) == (group, None)
    about = lab.permit(lab.wish("chat", resource=lab.ref("Group")))
    assert (about.namespace_id, about.project_id) == (group, None)
    own = ResourceRef(kind="User", id=lab.users["eve"].id)
    # Eve belongs to no group, and needs none where the instance owns the licence.
    assert lab.permit(lab.wish("chat", by="eve", resource=own)).namespace_id is None


@pytest.mark.parametrize("kind", ["Issue", "MergeRequest", "Project", "Group", "Job", "User"])
def test_what_is_not_there_and_what_is_another_s_are_the_same(lab: Lab, kind: ResourceKind) -> None:
    theirs = lab.users["ada"].id if kind == "User" else lab.found[kind].id
    sentences = set()
    for number in (theirs, 10_000, 2**40):
        with pytest.raises(NotFoundError) as hidden:
            lab.permit(lab.wish(by="eve", resource=ResourceRef(kind=kind, id=number)))
        sentences.add(str(hidden.value))
    assert len(sentences) == 1


@pytest.mark.parametrize("named", ["project_id", "root_namespace_id"])
def test_a_project_or_group_that_is_named_must_be_visible(lab: Lab, named: str) -> None:
    number = lab.found["Project" if named == "project_id" else "Group"].id
    with pytest.raises(NotFoundError):
        lab.permit(lab.wish("chat", by="eve", **{named: number}))


def test_what_is_named_beside_it_must_be_visible_too(lab: Lab) -> None:
    branches = {"source_branch": "a", "target_branch": "b"}
    project = lab.found["Project"].id
    for number, is_there in ((project, True), (project + 1, False)):
        inputs = {**branches, "source_project_id": number}
        wish = lab.wish("summarize_new_merge_request", resource=lab.ref("Project"), inputs=inputs)
        if is_there:
            lab.permit(wish)
        else:
            with pytest.raises(NotFoundError):
                lab.permit(wish)


def test_an_action_is_about_what_it_takes(lab: Lab) -> None:
    with pytest.raises(NotFoundError):
        lab.permit(lab.wish("generate_commit_message", resource=lab.ref("Issue")))
    with pytest.raises(InvalidFieldsError):
        lab.permit(lab.wish("generate_commit_message", resource=None))
    with pytest.raises(InvalidFieldsError):
        lab.permit(lab.wish(inputs={"code": " "}))


@pytest.mark.parametrize("flag", ["ai_global_switch", "ai_duo_chat_switch"])
def test_a_flag_that_is_off_hides_the_action(lab: Lab, flag: str) -> None:
    lab.flag(flag)
    with pytest.raises(FeatureSwitchedOffError):
        lab.permit(lab.wish("chat"))
    assert _failed(lab, "chat") == _explained(lab, lab.wish("chat")) == "M3002"


def test_a_project_without_ai(lab: Lab) -> None:
    _switch_project_off(lab)
    assert _refused(lab) == _failed(lab) == "M3002"


def test_chat_without_a_seat_and_without_a_licence(lab: Lab) -> None:
    assert _refused(lab, "chat", by="bob") == "M3004"


def test_a_tool_without_a_seat(lab: Lab) -> None:
    assert _refused(lab, by="bob") == "M3005"


def test_nothing_bought(poor_lab: Lab) -> None:
    assert _refused(poor_lab, "chat") == "M3006"
    assert _refused(poor_lab) == "G3001"


def test_what_another_purchase_would_open(poor_lab: Lab) -> None:
    poor_lab.buy("duo_pro")
    poor_lab.seat("ada", "duo_pro")
    assert _refused(poor_lab, "summarize_comments", resource=poor_lab.ref("Issue")) == "G3001"
    poor_lab.buy("duo_enterprise")
    assert _refused(poor_lab, "summarize_comments", resource=poor_lab.ref("Issue")) == "M3005"


def test_a_seat_of_an_add_on_that_entitles_to_nobody_s_models(lab: Lab) -> None:
    add_ons = {name: structs.replace(each, entitles=()) for name, each in CATALOG.add_ons.items()}
    bare = structs.replace(CATALOG, add_ons=add_ons)
    with pytest.raises(ActionRefusedError) as refused:
        lab.db.read_blocking(
            lambda session: permitted(session, lab.wish("chat"), catalog=bare, now=NOW)
        )
    assert refused.value.shown_code == "M3006"


def test_licences_of_groups_and_no_group(poor_lab: Lab) -> None:
    poor_lab.buy("duo_enterprise", root_namespace_id=poor_lab.found["Group"].id)
    assert _refused(poor_lab, "chat", by="eve") == "G3002"
    assert _refused(poor_lab, "chat") == "M3004"
    poor_lab.seat("ada")
    poor_lab.permit(poor_lab.wish("chat"))


def test_context_of_a_kind_that_is_not_granted(poor_lab: Lab) -> None:
    poor_lab.buy("duo_pro")
    poor_lab.seat("ada", "duo_pro")
    sent = [{"category": "issue", "id": "1", "content": "x"}]
    with pytest.raises(ActionRefusedError, match="issue") as refused:
        poor_lab.permit(poor_lab.wish("chat", inputs={"content": "?", "additional_context": sent}))
    assert refused.value.shown_code == "M3005"


def test_a_project_that_everybody_sees_is_still_its_group_s(lab: Lab) -> None:
    _make_public(lab)
    assert _refused(lab, by="eve", resource=lab.ref("Project")) == "M3003"


def test_a_token_that_was_revoked_ends_what_was_asked_with_it(lab: Lab) -> None:
    lab.write(lambda session: revoke_pat(session, None, lab.pats["ada"], actor=SYSTEM, now=NOW))
    assert _failed(lab) == "M3003"


def test_a_token_of_somebody_else_is_none(lab: Lab) -> None:
    wish = lab.wish()
    for changes in ({"credential_id": lab.pats["eve"]}, {"credential_id": 999}):
        with pytest.raises(ActionFailedError, match="M3003"):
            lab.permit_again(lab.request(wish, **changes))


def test_a_blocked_user_has_no_access(lab: Lab) -> None:
    blocked = Profile(state="blocked")
    lab.write(
        lambda session: change_user(
            session, lab.users["ada"].id, blocked, password_hash=None, actor=SYSTEM, now=NOW
        )
    )
    assert _failed(lab, "chat") == _explained(lab, lab.wish("chat")) == "M3004"
    assert _failed(lab) == _explained(lab, lab.wish()) == "M3005"


def test_who_left_the_group_since_does_not_get_an_answer(lab: Lab) -> None:
    _leave_group(lab)
    assert _failed(lab) == "M3003"


def test_each_tool_has_a_right_of_its_own(poor_lab: Lab) -> None:
    poor_lab.buy("duo_pro")
    poor_lab.seat("ada", "duo_pro")
    poor_lab.permit_again(poor_lab.request(poor_lab.wish("chat")))
    assert _failed(poor_lab, "chat", unit_primitive="ask_issue") == "G3001"


def test_a_refusal_is_the_table_s_sentence(lab: Lab) -> None:
    with pytest.raises(ActionRefusedError) as refused:
        lab.permit(lab.wish("chat", by="bob"))
    assert str(refused.value) == refused_sentence("M3004")


def _make_public(lab: Lab) -> None:
    def work(session: Session) -> None:
        open_ = GroupChange(visibility="public")
        change_group(
            session,
            lab.found["Group"],
            open_,
            caller_user=lab.users["root"],
            follow=follow_group,
            now=NOW,
        )
        change_project(
            session,
            lab.found["Project"],
            Description(visibility="public"),
            caller_user=lab.users["root"],
            now=NOW,
        )

    lab.write(work)
