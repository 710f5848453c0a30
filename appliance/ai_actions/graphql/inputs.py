"""What each action is given, as GraphQL has it, and what of it the action itself gets."""

from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from appliance.ai_actions.errors import OneActionError
from appliance.ai_actions.graphql.ids import (
    AiCatalogItemVersionID,
    AiConversationThreadID,
    AiModelID,
    MergeRequestID,
)
from appliance.ai_actions.graphql.names import (
    AiAdditionalContextCategory,
    AiConversationsThreadsConversationType,
)
from appliance.ai_actions.rules import ActionName
from appliance.ai_actions.rules.catalogue import ACTIONS
from appliance.fields.global_ids import NamespaceID, ProjectID


@strawberry.input(description="The file that is open, and what is selected in it")
class AiCurrentFileInput:
    """What an editor shows."""

    file_name: str
    selected_text: str
    content_above_cursor: str | None = UNSET
    content_below_cursor: str | None = UNSET


@strawberry.input(description="Something that is added to a question")
class AiAdditionalContextInput:
    """Something that is added to a question."""

    category: AiAdditionalContextCategory
    id: str
    content: str
    metadata: JSON | None = UNSET


@strawberry.input(description="A question in a conversation")
class AiChatInput:
    """There are no agents here, so `agentVersionId` means nothing."""

    content: str
    resource_id: AiModelID | None = UNSET
    namespace_id: NamespaceID | None = UNSET
    agent_version_id: AiCatalogItemVersionID | None = UNSET
    current_file: AiCurrentFileInput | None = UNSET
    additional_context: list[AiAdditionalContextInput] | None = UNSET


@strawberry.input(description="What is said on an issue or a merge request")
class AiSummarizeCommentsInput:
    """Nothing but where it was said."""

    resource_id: AiModelID


@strawberry.input
class _AiCodeInput:
    resource_id: AiModelID
    code: str
    file_name: str | None = UNSET
    content_above_cursor: str | None = UNSET
    content_below_cursor: str | None = UNSET
    question: str | None = UNSET


@strawberry.input(description="Code that is to be explained, and where it is shown")
class AiExplainCodeInput(_AiCodeInput):
    """Code and what is around it."""


@strawberry.input(description="Code that is to be tested, and where it is shown")
class AiWriteTestsInput(_AiCodeInput):
    """Code and what is around it."""


@strawberry.input(description="Code that is to be restructured, and where it is shown")
class AiRefactorCodeInput(_AiCodeInput):
    """Code and what is around it."""


@strawberry.input(description="Code that is to be corrected, and where it is shown")
class AiFixCodeInput(_AiCodeInput):
    """Code and what is around it."""


@strawberry.input(description="A vulnerability that is to be explained")
class AiExplainVulnerabilityInput:
    """Whether the source around it is told to the model as well."""

    resource_id: AiModelID
    include_source_code: bool | None = UNSET


@strawberry.input(description="A vulnerability that is to be mended")
class AiResolveVulnerabilityInput:
    """Nothing is changed, so the merge request means nothing yet."""

    resource_id: AiModelID
    vulnerable_merge_request_id: MergeRequestID | None = UNSET


@strawberry.input(description="A merge request whose commit message is wanted")
class AiGenerateCommitMessageInput:
    """Nothing but the merge request."""

    resource_id: AiModelID


@strawberry.input(description="A description that is to be written from a few words")
class AiGenerateDescriptionInput:
    """What it is to say, and the template that it follows."""

    resource_id: AiModelID
    content: str
    description_template_name: str | None = UNSET


@strawberry.input(description="A merge request whose own review is to be summarised")
class AiSummarizeReviewInput:
    """What who asks has written and not published yet."""

    resource_id: AiModelID


@strawberry.input(description="Two branches whose merge request is to be summarised")
class AiSummarizeNewMergeRequestInput:
    """The resource is the project of the target branch."""

    resource_id: AiModelID
    source_branch: str
    target_branch: str
    source_project_id: ProjectID | None = UNSET


@strawberry.input(description="A merge request's description that is to be written")
class AiDescriptionComposerInput:
    """What is there already, and what the user wants of it."""

    resource_id: AiModelID
    title: str
    description: str
    user_prompt: str
    previous_response: str | None = UNSET
    source_branch: str | None = UNSET
    source_project_id: ProjectID | None = UNSET
    target_branch: str | None = UNSET


@strawberry.input(description="A comment whose tone is to be judged")
class AiMeasureCommentTemperatureInput:
    """A comment, and where it is to stand."""

    resource_id: AiModelID
    content: str


@strawberry.input(description="A job that failed")
class AiTroubleshootJobInput:
    """Nothing but the job."""

    resource_id: AiModelID


@strawberry.input(description="Exactly one action, and where its answer goes")
class AiActionInput:
    """Each action is a field under its name in the catalogue."""

    chat: AiChatInput | None = UNSET
    summarize_comments: AiSummarizeCommentsInput | None = UNSET
    explain_code: AiExplainCodeInput | None = UNSET
    write_tests: AiWriteTestsInput | None = UNSET
    refactor_code: AiRefactorCodeInput | None = UNSET
    fix_code: AiFixCodeInput | None = UNSET
    explain_vulnerability: AiExplainVulnerabilityInput | None = UNSET
    resolve_vulnerability: AiResolveVulnerabilityInput | None = UNSET
    generate_commit_message: AiGenerateCommitMessageInput | None = UNSET
    generate_description: AiGenerateDescriptionInput | None = UNSET
    summarize_review: AiSummarizeReviewInput | None = UNSET
    summarize_new_merge_request: AiSummarizeNewMergeRequestInput | None = UNSET
    description_composer: AiDescriptionComposerInput | None = UNSET
    measure_comment_temperature: AiMeasureCommentTemperatureInput | None = UNSET
    troubleshoot_job: AiTroubleshootJobInput | None = UNSET
    client_subscription_id: str | None = UNSET
    conversation_type: AiConversationsThreadsConversationType | None = UNSET
    thread_id: AiConversationThreadID | None = UNSET
    platform_origin: str | None = UNSET
    project_id: ProjectID | None = UNSET
    root_namespace_id: NamespaceID | None = UNSET
    client_mutation_id: str | None = UNSET


# Said beside the action's own inputs, not among them.
_ABOUT = {"resource_id", "namespace_id", "agent_version_id"}


def chosen_action(asked: AiActionInput) -> tuple[ActionName, Any]:
    """The one action that is asked for, with its input object.

    Raises:
        OneActionError: there is none, or more than one.
    """
    named = [(name, given) for name in ACTIONS if (given := getattr(asked, name))]
    if len(named) != 1:
        raise OneActionError
    return named[0]


def own_inputs(given: object) -> dict[str, Any]:
    """What an input object gives the action itself, as JSON can carry it; without what is null."""
    return {name: value for name, value in _plain(given).items() if name not in _ABOUT}


def _plain(given: object) -> dict[str, Any]:
    fields = strawberry.types.get_object_definition(given, strict=True).fields
    said = ((each.python_name, getattr(given, each.python_name)) for each in fields)
    return {name: _value(each) for name, each in said if each is not None and each is not UNSET}


def _value(given: Any) -> Any:
    if isinstance(given, AiAdditionalContextCategory):
        return given.value
    if isinstance(given, list):
        return [_value(each) for each in given]
    return _plain(given) if strawberry.types.has_object_definition(given) else given
