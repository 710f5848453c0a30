"""What can go wrong with a request, before it is accepted and while it runs."""

from collections.abc import Mapping
from typing import Any

from appliance.errors import ApplianceError, ForbiddenError, InvalidFieldsError, NotFoundError


class ActionFailedError(ApplianceError):
    """A request ends with a code of the table in `rules.codes`; `facts` fill its sentence."""

    code = "ai_action_failed"

    def __init__(self, shown_code: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"The request failed with {shown_code}.")
        self.shown_code = shown_code
        self.facts = dict(facts or {})


class ActionRefusedError(ForbiddenError):
    """The user may not ask for this; the mutation answers it as a sentence in `errors`.

    `shown_code` is the code of the table that stands in the sentence.
    """

    code = "ai_action_refused"

    def __init__(self, sentence: str, *, shown_code: str) -> None:
        super().__init__(sentence)
        self.shown_code = shown_code


class TooManyRequestsError(ApplianceError):
    """The user asked as often as they may within eight hours."""

    code = "ai_action_rate_limited"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"You have made {limit} AI requests within 8 hours, which is the limit; try again "
            "later, or ask your administrator for a higher one."
        )
        self.limit = limit


class OneActionError(InvalidFieldsError):
    """A mutation names no action, or several."""

    code = "one_action_only"

    def __init__(self) -> None:
        sentence = "Only one method argument is required"
        super().__init__({"input": sentence})
        # Clients of the real system know this sentence as it is.
        self.args = (sentence,)


class ThreadNotFoundError(NotFoundError):
    """No such thread, or another user's."""

    code = "thread_not_found"

    def __init__(self) -> None:
        super().__init__(what="Thread")


class FeatureSwitchedOffError(NotFoundError):
    """A feature flag is off for the user; for them the action is not there at all."""

    code = "ai_feature_switched_off"

    def __init__(self) -> None:
        super().__init__(what="Feature")


class AnotherUsersAnswersError(ForbiddenError):
    """A subscription names a user who is not the one that subscribes."""

    code = "another_users_answers"

    def __init__(self) -> None:
        super().__init__("Answers go only to who asked; `userId` must be your own.")
