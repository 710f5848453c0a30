"""What a gateway's definitions of its models say, once they are read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.contract.catalog import ReleaseState

NOT_SERVED = "No endpoint is bound to it at the gateway, so it is not served here."


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in a document that contradicts itself or cannot be used; the rest holds.

    `entry` is its place in the document, `identifier` the model that it is about and `feature` the
    catalogue's name of the feature, where there is one.
    """

    entry: str
    code: str
    sentence: str
    identifier: str | None = None
    feature: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As it is kept and shown."""
        return {
            "entry": self.entry,
            "code": self.code,
            "sentence": self.sentence,
            "identifier": self.identifier,
            "feature": self.feature,
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "Problem":
        """The same from what was kept."""
        return cls(
            entry=kept["entry"],
            code=kept["code"],
            sentence=kept["sentence"],
            identifier=kept["identifier"],
            feature=kept["feature"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A model as a document defines it; the three sets are names of features.

    Of `features` none is in `beta_for`, and each of `default_for` is in one of the two.
    """

    ref: str
    name: str
    provider: str
    family: str | None
    release_state: ReleaseState
    description: str | None
    cost_indicator: str | None
    context_tokens: int | None
    is_served: bool
    features: frozenset[str]
    beta_for: frozenset[str]
    default_for: frozenset[str]

    @property
    def why_unusable(self) -> str | None:
        """A sentence; None when it can be used."""
        return None if self.is_served else NOT_SERVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Of what a document does not say clearly enough to take anything away.

    `models` are keys of refs that it names and does not define, `features` those of which a part
    cannot be read, `defaults` those whose default is not defined, `features_of` keys of models
    whose features cannot be read. `any_model`: an entry does not even say which model it means.
    """

    models: frozenset[str] = frozenset()
    features: frozenset[str] = frozenset()
    defaults: frozenset[str] = frozenset()
    features_of: frozenset[str] = frozenset()
    any_model: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A document that was read; the refs of `offers` differ by more than case and separators."""

    offers: tuple[Offer, ...]
    problems: tuple[Problem, ...] = ()
    unread: Unread = field(default_factory=Unread)
