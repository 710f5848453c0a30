"""What can go wrong with a query as a whole."""

from appliance.errors import ApplianceError


class QueryTooLargeError(ApplianceError):
    """It asks for more than is answered at once; `measure` names what there is too much of."""

    code = "query_too_large"

    def __init__(self, measure: str, *, found: int, allowed: int) -> None:
        super().__init__(
            f"The query has a {measure} of {found}, but {allowed} is the most that is answered; "
            "ask for less at once."
        )
        self.measure = measure


class QueryTooNestedError(ApplianceError):
    """Its text is nested so deeply that it is not even read."""

    code = "query_too_large"

    def __init__(self) -> None:
        super().__init__("The query is nested too deeply to be read; ask for less at once.")


class OperationUnknownError(ApplianceError):
    """It has no operation of the name that was given, or several and no name."""

    code = "operation_unknown"

    def __init__(self) -> None:
        super().__init__(
            "The query has no operation of that name; with several in it, `operationName` must "
            "name one."
        )


class FieldWithoutAccessError(ApplianceError):
    """A field of the query or mutation does not say whom it is open to."""

    code = "field_without_access"

    def __init__(self, name: str) -> None:
        super().__init__(f"The field {name} does not say whom it is open to.")


class SubscriptionNeedsStreamError(ApplianceError):
    """A subscription was asked for in a way that has one answer only."""

    code = "subscription_needs_stream"

    def __init__(self) -> None:
        super().__init__(
            "A subscription has many answers: ask with `Accept: text/event-stream`, or over a "
            "WebSocket at /api/graphql or /-/cable."
        )


class LineOverError(ApplianceError):
    """A socket has ended, or takes nothing any more; all that was going on over it ends too."""

    code = "line_over"

    def __init__(self) -> None:
        super().__init__("The connection has ended.")
