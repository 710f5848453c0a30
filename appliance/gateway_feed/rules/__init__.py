"""Checks a gateway's assertion; builds, seals and signs the documents that it reads."""

from appliance.gateway_feed.rules.assertions import (
    AcceptedAssertion,
    check_assertion,
    claimed_gateway,
    is_answered,
)
from appliance.gateway_feed.rules.documents import (
    NOTHING_NEW,
    Course,
    Parts,
    Position,
    build_document,
    sign_document,
)
from appliance.gateway_feed.rules.folding import (
    REMEMBERED_FOR,
    REVOKING,
    Touched,
    fold,
    touched,
)
from appliance.gateway_feed.rules.gateways import (
    Gateway,
    check_name,
    decode_raw_key,
    encode,
    gateway_id,
    is_usable_key,
    state_of_model,
)
from appliance.gateway_feed.rules.reports import (
    MAX_EPOCH,
    MAX_SEQUENCE,
    own_kids,
    parse_batch,
    parse_report,
    reported_skew_ms,
)
from appliance.gateway_feed.rules.sealing import seal_api_key

__all__ = [
    "MAX_EPOCH",
    "MAX_SEQUENCE",
    "NOTHING_NEW",
    "REMEMBERED_FOR",
    "REVOKING",
    "AcceptedAssertion",
    "Course",
    "Gateway",
    "Parts",
    "Position",
    "Touched",
    "build_document",
    "check_assertion",
    "check_name",
    "claimed_gateway",
    "decode_raw_key",
    "encode",
    "fold",
    "gateway_id",
    "is_answered",
    "is_usable_key",
    "own_kids",
    "parse_batch",
    "parse_report",
    "reported_skew_ms",
    "seal_api_key",
    "sign_document",
    "state_of_model",
    "touched",
]
