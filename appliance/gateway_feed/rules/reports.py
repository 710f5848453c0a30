"""Reads what gateways tell of themselves, and of usage."""

from datetime import datetime

import msgspec

from appliance.gateway_feed.errors import BatchRefusedError, ReportRefusedError
from appliance.gateway_feed.rules.assertions import THUMBPRINT, bounded_skew_ms, is_plain
from gateway.contract import events, feed

# Those of every issuer that a gateway knows; a test rotates every few seconds.
MAX_REPORTED_KIDS = 4096
MAX_EPOCH = 2**31 - 1
MAX_SEQUENCE = 2**63 - 1


def parse_report(body: bytes) -> feed.Report:
    """A gateway's report.

    Raises:
        ReportRefusedError: not JSON of that form, or with values that no gateway has.
    """
    try:
        report = msgspec.json.decode(body, type=feed.Report)
    except msgspec.DecodeError as cause:
        raise ReportRefusedError from cause
    is_possible = (
        is_plain(report.version)
        and 0 <= report.epoch <= MAX_EPOCH
        and 0 <= report.sequence <= MAX_SEQUENCE
        and len(report.models) <= feed.MAX_REPORTED_MODELS
        and all(is_plain(model.ref) for model in report.models)
        and len(report.kids) <= MAX_REPORTED_KIDS
        and 0 <= report.clock_ms <= MAX_SEQUENCE
    )
    if not is_possible:
        raise ReportRefusedError
    return report


def own_kids(report: feed.Report) -> list[str]:
    """The signing keys of a report that can be ours: a gateway may know those of others too."""
    return sorted({kid for kid in report.kids if THUMBPRINT.fullmatch(kid)})


def reported_skew_ms(report: feed.Report, *, now: datetime, otherwise: int) -> int:
    """How far the gateway's clock is ahead; `otherwise` when its release does not tell."""
    return bounded_skew_ms(report.clock_ms, now=now) if report.clock_ms else otherwise


def parse_batch(body: bytes) -> events.Batch:
    """What a gateway tells of usage and refusals; each entry is judged where it is counted.

    Raises:
        BatchRefusedError: not JSON of that form, or too much at once.
    """
    try:
        batch = msgspec.json.decode(body, type=events.Batch)
    except msgspec.DecodeError as cause:
        raise BatchRefusedError from cause
    if max(len(batch.events), len(batch.decisions)) > events.MAX_BATCH_EVENTS:
        raise BatchRefusedError
    return batch
