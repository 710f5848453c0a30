"""Explanations in GraphQL."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

import strawberry

from appliance.accounts.rules import Access
from appliance.errors import InvalidFieldsError
from appliance.explanations import usecases
from appliance.explanations.rules import Check, Explanation, Question, Recollection
from appliance.fields.global_ids import NamespaceID, ProjectID, UserID
from appliance.fields.resolving import Info, field


@strawberry.enum(name="AiExplanationVerdict", description="What an answer would be")
class Verdict(Enum):
    """What an answer would be; `UNKNOWN`: nobody can say right now."""

    PERMITTED = "permitted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@strawberry.enum(name="AiExplanationCheckState", description="What came of a check")
class CheckState(Enum):
    """What came of a check; `NOT_REACHED`: an earlier one decided."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_REACHED = "not_reached"


@strawberry.type(description="One condition; the first that did not pass decides")
class AiExplanationCheck:
    """A check; `change` says what would alter it, and where."""

    name: str
    state: CheckState
    sentence: str
    change: str | None


@strawberry.type(description="A refusal that a gateway told")
class AiDecision:
    """A refusal, and whether the same would be refused now; None when nobody can say."""

    decision_id: str
    happened_at: datetime
    user_id: UserID | None
    namespace_id: NamespaceID | None
    code: str
    unit_primitive: str
    provider: str | None
    model: str | None
    would_still_be_refused: bool | None
    note: str | None


@strawberry.type(description="Whether somebody may do something, and what decides")
class AiExplanation:
    """An answer; `decision` is there when one was asked about.

    `model` is the one that is named, or that would be used; `ai_action_code` is what a user of an
    AI action is shown.
    """

    verdict: Verdict
    code: str | None
    ai_action_code: str | None
    unit_primitive: str
    model: str | None
    checks: list[AiExplanationCheck]
    decision: AiDecision | None


@strawberry.type
class ExplanationsQuery:
    """What can be asked about permissions."""

    @field(
        description="Whether a user, by default who asks, may use a feature or unit primitive; "
        "or, with `decisionId` alone, why a request was refused and whether it would be now",
        access=Access.API,
    )
    def ai_explanation(  # noqa: PLR0913  # each is an argument of the field
        self,
        info: Info,
        *,
        user_id: UserID | None = strawberry.UNSET,
        feature: str | None = strawberry.UNSET,
        unit_primitive: str | None = strawberry.UNSET,
        namespace_id: NamespaceID | None = strawberry.UNSET,
        project_id: ProjectID | None = strawberry.UNSET,
        model: str | None = strawberry.UNSET,
        address: str | None = strawberry.UNSET,
        decision_id: str | None = strawberry.UNSET,
    ) -> AiExplanation | None:
        """An admin asks about anybody, an owner within the group, everybody about themself."""
        others = (user_id, feature, unit_primitive, namespace_id, project_id, model, address)
        if decision_id:
            if any(others):
                raise InvalidFieldsError({"decisionId": "leave out everything else beside it"})
            return _remembered(info, decision_id)
        question = Question(
            user_id=user_id or info.context.caller.user.id,
            feature=feature or None,
            unit_primitive=unit_primitive or None,
            namespace_id=namespace_id or None,
            project_id=project_id or None,
            model=model or None,
            address=address or None,
        )
        asked = info.context
        return _show(
            asked.read(
                lambda session: usecases.explain(
                    session, asked.caller, question, read_state=asked.read_state, now=asked.now
                )
            )
        )


def _remembered(info: Info, decision_id: str) -> AiExplanation:
    asked = info.context
    found = asked.read(
        lambda session: usecases.explain_decision(
            session, asked.caller, decision_id, read_state=asked.read_state, now=asked.now
        )
    )
    decision = _show_decision(found)
    if found.explanation is not None:
        return _show(found.explanation, decision)
    # Who or what it was about is gone, so nobody can say how the same would be answered now.
    return AiExplanation(
        verdict=Verdict.UNKNOWN,
        code=None,
        ai_action_code=None,
        unit_primitive=decision.unit_primitive,
        model=decision.model,
        checks=[],
        decision=decision,
    )


def _show(explanation: Explanation, decision: AiDecision | None = None) -> AiExplanation:
    return AiExplanation(
        verdict=Verdict(explanation.verdict),
        code=explanation.code,
        ai_action_code=explanation.ai_action_code,
        unit_primitive=explanation.unit_primitive,
        model=explanation.model,
        checks=_show_checks(explanation.checks),
        decision=decision,
    )


def _show_checks(checks: Sequence[Check]) -> list[AiExplanationCheck]:
    return [
        AiExplanationCheck(
            name=check.name,
            state=CheckState(check.state),
            sentence=check.sentence,
            change=check.change,
        )
        for check in checks
    ]


def _show_decision(found: Recollection) -> AiDecision:
    decision = found.decision
    return AiDecision(
        decision_id=decision.decision_id,
        happened_at=decision.happened_at,
        user_id=None if decision.user_id is None else UserID(decision.user_id),
        namespace_id=None if decision.namespace_id is None else NamespaceID(decision.namespace_id),
        code=decision.code,
        unit_primitive=decision.unit_primitive,
        provider=decision.provider,
        model=decision.model,
        would_still_be_refused=found.would_still_be_refused,
        note=found.note,
    )
