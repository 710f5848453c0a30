"""The documents that the instance feeds to a gateway, and what the gateway reports back.

The gateway asks `FEED_PATH` every second with `If-None-Match`. Each request carries an EdDSA
assertion (JWT, `kid` = `iss` = `sub` = the gateway's id, `aud` = the instance's id, a fresh `jti`,
at most `ASSERTION_LIFE_S` long) as its Bearer token. The answer is a `SignedFeed`.
"""

from typing import Literal

import msgspec

FEED_PATH = "/api/v4/ai/gateway_feed"
REPORT_PATH = "/api/v4/ai/gateway_feed/report"
ASSERTION_LIFE_S = 60
ASSERTION_ALGORITHM = "EdDSA"

# Domain separation: a feed signature or a sealed key is good for this purpose only.
SIGNATURE_CONTEXT = b"casemate feed document 1\n"
API_KEY_CONTEXT = b"casemate feed api key 1\n"

ModelState = Literal["ready", "unreachable"]


class FeedModel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model the gateway may forward to.

    `ref` is what a client asks for, `identifier` what the endpoint calls it; `endpoints` are base
    URLs of OpenAI's API (`http://host:port/v1`). `sealed_api_key` is base64url without padding:
    HPKE (X25519, HKDF-SHA256, AES-256-GCM) to the gateway's sealing key, with
    `API_KEY_CONTEXT + ref` as info. A gateway that lacks one of `requires` must refuse the model.
    """

    ref: str
    name: str
    family: str
    provider: str
    identifier: str
    endpoints: tuple[str, ...]
    sealed_api_key: str | None = None
    requires: tuple[str, ...] = ()


class FeedDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The whole state that a gateway needs, numbered: within one `epoch`, `sequence` only grows.

    A restored instance starts a higher `epoch`. `issued_at` is in seconds since the epoch.
    """

    instance_id: str
    gateway_id: str
    epoch: int
    sequence: int
    issued_at: int
    models: tuple[FeedModel, ...]
    requires: tuple[str, ...] = ()


class SignedFeed(msgspec.Struct, frozen=True, kw_only=True):
    """A feed document on the wire; both fields are base64url without padding.

    `document` is the JSON of a `FeedDocument`; `signature` is Ed25519 by the feed key over
    `SIGNATURE_CONTEXT` and the JSON's bytes.
    """

    document: str
    signature: str


class ReportedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway sees of one model."""

    ref: str
    state: ModelState


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway says of itself every few seconds."""

    version: str
    epoch: int
    sequence: int
    models: tuple[ReportedModel, ...]
