"""When a gateway's definitions are read again, and what a reading changes."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from appliance.model_selection.rules.definitions import Offer, Problem, Reading, Unread
from appliance.model_selection.rules.pool import OfferedModel
from gateway.contract.selection import Feature, ref_key

# The second try; each one after that waits twice as long, up to the interval.
FIRST_BACK_OFF = timedelta(seconds=5)
# Instances that were started together do not ask together for ever.
JITTER = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """The last look at the definitions of the gateway at `source`; `failures` in a row.

    `failure` is a sentence, None when the last look succeeded; `problems` are of the last document
    that could be read.
    """

    source: str
    tried_at: datetime
    succeeded_at: datetime | None
    failures: int
    due_at: datetime
    failure: str | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What came of asking the gateway at `source`: a reading, or why there is none."""

    source: str
    reading: Reading | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a reading makes of the models that were offered before.

    Of `changed` and `returned` each comes with what it was.
    """

    added: tuple[Offer, ...] = ()
    changed: tuple[tuple[OfferedModel, Offer], ...] = ()
    returned: tuple[tuple[OfferedModel, Offer], ...] = ()
    retired: tuple[OfferedModel, ...] = ()
    deleted: tuple[OfferedModel, ...] = ()

    @property
    def respelled(self) -> Mapping[str, str]:
        """The new refs by the old ones, of models whose ref is only written in another way."""
        pairs = (*self.changed, *self.returned)
        return {model.ref: offer.ref for model, offer in pairs if model.ref != offer.ref}

    @property
    def counts(self) -> dict[str, int]:
        """How many of each."""
        return {name: len(getattr(self, name)) for name in self.__slots__}

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return any(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What taking over a look comes to, as things stood after the change of number `sequence`.

    `before` and `after` are what the instance says of each feature, in the refs that models have
    after the changes. Without a reading, nothing but `look` is said.
    """

    look: Look
    sequence: int = 0
    problems: tuple[Problem, ...] = ()
    changes: Changes = Changes()
    before: Mapping[str, Feature] = field(default_factory=dict)
    after: Mapping[str, Feature] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a look came to; without a `failure`, `changes` counts what was done."""

    state: SyncState
    changes: Mapping[str, int]


def is_due(state: SyncState | None, source: str, *, now: datetime) -> bool:
    """Whether the gateway at `source` is to be asked now; another one than before always is."""
    return state is None or state.source != source or now >= state.due_at


def wait(failures: int, interval: timedelta, *, chance: float) -> timedelta:
    """How long until the next look after so many failures in a row; `chance` is from 0 to 1."""
    # Beyond so many doublings it is the interval anyway.
    backed_off = FIRST_BACK_OFF * 2 ** min(failures - 1, 30) if failures else interval
    return min(backed_off, interval) * (1 - JITTER * chance)


def without_clashes(reading: Reading, registered: Iterable[str]) -> Reading:
    """The reading without models whose ref one has that is registered here; those hold."""
    taken = {ref_key(ref): ref for ref in registered}
    problems = [
        Problem(
            entry="",
            code="ref_taken",
            sentence=(
                f"The model {offer.ref} is not offered: the self-hosted model "
                f"{taken[ref_key(offer.ref)]} has that ref, but for case and separators."
            ),
            identifier=offer.ref,
        )
        for offer in reading.offers
        if ref_key(offer.ref) in taken
    ]
    if not problems:
        return reading
    offers = tuple(offer for offer in reading.offers if ref_key(offer.ref) not in taken)
    return replace(reading, offers=offers, problems=(*reading.problems, *problems))


def changes_by(
    reading: Reading, stored: Sequence[OfferedModel], *, named: Container[str]
) -> Changes:
    """What the reading changes; `named` are refs that a setting or a choice names.

    Nothing is taken away by what the document does not say clearly enough.
    """
    known = {ref_key(model.ref): model for model in stored}
    merged = _with_what_was(reading, known)
    with_default = {feature for offer in merged.values() for feature in offer.default_for}
    pairs = [(known[key], offer) for key, offer in merged.items() if key in known]
    losing: list[tuple[OfferedModel, Offer]] = []
    missing: list[OfferedModel] = []
    for key, model in known.items():
        if key not in merged:
            if _is_kept(model, reading.unread):
                # But not as the default of what has another by now.
                was = as_offer(model)
                losing.append((model, replace(was, default_for=was.default_for - with_default)))
            else:
                missing.append(model)
    return Changes(
        added=tuple(offer for key, offer in merged.items() if key not in known),
        changed=tuple(
            (model, offer)
            for model, offer in (*pairs, *losing)
            if model.retired_at is None and as_offer(model) != offer
        ),
        returned=tuple(pair for pair in pairs if pair[0].retired_at is not None),
        retired=tuple(
            model for model in missing if model.retired_at is None and model.ref in named
        ),
        deleted=tuple(model for model in missing if model.ref not in named),
    )


def after_changes(stored: Sequence[OfferedModel], changes: Changes) -> list[OfferedModel | Offer]:
    """What is offered after the changes; models that were there keep the ref that they had."""
    gone = {model.id for model in (*changes.retired, *changes.deleted)}
    pairs = (*changes.changed, *changes.returned)
    new = {model.id: replace(offer, ref=model.ref) for model, offer in pairs}
    left = [new.get(model.id, model) for model in stored if model.id not in gone]
    return [*left, *changes.added]


def _is_kept(model: OfferedModel, unread: Unread) -> bool:
    return model.retired_at is None and (unread.any_model or ref_key(model.ref) in unread.models)


def _with_what_was(reading: Reading, known: Mapping[str, OfferedModel]) -> dict[str, Offer]:
    """The offers by the keys of their refs, with what was of features that cannot be read."""
    unread = reading.unread
    with_default = {feature for offer in reading.offers for feature in offer.default_for}
    merged = {}
    for offer in reading.offers:
        key = ref_key(offer.ref)
        was = known.get(key)
        if was is None:
            merged[key] = offer
            continue
        all_of_it = was.features | was.beta_for if key in unread.features_of else frozenset[str]()
        open_features = unread.features | all_of_it
        features = offer.features | (was.features & open_features)
        beta_for = (offer.beta_for | (was.beta_for & open_features)) - features
        open_defaults = (open_features | unread.defaults) & (features | beta_for)
        merged[key] = replace(
            offer,
            features=features,
            beta_for=beta_for,
            default_for=offer.default_for | ((was.default_for & open_defaults) - with_default),
        )
    return merged


def as_offer(model: OfferedModel) -> Offer:
    """What a document would have to say of the model to change nothing."""
    return Offer(
        ref=model.ref,
        name=model.name,
        provider=model.provider,
        family=model.family,
        release_state=model.release_state,
        description=model.description,
        cost_indicator=model.cost_indicator,
        context_tokens=model.context_tokens,
        is_served=model.is_served,
        features=model.features,
        beta_for=model.beta_for,
        default_for=model.default_for,
    )
