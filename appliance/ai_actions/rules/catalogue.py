"""Which actions there are: what each is called, needs, is granted by, and is asked with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from appliance.ai_actions.rules.values import ActionName, ResourceKind

CHAT = "duo_chat"
# What the real instance takes; about twenty thousand words.
MAX_TEXT_CHARS = 100_000
# More than anybody types; prompts take no more either.
MAX_WISH_CHARS = 20_000
MAX_TITLE_CHARS = 2_000
MAX_NAME_CHARS = 1_000
ANY: tuple[ResourceKind, ...] = (
    "Issue",
    "MergeRequest",
    "Project",
    "Group",
    "Job",
    "Vulnerability",
    "User",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One input of an action; a text that is required has more than blanks in it.

    What `is_said` must be there in GraphQL, and may be empty.
    """

    kind: Literal["text", "flag", "number"] = "text"
    is_required: bool = False
    is_said: bool = False
    max_chars: int = MAX_TEXT_CHARS


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One line of the catalogue.

    `unit_primitive` is what the user must have been granted; the flags of its feature guard it.
    `takes` are the kinds of resources that it can be about. `prompt_id` is the gateway's name for
    the prompt; None: a conversation.
    """

    name: ActionName
    graphql_name: str
    unit_primitive: str
    prompt_id: str | None
    takes: tuple[ResourceKind, ...]
    needs_resource: bool = True
    inputs: Mapping[str, Field] = field(default_factory=dict)


_TEXT, _REQUIRED = Field(), Field(is_required=True)
_NAME = Field(max_chars=MAX_NAME_CHARS)
_CODE = {
    "code": _REQUIRED,
    "file_name": _NAME,
    "content_above_cursor": _TEXT,
    "content_below_cursor": _TEXT,
    "question": Field(max_chars=MAX_WISH_CHARS),
}

_LINES = (
    Action(
        name="chat",
        graphql_name="chat",
        unit_primitive=CHAT,
        prompt_id=None,
        takes=ANY,
        needs_resource=False,
        inputs={"content": _REQUIRED},
    ),
    Action(
        name="summarize_comments",
        graphql_name="summarizeComments",
        unit_primitive="summarize_comments",
        prompt_id="chat/summarize_comments",
        takes=("Issue", "MergeRequest"),
    ),
    Action(
        name="explain_code",
        graphql_name="explainCode",
        unit_primitive="explain_code",
        prompt_id="chat/explain_code",
        takes=ANY,
        inputs=_CODE,
    ),
    Action(
        name="write_tests",
        graphql_name="writeTests",
        unit_primitive="write_tests",
        prompt_id="chat/write_tests",
        takes=ANY,
        inputs=_CODE,
    ),
    Action(
        name="refactor_code",
        graphql_name="refactorCode",
        unit_primitive="refactor_code",
        prompt_id="chat/refactor_code",
        takes=ANY,
        inputs=_CODE,
    ),
    Action(
        name="fix_code",
        graphql_name="fixCode",
        unit_primitive="fix_code",
        prompt_id="chat/fix_code",
        takes=ANY,
        inputs=_CODE,
    ),
    Action(
        name="explain_vulnerability",
        graphql_name="explainVulnerability",
        unit_primitive="explain_vulnerability",
        prompt_id="chat/explain_vulnerability",
        takes=("Vulnerability",),
        inputs={"include_source_code": Field(kind="flag")},
    ),
    Action(
        name="resolve_vulnerability",
        graphql_name="resolveVulnerability",
        unit_primitive="resolve_vulnerability",
        prompt_id="resolve_vulnerability",
        takes=("Vulnerability",),
        inputs={"vulnerable_merge_request_id": Field(kind="number")},
    ),
    Action(
        name="generate_commit_message",
        graphql_name="generateCommitMessage",
        unit_primitive="generate_commit_message",
        prompt_id="generate_commit_message",
        takes=("MergeRequest",),
    ),
    Action(
        name="generate_description",
        graphql_name="generateDescription",
        unit_primitive="generate_issue_description",
        prompt_id="generate_description",
        takes=("Issue", "MergeRequest", "Project", "Group"),
        inputs={"content": _REQUIRED, "description_template_name": _NAME},
    ),
    Action(
        name="summarize_review",
        graphql_name="summarizeReview",
        unit_primitive="summarize_review",
        prompt_id="summarize_review",
        takes=("MergeRequest",),
    ),
    Action(
        name="summarize_new_merge_request",
        graphql_name="summarizeNewMergeRequest",
        unit_primitive="summarize_new_merge_request",
        prompt_id="summarize_new_merge_request",
        takes=("Project",),
        inputs={
            "source_branch": Field(is_required=True, max_chars=MAX_NAME_CHARS),
            "target_branch": Field(is_required=True, max_chars=MAX_NAME_CHARS),
            "source_project_id": Field(kind="number"),
        },
    ),
    Action(
        name="description_composer",
        graphql_name="descriptionComposer",
        unit_primitive="fill_in_merge_request_template",
        prompt_id="description_composer",
        takes=("MergeRequest", "Project"),
        inputs={
            "title": Field(is_said=True, max_chars=MAX_TITLE_CHARS),
            "description": Field(is_said=True),
            "user_prompt": Field(is_required=True, max_chars=MAX_WISH_CHARS),
            "previous_response": _TEXT,
            "source_branch": _NAME,
            "source_project_id": Field(kind="number"),
            "target_branch": _NAME,
        },
    ),
    Action(
        name="measure_comment_temperature",
        graphql_name="measureCommentTemperature",
        unit_primitive="measure_comment_temperature",
        prompt_id="measure_comment_temperature",
        takes=("Issue", "MergeRequest", "Project", "Group"),
        inputs={"content": _REQUIRED},
    ),
    Action(
        name="troubleshoot_job",
        graphql_name="troubleshootJob",
        unit_primitive="troubleshoot_job",
        prompt_id="chat/troubleshoot_job",
        takes=("Job",),
    ),
)
ACTIONS: Mapping[ActionName, Action] = {each.name: each for each in _LINES}
