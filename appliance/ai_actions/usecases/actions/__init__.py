"""What each action tells its prompt; one small class each, joined by `GATHERERS`."""

from collections.abc import Mapping

from appliance.ai_actions.rules import ActionName
from appliance.ai_actions.usecases.actions.code import CodeAction
from appliance.ai_actions.usecases.actions.comments import (
    MeasureCommentTemperature,
    SummarizeComments,
)
from appliance.ai_actions.usecases.actions.descriptions import (
    DescriptionComposer,
    GenerateDescription,
)
from appliance.ai_actions.usecases.actions.jobs import TroubleshootJob
from appliance.ai_actions.usecases.actions.looking import Gatherer, Look, Told
from appliance.ai_actions.usecases.actions.merge_requests import (
    GenerateCommitMessage,
    SummarizeNewMergeRequest,
    SummarizeReview,
)
from appliance.ai_actions.usecases.actions.vulnerabilities import (
    ExplainVulnerability,
    ResolveVulnerability,
)

GATHERERS: Mapping[ActionName, Gatherer] = {
    "summarize_comments": SummarizeComments(),
    "explain_code": CodeAction(),
    "write_tests": CodeAction(),
    "refactor_code": CodeAction(),
    "fix_code": CodeAction(),
    "explain_vulnerability": ExplainVulnerability(),
    "resolve_vulnerability": ResolveVulnerability(),
    "generate_commit_message": GenerateCommitMessage(),
    "generate_description": GenerateDescription(),
    "summarize_review": SummarizeReview(),
    "summarize_new_merge_request": SummarizeNewMergeRequest(),
    "description_composer": DescriptionComposer(),
    "measure_comment_temperature": MeasureCommentTemperature(),
    "troubleshoot_job": TroubleshootJob(),
}

__all__ = ["GATHERERS", "Gatherer", "Look", "Told"]
