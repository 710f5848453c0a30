"""What a gateway says of the models that it brings, read entry by entry."""

from appliance.model_selection.rules.definitions.feature_names import features_named
from appliance.model_selection.rules.definitions.features import UNLISTED
from appliance.model_selection.rules.definitions.reading import read_definitions
from appliance.model_selection.rules.definitions.values import (
    NOT_SERVED,
    Offer,
    Problem,
    Reading,
    Unread,
)
from gateway.contract.definitions import MAX_DOCUMENT_BYTES

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "NOT_SERVED",
    "UNLISTED",
    "Offer",
    "Problem",
    "Reading",
    "Unread",
    "features_named",
    "read_definitions",
]
