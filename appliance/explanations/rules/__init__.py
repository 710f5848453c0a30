"""Why something is permitted or refused: the question, the checks in order, the answer."""

from appliance.explanations.rules.decisions import (
    RETENTION,
    Recollection,
    RecordedDecision,
    problem_of,
    recorded,
)
from appliance.explanations.rules.judging import CHECK_NAMES, asked_unit_primitive, explain
from appliance.explanations.rules.values import (
    AskedModel,
    Check,
    Explanation,
    Facts,
    Question,
    Selection,
)

__all__ = [
    "CHECK_NAMES",
    "RETENTION",
    "AskedModel",
    "Check",
    "Explanation",
    "Facts",
    "Question",
    "Recollection",
    "RecordedDecision",
    "Selection",
    "asked_unit_primitive",
    "explain",
    "problem_of",
    "recorded",
]
