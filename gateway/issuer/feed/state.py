"""Which documents of the feed may be taken over, and what is known after each."""

import msgspec
from cryptography.exceptions import InvalidSignature

from gateway.contract.feed import SIGNATURE_CONTEXT, FeedDocument, FeedModel, SignedFeed
from gateway.errors import FeedRefusedError
from gateway.issuer.identity import decode
from gateway.issuer.pins import Pin


def read_feed(signed: SignedFeed, *, pin: Pin, gateway_id: str) -> FeedDocument:
    """The document inside, after checking who signed it and for whom.

    Raises:
        FeedRefusedError: not signed by the pinned instance, or meant for another gateway.
    """
    try:
        content = decode(signed.document)
        signature = decode(signed.signature)
        pin.verification_key().verify(signature, SIGNATURE_CONTEXT + content)
        document = msgspec.json.decode(content, type=FeedDocument)
    except InvalidSignature as cause:
        raise FeedRefusedError(reason="the feed's signature is not the instance's") from cause
    except ValueError as cause:
        raise FeedRefusedError(reason=f"the feed cannot be read: {cause}") from cause
    if document.instance_id != pin.instance_id or document.gateway_id != gateway_id:
        raise FeedRefusedError(reason="the feed is from another instance or for another gateway")
    return document


def merged(known: FeedDocument | None, fresh: FeedDocument) -> FeedDocument:
    """All that is known with `fresh`, as a snapshot; revocations and groups are kept elsewhere.

    Raises:
        FeedRefusedError: it is older than what is known, or changes something that is not known.
    """
    if fresh.since is None:
        if known is not None and _position(fresh) < _position(known):
            raise FeedRefusedError(reason="the feed is older than what is known")
        return _bare(fresh)
    if known is None or fresh.epoch != known.epoch or fresh.since != known.sequence:
        raise FeedRefusedError(reason="the change is not to what is known")
    if fresh.sequence < fresh.since:
        raise FeedRefusedError(reason="the change goes back")
    if known.features is None and speaks_of_selections(fresh):
        # The instance was a release older when it said everything, and left out all groups.
        raise FeedRefusedError(reason="the change is to groups that were never told")
    return _bare(
        msgspec.structs.replace(
            fresh,
            models=_merged_models(known, fresh),
            # A restriction of everything cannot be lifted by a document that is about something.
            requires=tuple(dict.fromkeys((*known.requires, *fresh.requires))),
            issuers=known.issuers if fresh.issuers is None else fresh.issuers,
            keys=known.keys if fresh.keys is None else fresh.keys,
            switched_off=known.switched_off if fresh.switched_off is None else fresh.switched_off,
            features=known.features if fresh.features is None else fresh.features,
        )
    )


def _position(document: FeedDocument) -> tuple[int, int]:
    return document.epoch, document.sequence


def _bare(document: FeedDocument) -> FeedDocument:
    return msgspec.structs.replace(
        document,
        since=None,
        stream=None,
        removed_models=(),
        revocations=None,
        groups=(),
        removed_groups=(),
    )


def _merged_models(known: FeedDocument, fresh: FeedDocument) -> tuple[FeedModel, ...]:
    if not fresh.models and not fresh.removed_models:
        return known.models
    gone = set(fresh.removed_models)
    models = {model.ref: model for model in known.models if model.ref not in gone}
    models |= {model.ref: model for model in fresh.models}
    return tuple(models.values())


def speaks_of_selections(document: FeedDocument) -> bool:
    """Whether it says something of features or of groups."""
    return document.features is not None or bool(document.groups or document.removed_groups)


def is_heartbeat(document: FeedDocument) -> bool:
    """Whether it changes nothing and only says that the instance is there."""
    parts = (document.issuers, document.keys, document.revocations, document.switched_off)
    return (
        document.since == document.sequence
        and not (document.models or document.removed_models or document.requires)
        and not speaks_of_selections(document)
        and all(part is None for part in parts)
    )


class Course:
    """The documents of one stream must be its own, and come in the order they were made in.

    `stream` is the `jti` of the assertion that it was asked with.
    """

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._clock_ms = 0
        self._beat_ms = -1

    def check(self, document: FeedDocument) -> None:
        """Passes for the next document of this stream.

        Raises:
            FeedRefusedError: it is of another stream, or came before, or out of order.
        """
        if document.stream != self._stream:
            raise FeedRefusedError(reason="the document is of another stream")
        if document.clock_ms < self._clock_ms:
            raise FeedRefusedError(reason="the document is older than the one before it")
        if is_heartbeat(document):
            # The one document that can be repeated and still fit: it would hide a silence.
            if document.clock_ms <= self._beat_ms:
                raise FeedRefusedError(reason="the heartbeat came before")
            self._beat_ms = document.clock_ms
        self._clock_ms = document.clock_ms
