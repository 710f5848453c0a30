"""The documents that the instance feeds to a gateway, and what the gateway reports back.

The gateway holds `STREAM_PATH` open; it names where it stands as `?epoch=E&sequence=S`, or nothing
at first. The answer is `application/x-ndjson`: one `SignedFeed` a line, first what is missing (a
snapshot, or the changes since S), then each change as it is made, and a heartbeat at least every
`HEARTBEAT_S`. An instance that is one release older knows only `FEED_PATH`: one snapshot, asked for
every second with `If-None-Match`.

Each request carries an EdDSA assertion (JWT, `kid` = `iss` = `sub` = the gateway's id, `aud` = the
instance's id, a fresh `jti`, at most `ASSERTION_LIFE_S` long) as its Bearer token.
"""

from typing import Literal

import msgspec

from gateway.contract.selection import Feature, Group

FEED_PATH = "/api/v4/ai/gateway_feed"
STREAM_PATH = "/api/v4/ai/gateway_feed/stream"
REPORT_PATH = "/api/v4/ai/gateway_feed/report"
STREAM_TYPE = "application/x-ndjson"
HEARTBEAT_S = 1.0
# A stream that is silent for this long is broken.
SILENCE_S = 5.0
ASSERTION_LIFE_S = 60
ASSERTION_ALGORITHM = "EdDSA"
# An instance takes no report that says more.
MAX_REPORTED_MODELS = 1000

# Domain separation: a feed signature or a sealed key is good for this purpose only.
SIGNATURE_CONTEXT = b"casemate feed document 1\n"
API_KEY_CONTEXT = b"casemate feed api key 1\n"

# What a release understands of `FeedModel.requires` and `FeedDocument.requires`.
ALLOWED_NETWORKS = "allowed_networks"
SELECTIONS = "selections"

ModelState = Literal["ready", "unreachable"]


class FeedModel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model the gateway may forward to.

    `ref` is what a client asks for, `identifier` what the endpoint calls it; `endpoints` are base
    URLs of OpenAI's API (`http://host:port/v1`). `sealed_api_key` is base64url without padding:
    HPKE (X25519, HKDF-SHA256, AES-256-GCM) to the gateway's sealing key, with
    `API_KEY_CONTEXT + ref` as info. `allowed_networks` are the CIDRs of the clients that may use
    it; none: all. A gateway that does not know one of `requires` must refuse the model. It is
    asked `max_in_flight` things at once at most, by each gateway; 0: no limit.
    """

    ref: str
    name: str
    family: str
    provider: str
    identifier: str
    endpoints: tuple[str, ...]
    sealed_api_key: str | None = None
    requires: tuple[str, ...] = ()
    allowed_networks: tuple[str, ...] = ()
    max_in_flight: int = 0


class FeedKey(msgspec.Struct, frozen=True, kw_only=True):
    """The public half of a signing key: RSA, RS256, `n` and `e` as in RFC 7518."""

    kid: str
    n: str
    e: str


class RevokedCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential (claim `cred`) whose tokens count no more; to be remembered until `until`.

    `until` is here and below in seconds since the epoch: no token that is concerned lives longer.
    """

    credential: str
    until: int


class MinimumGeneration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens of `subject` with a lower `gen` are superseded.

    With `ends_streams` answers that are under way end as well: the user is blocked or gone.
    """

    subject: str
    generation: int
    until: int
    ends_streams: bool = False


class DeadKey(msgspec.Struct, frozen=True, kw_only=True):
    """A signing key that is compromised: what it signed counts no more, whoever holds it."""

    kid: str
    until: int


class Revocations(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is revoked; each part only grows until its `until` has passed.

    Tokens with a lower `era` than `minimum_era` are superseded, whoever they are of.
    """

    credentials: tuple[RevokedCredential, ...] = ()
    generations: tuple[MinimumGeneration, ...] = ()
    dead_keys: tuple[DeadKey, ...] = ()
    minimum_era: int = 0


class SwitchedOff(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A feature flag that is off for everyone, and the unit primitives that it closes."""

    flag: str
    unit_primitives: tuple[str, ...] = ()


class FeedDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state that a gateway needs, numbered: within one `epoch`, `sequence` only grows.

    A restored instance starts a higher `epoch`. `since` None: everything; else what changed after
    that number: `models` are new or changed, `removed_models` gone, a None part is as it was. One
    that changes nothing is a heartbeat. `stream` is the `jti` of the assertion that the stream was
    asked with, and None outside of one. `issued_at` is in seconds since the epoch, `clock_ms` the
    same moment in milliseconds. `issuers` are the `iss` that are accepted, the present one first;
    `keys` every published signing key. `features` are all that the instance says something of; None
    in a document of everything: it is a release older, and every model may be named. `groups` are
    new, moved, or choose anew, each whole; `removed_groups` are gone.
    """

    instance_id: str
    gateway_id: str
    epoch: int
    sequence: int
    issued_at: int
    models: tuple[FeedModel, ...] = ()
    requires: tuple[str, ...] = ()
    since: int | None = None
    stream: str | None = None
    clock_ms: int = 0
    removed_models: tuple[str, ...] = ()
    issuers: tuple[str, ...] | None = None
    keys: tuple[FeedKey, ...] | None = None
    revocations: Revocations | None = None
    switched_off: tuple[SwitchedOff, ...] | None = None
    features: tuple[Feature, ...] | None = None
    groups: tuple[Group, ...] = ()
    removed_groups: tuple[int, ...] = ()


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


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a gateway says of itself every few seconds, and at once when it takes over a key.

    `kids` are the signing keys that it can verify with; `clock_ms` is its own clock.
    """

    version: str
    epoch: int
    sequence: int
    models: tuple[ReportedModel, ...]
    kids: tuple[str, ...] = ()
    clock_ms: int = 0
