"""What each action tells its prompt, and how its answer is put together."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules import ActionName, Answer
from appliance.ai_actions.rules.catalogue import ACTIONS
from appliance.ai_actions.rules.gateway.fitting import MAX_PARTS
from appliance.ai_actions.usecases.actions import GATHERERS
from appliance.ai_actions.usecases.asking_gateway import PROMPT_VERSION
from appliance.resources.rules import JobChange, MergeRequestChange, VulnerabilityChange
from appliance.resources.usecases import (
    create_draft_note,
    create_job,
    create_merge_request,
    create_vulnerability,
)
from gateway.prompts.library import load_library
from tests.appliance.ai_actions.usecases.conftest import Post
from tests.fakes.gateway import Played, prompt_parts
from tests.instance_builders import NOW

BRANCHES = {"source_branch": "colder", "target_branch": "main"}
CHANGES = "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-hot\n+cold\n"


async def _run(post: Post, action: ActionName, **wish: Any) -> Answer:
    request = post.lab.request(post.lab.wish(action, **{"inputs": {}, **wish}))
    return await post.runner(post.running(request, lambda *_: None))


async def _told(post: Post, action: ActionName, **wish: Any) -> Mapping[str, Any]:
    """What the prompt of the action was filled with."""
    post.gateway.script = [Played(prompt_parts("Done."))]
    assert (await _run(post, action, **wish)).content == "Done."
    inputs: Mapping[str, Any] = json.loads(post.gateway.heard[-1][2])["inputs"]
    _fill_in(str(ACTIONS[action].prompt_id), inputs)
    return inputs


def _fill_in(prompt_id: str, inputs: Mapping[str, Any]) -> None:
    """What the gateway does with it: it knows each of the inputs, and misses none."""
    prompt = load_library().find(
        prompt_id, PROMPT_VERSION, family=None, is_feature_enabled=lambda _: False
    )
    assert set(inputs) <= set(prompt.inputs)
    assert prompt.render(inputs, window_tokens=100_000).messages


async def _failure(post: Post, action: ActionName, **wish: Any) -> str:
    with pytest.raises(ActionFailedError) as failed:
        await _run(post, action, **wish)
    assert not post.gateway.heard
    return failed.value.shown_code


@pytest.mark.parametrize("action", ["explain_code", "write_tests", "refactor_code", "fix_code"])
async def test_code_goes_with_where_it_stands_and_what_is_asked(
    post: Post, action: ActionName
) -> None:
    given = {"code": "pass", "file_name": "a.py", "question": "Why?", "content_above_cursor": ""}
    told = await _told(post, action, resource=post.lab.ref("Issue"), inputs=given)
    assert told == {
        "selected_code": "pass",
        "file_name": "a.py",
        "language": "Python",
        "user_input": "Why?",
    }
    assert post.gateway.heard[-1][0] == f"/v2/prompts/chat/{action}"
    assert post.gateway.claims["scopes"] == [action]


# There is no merge request between branches with the longest names.
@pytest.mark.parametrize("action", sorted(GATHERERS.keys() - {"summarize_new_merge_request"}))
async def test_the_most_that_may_be_given_is_not_too_much_for_the_gateway(
    post: Post, action: ActionName
) -> None:
    line = ACTIONS[action]
    given = {
        name: "x" * field.max_chars for name, field in line.inputs.items() if field.kind == "text"
    }
    post.lab.note("Issue", "Hello")
    if action == "summarize_review":
        _add_draft(post, "ada", "x")
    await _told(post, action, resource=post.lab.ref(line.takes[0]), inputs=given)


async def test_code_needs_nothing_around_it(post: Post) -> None:
    assert await _told(post, "explain_code", inputs={"code": "x"}) == {"selected_code": "x"}


async def test_a_discussion_is_what_people_said_with_their_names(post: Post) -> None:
    post.lab.note("Issue", "It is the fan.")
    post.lab.note("Issue", "No.", user="bob")
    told = await _told(post, "summarize_comments", resource=post.lab.ref("Issue"))
    assert told == {
        "title": "Too hot",
        "description": "It melts.",
        "notes": "ada: It is the fan.\n\nbob: No.",
    }


async def test_a_discussion_without_a_word(post: Post) -> None:
    for kind in ("Issue", "MergeRequest"):
        resource = post.lab.ref(kind)
        assert await _failure(post, "summarize_comments", resource=resource) == "M4004"


async def test_a_long_discussion_is_summed_up_in_parts(post: Post) -> None:
    for number in range(3):
        post.lab.note("Issue", f"{number}" * 700)
    post.gateway.script = [
        Played(prompt_parts("Never read."), cut="notes=1000/2121"),
        *(Played(prompt_parts(f"Sum {number}.")) for number in range(3)),
        Played(prompt_parts("All of it.")),
    ]
    answer = await _run(post, "summarize_comments", resource=post.lab.ref("Issue"))
    assert answer.content.startswith("All of it.\n\n*The discussion did not fit")
    assert answer.content.endswith("in 3 parts.*")
    asked = [(path, json.loads(body)["inputs"]) for path, _, body in post.gateway.heard]
    assert [each["notes"][:6] for _, each in asked[1:4]] == ["ada: 0", "ada: 1", "ada: 2"]
    assert asked[4] == (
        "/v2/prompts/chat/summarize_parts",
        {"title": "Too hot", "summaries": ["Sum 0.", "Sum 1.", "Sum 2."]},
    )


async def test_what_is_too_long_even_in_parts_is_told(post: Post) -> None:
    for _ in range(12):
        post.lab.note("Issue", "x" * 495)
    post.gateway.script = [Played(prompt_parts("Never read."), cut="notes=10/6000")]
    post.gateway.parts = prompt_parts("Sum.")
    answer = await _run(post, "summarize_comments", resource=post.lab.ref("Issue"))
    assert len(post.gateway.heard) == 1 + MAX_PARTS + 1
    assert "2,000 of its 6,022 characters found no place" in answer.content


async def test_who_asks_is_told_what_the_model_was_not(post: Post) -> None:
    post.gateway.script = [Played(prompt_parts("Colder."), cut="diff=10/30")]
    answer = await _run(post, "generate_commit_message", resource=post.lab.ref("MergeRequest"))
    assert answer.content == (
        "Colder.\n\n*Not everything fitted the model, which was told only a part of the changes "
        "(10 of 30 characters).*"
    )


async def test_a_commit_message_is_made_from_the_changes(post: Post) -> None:
    told = await _told(post, "generate_commit_message", resource=post.lab.ref("MergeRequest"))
    description = "Why it is colder now."
    assert told == {"diff": CHANGES, "title": "Colder", "description": description}


async def test_without_changes_there_is_no_message(post: Post) -> None:
    new = MergeRequestChange(title="Empty", source_branch="a", target_branch="b")
    post.lab.found["empty"] = post.lab.write(
        lambda session: create_merge_request(session, post.lab.place(session), new, now=NOW)
    )
    resource = post.lab.ref("MergeRequest", "empty")
    assert await _failure(post, "generate_commit_message", resource=resource) == "M5000"


async def test_a_review_is_the_user_s_own_drafts(post: Post) -> None:
    resource = post.lab.ref("MergeRequest")
    assert await _failure(post, "summarize_review", resource=resource) == "M5000"
    _add_draft(post, "ada", "Too cold.")
    _add_draft(post, "bob", "Mine.")
    told = await _told(post, "summarize_review", resource=resource)
    assert told == {"draft_notes_content": "Too cold.", "title": "Colder"}


async def test_a_new_merge_request_is_the_open_one_of_its_branches(post: Post) -> None:
    project = post.lab.ref("Project")
    told = await _told(post, "summarize_new_merge_request", resource=project, inputs=BRANCHES)
    assert told == {"extracted_diff": CHANGES, "title": "Colder", **BRANCHES}
    post.gateway.heard.clear()
    others = {"source_branch": "other", "target_branch": "main"}
    code = await _failure(post, "summarize_new_merge_request", resource=project, inputs=others)
    assert code == "M5000"


async def test_a_description_is_composed_with_the_changes_there_are(post: Post) -> None:
    given = {"title": "T", "description": "D", "user_prompt": "Shorter."}
    resource = post.lab.ref("MergeRequest")
    told = await _told(post, "description_composer", resource=resource, inputs=given)
    assert told == {**given, "extracted_diff": CHANGES}
    project = post.lab.ref("Project")
    told = await _told(
        post, "description_composer", resource=project, inputs={"user_prompt": "Write."}
    )
    assert told == {"title": "Untitled", "user_prompt": "Write."}


@pytest.mark.parametrize("action", ["generate_description", "measure_comment_temperature"])
async def test_a_few_words_are_all_there_is(post: Post, action: ActionName) -> None:
    given = {"content": "Calm down!"}
    assert await _told(post, action, resource=post.lab.ref("Issue"), inputs=given) == given


async def test_a_vulnerability_is_explained_with_its_code_unless_not_wanted(post: Post) -> None:
    resource = post.lab.ref("Vulnerability")
    told = await _told(post, "explain_vulnerability", resource=resource)
    assert told == {
        "name": "Injection",
        "severity": "high",
        "filename": "a.py",
        "vulnerability_description": "A text becomes a query.",
        "vulnerable_code": "db.run(text)",
        "source_code": "import db\ndb.run(text)\n",
    }
    without = {"include_source_code": False}
    told = await _told(post, "explain_vulnerability", resource=resource, inputs=without)
    assert "source_code" not in told


async def test_a_vulnerability_is_resolved_where_its_code_is_kept(post: Post) -> None:
    told = await _told(post, "resolve_vulnerability", resource=post.lab.ref("Vulnerability"))
    assert (told["name"], told["vulnerable_code"]) == ("Injection", "db.run(text)")
    post.gateway.heard.clear()
    _add_vulnerability(post, report_type="sast")
    resource = post.lab.ref("Vulnerability", "other")
    assert await _failure(post, "resolve_vulnerability", resource=resource) == "M5000"


@pytest.mark.parametrize("action", ["explain_vulnerability", "resolve_vulnerability"])
async def test_only_what_static_analysis_found_is_explained(post: Post, action: ActionName) -> None:
    _add_vulnerability(post, report_type="dependency_scanning")
    resource = post.lab.ref("Vulnerability", "other")
    assert await _failure(post, action, resource=resource) == "M4003"


async def test_a_failed_job_is_looked_into_by_its_log(post: Post) -> None:
    told = await _told(post, "troubleshoot_job", resource=post.lab.ref("Job"))
    assert told == {"job_log": "$ make\nmake: *** 1\n", "job_name": "test", "stage": "check"}


@pytest.mark.parametrize(("status", "trace"), [("success", "fine"), ("failed", " ")])
async def test_a_job_that_is_fine_or_says_nothing(post: Post, status: Any, trace: str) -> None:
    new = JobChange(name="other", stage="check", ref="main", status=status, trace=trace)
    post.lab.found["other"] = post.lab.write(
        lambda session: create_job(session, post.lab.place(session), new, now=NOW)
    )
    resource = post.lab.ref("Job", "other")
    assert await _failure(post, "troubleshoot_job", resource=resource) == "M4005"


async def test_what_is_gone_since_or_closed_is_not_read(post: Post) -> None:
    gone = post.lab.request(post.lab.wish("troubleshoot_job", by="eve", inputs={}))
    with pytest.raises(ActionFailedError) as failed:
        await post.runner(post.running(gone, lambda *_: None))
    assert failed.value.shown_code == "M3003"


async def test_the_parts_of_an_answer_are_heard(post: Post) -> None:
    post.gateway.parts = prompt_parts("It ", "prints.")
    heard: list[str] = []
    request = post.lab.request(post.lab.wish(inputs={"code": "x"}))
    await post.runner(post.running(request, lambda *_: None), on_text=heard.append)
    assert heard == ["It ", "prints."]


def _add_draft(post: Post, user: str, body: str) -> None:
    lab = post.lab
    lab.write(
        lambda session: create_draft_note(
            session, lab.place(session, user), lab.found["MergeRequest"], body=body, now=NOW
        )
    )


def _add_vulnerability(post: Post, **fields: Any) -> None:
    new = VulnerabilityChange(title="Old library", severity="low", **fields)
    post.lab.found["other"] = post.lab.write(
        lambda session: create_vulnerability(session, post.lab.place(session), new, now=NOW)
    )
